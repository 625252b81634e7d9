package syncer_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

// told is what is told of a group.
type told struct{ syncer.Detail }

// detail returns what is told of the only group.
func (w *world) detail() told {
	w.t.Helper()
	synctest.Wait()
	all := w.syncer.Details()
	require.Len(w.t, all, 1)
	require.Equal(w.t, w.syncer.Status()[0], all[0].Status, "one state, however it is asked for")
	return told{all[0]}
}

// next returns what is to be done next of an operation.
func (d told) next(operation string) syncer.Action {
	for _, a := range d.Actions {
		if a.Operation == operation {
			return a
		}
	}
	return syncer.Action{}
}

// last returns the last call of an operation.
func (d told) last(operation string) syncer.Call {
	for _, c := range d.Calls {
		if c.Operation == operation {
			return c
		}
	}
	return syncer.Call{}
}

// members returns the words for a group's targets.
func members(d told) []string {
	var all []string
	for _, m := range d.Members {
		text := m.Target.IP.String() + " " + m.State + " " + string(m.Endpoint)
		if m.Wanted {
			text += " wanted"
		}
		all = append(all, text)
	}
	return all
}

// TestDetailOfAGroupOnItsWay follows a group from its first look to the one after its
// first targets.
func TestDetailOfAGroupOnItsWay(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		b := w.service("echo0")
		w.source.set(b)
		w.sim.Inject(awssim.Fault{Action: "DescribeTargetHealth", Times: 1, Code: "AccessDenied", Status: http.StatusForbidden})
		w.startOnly()
		time.Sleep(100*time.Millisecond + callLatency) // after the caches, which are looked at every 100 ms
		d := w.detail()
		require.Equal(t, b, d.Binding)
		require.Equal(t, syncer.StateUnknown, d.State)
		require.False(t, d.Known)
		require.Equal(t, "the Service has no EndpointSlice of the address family", d.Problem)
		require.Len(t, d.Actions, 1)
		require.Equal(t, "observe", d.Actions[0].Operation)
		require.Equal(t, opqueue.WaitsForBackoff, d.Actions[0].Waits)
		require.True(t, d.Actions[0].Until.After(time.Now()))
		require.Len(t, d.Calls, 1)
		require.Contains(t, d.Calls[0].Error, "AccessDenied")
		require.Equal(t, syncer.Call{Operation: "observe", At: d.Calls[0].At, Class: "Denied", Error: d.Calls[0].Error}, d.Calls[0])

		w.settle()
		d = w.detail()
		require.True(t, d.Known)
		require.Equal(t, syncer.StateSynced, d.State)
		require.Empty(t, d.Calls[0].Error)
		audit := d.Actions[0]
		require.WithinRange(t, audit.Until, time.Now(), time.Now().Add(auditInterval))
		require.Equal(t, []syncer.Action{{Operation: "observe", Waits: opqueue.WaitsForTime, Until: audit.Until}}, d.Actions)

		w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
		changed := time.Now()
		time.Sleep(callLatency / 2)
		d = w.detail()
		require.Equal(t, syncer.StatePending, d.State)
		require.Equal(t, []int{2, 0, 2}, []int{d.Desired, d.Observed, d.InFlight})
		require.Equal(t, []syncer.Action{{Operation: "register", Waits: opqueue.WaitsForRun, Changed: changed}, audit}, d.Actions)
		require.Equal(t, []string{"10.0.0.1  ready wanted", "10.0.0.2  ready wanted"}, members(d))

		time.Sleep(callLatency / 2)
		d = w.detail()
		require.Equal(t, syncer.StateSynced, d.State)
		require.Equal(t, []int{2, 2, 0}, []int{d.Desired, d.Observed, d.InFlight})
		require.Empty(t, d.Problem)
		require.Equal(t, syncer.Call{Operation: "register", At: time.Now(), Targets: 2}, d.Calls[0])
		require.Equal(t, "observe", d.Calls[1].Operation)
		require.Equal(t, []string{"10.0.0.1 initial ready wanted", "10.0.0.2 initial ready wanted"}, members(d))

		w.endpoints("echo0", "10.0.0.2")
		time.Sleep(callLatency)
		w.endpoints("echo0", "10.0.0.2", "10.0.0.3")
		d = w.detail()
		require.Equal(t, map[string]int{"initial": 1, "draining": 1}, d.Targets)
		require.Equal(t, []string{"10.0.0.1 draining ", "10.0.0.2 initial ready wanted", "10.0.0.3  ready wanted"}, members(d))
		require.Equal(t, opqueue.WaitsForGap, d.Actions[0].Waits)
		require.Equal(t, changed.Add(callLatency+200*time.Millisecond), d.Actions[0].Until, "of the registration before")
	})
}

