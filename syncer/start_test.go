package syncer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/target"
)

// cacheSyncPoll is how often client-go looks whether caches are full.
const cacheSyncPoll = 100 * time.Millisecond

// services makes some Services with a ready pod each, one a second: 10.0.N.1 of echoN.
func (w *world) services(n int) []target.Binding {
	w.t.Helper()
	var bindings []target.Binding
	for i := range n {
		bindings = append(bindings, w.service(fmt.Sprintf("echo%d", i)))
		w.endpoints(fmt.Sprintf("echo%d", i), fmt.Sprintf("10.0.%d.1", i))
		time.Sleep(time.Second)
	}
	return bindings
}

// started returns the calls since a start, as "action group", in their order.
func (w *world) started(since time.Time, bindings []target.Binding) []string {
	names := map[string]string{}
	for _, b := range bindings {
		names[b.GroupARN] = b.GroupName
	}
	var got []string
	for _, c := range w.sim.Calls() {
		if !c.Time.Before(since) {
			got = append(got, c.Action+" "+names[c.Params["TargetGroupArn"]])
		}
	}
	return got
}

// TestLiveChangesGoFirst: of six groups one has changed since the last leader went. Its
// pods are registered before anything is looked at, and then the groups are, the one
// that changed last first.
func TestLiveChangesGoFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		bindings := w.services(6)
		w.source.set(bindings...)
		w.start()
		w.stop()
		w.liveSince = time.Now()
		time.Sleep(time.Second)
		w.endpoints("echo3", "10.0.3.1", "10.0.3.2")
		time.Sleep(time.Second)
		began := time.Now()
		w.start()
		require.Equal(w.t, []string{
			"RegisterTargets echo3", "DescribeTargetHealth echo3", "DescribeTargetHealth echo5", "DescribeTargetHealth echo4",
			"DescribeTargetHealth echo2", "DescribeTargetHealth echo1", "DescribeTargetHealth echo0",
		}, fourAtOnce(w.started(began, bindings)[:7])) // an audit may follow
		require.Equal(w.t, []string{"10.0.3.1", "10.0.3.2"}, w.registered(bindings[3]))
	})
}

// fourAtOnce orders the calls that four workers make in one instant: AWS sees them in
// any order.
func fourAtOnce(calls []string) []string {
	const workers = 4
	order := []string{"echo3", "echo5", "echo4", "echo2", "echo1", "echo0"}
	place := func(call string) int { return slices.Index(order, strings.Fields(call)[1]) }
	for first := 1; first < len(calls); first += workers {
		slices.SortFunc(calls[first:min(first+workers, len(calls))], func(a, b string) int { return place(a) - place(b) })
	}
	return calls
}

// TestGroupsThatPodsLeaveAreObservedFirst: who left may be known to nobody.
func TestGroupsThatPodsLeaveAreObservedFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		bindings := w.services(9)
		w.source.set(bindings...)
		w.start()
		w.stop()
		leaving := endpointOf("p1", "10.0.2.1", false)
		leaving.Conditions.Terminating = new(true)
		w.reshow("echo2", leaving)
		began := time.Now()
		w.start()
		calls := w.started(began, bindings)
		require.Contains(w.t, calls[:4], "DescribeTargetHealth echo2", "of the first four, which leave at once")
		require.Empty(w.t, w.registered(bindings[2]))
	})
}

// TestChangeOfAGroupThatWasNotObservedYet does not wait for its turn.
func TestChangeOfAGroupThatWasNotObservedYet(t *testing.T) {
	inWorld(t, func(w *world) {
		bindings := w.services(60)
		w.source.set(bindings...)
		w.startOnly()
		time.Sleep(cacheSyncPoll + 10*time.Millisecond)
		began := time.Now()
		w.endpoints("echo0", "10.0.0.1", "10.0.0.2") // the one that changed first is looked at last
		soon()
		calls := w.started(began, bindings)
		require.Equal(w.t, 1, strings.Count(strings.Join(calls, "\n"), "RegisterTargets"), "and no other group has changed")
		require.Contains(w.t, calls, "RegisterTargets echo0")
		require.NotContains(w.t, calls, "DescribeTargetHealth echo0")
	})
}

// TestLargeGroupIsObservedFirst: one look costs less than to register all again.
func TestLargeGroupIsObservedFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		var ips []string
		for n := range 250 {
			ips = append(ips, fmt.Sprintf("10.0.4.%d", n))
		}
		w.endpoints("echo0", ips...)
		w.source.set(b)
		w.start()
		w.stop()
		w.liveSince = time.Now()
		time.Sleep(time.Second)
		w.endpoints("echo0", append(ips, "10.0.5.1")...)
		began := time.Now()
		w.start()
		require.Equal(w.t, []string{"DescribeTargetHealth echo0", "RegisterTargets echo0"}, w.started(began, []target.Binding{b})[:2]) // an audit may follow
	})
}
