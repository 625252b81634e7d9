package standaside_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/tgsync/tgsync/syncer/lease"
	"github.com/tgsync/tgsync/syncer/standaside"
	"github.com/tgsync/tgsync/test/kubesim"
)

// TestStart: what stands in the Lease when this process starts.
func TestStart(t *testing.T) {
	tests := map[string]struct {
		prepare func(w *world)
		waits   bool // for one duration of the Lease
	}{
		"no Lease":                       {prepare: func(*world) {}},
		"given up":                       {prepare: func(w *world) { w.write("", time.Now()) }},
		"run out long ago":               {prepare: func(w *world) { w.write("lbc-1", time.Now().Add(-time.Hour)) }},
		"just renewed":                   {prepare: func(w *world) { w.write("lbc-1", time.Now()) }, waits: true},
		"run out, or their clock is off": {prepare: func(w *world) { w.write("lbc-1", time.Now().Add(-5*time.Minute)) }, waits: true},
		"renewed in the future":          {prepare: func(w *world) { w.write("lbc-1", time.Now().Add(5*time.Minute)) }, waits: true},
		"never renewed":                  {prepare: func(w *world) { w.write("lbc-1", time.Time{}) }},
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			inWorld(t, func(w *world) {
				tt.prepare(w)
				w.start()
				require.Equal(w.t, !tt.waits, w.works())
				if tt.waits {
					w.pass(leaseDuration - 2*atOnce)
					require.False(w.t, w.works())
					w.pass(2 * atOnce)
					require.True(w.t, w.works())
					require.Equal(w.t, []string{"StandingAside", "TakingOver"}, w.said())
				} else {
					require.Empty(w.t, w.said())
				}
			})
		})
	}
}

// TestOtherGoes: the other is scaled to zero, which does not give its Lease up.
func TestOtherGoes(t *testing.T) {
	for title, skew := range map[string]time.Duration{"clocks agree": 0, "its clock is slow": -5 * time.Minute, "its clock is fast": time.Hour} {
		t.Run(title, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.write("lbc-1", time.Now().Add(skew))
				w.start()
				for range 30 {
					w.renew(renewPeriod, skew)
					require.False(w.t, w.works())
				}
				last := time.Now().Add(-renewPeriod) // of the last renewal
				w.pass(time.Until(last.Add(leaseDuration)) - atOnce)
				require.False(w.t, w.works(), "it may still write")
				w.pass(2 * atOnce)
				require.True(w.t, w.works())
				require.Equal(w.t, []string{"StandingAside", "TakingOver"}, w.said())
				require.WithinDuration(w.t, last.Add(skew), w.began()[0].Previous, atOnce, "from then on nobody took care of changes")
			})
		})
	}
}

// TestOtherGivesUp: a holder that gives its Lease up is gone at once.
func TestOtherGivesUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write("lbc-1", time.Now())
		w.start()
		require.False(w.t, w.works())
		w.write("", time.Now())
		w.pass(atOnce)
		require.True(w.t, w.works())
		require.Equal(w.t, []string{"StandingAside", "TakingOver"}, w.said())
	})
}

// TestOtherComesBack ends the work at once, as if our own Lease were lost, and lets it
// begin again.
func TestOtherComesBack(t *testing.T) {
	for title, before := range map[string]func(w *world){
		"it never was here":  func(*world) {},
		"it went long ago":   func(w *world) { w.write("lbc-0", time.Now().Add(-time.Hour)) },
		"it gave up":         func(w *world) { w.write("", time.Now()) },
		"the clock is wrong": func(w *world) { w.write("lbc-1", time.Now().Add(-2*time.Hour)) },
	} {
		t.Run(title, func(t *testing.T) {
			inWorld(t, func(w *world) {
				before(w)
				w.start()
				require.True(w.t, w.works())
				w.pass(time.Hour)
				w.write("lbc-1", time.Now().Add(-time.Minute))
				w.pass(atOnce)
				require.False(w.t, w.works())
				require.Equal(w.t, []error{lease.ErrLost}, w.ends(), "nothing is to be finished")
				w.renew(time.Minute, 0)
				require.False(w.t, w.works())
				w.pass(leaseDuration)
				require.True(w.t, w.works())
				require.Len(w.t, w.began(), 2, "the work is built anew")
				require.Equal(w.t, []string{"StandingAside", "TakingOver"}, w.said())

				w.write("lbc-2", time.Now())
				w.pass(atOnce)
				require.False(w.t, w.works(), "and so it goes, again and again")
			})
		})
	}
}

// TestLeaseIsDeleted: the holder makes a new one, or is gone.
func TestLeaseIsDeleted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write("lbc-1", time.Now())
		w.start()
		w.pass(leaseDuration / 2)
		remove := func() {
			require.NoError(w.t, w.admin.CoordinationV1().Leases(namespace).Delete(w.t.Context(), name, metav1.DeleteOptions{}))
		}
		remove()
		w.pass(renewPeriod)
		require.False(w.t, w.works())
		w.write("lbc-1", time.Now())
		w.pass(leaseDuration - renewPeriod)
		require.False(w.t, w.works())
		remove()
		w.pass(leaseDuration - atOnce)
		require.False(w.t, w.works())
		w.pass(2 * atOnce)
		require.True(w.t, w.works())
	})
}

// TestNoRenewal: a change of the Lease that is no renewal keeps nobody from writing.
func TestNoRenewal(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write("lbc-1", time.Now().Add(-time.Hour))
		w.start()
		for range 10 {
			_, err := w.admin.CoordinationV1().Leases(namespace).Patch(w.t.Context(), name, types.MergePatchType,
				[]byte(`{"metadata":{"annotations":{"seen":"`+time.Now().String()+`"}}}`), metav1.PatchOptions{})
			require.NoError(w.t, err)
			w.pass(time.Second)
			require.True(w.t, w.works())
		}
	})
}

// TestDeadWatch: a watch that says nothing is no sign that the other is gone, and a
// look finds its return.
func TestDeadWatch(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write("lbc-1", time.Now())
		w.start()
		w.kube.DelayWatches(kubesim.Match{Resource: "leases"}, time.Hour)
		w.renew(5*time.Minute, 0)
		require.False(w.t, w.works())
		require.Empty(w.t, w.began())
		w.pass(2 * leaseDuration)
		require.True(w.t, w.works())
		w.renew(20*time.Second, 0)
		require.False(w.t, w.works())
	})
}

// TestServerIsDown: what was known last counts.
func TestServerIsDown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write("lbc-1", time.Now())
		w.kube.SetDown(true)
		w.start()
		w.pass(time.Minute)
		require.False(w.t, w.works(), "nothing is known yet")
		w.kube.SetDown(false)
		w.pass(2 * time.Second)
		require.False(w.t, w.works())
		w.kube.SetDown(true)
		w.pass(time.Hour)
		require.False(w.t, w.works(), "nobody has seen that the Lease is as it was")
		w.kube.SetDown(false)
		w.pass(2 * time.Second)
		require.True(w.t, w.works())
		w.kube.SetDown(true)
		w.pass(time.Hour)
		require.True(w.t, w.works(), "the other cannot have renewed it")
	})
}

// TestForbidden: at the start it is an error that names the rule, later what was known
// counts.
func TestForbidden(t *testing.T) {
	inWorld(t, func(w *world) {
		w.forbidden()
		w.start()
		require.False(w.t, w.works())
		err := <-w.ended
		require.ErrorContains(w.t, err, `the verbs get and watch for leases.coordination.k8s.io named "`+name+`" in namespace "kube-system"`)
		require.ErrorContains(w.t, err, "deploy/rbac.yaml")
	})
	inWorld(t, func(w *world) {
		w.start()
		require.True(w.t, w.works())
		w.forbidden()
		w.kube.CutWatches(kubesim.Match{})
		w.pass(time.Hour)
		require.True(w.t, w.works())
		w.kube.ClearFaults()
		w.write("lbc-1", time.Now())
		w.pass(2 * time.Second)
		require.False(w.t, w.works())
	})
}

// TestNobodyIsLookedFor: without a name no request is made.
func TestNobodyIsLookedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write("lbc-1", time.Now())
		calls := w.calls()
		w.startNamed("")
		w.renew(time.Minute, 0)
		require.True(w.t, w.works())
		require.NoError(w.t, <-w.ended)
		for _, c := range w.kube.Calls()[calls:] {
			require.NotEqual(w.t, "watch", c.Verb)
		}
	})
}

// TestLooksAreFew: a watch makes looks rare, whether the other lives or not.
func TestLooksAreFew(t *testing.T) {
	gets := func(w *world, during func()) (n int) {
		from := w.calls()
		during()
		for _, c := range w.kube.Calls()[from:] {
			if c.Verb == "get" && c.UserAgent != "admin" {
				n++
			}
		}
		return n
	}
	inWorld(t, func(w *world) {
		w.start()
		require.LessOrEqual(w.t, gets(w, func() { w.pass(10 * time.Minute) }), 40+2)
	})
}

// TestTransport lets reads through, and refuses writes while the other writes.
func TestTransport(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write("lbc-1", time.Now())
		w.start()
		rc := w.kube.Config()
		rc.Wrap(w.watch.Wrap)
		client, err := kubernetes.NewForConfig(rc)
		require.NoError(w.t, err)
		require.ErrorIs(w.t, w.service(client), standaside.ErrAside)
		_, err = client.CoreV1().Services(namespace).List(w.t.Context(), metav1.ListOptions{})
		require.NoError(w.t, err)
		w.pass(leaseDuration)
		require.NoError(w.t, w.service(client))
	})
}
