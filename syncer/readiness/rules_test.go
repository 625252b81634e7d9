package readiness

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/target"
)

const (
	no  = corev1.ConditionFalse
	yes = corev1.ConditionTrue

	static  = endpoints.GateTargetsReady
	gateA   = endpoints.GatePrefix + "a"
	timeout = 10 * time.Minute
)

var (
	t0   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) // when the containers became ready
	at   = target.Target{IP: netip.MustParseAddr("10.0.0.1"), Port: 80}
	slow = Check{Interval: 30 * time.Second, Timeout: 5 * time.Second, UnhealthyThreshold: 2}

	initial    = awsapi.TargetHealth{Target: at, State: "initial", Reason: "Elb.InitialHealthChecking", Description: "Initial health checks in progress"}
	healthy    = awsapi.TargetHealth{Target: at, State: "healthy"}
	unhealthy  = awsapi.TargetHealth{Target: at, State: "unhealthy", Reason: "Target.Timeout", Description: "Request timed out"}
	draining   = awsapi.TargetHealth{Target: at, State: "draining", Reason: "Target.DeregistrationInProgress", Description: "Target deregistration is in progress"}
	notInUse   = awsapi.TargetHealth{Target: at, State: "unused", Reason: "Target.NotInUse", Description: "Target group is not configured to receive traffic from the load balancer"}
	shifted    = awsapi.Override{State: "zonal_shift_active", Reason: "AdministrativeOverride.ZonalShiftActive", Description: "Zonal shift is active for this target"}
	registered = facts{registered: t0, notHealthy: t0}
)

// gated is a pod whose containers are ready, with gates.
func gated(gates ...string) *endpoints.Pod {
	return &endpoints.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u"}, Gates: gates,
		ContainersReady: true, ContainersReadySince: metav1.NewTime(t0),
	}
}

// in returns a pod's standing in a group.
func in(binding string, f facts) standing {
	return standing{Membership{Binding: binding, GroupARN: "arn:" + binding, Target: at, Check: slow}, f}
}

// after is the last read of a target, which was registered for the pod.
func after(h awsapi.TargetHealth, d time.Duration, own bool) facts {
	f := registered
	f.read, f.present, f.health, f.own = t0.Add(d), true, h, own
	return f
}

func with(g standing, change func(*standing)) standing {
	change(&g)
	return g
}

func has(gate string, status corev1.ConditionStatus, reason string) corev1.PodCondition {
	return corev1.PodCondition{Type: corev1.PodConditionType(gate), Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(t0)}
}

// want is a condition to be written: status, reason, message.
type want struct {
	gate    string
	status  corev1.ConditionStatus
	reason  string
	message string
}

const opensAt = "; the gate opens without it at 03:14:05 UTC"

var troubled = map[string]time.Time{"a": t0, "b": t0}

// rule is a row of the table of rules: what is known of a pod, 20 s after its containers
// became ready if not said otherwise, and what follows.
type rule struct {
	gates    []string // nil: the static one
	have     []corev1.PodCondition
	groups   []standing
	troubled map[string]time.Time
	now      time.Duration // after t0; 0: 20 s
	unready  bool          // its containers are not ready, since t0
	follow   bool          // no latch
	want     []want
	reads    []string // bindings whose groups are to be read
	without  int      // groups that the gate opens without
}

var rules = map[string]rule{
	"no group takes it":       {want: []want{{static, yes, "NoTargetGroup", "No target group that gets traffic takes the pod"}}},
	"its binding was deleted": {gates: []string{gateA}, groups: []standing{in("b", registered)}, want: []want{{gateA, yes, "", "Target Group Binding is deleted"}}},
	"no traffic": {
		gates: []string{gateA, static}, groups: []standing{with(in("a", registered), func(g *standing) { g.Weightless = true })},
		want: []want{
			{gateA, yes, "NoTraffic", "No rule sends traffic to the target group"},
			{static, yes, "NoTargetGroup", "No target group that gets traffic takes the pod"},
		},
	},
	"containers not ready":        {unready: true, groups: []standing{in("a", facts{})}},
	"no group, and not yet ready": {unready: true},

	"registered":   {groups: []standing{in("a", registered)}, want: []want{{static, no, "Elb.RegistrationInProgress", "Target registration is in progress"}}, reads: []string{"a"}},
	"initial":      {groups: []standing{in("a", after(initial, 3, true))}, want: []want{{static, no, "Elb.InitialHealthChecking", "Initial health checks in progress"}}, reads: []string{"a"}},
	"unhealthy":    {groups: []standing{in("a", after(unhealthy, 3, true))}, want: []want{{static, no, "Target.Timeout", "Request timed out"}}, reads: []string{"a"}},
	"draining":     {groups: []standing{in("a", after(draining, 3, false))}, want: []want{{static, no, "Target.DeregistrationInProgress", "Target deregistration is in progress"}}, reads: []string{"a"}},
	"without word": {groups: []standing{in("a", after(awsapi.TargetHealth{}, 3, false))}, want: []want{{static, corev1.ConditionUnknown, "", ""}}, reads: []string{"a"}},
	"unavailable": {
		groups: []standing{in("a", after(awsapi.TargetHealth{State: "unavailable", Reason: "Elb.InternalError", Description: "d"}, 3, false))},
		want:   []want{{static, no, "Elb.InternalError", "d"}}, reads: []string{"a"},
	},
	"healthy":                       {groups: []standing{in("a", after(healthy, 3, true))}, want: []want{{static, yes, "", ""}}},
	"healthy, by both kinds":        {gates: []string{gateA, static}, groups: []standing{in("a", after(healthy, 3, true))}, want: []want{{gateA, yes, "", ""}, {static, yes, "", ""}}},
	"nothing new":                   {have: []corev1.PodCondition{{Type: static, Status: no, Reason: "Target.Timeout", Message: "Request timed out"}}, groups: []standing{in("a", after(unhealthy, 3, true))}, reads: []string{"a"}},
	"healthy, one of two":           {groups: []standing{in("a", after(healthy, 3, true)), in("b", after(unhealthy, 3, true))}, want: []want{{static, no, "Target.Timeout", "b: Request timed out"}}, reads: []string{"b"}},
	"healthy, the other of two":     {groups: []standing{in("a", after(unhealthy, 3, true)), in("b", after(healthy, 3, true))}, want: []want{{static, no, "Target.Timeout", "a: Request timed out"}}, reads: []string{"a"}},
	"healthy, the other is new":     {groups: []standing{in("a", after(healthy, 3, true)), in("b", facts{})}, now: 2 * time.Second, reads: []string{"b"}},
	"healthy, and only that counts": {gates: []string{gateA}, groups: []standing{in("a", after(healthy, 3, true)), in("b", after(unhealthy, 3, true))}, want: []want{{gateA, yes, "", ""}}},
	"healthy during a zonal shift": {
		groups: []standing{in("a", after(awsapi.TargetHealth{State: "healthy", Override: shifted}, 3, true))},
		want:   []want{{static, yes, "AdministrativeOverride.ZonalShiftActive", "The target is healthy and gets no traffic for now: Zonal shift is active for this target"}},
	},
	"unhealthy during a zonal shift": {
		groups: []standing{in("a", after(awsapi.TargetHealth{State: "unhealthy", Reason: "Target.Timeout", Description: "Request timed out", Override: shifted}, 3, true))},
		want:   []want{{static, no, "Target.Timeout", "Request timed out; beside that: Zonal shift is active for this target"}}, reads: []string{"a"},
	},
	"no override": {
		groups: []standing{in("a", after(awsapi.TargetHealth{State: "healthy", Override: awsapi.Override{State: "no_override", Description: "d"}}, 3, true))},
		want:   []want{{static, yes, "", ""}},
	},

	"healthy as another pod, maybe": {
		groups: []standing{in("a", after(healthy, 3, false))}, reads: []string{"a"},
		want: []want{{static, no, "HealthOfPredecessor", "The target is healthy, but another pod may have been so at its address: what checks say counts from 03:05:11 UTC on"}},
	},
	"healthy, checked for long enough":        {groups: []standing{in("a", after(healthy, 66*time.Second, false))}, now: 70 * time.Second, want: []want{{static, yes, "", ""}}},
	"healthy, read a moment too early":        {groups: []standing{in("a", after(healthy, 65900*time.Millisecond, false))}, have: []corev1.PodCondition{has(static, no, "")}, now: 70 * time.Second, want: []want{{static, no, "HealthOfPredecessor", "The target is healthy, but another pod may have been so at its address: what checks say counts from 03:05:11 UTC on"}}, reads: []string{"a"}},
	"healthy, never registered by us":         {groups: []standing{in("a", with(in("a", after(healthy, 66*time.Second, false)), func(g *standing) { g.registered = time.Time{} }).facts)}, now: 70 * time.Second, want: []want{{static, yes, "", ""}}},
	"nothing known, the pod has just come":    {groups: []standing{in("a", facts{})}, now: 2 * time.Second, reads: []string{"a"}},
	"nothing known, the daemon has just come": {groups: []standing{in("a", facts{})}, have: []corev1.PodCondition{has(static, no, "Target.Timeout")}, reads: []string{"a"}},

	"no such group":    {groups: []standing{with(in("a", facts{}), func(g *standing) { g.GroupARN = "" })}, troubled: troubled, want: []want{{static, no, "TargetGroupMissing", "The target group does not exist" + opensAt}}},
	"group gone":       {groups: []standing{with(in("a", registered), func(g *standing) { g.unreadable = awsapi.NotFound })}, troubled: troubled, want: []want{{static, no, "TargetGroupMissing", "The target group does not exist" + opensAt}}, reads: []string{"a"}},
	"group not used":   {groups: []standing{with(in("a", facts{}), func(g *standing) { g.Trouble = "No rule forwards to it" })}, troubled: troubled, want: []want{{static, no, "TargetGroupTrouble", "No rule forwards to it" + opensAt}}},
	"no endpoint":      {groups: []standing{with(in("a", facts{}), func(g *standing) { g.Target = target.Target{} })}, troubled: troubled, want: []want{{static, no, "NoEndpoint", "No EndpointSlice shows the pod" + opensAt}}},
	"unreadable":       {groups: []standing{with(in("a", registered), func(g *standing) { g.unreadable = awsapi.Denied })}, troubled: troubled, want: []want{{static, corev1.ConditionUnknown, "TargetHealthUnknown", "The health of the target group cannot be read (Denied)" + opensAt}}, reads: []string{"a"}},
	"unused":           {groups: []standing{in("a", after(notInUse, 3, false))}, troubled: troubled, want: []want{{static, no, "Target.NotInUse", notInUse.Description + ": while that is so, nothing checks the target" + opensAt}}, reads: []string{"a"}},
	"not registered":   {groups: []standing{in("a", facts{read: t0})}, troubled: troubled, want: []want{{static, no, "Target.NotRegistered", "Target is not registered to the target group" + opensAt}}},
	"trouble is young": {groups: []standing{with(in("a", facts{}), func(g *standing) { g.GroupARN = "" })}},
	"trouble is old": {
		groups: []standing{with(in("a", facts{}), func(g *standing) { g.GroupARN = "" })}, troubled: troubled, now: timeout,
		want: []want{{static, yes, "GateTimeout", "The target group does not exist"}}, without: 1,
	},
	"trouble is old, and the other group healthy": {
		groups:   []standing{in("b", after(healthy, 3, true)), with(in("a", facts{}), func(g *standing) { g.GroupARN = "" })},
		troubled: troubled, now: timeout, want: []want{{static, yes, "GateTimeout", "a: The target group does not exist"}}, without: 1,
	},
	"trouble is old, and the other group unhealthy": {
		groups:   []standing{with(in("a", facts{}), func(g *standing) { g.GroupARN = "" }), in("b", after(unhealthy, 3, true))},
		troubled: troubled, now: timeout, want: []want{{static, no, "Target.Timeout", "b: Request timed out"}}, reads: []string{"b"}, without: 0,
	},
	"unused for long": {
		groups: []standing{in("a", after(notInUse, 3, false))}, troubled: troubled, now: timeout, without: 1,
		want: []want{{static, yes, "GateTimeout", notInUse.Description + ": while that is so, nothing checks the target"}},
	},
	"unhealthy for long": {groups: []standing{in("a", after(unhealthy, 3, true))}, now: time.Hour, want: []want{{static, no, "Target.Timeout", "Request timed out"}}, reads: []string{"a"}},

	"open, and unhealthy by now":               {have: []corev1.PodCondition{has(static, yes, "")}, groups: []standing{in("a", after(unhealthy, 3, true))}},
	"open, and a group appears":                {have: []corev1.PodCondition{has(static, yes, "")}, groups: []standing{in("a", facts{})}},
	"open, containers not ready":               {have: []corev1.PodCondition{has(static, yes, "")}, unready: true, groups: []standing{in("a", after(unhealthy, 3, true))}},
	"open, containers not ready, deregistered": {have: []corev1.PodCondition{has(static, yes, "")}, unready: true, groups: []standing{in("a", facts{deregistered: t0})}, want: []want{{static, no, "Target.DeregistrationInProgress", "Target deregistration is in progress"}}},
	"open, containers not ready, gone":         {have: []corev1.PodCondition{has(static, yes, "")}, unready: true, groups: []standing{in("a", facts{read: t0})}, want: []want{{static, no, "Target.DeregistrationInProgress", "Target deregistration is in progress"}}},
	"open, containers not ready, draining":     {have: []corev1.PodCondition{has(static, yes, "")}, unready: true, groups: []standing{in("a", after(draining, 3, false))}, want: []want{{static, no, "Target.DeregistrationInProgress", "Target deregistration is in progress"}}},
	"open, ready again after deregistration":   {have: []corev1.PodCondition{has(static, yes, "")}, groups: []standing{in("a", facts{deregistered: t0.Add(-time.Second)})}, want: []want{{static, no, "Target.DeregistrationInProgress", "Target deregistration is in progress"}}},
	"open, deregistered though ready":          {have: []corev1.PodCondition{has(static, yes, "")}, groups: []standing{in("a", facts{deregistered: t0.Add(time.Second)})}},
	"open, the other group is deregistered":    {gates: []string{gateA}, have: []corev1.PodCondition{has(gateA, yes, "")}, unready: true, groups: []standing{in("a", after(healthy, 3, true)), in("b", facts{deregistered: t0})}},

	"open and unhealthy, without latch": {follow: true, have: []corev1.PodCondition{has(static, yes, "")}, groups: []standing{in("a", after(unhealthy, 3, true))}, want: []want{{static, no, "Target.Timeout", "Request timed out"}}, reads: []string{"a"}},
	"open and healthy, without latch":   {follow: true, have: []corev1.PodCondition{has(static, yes, "")}, groups: []standing{in("a", after(healthy, 3, true))}},
	"open, without latch or knowledge":  {follow: true, have: []corev1.PodCondition{has(static, yes, "")}, groups: []standing{in("a", facts{})}, reads: []string{"a"}},
}

