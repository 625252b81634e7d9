package ingress

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// GroupID names an Ingress group: one load balancer. An explicit group
// (annotation group.name) has no namespace; an Ingress without one is a group of
// its own.
type GroupID struct {
	Namespace string
	Name      string
}

// String returns what stands in the tag ingress.k8s.aws/stack and goes into the
// name hashes: "name" for an explicit group, "namespace/name" otherwise.
func (g GroupID) String() string {
	if g.Namespace == "" {
		return g.Name
	}
	return g.Namespace + "/" + g.Name
}

// Explicit reports whether the group was named by annotation.
func (g GroupID) Explicit() bool { return g.Namespace == "" }

// Model is what AWS should hold for one Ingress group. It refers to nothing by
// ARN: provision resolves keys when it acts.
type Model struct {
	Group GroupID
	// LoadBalancer is nil when the group has no active member: everything goes
	// (unless Hold is set).
	LoadBalancer *LoadBalancer
	// Hold is set when every active member is bad and nobody leaves: what stands is
	// left as it is.
	Hold bool
	// TargetGroups by resource ID ("namespace/ingress-service:port").
	TargetGroups map[string]*TargetGroup
	// Problems are the members' faults. They never keep the other members from
	// being served.
	Problems []Problem
}

// LoadBalancer is the desired load balancer of a group with all it listens on.
type LoadBalancer struct {
	Name          string // to create it with; one that stands is found by its tags
	Scheme        string // internet-facing, internal
	IPAddressType string // ipv4
	Tags          map[string]string
	SecurityGroup SecurityGroup
	Listeners     []Listener // by port, ascending
}

// SecurityGroup is the managed front-end security group of a load balancer.
type SecurityGroup struct {
	Name        string
	Description string
	Tags        map[string]string
	Ingress     []Permission
}

// Permission opens one port to one CIDR.
type Permission struct {
	Port   int32
	CIDR   string // set for IPv4
	CIDRv6 string // set for IPv6
}

// Listener is one port of the load balancer.
type Listener struct {
	Port          int32
	Protocol      string // HTTP
	Tags          map[string]string
	DefaultAction Action
	Rules         []Rule // in order of priority, 1..N
}

// Rule is one routing rule.
type Rule struct {
	Priority   int32
	Conditions []Condition
	Action     Action
	Tags       map[string]string
}

// Condition matches when one of its values does.
type Condition struct {
	Field  string // host-header, path-pattern
	Values []string
}

// Action is either a forward to one target group or a fixed response.
type Action struct {
	TargetGroup   string // a key of Model.TargetGroups, or "" for a fixed response
	FixedResponse *FixedResponse
}

// FixedResponse is answered by the load balancer itself.
type FixedResponse struct {
	StatusCode  int
	ContentType string
	MessageBody string
}

// TargetGroup is the desired target group of one Ingress backend.
type TargetGroup struct {
	ID              string // "namespace/ingress-service:port", also the tag ingress.k8s.aws/resource
	Name            string
	Port            int32  // the numeric targetPort, or 1 for a named one
	Protocol        string // HTTP
	ProtocolVersion string // HTTP1
	TargetType      string // ip
	IPAddressType   string // ipv4
	HealthCheck     HealthCheck
	Tags            map[string]string
	Service         types.NamespacedName
	ServicePort     intstr.IntOrString // as the Ingress names it
	// Kept marks a group that belongs to a bad member and stands today: only ID,
	// Service and ServicePort are known. It is neither changed nor deleted, and its
	// targets are still synced.
	Kept bool
}

// HealthCheck is how the load balancer asks a target.
type HealthCheck struct {
	Protocol           string
	Port               string // a number or traffic-port
	Path               string
	IntervalSeconds    int32
	TimeoutSeconds     int32
	HealthyThreshold   int32
	UnhealthyThreshold int32
	Matcher            string
}

// Problem is one fault of one member, worded for its owner: it names the object
// and the field.
type Problem struct {
	Ingress types.NamespacedName
	Reason  string // one of the Reason constants
	Field   string // annotation key or field path
	Message string
	// Blocking keeps the member out of the model: what stands of it is kept, what
	// it asks for now is not done. Any other problem is a warning, and the member is
	// served.
	Blocking bool
}

// StandingRule is a rule as AWS holds it today. Build reads it only for bad
// members, whose last good rules are kept.
type StandingRule struct {
	Port          int32 // of the listener
	Priority      int32 // 0 is the listener's default action
	Conditions    []Condition
	TargetGroup   string // resource ID by the target group's tag, "" if none
	FixedResponse *FixedResponse
}
