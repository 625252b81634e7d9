package readiness

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
)

// tellAfter is how long something may be missing before a pod says so: a target that
// is about to be registered, a group that is being made. It saves the API server a
// patch for each pod of a rollout.
const tellAfter = 5 * time.Second

// input is all that the gates of one pod depend on. Nothing of it is changed.
type input struct {
	now    time.Time
	pod    *endpoints.Pod // living
	groups []standing     // that take the pod
	// troubled holds since when a binding's group has been in trouble for this pod.
	troubled map[string]time.Time
	latch    bool          // an open gate stays open
	timeout  time.Duration // after which a group in trouble is not waited for; 0: never
}

// decision is what follows for a pod.
type decision struct {
	// conditions are those to be written, one for each gate whose condition differs.
	conditions []corev1.PodCondition
	openings   []opening // gates that open
	waits      []wait    // groups whose health is to be read for this pod
	troubled   map[string]time.Time
	until      time.Time // when to decide again although nothing has happened; zero: never
}

// opening is a gate that opens.
type opening struct {
	gate       string
	registered time.Time // of the target that was registered last; zero: not known
	// possible is the last moment at which the gate is known to have had to wait. Zero:
	// not known.
	possible time.Time
	without  []string // groups that were waited for long enough, with their trouble
}

// wait is a group whose health a pod waits for.
type wait struct {
	Membership
	notBefore time.Time // what is read earlier does not help
}

// decide is the whole of the rules: it says which conditions a pod should get and
// what it waits for. The package comment has them in words.
func decide(in input) decision {
	d := decision{troubled: map[string]time.Time{}}
	verdicts := make([]*verdict, len(in.groups))
	for _, gate := range in.pod.Gates {
		have := conditionOf(in.pod.Conditions, gate)
		chosen := in.groupsOf(gate)
		if in.closes(have, chosen) {
			d.write(&in, have, condition(gate, corev1.ConditionFalse, reasonDeregistering, messageDeregistering))
		}
		if isOpen(have) && in.latch || !in.pod.ContainersReady {
			continue
		}
		for _, i := range chosen {
			if verdicts[i] == nil {
				v := in.judge(in.groups[i])
				verdicts[i] = &v
				d.take(&in, in.groups[i], v)
			}
		}
		d.settle(&in, have, in.combine(gate, chosen, verdicts))
	}
	return d
}

// groupsOf returns which groups a gate waits for: those that get traffic, all of them
// or the one that it is named after.
func (in *input) groupsOf(gate string) []int {
	binding, one := strings.CutPrefix(gate, endpoints.GatePrefix)
	var chosen []int
	for i, g := range in.groups {
		if !g.Weightless && (!one || g.Binding == binding) {
			chosen = append(chosen, i)
		}
	}
	return chosen
}

// closes reports whether an open gate closes: we have deregistered the target of a
// living pod whose containers were not ready. Were it left open, the pod would be
// Ready as soon as its containers are, long before it gets traffic again.
func (in *input) closes(have *corev1.PodCondition, chosen []int) bool {
	if !isOpen(have) {
		return false
	}
	for _, i := range chosen {
		g := in.groups[i]
		gone := !g.deregistered.IsZero() || !g.read.IsZero() && (!g.present || g.health.State == awsapi.StateDraining)
		if !in.pod.ContainersReady && gone {
			return true
		}
		// Containers that became ready before the deregistration were not its reason.
		if !g.deregistered.IsZero() && !in.pod.ContainersReadySince.Time.Before(g.deregistered) {
			return true
		}
	}
	return false
}

// take notes what one group's verdict asks for.
func (d *decision) take(in *input, g standing, v verdict) {
	if !v.troubled.IsZero() {
		d.troubled[g.Binding] = v.troubled
	}
	if v.until.After(in.now) && (d.until.IsZero() || v.until.Before(d.until)) {
		d.until = v.until
	}
	if v.read {
		d.waits = append(d.waits, wait{g.Membership, v.notBefore})
	}
}