// TestDecide goes through the table of rules.
func TestDecide(t *testing.T) {
	for name, tt := range rules {
		t.Run(name, func(t *testing.T) {
			if tt.gates == nil {
				tt.gates = []string{static}
			}
			if tt.now == 0 {
				tt.now = 20 * time.Second
			}
			pod := gated(tt.gates...)
			pod.Conditions, pod.ContainersReady = tt.have, !tt.unready
			groups := slices.Clone(tt.groups)
			d := decide(input{now: t0.Add(tt.now), pod: pod, groups: groups, troubled: tt.troubled, latch: !tt.follow, timeout: timeout})
			var wrote []want
			for _, c := range d.conditions {
				wrote = append(wrote, want{string(c.Type), c.Status, c.Reason, c.Message})
			}
			require.Equal(t, tt.want, wrote)
			var reads []string
			for _, w := range d.waits {
				reads = append(reads, w.Binding)
			}
			require.Equal(t, tt.reads, reads)
			without := 0
			for _, o := range d.openings {
				without += len(o.without)
			}
			require.Equal(t, tt.without, without)
			require.Equal(t, tt.groups, groups, "inputs are not mutated")
			require.Equal(t, tt.have, pod.Conditions, "inputs are not mutated")
		})
	}
}

// TestTransitionTime changes only with the status.
func TestTransitionTime(t *testing.T) {
	pod := gated(static)
	pod.Conditions = []corev1.PodCondition{has(static, no, "Elb.InitialHealthChecking")}
	now := t0.Add(time.Minute)
	d := decide(input{now: now, pod: pod, groups: []standing{in("a", after(unhealthy, 3, true))}, latch: true})
	require.Equal(t, metav1.NewTime(t0), d.conditions[0].LastTransitionTime)
	d = decide(input{now: now, pod: pod, groups: []standing{in("a", after(healthy, 3, true))}, latch: true})
	require.Equal(t, metav1.NewTime(now), d.conditions[0].LastTransitionTime)
	require.Equal(t, []opening{{gate: static, registered: t0, possible: t0}}, d.openings)
}

