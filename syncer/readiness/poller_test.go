package readiness

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
)

// TestOneReadPerGroup reads a group of 100 pods that wait in one call at a time, a
// second apart at least.
func TestOneReadPerGroup(t *testing.T) {
	inWorld(t, awssim.Options{Switches: pinned}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		pods := names("p", 100)
		for i, p := range pods {
			w.run(p, "web", i+1, static)
		}
		w.register(g, pods...)
		began := time.Now()
		w.until("open", func() bool { return w.isOpen(static, pods...) })
		require.LessOrEqual(t, w.readsOf()[g], int(time.Since(began)/fastGap)+2)
	})
}

// TestFirstReadIsPredicted: when a group has shown how long its targets take, it is not
// asked before that.
func TestFirstReadIsPredicted(t *testing.T) {
	inWorld(t, awssim.Options{Switches: awssim.Switches{RegisterDelay: awssim.Span{Min: 20 * time.Second, Max: 25 * time.Second}}}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		pods := names("p", 20)
		for i, p := range pods {
			w.run(p, "web", i+1, static)
		}
		w.register(g, pods...)
		w.until("open", func() bool { return w.isOpen(static, pods...) })
		pass(2 * time.Minute)
		before := w.readsOf()[g]
		w.run("late", "web", 200, static)
		w.register(g, "late")
		pass(19 * time.Second)
		require.Equal(t, before, w.readsOf()[g])
		w.until("healthy", func() bool { return !w.healthyAt(g, "late").IsZero() })
		require.Less(t, w.until("open", func() bool { return w.isOpen(static, "late") }), fastGap+200*time.Millisecond)
		require.Greater(t, w.readsOf()[g], before)
	})
}

// TestWhoIsLateIsAskedForLessOften: up to 5 s lie between two reads for a target that
// does not become healthy.
func TestWhoIsLateIsAskedForLessOften(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("p", "web", 1, static)
		w.silent["10.0.0.1"].Store(true)
		w.register(g, "p")
		pass(10 * time.Minute)
		before := w.readsOf()[g]
		pass(10 * time.Minute)
		require.InDelta(t, 600/5, w.readsOf()[g]-before, 3)
		w.silent["10.0.0.1"].Store(false)
		w.until("healthy", func() bool { return !w.healthyAt(g, "p").IsZero() })
		require.LessOrEqual(t, w.until("open", func() bool { return w.isOpen(static, "p") }), slowGap+200*time.Millisecond)
	})
}

// TestGroupWithMostPodsGoesFirst when there are fewer tokens than groups.
func TestGroupWithMostPodsGoesFirst(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		w.share = 0.2 // two reads a second
		var arns []string
		for n := range 40 {
			app := fmt.Sprintf("app-%d", n)
			arns = append(arns, w.group(app, app))
		}
		w.start()
		address := 0
		crowd := 30 // the group that more pods than one wait for
		for n := range arns {
			pods := []string{fmt.Sprintf("p-%d", n)}
			if n == crowd {
				pods = append(pods, "more-1", "more-2", "more-3")
			}
			for _, p := range pods {
				address++
				w.run(p, fmt.Sprintf("app-%d", n), address, static)
				w.silent[fmt.Sprintf("10.0.0.%d", address)].Store(true)
			}
			w.register(arns[n], pods...)
		}
		pass(time.Minute) // the bucket is empty by now
		before := w.readsOf()
		pass(5 * time.Minute)
		reads := w.readsOf()
		var others int
		for n, arn := range arns {
			if n != crowd {
				others += reads[arn] - before[arn]
				require.Positive(t, reads[arn]-before[arn], "none starves")
			}
		}
		// √4 times as often.
		require.InDelta(t, 2, float64(reads[arns[crowd]]-before[arns[crowd]])/(float64(others)/float64(len(arns)-1)), 0.4)
	})
}

// TestReadsFail goes through all that reads may be answered.
func TestReadsFail(t *testing.T) {
	tests := map[string]struct {
		fault awssim.Fault
		says  string // after 100 s
		most  int    // reads in this time
	}{
		"throttled":     {awssim.Fault{Throttle: true}, "False Elb.RegistrationInProgress Target registration is in progress", 80},
		"broken":        {awssim.Fault{Status: http.StatusInternalServerError, Code: "InternalFailure"}, "Unknown TargetHealthUnknown The health of the target group cannot be read (Unavailable); the gate opens", 12},
		"denied":        {awssim.Fault{Code: "AccessDenied"}, "Unknown TargetHealthUnknown The health of the target group cannot be read (Denied); the gate opens", 8},
		"no such group": {awssim.Fault{Code: "TargetGroupNotFound"}, "False TargetGroupMissing The target group does not exist; the gate opens", 8},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, awssim.Options{Switches: pinned}, func(w *world) {
				g := w.group("a", "web")
				w.start()
				w.run("p", "web", 1, static)
				tt.fault.Action = "DescribeTargetHealth"
				fault := w.sim.Inject(tt.fault)
				w.register(g, "p")
				pass(100 * time.Second)
				require.Contains(t, w.says("p", static), tt.says)
				require.LessOrEqual(t, w.readsOf()[g], tt.most)
				require.Positive(t, fault.Hits())
				fault.Clear()
				require.LessOrEqual(t, w.until("open", func() bool { return w.isOpen(static, "p") }), lastPause+6*time.Second)
			})
		})
	}
}

