package target

import (
	"cmp"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Binding says which Service port feeds which target group. Two bindings are
// equal if they are ==.
type Binding struct {
	GroupARN    string // empty: the group does not exist yet
	GroupName   string
	Role        Role   // that is assumed for the account of the group; zero: it is our own
	VPC         string // of the group; empty: the cluster's
	Service     types.NamespacedName
	ServicePort intstr.IntOrString      // as the Ingress or TargetGroupBinding names it
	Family      discoveryv1.AddressType // of the targets; empty: IPv4
	Stack       string                  // the Ingress group that the target group belongs to; empty: none
	Check       Check
	// Unused says that no rule forwards to the group, so that nothing checks its targets.
	Unused bool
	// Weightless says that no rule is to give the group any requests, or that another group
	// takes its place or has not left it yet: no gate waits for it.
	Weightless bool
	// TargetPort is the port of all targets, whatever the slices of a Service with a
	// selector show: a group that was made for one port outlives a change of the
	// Service's. 0: what the slices show.
	TargetPort int32
	// Name is the TargetGroupBinding's, in the Service's namespace, after which readiness
	// gates are named. Empty: it has, or would have, the name of the group.
	Name string
	// Shared says that other clusters have targets in the group, too.
	Shared bool
	// Drain wants the group empty, whatever the Service has: who bound it lets go of it.
	Drain bool
}

// Role is a role of another AWS account that is assumed for what is done there.
type Role struct {
	ARN        string // arn:aws:iam::ACCOUNT:role/NAME
	ExternalID string // that it asks for; empty: none
}

// String names the role, and tells nobody its external ID.
func (r Role) String() string { return r.ARN }

// Account returns the account of the role, empty if the ARN is none.
func (r Role) Account() string {
	fields := strings.SplitN(r.ARN, ":", 6)
	if len(fields) < 6 || fields[0] != "arn" || fields[2] != "iam" || !strings.HasPrefix(fields[5], "role/") {
		return ""
	}
	return fields[4]
}

// GateName returns what the group's readiness gates are named after.
func (b Binding) GateName() string { return cmp.Or(b.Name, b.GroupName) }

// Check is how a load balancer checks the targets of a group. Zero fields stand for
// AWS's defaults.
type Check struct {
	IntervalSeconds    int32
	TimeoutSeconds     int32
	UnhealthyThreshold int32 // failed checks in a row
}
