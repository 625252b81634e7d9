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
	Name string // to create it with; one that stands is found by its tags
	// NameFixed says that the name is a user's, and that of every scheme.
	NameFixed     bool
	Scheme        string // internet-facing, internal
	IPAddressType string // ipv4, dualstack, dualstack-without-public-ipv4
	Tags          map[string]string
	// Attributes are those that somebody named. The others stay as they are.
	Attributes     map[string]string
	SecurityGroups SecurityGroups
	Subnets        Subnets
	Listeners      []Listener // by port, ascending
}

// SecurityGroups are those of a load balancer: the managed one, or those that were
// named.
type SecurityGroups struct {
	Managed *SecurityGroup // nil if Named has any
	Named   []string       // IDs (sg-...) and values of the tag Name, in order
	// Backend attaches the cluster's backend security group, too, from which the
	// targets are reached.
	Backend bool
}

// SecurityGroup is the managed front-end security group of a load balancer.
type SecurityGroup struct {
	Name        string
	Description string
	Tags        map[string]string
	Ingress     []Permission
}

// Permission opens one port to one source: one of the others is set.
type Permission struct {
	Port       int32
	CIDR       string // IPv4
	CIDRv6     string // IPv6
	PrefixList string // pl-...
}

// Subnets say where a load balancer stands. If nothing is set, the subnets are
// discovered.
type Subnets struct {
	Named []string // IDs (subnet-...) and values of the tag Name
	// Tags select the subnets that have, of each key, one of the values; no values: any.
	Tags map[string][]string
}

// Listener is one port of the load balancer.
type Listener struct {
	Port          int32
	Protocol      string // HTTP, HTTPS
	Tags          map[string]string
	SSLPolicy     string   // of HTTPS
	Certificates  []string // ARNs, of HTTPS; the first is the default one
	Attributes    map[string]string
	DefaultAction Action
	Rules         []Rule // in order of priority, 1..N
	// Kept marks a listener that stands and that bad members alone know of: Rules are
	// brought about, and the rest stays as it is.
	Kept bool
}

// Rule is one routing rule.
type Rule struct {
	Priority   int32
	Conditions []Condition
	Action     Action
	Tags       map[string]string
	// Standing is the ARN of a rule that stands and is kept: its conditions and actions
	// stay as they are in AWS, whatever they are. Its place may change.
	Standing string
}

// Condition matches when one of its values does.
type Condition struct {
	Field   string       // host-header, path-pattern, http-header, http-request-method, query-string, source-ip
	Header  string       // the name, of http-header
	Values  []string     // of all but query-string
	Queries []QueryValue // of query-string
}

// QueryValue matches one parameter of the query.
type QueryValue struct {
	Key   string // "": any
	Value string
}

// Action is a forward, a redirect or a fixed response.
type Action struct {
	Forward       []Share
	StickySeconds int32 // how long a client stays with its share; 0: not at all
	Redirect      *Redirect
	FixedResponse *FixedResponse
}

// Share is the part of the requests that one target group gets. One of TargetGroup,
// ARN and Name is set.
type Share struct {
	TargetGroup string // a key of Model.TargetGroups
	ARN         string // a target group of somebody else
	Name        string // a target group of somebody else
	Weight      int32
}

// Redirect sends the client elsewhere. #{protocol}, #{host}, #{port}, #{path} and
// #{query} stand for what was asked for; all fields are set.
type Redirect struct {
	StatusCode string // HTTP_301, HTTP_302
	Protocol   string
	Host       string
	Port       string
	Path       string
	Query      string
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
	Protocol        string // HTTP, HTTPS
	ProtocolVersion string // HTTP1, HTTP2, GRPC
	TargetType      string // ip
	IPAddressType   string // ipv4
	HealthCheck     HealthCheck
	// Attributes are those that somebody named. The others stay as they are.
	Attributes map[string]string
	Tags       map[string]string
	// MultiCluster says that other clusters have targets in the group, too.
	MultiCluster bool
	// Ports are to be reached from the backend security group: the targets' and that of
	// their health checks. A number, or the name of a port of the pods. Nil: tgsync does
	// not see to it.
	Ports []intstr.IntOrString
	// AllPorts stands for all of TCP in the place of Ports.
	AllPorts    bool
	Service     types.NamespacedName
	ServicePort intstr.IntOrString // as the Ingress names it
	// Kept marks a group that belongs to a bad member and stands today: only ID,
	// Service, ServicePort and MultiCluster are known. It is neither changed nor deleted, and its
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

// Standing is what AWS holds of a group today. Build looks at it only for bad members,
// of which it is kept, and where what they say cannot be read. Its zero value is a
// group of which nothing stands.
type Standing struct {
	Scheme        string // of the load balancer
	IPAddressType string
	Tags          map[string]string // all of the load balancer
	// SecurityGroups are the IDs of those of a load balancer without a managed one, but for
	// the backend group, and Backend says whether it has this.
	SecurityGroups []string
	Backend        bool
	// Permissions are those of the managed security group.
	Permissions []Permission
	Listeners   []StandingListener
	Rules       []StandingRule // in any order
}

// StandingListener is a listener as AWS holds it.
type StandingListener struct {
	Port         int32
	Protocol     string   // HTTP, HTTPS
	SSLPolicy    string   // of HTTPS
	Certificates []string // ARNs, of HTTPS; the first is the default one
}

// StandingRule is a rule as AWS holds it.
type StandingRule struct {
	ARN        string
	Port       int32 // of the listener
	Priority   int32 // 0 is the listener's default action
	Conditions []Condition
	// Action as a model words it: a target group of the stack is a share with the
	// resource ID of its tag, any other one with its ARN. It is the zero Action if a
	// model has no words for what the rule does.
	Action Action
}