// TestGroupIsForgotten: what waited for it waits no more.
func TestGroupIsForgotten(t *testing.T) {
	inWorld(t, awssim.Options{Switches: pinned}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("p", "web", 1, static)
		w.register(g, "p")
		pass(2 * time.Second)
		require.Equal(t, 1, w.gates.Waiting()[0].Pods)
		w.mu.Lock()
		w.bindings = nil
		w.mu.Unlock()
		w.gates.Forget(g)
		pass(time.Second)
		require.True(t, w.isOpen(static, "p"))
		require.Empty(t, w.gates.book.groups)
	})
}

// TestAddressesAreForgotten: the book does not grow with the pods that come and go.
func TestAddressesAreForgotten(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		for i, p := range names("p", 20) {
			w.run(p, "web", i+1, static)
			w.register(g, p)
			w.until("open", func() bool { return w.isOpen(static, p) })
			w.deregister(g, i+1)
			w.delete(p)
		}
		pass(10 * time.Minute)
		w.gates.Observed(g, time.Now(), nil)
		require.Empty(t, w.gates.book.groups[g].targets)
		require.Empty(t, w.gates.book.places)
		require.Empty(t, w.gates.book.waits)
		require.Empty(t, w.gates.memories)
	})
}

// TestPatchesGoOutInParallel: 160 pods whose gates open in one moment, of an API server
// that takes 100 ms for each.
func TestPatchesGoOutInParallel(t *testing.T) {
	together := awssim.Switches{RegisterDelay: awssim.Span{Min: 5 * time.Second, Max: 5 * time.Second}, FirstCheckWithin: 1}
	inWorld(t, awssim.Options{Switches: together}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		pods := names("p", 160)
		for i, p := range pods {
			w.run(p, "web", i+1, static)
		}
		w.register(g, pods...)
		pass(4 * time.Second)
		w.kube.Inject(kubesim.Fault{Match: kubesim.Match{Verb: "patch", UserAgent: agent}, Latency: 90 * time.Millisecond})
		opened := func() (n int) {
			for _, p := range pods {
				if w.isOpen(static, p) {
					n++
				}
			}
			return n
		}
		w.until("the first are open", func() bool { return opened() > 0 })
		took := w.until("all are open", func() bool { return opened() == len(pods) })
		require.InDelta(t, (len(pods)/patchWorkers-1)*100, took.Milliseconds(), 20)
	})
}

// TestPatchesFail tries again what may succeed, until it does.
func TestPatchesFail(t *testing.T) {
	for name, fault := range map[string]kubesim.Fault{
		"conflict": {Code: http.StatusConflict}, "broken": {Code: http.StatusInternalServerError}, "busy": {Code: http.StatusTooManyRequests},
		"refused": {Refuse: true}, "lost": {LoseResponse: true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, awssim.Options{}, func(w *world) {
				g := w.group("a", "web")
				w.start()
				w.run("p", "web", 1, static)
				fault.Match, fault.Times = kubesim.Match{Verb: "patch", UserAgent: agent}, 5
				w.kube.Inject(fault)
				w.register(g, "p")
				w.until("open", func() bool { return w.isOpen(static, "p") })
				patches := w.patches()
				pass(time.Hour)
				require.Equal(t, patches, w.patches())
			})
		})
	}
}

// TestWhatWasWrittenIsNotWrittenAgain while the cache is behind it.
func TestWhatWasWrittenIsNotWrittenAgain(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		g := w.group("a", "web")
		w.start()
		w.run("p", "web", 1, static)
		pass(time.Second)
		w.kube.DelayWatches(kubesim.Match{Resource: "pods", UserAgent: agent}, time.Hour)
		w.register(g, "p")
		w.until("open", func() bool { return w.isOpen(static, "p") })
		patches := w.patches()
		for range 10 {
			w.gates.Rebound()
			pass(time.Second)
		}
		require.Equal(t, patches, w.patches())
	})
}
