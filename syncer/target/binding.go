package target

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Binding says which Service port feeds which target group. Two bindings are
// equal if they are ==.
type Binding struct {
	GroupARN    string // empty: the group does not exist yet
	GroupName   string
	Service     types.NamespacedName
	ServicePort intstr.IntOrString // as the Ingress names it
	Stack       string             // the Ingress group that the target group belongs to
	Check       Check
	// Unused says that no rule forwards to the group, so that nothing checks its targets.
	Unused bool
}

// Check is how a load balancer checks the targets of a group. Zero fields stand for
// AWS's defaults.
type Check struct {
	IntervalSeconds    int32
	TimeoutSeconds     int32
	UnhealthyThreshold int32 // failed checks in a row
}
