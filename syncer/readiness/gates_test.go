package readiness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/tgsync/tgsync/test/awssim"
)

// TestPodOnItsWay follows a pod from its registration to its open gate: each state is
// written once, in ELB's words.
func TestPodOnItsWay(t *testing.T) {
	inWorld(t, awssim.Options{Switches: pinned}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("p", "web", 1, static, gateA)
		pass(time.Second)
		require.Empty(t, w.says("p", static), "it is about to be registered")
		w.register(g, "p")
		pass(100 * time.Millisecond)
		require.Equal(t, "False Elb.RegistrationInProgress Target registration is in progress", w.says("p", static))
		closed := conditionOf(w.get("p").Status.Conditions, static).LastTransitionTime
		w.until("checked", func() bool {
			return w.says("p", static) == "False Elb.InitialHealthChecking Initial health checks in progress"
		})
		require.Equal(t, closed, conditionOf(w.get("p").Status.Conditions, static).LastTransitionTime)
		w.until("healthy", func() bool { return !w.healthyAt(g, "p").IsZero() })
		lag := w.until("open", func() bool { return w.isOpen(static, "p") })
		require.Less(t, lag, fastGap+200*time.Millisecond)
		require.Equal(t, open, w.says("p", static))
		require.Equal(t, open, w.says("p", gateA))
		require.NotEqual(t, closed, conditionOf(w.get("p").Status.Conditions, static).LastTransitionTime)
		require.Equal(t, 3, w.patches(), "both gates in one patch, and one for each state")
		require.Len(t, w.opened, 2)
		require.LessOrEqual(t, w.opened[0], fastGap+200*time.Millisecond)
		reads := w.readsOf()
		pass(time.Hour)
		require.Equal(t, reads, w.readsOf(), "nobody waits any more")
		require.Equal(t, 3, w.patches())
		require.Empty(t, w.gates.Waiting())
	})
}

// TestOpenGateStays is the latch: neither a target that turns unhealthy nor a target
// group that appears closes a gate, or costs a request.
func TestOpenGateStays(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		pods := names("p", 3)
		for i, p := range pods {
			w.run(p, "web", 1+i, static)
		}
		w.register(g, pods...)
		w.until("open", func() bool { return w.isOpen(static, pods...) })
		patches, reads := w.patches(), w.readsOf()

		for _, silent := range w.silent {
			silent.Store(true)
		}
		w.until("unhealthy", func() bool { return w.healthyAt(g, pods[0]).IsZero() && w.healthyAt(g, pods[2]).IsZero() })
		health, err := w.elb.DescribeTargetHealth(w.t.Context(), g)
		require.NoError(t, err)
		w.gates.Observed(g, time.Now(), health)
		w.group("b", "web")
		pass(time.Hour)
		require.True(t, w.isOpen(static, pods...))
		require.Equal(t, patches, w.patches())
		require.Equal(t, reads, w.readsOf())
	})
}

// TestGateFollowsHealth is LBC's way, for who wants it.
func TestGateFollowsHealth(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		w.latch = false
		g := w.group("a", "web")
		w.start()
		w.run("p", "web", 1, gateA)
		w.register(g, "p")
		w.until("open", func() bool { return w.isOpen(gateA, "p") })
		w.silent["10.0.0.1"].Store(true)
		w.until("unhealthy", func() bool { return w.healthyAt(g, "p").IsZero() })
		health, err := w.elb.DescribeTargetHealth(w.t.Context(), g)
		require.NoError(t, err)
		w.gates.Observed(g, time.Now(), health)
		pass(100 * time.Millisecond)
		require.Equal(t, "False Target.ResponseCodeMismatch Health checks failed with these codes: [503]", w.says("p", gateA))
		w.silent["10.0.0.1"].Store(false)
		w.until("open again", func() bool { return w.isOpen(gateA, "p") })
	})
}

