package readiness

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tgsync/tgsync/awsapi"
)

// ReasonGateTimeout is the reason of the condition, and of the warning event, of a gate
// that opened because a group was in trouble for too long.
const ReasonGateTimeout = "GateTimeout"

// Reasons and messages of conditions. Where ELB has words, they are ELB's, as LBC
// writes them too.
const (
	reasonRegistering  = "Elb.RegistrationInProgress"
	messageRegistering = "Target registration is in progress"

	reasonDeregistering  = "Target.DeregistrationInProgress"
	messageDeregistering = "Target deregistration is in progress"

	reasonNotRegistered  = "Target.NotRegistered"
	messageNotRegistered = "Target is not registered to the target group"

	reasonNoGroup     = "NoTargetGroup"
	reasonNoTraffic   = "NoTraffic"
	reasonMissing     = "TargetGroupMissing"
	reasonTrouble     = "TargetGroupTrouble"
	reasonNoEndpoint  = "NoEndpoint"
	reasonPredecessor = "HealthOfPredecessor"
	reasonUnknown     = "TargetHealthUnknown"
)

// verdict is what one group means for a pod whose containers are ready.
type verdict struct {
	status          corev1.ConditionStatus // True: the group is not waited for any more; empty: nothing to be said yet
	reason, message string
	read            bool      // the group's health is to be read
	notBefore       time.Time // from when on
	troubled        time.Time // since when the group is in trouble; zero: it is not
	until           time.Time // when the verdict changes by itself; zero: never
}

// judge is the verdict on one group.
func (in *input) judge(g standing) verdict {
	switch {
	case g.present && g.health.State == awsapi.StateHealthy:
		return in.healthy(g)
	case g.GroupARN == "", g.unreadable == awsapi.NotFound:
		return in.trouble(g, reasonMissing, "The target group does not exist")
	case g.Trouble != "":
		return in.trouble(g, reasonTrouble, g.Trouble)
	case !g.Target.IP.IsValid():
		return in.trouble(g, reasonNoEndpoint, "No EndpointSlice shows the pod")
	case g.unreadable != "":
		return in.unreadable(g)
	case g.read.IsZero():
		return in.unseen(g)
	case !g.present:
		return in.trouble(g, reasonNotRegistered, messageNotRegistered)
	}
	return in.shown(g)
}

// unreadable is the verdict on a target of a group whose health cannot be read.
func (in *input) unreadable(g standing) verdict {
	v := in.trouble(g, reasonUnknown, fmt.Sprintf("The health of the target group cannot be read (%s)", g.unreadable))
	if v.status == corev1.ConditionFalse {
		v.status = corev1.ConditionUnknown
	}
	return v
}

// unseen is the verdict on a target that no read has shown. If we have not registered
// it, that is about to happen; or else another process has, and a read finds out.
func (in *input) unseen(g standing) verdict {
	if !g.registered.IsZero() {
		return verdict{status: corev1.ConditionFalse, reason: reasonRegistering, message: messageRegistering, read: true}
	}
	v := in.trouble(g, reasonNotRegistered, messageNotRegistered)
	v.read, v.notBefore = v.status != corev1.ConditionTrue, in.pod.ContainersReadySince.Add(tellAfter)
	return v
}

// healthy is the verdict on a healthy target. The health may be that of a pod that had
// the address before.
func (in *input) healthy(g standing) verdict {
	// The API server cuts the time to whole seconds.
	decided := in.pod.ContainersReadySince.Add(time.Second + g.Check.verdict())
	if !g.own && g.read.Before(decided) {
		return verdict{
			status: corev1.ConditionFalse, reason: reasonPredecessor, read: true, notBefore: decided,
			message: "The target is healthy, but another pod may have been so at its address: what checks say counts from " + clock(decided) + " on",
		}
	}
	v := verdict{status: corev1.ConditionTrue}
	if o := g.health.Override; o.Active() {
		v.reason = o.Reason
		v.message = "The target is healthy and gets no traffic for now: " + o.Description
	}
	return v
}

// shown is the verdict on a target that AWS shows and that is not healthy.
func (in *input) shown(g standing) verdict {
	h := g.health
	message := h.Description
	if h.Override.Active() {
		message += "; beside that: " + h.Override.Description
	}
	switch h.State {
	case "":
		return verdict{status: corev1.ConditionUnknown, read: true}
	case awsapi.StateUnused:
		return in.trouble(g, h.Reason, message+": while that is so, nothing checks the target")
	}
	return verdict{status: corev1.ConditionFalse, reason: h.Reason, message: message, read: true}
}

// trouble is the verdict where no check can come to a result. It is waited for, and not
// for ever: a rollout must not hang on something that is not the pod's.
func (in *input) trouble(g standing, reason, message string) verdict {
	since := in.troubled[g.Binding]
	if since.IsZero() {
		since = in.now
	}
	v := verdict{troubled: since, reason: reason, message: message, read: g.GroupARN != "" && (g.present || !g.registered.IsZero())}
	open := since.Add(in.timeout)
	switch {
	case in.timeout > 0 && !in.now.Before(open):
		v.status, v.reason, v.read = corev1.ConditionTrue, ReasonGateTimeout, false
	case in.now.Before(since.Add(tellAfter)):
		v.reason, v.message, v.until = "", "", since.Add(tellAfter)
	default:
		v.status = corev1.ConditionFalse
		if in.timeout > 0 {
			v.message += "; the gate opens without it at " + clock(open)
			v.until = open
		}
	}
	return v
}

// clock is a time in a message.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }
