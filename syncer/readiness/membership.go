package readiness

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

// Membership is a target group that takes a pod, by what Kubernetes and the
// provisioner say.
type Membership struct {
	// Binding is the name of the group's TargetGroupBinding, in the pod's namespace: the
	// one that LBC would write, and that its gates are named after.
	Binding  string
	GroupARN string // empty: the group does not exist yet
	// Poller reads the group. Nil: the group is of our own account.
	Poller *Poller
	// Target is the pod's target in the group. Zero: no EndpointSlice shows it yet.
	Target target.Target
	// Weightless says that no rule gives the group traffic: it does not count.
	Weightless bool
	Check      Check
	// Trouble is why a target of the group cannot get traffic, as far as it is known
	// without asking for its health: no rule forwards to the group, AWS refuses the
	// target. Empty: nothing is known to be wrong.
	Trouble string
}

// Check is how a load balancer checks the targets of a group. Zero fields stand for
// AWS's defaults.
type Check struct {
	Interval, Timeout  time.Duration
	UnhealthyThreshold int
}

// AWS's defaults for health checks of an Application Load Balancer.
const (
	checkInterval      = 30 * time.Second
	checkTimeout       = 5 * time.Second
	unhealthyThreshold = 2
)

func (c Check) interval() time.Duration {
	if c.Interval <= 0 {
		return checkInterval
	}
	return c.Interval
}

// verdict is how long it takes at most until checks have found out that a target does
// not answer.
func (c Check) verdict() time.Duration {
	if c.Timeout <= 0 {
		c.Timeout = checkTimeout
	}
	if c.UnhealthyThreshold <= 0 {
		c.UnhealthyThreshold = unhealthyThreshold
	}
	return time.Duration(c.UnhealthyThreshold)*c.interval() + c.Timeout
}

// Registration is a target that was registered for a pod with gates.
type Registration struct {
	Target target.Target
	Pod    types.NamespacedName
	UID    types.UID
}

// facts are what is known of a pod's target in one group. They are about the time in
// which the pod has had the address: what was seen before is about another pod.
type facts struct {
	registered   time.Time // when AWS took our registration for the pod; zero: never, or not from this process
	deregistered time.Time // when AWS took our deregistration, if that is the latest we did
	// own says that a healthy target has passed checks as this pod: it was out of the
	// group before, or was seen initial.
	own     bool
	read    time.Time // when the last read began; zero: none
	present bool      // it showed the target
	health  awsapi.TargetHealth
	// notHealthy is the last moment at which the target is known not to have been
	// healthy. Zero: none is known.
	notHealthy time.Time
	// unreadable is why the group's health cannot be read, and has not been for a while.
	unreadable awsapi.Class
}

// standing is a membership with what is known of the target.
type standing struct {
	Membership
	facts
}
