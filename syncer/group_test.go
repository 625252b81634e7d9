package syncer

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

func tg(ip string) target.Target {
	return target.Target{IP: netip.MustParseAddr(ip), Port: 8000}
}

func health(state string, ts ...target.Target) []awsapi.TargetHealth {
	var rows []awsapi.TargetHealth
	for _, t := range ts {
		rows = append(rows, awsapi.TargetHealth{Target: t, State: state})
	}
	return rows
}

var a, b, c = tg("10.0.0.1"), tg("10.0.0.2"), tg("10.0.0.3")

func TestGroupPlansNothingBeforeItIsObserved(t *testing.T) {
	g := newGroup("arn")
	g.changed(change{since: time.Now()})
	require.Empty(t, g.begin(register, target.NewSet(a), 10))
	require.False(t, g.waiting(register).IsZero(), "the change still waits")
	require.True(t, g.observedAt(g.currentGeneration(), nil))
	require.Equal(t, []target.Target{a}, g.begin(register, target.NewSet(a), 10))
}

func TestGroupDrainingIsNotRegistered(t *testing.T) {
	g := newGroup("arn")
	require.True(t, g.observedAt(0, append(health("draining", a), health("healthy", b)...)))
	require.Equal(t, []target.Target{a}, g.begin(register, target.NewSet(a, b), 10))
	require.Empty(t, g.begin(deregister, target.NewSet(b), 10), "what drains is not deregistered again")
}

func TestGroupInFlightIsInNoOtherPlan(t *testing.T) {
	g := newGroup("arn")
	require.True(t, g.observedAt(0, health("healthy", a)))
	require.Equal(t, []target.Target{b}, g.begin(register, target.NewSet(a, b), 10))
	// b is unwanted again while it is being registered.
	require.Equal(t, []target.Target{a}, g.begin(deregister, target.NewSet(), 10))
	g.end(register, []target.Target{b}, awsapi.OK)
	require.Equal(t, []target.Target{b}, g.begin(deregister, target.NewSet(), 10))
}

func TestGroupBatches(t *testing.T) {
	g := newGroup("arn")
	require.True(t, g.observedAt(0, nil))
	g.changed(change{since: time.Now()})
	want := target.NewSet(a, b, c)
	first := g.begin(register, want, 2)
	require.Equal(t, []target.Target{a, b}, first)
	g.end(register, first, awsapi.OK)
	require.False(t, g.waiting(register).IsZero(), "the rest waits")
	second := g.begin(register, want, 2)
	require.Equal(t, []target.Target{c}, second)
	g.end(register, second, awsapi.OK)
	require.True(t, g.waiting(register).IsZero())
}

func TestGroupAfterAnError(t *testing.T) {
	tests := map[string]struct {
		class awsapi.Class
		known bool
		again []target.Target
	}{
		"refused: the same plan again":                       {class: awsapi.Invalid, known: true, again: []target.Target{a}},
		"throttled: the same plan again":                     {class: awsapi.Throttled, known: true, again: []target.Target{a}},
		"outcome open: nothing is planned until it is known": {class: awsapi.Unavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGroup("arn")
			require.True(t, g.observedAt(0, nil))
			since := time.Now()
			g.changed(change{since: since})
			g.end(register, g.begin(register, target.NewSet(a), 10), tt.class)
			require.Equal(t, since, g.waiting(register), "the change keeps its age")
			require.Equal(t, tt.known, g.known())
			require.Equal(t, tt.again, g.begin(register, target.NewSet(a), 10))
		})
	}
}

// TestGroupStaleObservation is the race that would leak a target: an answer that
// was given before a registration, and arrives after it.
func TestGroupStaleObservation(t *testing.T) {
	g := newGroup("arn")
	require.True(t, g.observedAt(0, nil))
	before := g.currentGeneration()
	batch := g.begin(register, target.NewSet(a), 10)
	g.end(register, batch, awsapi.OK)
	require.False(t, g.observedAt(before, nil), "older than the call")
	require.Equal(t, []target.Target{a}, g.begin(deregister, target.NewSet(), 10))
}

func TestGroupRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup("arn")
		require.True(t, g.observedAt(0, nil))
		require.Zero(t, g.rest(register, time.Second), "the first change never waits")
		g.end(register, g.begin(register, target.NewSet(a), 10), awsapi.OK)
		require.Equal(t, time.Second, g.rest(register, time.Second))
		require.Zero(t, g.rest(deregister, time.Second), "the other operation does not wait")
		time.Sleep(time.Second)
		require.LessOrEqual(t, g.rest(register, time.Second), time.Duration(0))
	})
}

func TestChangeMerge(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	tests := map[string]struct{ a, b, want change }{
		"the older since counts":      {change{since: late}, change{since: early}, change{since: early}},
		"the older trigger counts":    {change{early, late}, change{late, early}, change{early, early}},
		"no trigger is not a trigger": {change{since: early}, change{late, late}, change{early, late}},
		"nothing waited":              {change{}, change{late, late}, change{late, late}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, tt.a.merge(tt.b)) })
	}
}
