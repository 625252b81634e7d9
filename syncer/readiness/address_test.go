package readiness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
)

// replace deletes a pod and gives its address to another one, which is ready at once.
func (w *world) replace(old, fresh string, n int) {
	w.t.Helper()
	w.delete(old)
	pass(100 * time.Millisecond)
	w.run(fresh, "web", n, static)
	pass(100 * time.Millisecond)
}

// TestAddressNeverLeavesTheGroup: the host's network, one node, a quick replacement.
// The target stays healthy all the time; that counts only when it must be about the
// new pod.
func TestAddressNeverLeavesTheGroup(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("old", "web", 1, static)
		w.register(g, "old")
		w.until("open", func() bool { return w.isOpen(static, "old") })
		pass(time.Minute)
		w.replace("old", "new", 1)
		ready := time.Now()
		w.until("seen", func() bool { return w.says("new", static) != "" })
		require.Contains(t, w.says("new", static), "False HealthOfPredecessor The target is healthy, but another pod")
		w.until("open", func() bool { return w.isOpen(static, "new") })
		require.WithinRange(t, time.Now(), ready.Add(check.verdict()), ready.Add(check.verdict()+2*time.Second))
	})
}

// TestUnhealthyPodAtAHealthyAddress is why: its gate does not open.
func TestUnhealthyPodAtAHealthyAddress(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("old", "web", 1, static)
		w.register(g, "old")
		w.until("open", func() bool { return w.isOpen(static, "old") })
		w.silent["10.0.0.1"].Store(true)
		w.replace("old", "new", 1)
		w.register(g, "new") // AWS has it, and does nothing
		pass(time.Hour)
		require.Equal(t, "False Target.ResponseCodeMismatch Health checks failed with these codes: [503]", w.says("new", static))
	})
}

// TestAddressIsReusedWhileItDrains registers a new pod at the address of an old one
// that is draining, under each answer that AWS may give. The new pod's gate opens when
// its own checks pass.
func TestAddressIsReusedWhileItDrains(t *testing.T) {
	for name, answer := range map[string]awssim.DrainingRegister{"the drain ends": awssim.CancelDrain, "the drain goes on": awssim.StayDraining} {
		t.Run(name, func(t *testing.T) {
			switches := pinned
			switches.DrainingRegister = answer
			inWorld(t, awssim.Options{Switches: switches}, func(w *world) {
				g := w.group("a", "web")
				w.start()
				w.run("old", "web", 1, static)
				w.register(g, "old")
				w.until("open", func() bool { return w.isOpen(static, "old") })
				pass(10 * time.Minute)
				w.deregister(g, 1)
				w.replace("old", "new", 1)
				w.register(g, "new")
				pass(5 * time.Minute) // the deregistration delay
				if answer == awssim.StayDraining {
					require.False(t, w.isOpen(static, "new"))
					w.register(g, "new")
				}
				w.until("healthy", func() bool { return !w.healthyAt(g, "new").IsZero() })
				w.until("open", func() bool { return w.isOpen(static, "new") })
				require.True(t, w.get("new").CreationTimestamp.Time.Before(w.healthyAt(g, "new")))
			})
		})
	}
}

// TestStaleHealthOfAnAddress: reads show for a while what was before the deregistration.
// An address that the group has just had needs to be seen initial.
func TestStaleHealthOfAnAddress(t *testing.T) {
	inWorld(t, awssim.Options{Switches: pinned}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("old", "web", 1, static)
		w.register(g, "old")
		w.until("open", func() bool { return w.isOpen(static, "old") })
		pass(2 * time.Minute)
		w.sim.Inject(awssim.Fault{Action: "DescribeTargetHealth", Stale: awssim.Span{Min: 2 * time.Second, Max: 2 * time.Second}})
		pass(10 * time.Second)
		w.deregister(g, 1)
		w.replace("old", "new", 1)
		w.register(g, "new")
		w.until("open", func() bool { return w.isOpen(static, "new") })
		require.False(t, w.healthyAt(g, "new").IsZero())
		require.True(t, w.get("new").CreationTimestamp.Time.Before(w.healthyAt(g, "new")))
	})
}

// TestOtherPodOfTheName: a pod is deleted and made anew between the read that opens its
// gate and the patch. The new one is not touched.
func TestOtherPodOfTheName(t *testing.T) {
	inWorld(t, awssim.Options{Switches: pinned}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("p-0", "web", 1, static)
		w.register(g, "p-0")
		pass(time.Second)
		patches := w.patches()
		w.kube.DelayWatches(kubesim.Match{Resource: "pods", UserAgent: agent}, time.Hour)
		w.delete("p-0")
		w.run("p-0", "web", 2, static)
		version := w.get("p-0").ResourceVersion
		w.until("patched", func() bool { return w.patches() > patches })
		pass(time.Minute)
		calls := w.kube.Calls()
		require.Equal(t, 422, calls[len(calls)-1].Code)
		require.Equal(t, version, w.get("p-0").ResourceVersion)
		w.kube.DelayWatches(kubesim.Match{Resource: "pods", UserAgent: agent}, 0)
		w.kube.CutWatches(kubesim.Match{Resource: "pods"})
		pass(time.Minute)
		w.register(g, "p-0")
		w.until("open", func() bool { return w.isOpen(static, "p-0") })
	})
}