// TestGateClosesWithTheTarget: a pod whose containers fail loses its target and its
// gate, and gets both back.
func TestGateClosesWithTheTarget(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("p", "web", 1, static)
		w.register(g, "p")
		w.until("open", func() bool { return w.isOpen(static, "p") })
		w.containers("p", no)
		pass(time.Second)
		require.True(t, w.isOpen(static, "p"), "the target is still there")
		w.deregister(g, 1)
		pass(100 * time.Millisecond)
		require.Equal(t, "False Target.DeregistrationInProgress Target deregistration is in progress", w.says("p", static))
		w.containers("p", yes)
		pass(time.Second)
		require.False(t, w.isOpen(static, "p"))
		w.register(g, "p")
		w.until("healthy again", func() bool { return !w.healthyAt(g, "p").IsZero() })
		w.until("open again", func() bool { return w.isOpen(static, "p") })
	})
}

// TestTwoGroups: a pod waits for all of its groups, and its gate of one group for that
// one.
func TestTwoGroups(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		a, b := w.group("a", "web"), w.group("b", "web")
		w.start()
		w.run("p", "web", 1, static, gateA)
		w.register(a, "p")
		w.until("one is open", func() bool { return w.isOpen(gateA, "p") })
		pass(time.Minute)
		require.Equal(t, "False Target.NotRegistered", w.says("p", static)[:len("False Target.NotRegistered")])
		w.register(b, "p")
		w.until("healthy in the other", func() bool { return !w.healthyAt(b, "p").IsZero() })
		require.Less(t, w.until("open", func() bool { return w.isOpen(static, "p") }), 2*time.Second)
	})
}

// TestNoGroup: a pod that no target group takes, such as a Job's, does not wait, but
// nothing is decided before it is known what takes it.
func TestNoGroup(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		w.group("a", "web")
		w.known = false
		w.start()
		w.run("job", "job", 1, static)
		w.run("old", "job", 2, "target-health.elbv2.k8s.aws/replaced")
		pass(time.Hour)
		require.Zero(t, w.patches())
		w.mu.Lock()
		w.known = true
		w.mu.Unlock()
		w.gates.Rebound()
		pass(time.Second)
		require.Equal(t, "True NoTargetGroup No target group that gets traffic takes the pod", w.says("job", static))
		require.Equal(t, "True  Target Group Binding is deleted", w.says("old", "target-health.elbv2.k8s.aws/replaced"))
		w.run("later", "job", 3, static)
		pass(time.Second)
		require.True(t, w.isOpen(static, "later"))
		require.Empty(t, w.readsOf())
	})
}

// TestGroupIsReplaced: the new group has no traffic yet and is not waited for, the old
// one is until it goes, and a gate that is named after it opens then.
func TestGroupIsReplaced(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		w.group("a", "web")
		b := w.unused("b", "web")
		w.start()
		w.bind(binding{Membership{Binding: "b", GroupARN: b, Weightless: true, Check: check}, "web"})
		w.run("p", "web", 1, static, gateA)
		pass(time.Minute)
		require.False(t, w.isOpen(static, "p"))
		require.Contains(t, w.says("p", static), "False Target.NotRegistered Target is not registered to the target group; the gate opens")
		w.unbind("a")
		pass(time.Second)
		require.True(t, w.isOpen(static, "p"))
		require.Equal(t, "True  Target Group Binding is deleted", w.says("p", gateA))
	})
}

// TestTroubleIsNotWaitedForForEver: a group that does not exist, and one that nothing
// forwards to, hold a rollout up for a while and then no more.
func TestTroubleIsNotWaitedForForEver(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		unused := w.unused("a", "web")
		w.bind(binding{Membership{Binding: "b"}, "api"})
		w.start()
		w.run("p", "web", 1, static)
		w.run("q", "api", 2, static)
		w.register(unused, "p")
		pass(timeout - 10*time.Second)
		require.Contains(t, w.says("p", static), "False Target.NotInUse Target group is not configured to receive traffic from the load balancer: while that is so")
		require.Contains(t, w.says("q", static), "False TargetGroupMissing The target group does not exist; the gate opens without it at 00:10:")
		require.Empty(t, w.events)
		pass(20 * time.Second)
		require.Contains(t, w.says("p", static), "True GateTimeout Target group is not configured")
		require.Equal(t, "True GateTimeout The target group does not exist", w.says("q", static))
		require.ElementsMatch(t, []string{
			"Warning GateTimeout gate tgsync.io/targets-ready of pod ns/p opened after 10m0s without target group a: Target group is not configured to " +
				"receive traffic from the load balancer: while that is so, nothing checks the target",
			"Warning GateTimeout gate tgsync.io/targets-ready of pod ns/q opened after 10m0s without target group b: The target group does not exist",
		}, w.events)
	})
}