// settle takes the verdict on a gate.
func (d *decision) settle(in *input, have *corev1.PodCondition, o outcome) {
	if o.Status == "" {
		return // nothing to be said yet
	}
	if o.Status == corev1.ConditionTrue && !isOpen(have) {
		d.openings = append(d.openings, o.opening)
	}
	d.write(in, have, o.PodCondition)
}

// write notes a condition to be written, if it differs from what the pod has.
func (d *decision) write(in *input, have *corev1.PodCondition, want corev1.PodCondition) {
	want.LastTransitionTime = metav1.NewTime(in.now)
	if have != nil {
		if have.Status == want.Status && have.Reason == want.Reason && have.Message == want.Message {
			return
		}
		if have.Status == want.Status {
			want.LastTransitionTime = have.LastTransitionTime
		}
	}
	d.conditions = append(d.conditions, want)
}

// outcome is what the groups of a gate come to.
type outcome struct {
	corev1.PodCondition // without a status: nothing is to be said yet
	opening
}

// combine makes one condition of the verdicts of a gate's groups: True if none is to
// be waited for any more, else that of the first that is.
func (in *input) combine(gate string, chosen []int, verdicts []*verdict) outcome {
	if len(chosen) == 0 {
		return outcome{in.withoutGroup(gate), opening{gate: gate}}
	}
	o := outcome{condition(gate, corev1.ConditionTrue, "", ""), opening{gate: gate}}
	var said, waits bool
	for _, i := range chosen {
		g, v := in.groups[i], *verdicts[i]
		if len(chosen) > 1 && v.message != "" {
			v.message = g.Binding + ": " + v.message
		}
		o.add(g, v)
		if v.status == corev1.ConditionTrue {
			continue
		}
		waits = true
		if v.status != "" && !said {
			o.Status, o.Reason, o.Message, said = v.status, v.reason, v.message, true
		}
	}
	if waits && !said {
		o.Status = ""
	}
	return o
}

// add takes in a group, whose verdict says nothing that has to be waited for or
// something that is said elsewhere.
func (o *outcome) add(g standing, v verdict) {
	o.registered = latest(o.registered, g.registered)
	o.possible = latest(o.possible, g.notHealthy)
	if v.status != corev1.ConditionTrue || v.message == "" {
		return
	}
	if o.Status == corev1.ConditionTrue { // what does not keep the gate closed is said if nothing does
		o.Reason = v.reason
		if o.Message != "" {
			o.Message += "; "
		}
		o.Message += v.message
	}
	if v.reason == ReasonGateTimeout {
		o.without = append(o.without, g.Binding+": "+v.message)
	}
}

// withoutGroup is the condition of a gate that no group is behind.
func (in *input) withoutGroup(gate string) corev1.PodCondition {
	binding, one := strings.CutPrefix(gate, endpoints.GatePrefix)
	if !one {
		return condition(gate, corev1.ConditionTrue, reasonNoGroup, "No target group that gets traffic takes the pod")
	}
	for _, g := range in.groups {
		if g.Binding == binding {
			return condition(gate, corev1.ConditionTrue, reasonNoTraffic, "No rule sends traffic to the target group")
		}
	}
	// These are LBC's words.
	return condition(gate, corev1.ConditionTrue, "", "Target Group Binding is deleted")
}

func condition(gate string, status corev1.ConditionStatus, reason, message string) corev1.PodCondition {
	return corev1.PodCondition{Type: corev1.PodConditionType(gate), Status: status, Reason: reason, Message: message}
}

func conditionOf(all []corev1.PodCondition, gate string) *corev1.PodCondition {
	for i := range all {
		if string(all[i].Type) == gate {
			return &all[i]
		}
	}
	return nil
}

func isOpen(c *corev1.PodCondition) bool { return c != nil && c.Status == corev1.ConditionTrue }

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