// TestDetailOfWaits looks at groups whose change does not get through.
func TestDetailOfWaits(t *testing.T) {
	tests := map[string]struct {
		fault   awssim.Fault
		waits   opqueue.Wait
		class   string
		inDoubt int
		tokens  int // that others take before
	}{
		"back-off":        {fault: awssim.Fault{Code: "AccessDenied", Status: http.StatusForbidden}, waits: opqueue.WaitsForBackoff, class: "Denied"},
		"throttled":       {fault: awssim.Fault{Throttle: true}, waits: opqueue.WaitsForPause, class: "Throttled"},
		"the answer lost": {fault: awssim.Fault{LoseResponse: true}, waits: opqueue.WaitsForPause, class: "Unavailable", inDoubt: 1},
		"no token":        {tokens: 20, waits: opqueue.WaitsForToken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				t := w.t
				b := w.service("echo0")
				w.source.set(b)
				w.start()
				for range tt.tokens {
					_, err := w.aws.RegistrationToken(t.Context())
					require.NoError(t, err)
				}
				if tt.tokens == 0 {
					tt.fault.Action = "RegisterTargets"
					w.sim.Inject(tt.fault)
				}
				w.endpoints("echo0", "10.0.0.1")
				changed := time.Now()
				time.Sleep(callLatency)
				d := w.detail()
				next := d.next("register")
				// The gap between two calls is longer than the first back-off.
				for next.Waits == opqueue.WaitsForGap || next.Waits == opqueue.WaitsForRun {
					time.Sleep(10 * time.Millisecond)
					d = w.detail()
					next = d.next("register")
				}
				require.Equal(t, syncer.StatePending, d.State)
				require.Equal(t, tt.inDoubt, d.InDoubt)
				require.Equal(t, tt.waits, next.Waits)
				require.Equal(t, changed, next.Changed)
				require.Equal(t, tt.waits == opqueue.WaitsForToken, next.Until.IsZero())
				require.Equal(t, tt.waits != opqueue.WaitsForToken, next.Ready.IsZero())
				require.Equal(t, tt.class, string(d.last("register").Class))
			})
		})
	}
}

func TestDetailOfParkedTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		w.endpoints("echo0", "10.0.0.1", "192.0.2.1") // AWS takes no public addresses
		time.Sleep(time.Second)
		d := w.detail()
		require.Equal(t, syncer.StateParked, d.State)
		require.Equal(t, []int{2, 1}, []int{d.Desired, d.Observed})
		require.Len(t, d.Waits, 1)
		p := d.Waits[0]
		require.Equal(t, "192.0.2.1:8000", p.Target.String())
		require.WithinRange(t, p.Until, time.Now().Add(10*time.Second), time.Now().Add(25*time.Second))
		require.Equal(t, syncer.Parked{Target: p.Target, Targets: 1, Operation: "register", Reason: "Invalid", Until: p.Until, Times: 1}, p)
		require.Contains(t, d.Actions, syncer.Action{Operation: "register", Waits: opqueue.WaitsForTime, Until: p.Until}, "it is tried again")
		require.Equal(t, []string{"10.0.0.1 initial ready wanted", "192.0.2.1  ready wanted"}, members(d))
	})
}

func TestDetailOfAFullGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		b := w.service("echo0")
		w.attach(b)
		w.source.set(b)
		w.start()
		var ips []string
		for n := range targetQuota + 10 {
			ips = append(ips, fmt.Sprintf("10.0.3.%d", n))
		}
		w.endpoints("echo0", ips...)
		w.settle()
		d := w.detail()
		require.Equal(t, syncer.StateParked, d.State)
		require.Equal(t, []int{targetQuota + 10, targetQuota}, []int{d.Desired, d.Observed})
		require.Len(t, d.Waits, 1)
		require.Equal(t, syncer.Parked{Targets: 10, Operation: "register", Reason: "Limit", Until: d.Waits[0].Until, Times: 1}, d.Waits[0])
	})
}

func TestDetailOfHeldTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
		w.source.set(b)
		w.start()
		require.NoError(t, w.kube.CoreV1().Services("demo0").Delete(t.Context(), "echo0", metav1.DeleteOptions{}))
		synctest.Wait()
		began := time.Now()
		time.Sleep(10 * time.Second)
		d := w.detail()
		require.Equal(t, syncer.StateHeld, d.State)
		require.Equal(t, "the Service does not exist", d.Problem)
		require.Equal(t, map[syncer.Guard]syncer.Hold{syncer.GuardGracePeriod: {Since: began, Targets: 2}}, d.Holding)
		require.Equal(t, began.Add(gracePeriod), d.GraceUntil)
		require.Equal(t, []int{0, 2}, []int{d.Desired, d.Observed})
		require.Contains(t, d.Actions, syncer.Action{Operation: "deregister", Waits: opqueue.WaitsForTime, Until: d.GraceUntil})
		w.addService("echo0")
		time.Sleep(time.Second)
		d = w.detail()
		require.Equal(t, syncer.StateSynced, d.State)
		require.Empty(t, d.Holding)
		require.Zero(t, d.GraceUntil)
	})
}

func TestDetailOfGates(t *testing.T) {
	inPodWorld(t, func(w *world, _ target.Binding) {
		w.selectPods("echo0", "echo0")
		w.show("echo0", endpointOf("p1", "10.0.0.1", false))
		synctest.Wait() // several informers: which event comes first is not said
		p := gatedPod("p1")
		p.Status.PodIPs = []corev1.PodIP{{IP: "10.0.0.1"}}
		w.applyPod(p)
		since := time.Now()
		w.settle()
		d := w.detail()
		require.Equal(t, 1, d.Gates.Pods)
		require.Equal(t, since, d.Gates.Since)
		require.False(t, d.Gates.Read.IsZero())
		require.Equal(t, "demo0/p1", d.Members[0].Pod.String())
		require.NoError(t, w.kube.CoreV1().Pods("demo0").Delete(t.Context(), "p1", metav1.DeleteOptions{}))
		require.Zero(t, w.detail().Gates)
	})
}
