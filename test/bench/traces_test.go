package bench

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTracesAreFixed: figures of today and of a year ago are comparable. A new hash
// here means new figures everywhere.
func TestTracesAreFixed(t *testing.T) {
	got := map[string]string{}
	for _, s := range scenarios() {
		got[s.name] = s.trace.Hash()
	}
	require.Equal(t, map[string]string{
		"one change":                  "2a47e483da78",
		"10 rollouts":                 "9090ea97dbb0",
		"node drain":                  "34f592aa3f54",
		"all groups at once":          "ec4164fae4ab",
		"node drain with a neighbour": "34f592aa3f54",
		"cold start":                  "7e50559d6cb7",
		"cold start from Ingresses":   "7e50559d6cb7",
		"an Ingress group":            "34b914ae86f8",
		"5 gated rollouts":            "e3131d0d67fe",
		"20 gated rollouts":           "73bc0a7b9982",
		"50 gated rollouts":           "fe50423c85a2",
		"a day of nothing":            "91abea493e26",
	}, got)
	require.NotEqual(t, nodeDrain(seed).Hash(), nodeDrain(seed+1).Hash())
}

func TestTraces(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			changed := map[int]bool{}
			for _, c := range s.trace.Changes {
				require.False(t, changed[c.Target], "no target changes twice")
				changed[c.Target] = true
				held := c.Target < s.trace.Groups*s.trace.Held
				require.Equal(t, c.Operation == Deregister, held, "what is held leaves, what is not comes")
				require.True(t, !held || c.Target/s.trace.Held == c.Group, "a target leaves the group that holds it")
				require.Equal(t, c.Target, number(address(c.Target).IP))
			}
			require.True(t, slices.IsSortedFunc(s.trace.Changes, func(a, b Change) int { return int(a.At - b.At) }))
		})
	}
}

func TestRollouts(t *testing.T) {
	trace := rollouts(seed)
	of := byKey(trace.Changes)
	require.Len(t, of, 20)
	for _, times := range of {
		require.Len(t, times, 50)
		require.Less(t, times[49], 100*time.Second)
	}
}

func TestNodeDrain(t *testing.T) {
	trace := nodeDrain(seed)
	gone := trace.Only(Deregister)
	require.Len(t, gone, 2000)
	for i, c := range gone {
		require.Equal(t, time.Duration(i)*15*time.Millisecond, c.At)
	}
	of := byKey(trace.Changes)
	require.Len(t, of, 200)
	for k, times := range of {
		require.Len(t, times, 20)
		if k.operation == Register {
			require.Greater(t, times[0], 5*time.Second)
			require.Less(t, times[19], 50*time.Second)
		}
	}
}