// TestWhenToLookAgain finds every moment at which time alone changes a decision.
func TestWhenToLookAgain(t *testing.T) {
	missing := []standing{with(in("a", facts{}), func(g *standing) { g.GroupARN = "" })}
	pod := gated(static)
	first := decide(input{now: t0, pod: pod, groups: missing, timeout: timeout})
	require.Equal(t, t0.Add(5*time.Second), first.until, "it says so")
	require.Equal(t, map[string]time.Time{"a": t0}, first.troubled)
	second := decide(input{now: first.until, pod: pod, groups: missing, troubled: first.troubled, timeout: timeout})
	require.Equal(t, t0.Add(timeout), second.until, "it opens")
	require.Equal(t, first.troubled, second.troubled)
	third := decide(input{now: second.until, pod: pod, groups: missing, troubled: second.troubled, timeout: timeout})
	require.True(t, third.until.IsZero())
	require.Equal(t, yes, third.conditions[0].Status)

	forever := decide(input{now: t0.Add(time.Hour), pod: pod, groups: missing, troubled: first.troubled})
	require.True(t, forever.until.IsZero())
	require.Equal(t, "The target group does not exist", forever.conditions[0].Message)

	over := decide(input{now: t0.Add(time.Minute), pod: pod, groups: []standing{in("a", after(unhealthy, 3, true))}, troubled: first.troubled, timeout: timeout})
	require.Empty(t, over.troubled, "the next trouble begins anew")

	predecessor := decide(input{now: t0.Add(time.Minute), pod: pod, groups: []standing{in("a", after(healthy, 3, false))}})
	require.Equal(t, t0.Add(66*time.Second), predecessor.waits[0].notBefore)
}
