package awsapi

import "github.com/tgsync/tgsync/syncer/target"

// The values below carry what tgsync reads and writes of a resource, and
// nothing else. Strings and numbers are AWS's own (enum values as on the wire).
// A zero value means "AWS did not say" on read and "leave it to AWS" on write.

// Tags are a resource's tags by key.
type Tags map[string]string

// LoadBalancer is an Application Load Balancer.
type LoadBalancer struct {
	ARN            string
	Name           string // at most 32 characters
	DNSName        string
	Scheme         string // internet-facing, internal
	Type           string // application
	State          string // provisioning, active, active_impaired, failed
	IPAddressType  string // ipv4, dualstack, dualstack-without-public-ipv4
	VPCID          string
	SubnetIDs      []string
	SecurityGroups []string
	Tags           Tags // only written; reads come from DescribeTags
}

// Listener accepts connections on one port of a load balancer.
type Listener struct {
	ARN             string
	LoadBalancerARN string
	Port            int32
	Protocol        string // HTTP, HTTPS
	SSLPolicy       string // of HTTPS
	CertificateARN  string // of HTTPS: the default one; for others see DescribeListenerCertificates
	DefaultActions  []Action
	Tags            Tags // only written
}

// Rule routes what matches all of its conditions.
type Rule struct {
	ARN        string
	Priority   int32 // 1 to 50000; 0 is the default rule, which has no conditions
	Conditions []Condition
	Actions    []Action
	Transforms bool // it rewrites requests; only read
	Tags       Tags // only written
}

// Condition matches when one of its values does.
type Condition struct {
	Field   string // host-header, path-pattern, http-header, http-request-method, query-string, source-ip
	Header  string // the name, of http-header
	Values  []string
	Regexes []string // instead of Values; only read
	Queries []QueryValue
}

// QueryValue is a parameter of a query.
type QueryValue struct {
	Key   string // "": any
	Value string
}

// Action is what a rule does. Exactly one of Forward, Redirect and FixedResponse is
// set for the action types that tgsync writes; others are read with their Type only.
type Action struct {
	Type    string // forward, redirect, fixed-response
	Forward []WeightedTargetGroup
	// StickySeconds is how long a client stays with the target group that it got first;
	// 0: not at all.
	StickySeconds int32
	Redirect      *Redirect
	FixedResponse *FixedResponse
}

// Redirect is where a client is sent.
type Redirect struct {
	StatusCode string // HTTP_301, HTTP_302
	Protocol   string // HTTP, HTTPS, #{protocol}
	Host       string
	Port       string
	Path       string
	Query      string
}

// WeightedTargetGroup is one share of a forward action.
type WeightedTargetGroup struct {
	ARN    string
	Weight int32 // 0 to 999
}

// FixedResponse is answered by the load balancer itself.
type FixedResponse struct {
	StatusCode  string // as on the wire: "404"
	ContentType string
	MessageBody string
}

// RulePriority moves a rule.
type RulePriority struct {
	ARN      string
	Priority int32
}

// TargetGroup is a set of targets with one health check.
type TargetGroup struct {
	ARN              string
	Name             string // at most 32 characters
	Port             int32
	Protocol         string // HTTP, HTTPS
	ProtocolVersion  string // HTTP1, HTTP2, GRPC
	TargetType       string // ip
	IPAddressType    string // ipv4, ipv6
	VPCID            string
	HealthCheck      HealthCheck
	LoadBalancerARNs []string // only read: at most one today
	Tags             Tags     // only written
}

// Attributes are what is set of a load balancer, listener or target group, by key.
type Attributes map[string]string

// Certificate is one that ACM holds.
type Certificate struct {
	ARN     string
	Domains []string // the names it is for, wildcards (*.example.com) among them
}

// HealthCheck is how a load balancer asks a target.
type HealthCheck struct {
	Protocol           string // HTTP, HTTPS
	Port               string // a number or traffic-port
	Path               string
	IntervalSeconds    int32
	TimeoutSeconds     int32
	HealthyThreshold   int32
	UnhealthyThreshold int32
	Matcher            string // codes of HTTP ("200", "200-299", "200,202") or of gRPC ("12", "0-99")
}

// TargetHealth is one row of DescribeTargetHealth.
type TargetHealth struct {
	Target      target.Target
	Zone        string
	State       string // initial, healthy, unhealthy, unused, draining, unavailable
	Reason      string
	Description string
	Override    Override
}

// Override is what an administrator's act, such as a zonal shift, makes of a target
// whatever its checks say.
type Override struct {
	State       string // no_override, zonal_shift_active, zonal_shift_delegated_to_dns, unknown; empty: AWS did not say
	Reason      string
	Description string
}

// Active reports whether the target is kept from getting traffic.
func (o Override) Active() bool { return o.State == "zonal_shift_active" }

// States of a target that decide something.
const (
	// StateInitial is that of a target that was registered and not yet checked.
	StateInitial = "initial"
	// StateHealthy is that of a target that gets requests.
	StateHealthy = "healthy"
	// StateUnused is that of a target that nothing checks: of a group that no load
	// balancer uses, or in a zone that it does not serve.
	StateUnused = "unused"
	// StateDraining is that of a target that was deregistered and still finishes what
	// it has begun.
	StateDraining = "draining"
)

// Subnet is a subnet of the cluster's VPC.
type Subnet struct {
	ID                   string
	VPCID                string
	Zone                 string
	CIDR                 string
	CIDRv6               string // "": it has no IPv6
	AvailableIPAddresses int32
	LocalZone            bool // of a local zone, a wavelength zone or an Outpost
	Tags                 Tags
}

// NetworkInterface is what a pod or a node is reached through.
type NetworkInterface struct {
	ID             string
	InstanceID     string // that it is attached to
	Addresses      []string
	Prefixes       []string // CIDRs whose addresses are the interface's, too
	SecurityGroups []string
}

// SecurityGroup is a security group with its inbound rules.
type SecurityGroup struct {
	ID          string
	Name        string
	Description string
	VPCID       string
	Ingress     []Permission
	Tags        Tags
}

// Permission is one inbound rule: one protocol, one port range, one source.
// Exactly one of CIDR, CIDRv6, PrefixListID and GroupID is set. It is
// comparable, so that rules can be diffed as a set.
type Permission struct {
	Protocol     string // tcp
	FromPort     int32
	ToPort       int32
	CIDR         string
	CIDRv6       string
	PrefixListID string
	GroupID      string
	Description  string
}
