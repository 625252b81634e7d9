package syncer_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// addresses returns n addresses of pods.
func addresses(n int) (ips []string) {
	for i := range n {
		ips = append(ips, fmt.Sprintf("10.0.3.%d", i))
	}
	return ips
}

// TestMostTargets lets 12 pods compete for 5 places. Those who have one keep it, those
// who leave make room, and nothing is tried that has no place.
func TestMostTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		w.maxTargets = 5
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		ips := addresses(12)
		began := time.Now()
		w.endpoints("echo0", ips[:3]...)
		w.settle()
		require.ElementsMatch(w.t, ips[:3], w.registered(b))
		require.Empty(w.t, w.parked())

		w.endpoints("echo0", ips...)
		w.settle()
		first := w.registered(b)
		require.Len(w.t, first, 5)
		require.Subset(w.t, first, ips[:3])
		require.Equal(w.t, map[string]int{"LeftOut": 7}, w.parked())
		require.Contains(w.t, <-w.events.Events, "TargetsLeftOut target group echo0 has the most targets that TGSYNC_MAX_TARGETS_PER_TARGET_GROUP allows, 5; 7 more are left out")
		require.Len(w.t, w.calls("RegisterTargets", began), 2)

		began = time.Now()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(w.t, w.calls("RegisterTargets", began), "there is no room, and we know it")
		require.Empty(w.t, w.events.Events, "it is told once")

		// Two who have a place leave: two move up.
		stay := slices.DeleteFunc(slices.Clone(ips), func(ip string) bool { return slices.Contains(first[:2], ip) })
		w.endpoints("echo0", stay...)
		w.settle()
		second := w.registered(b)
		require.Len(w.t, second, 5)
		require.Subset(w.t, second, first[2:], "nobody loses a place to another")
		require.Equal(w.t, map[string]int{"LeftOut": 5}, w.parked())

		w.endpoints("echo0", second...)
		w.settle()
		require.ElementsMatch(w.t, second, w.registered(b))
		require.Empty(w.t, w.parked())
		w.endpoints("echo0")
		w.settle()
	})
}

// TestMostTargetsLowered: a group that has more than it may have keeps them. It gets no
// more, and loses who leaves.
func TestMostTargetsLowered(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		ips := addresses(10)
		w.endpoints("echo0", ips[:8]...)
		w.settle()
		w.stop()

		w.maxTargets = 5
		w.start()
		began := time.Now()
		w.endpoints("echo0", ips...)
		w.settle()
		require.ElementsMatch(w.t, ips[:8], w.registered(b))
		require.Equal(w.t, map[string]int{"LeftOut": 2}, w.parked())
		w.endpoints("echo0", ips[2:]...)
		w.settle()
		require.ElementsMatch(w.t, ips[2:8], w.registered(b))
		require.Empty(w.t, w.calls("RegisterTargets", began))
		w.endpoints("echo0", ips[4:]...)
		w.settle()
		require.Len(w.t, w.registered(b), 5)
		require.Equal(w.t, map[string]int{"LeftOut": 1}, w.parked())
	})
}

// TestMostTargetsAreTheSame: who gets a place does not depend on the order of the slices.
func TestMostTargetsAreTheSame(t *testing.T) {
	var chosen [][]string
	for _, reverse := range []bool{false, true} {
		inWorld(t, func(w *world) {
			w.maxTargets = 5
			b := w.service("echo0")
			w.source.set(b)
			w.start()
			ips := addresses(50)
			if reverse {
				slices.Reverse(ips)
			}
			w.endpoints("echo0", ips...)
			w.settle()
			chosen = append(chosen, w.registered(b))
		})
	}
	require.Len(t, chosen[0], 5)
	require.ElementsMatch(t, chosen[0], chosen[1])
	require.NotSubset(t, addresses(5), chosen[0], "not simply the first")
}

// TestMostTargetsAtTheStart: what changed while nobody led goes first, but not before it
// is known whether there is room.
func TestMostTargetsAtTheStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.maxTargets = 5
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		ips := addresses(8)
		w.endpoints("echo0", ips[:5]...)
		w.settle()
		w.stop()
		w.liveSince = time.Now()
		time.Sleep(time.Second)
		w.endpoints("echo0", ips...)
		w.start()
		w.settle()
		require.ElementsMatch(w.t, ips[:5], w.registered(b))
		require.Equal(w.t, map[string]int{"LeftOut": 3}, w.parked())
	})
}