// TestPodsOfBefore are decided about at the start, without an event of theirs.
func TestPodsOfBefore(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		w.deaf = true
		w.run("job", "job", 1, static)
		w.start()
		pass(time.Second)
		require.True(t, w.isOpen(static, "job"))
	})
}

// TestZonalShift opens a gate whose target is healthy, and says why it gets nothing.
func TestZonalShift(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		g := w.group("a", "web")
		w.sim.ShiftZone(zoneA, true)
		w.start()
		w.run("p", "web", 1, static)
		w.register(g, "p")
		w.until("open", func() bool { return w.isOpen(static, "p") })
		require.Equal(t, "True AdministrativeOverride.ZonalShiftActive "+
			"The target is healthy and gets no traffic for now: Zonal shift is active for this target", w.says("p", static))
	})
}

// TestRestart: a daemon that comes up in the middle of a rollout takes it from there,
// without a needless write, and opens what may be opened.
func TestRestart(t *testing.T) {
	inWorld(t, awssim.Options{Switches: pinned}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("open", "web", 1, static)
		w.register(g, "open")
		w.until("open", func() bool { return w.isOpen(static, "open") })
		w.run("initial", "web", 2, static)
		w.run("healthy", "web", 3, static)
		w.run("unhealthy", "web", 4, static)
		w.silent["10.0.0.4"].Store(true)
		w.register(g, "initial", "healthy", "unhealthy")
		pass(1500 * time.Millisecond)
		patches := w.patches()
		w.stop()

		pass(time.Second)
		require.True(t, w.healthyAt(g, "initial").IsZero())
		w.start()
		pass(1500 * time.Millisecond)
		require.LessOrEqual(t, w.patches(), patches+3, "at most a change of the reason for each")
		w.until("healthy", func() bool { return !w.healthyAt(g, "initial").IsZero() })
		require.Less(t, w.until("open", func() bool { return w.isOpen(static, "initial") }), 2*time.Second)
		w.stop()

		w.silent["10.0.0.4"].Store(false)
		pass(2 * time.Minute)
		require.False(t, w.isOpen(static, "unhealthy"))
		w.start()
		pass(500 * time.Millisecond)
		require.True(t, w.isOpen(static, "open", "healthy", "unhealthy"), "it has been checked for long enough")
	})
}

// TestNothingIsDoneForPodsOnTheirWayOut neither waits for them nor writes to them.
func TestNothingIsDoneForPodsOnTheirWayOut(t *testing.T) {
	inWorld(t, awssim.Options{Switches: pinned}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("p", "web", 1, static)
		w.register(g, "p")
		pass(500 * time.Millisecond)
		require.Len(t, w.gates.Waiting(), 1)
		patches := w.patches()
		require.NoError(t, w.admin.CoreV1().Pods(namespace).Delete(w.t.Context(), "p", deletion(30)))
		pass(100 * time.Millisecond)
		require.Empty(t, w.gates.Waiting())
		reads := w.readsOf()
		pass(20 * time.Second)
		require.False(t, w.healthyAt(g, "p").IsZero())
		require.Equal(t, patches, w.patches())
		require.Equal(t, reads, w.readsOf())
		require.Equal(t, corev1.ConditionFalse, conditionOf(w.get("p").Status.Conditions, static).Status)
	})
}
