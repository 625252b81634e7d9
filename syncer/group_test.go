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

// begins takes a batch and compares it.
func begins(t *testing.T, g *group, op operation, desired target.Set, want ...target.Target) {
	t.Helper()
	batch, more := g.begin(op, op.of(g.plan(wanted{desired: desired})), 10)
	require.ElementsMatch(t, want, batch)
	require.False(t, more)
}

func TestGroupPlansOnlyWhatIsCertainBeforeItIsObserved(t *testing.T) {
	g := newGroup("arn")
	require.False(t, g.known())
	begins(t, g, deregister, target.NewSet())
	plan := g.plan(wanted{desired: target.NewSet(a), leaving: target.NewSet(a, b)})
	require.Equal(t, target.Plan{Register: []target.Target{a}, Deregister: []target.Target{b}}, plan, "both can be repeated")
	for _, op := range []operation{register, deregister} {
		batch, _ := g.begin(op, op.of(plan), 10)
		g.end(op, batch, awsapi.OK)
	}
	require.True(t, g.plan(wanted{desired: target.NewSet(a), leaving: target.NewSet(b)}).Empty(), "but need not be")
	require.False(t, g.known())
	require.False(t, g.observedAt(g.currentGeneration(), health("healthy", a, c)).stale)
	require.True(t, g.known())
	begins(t, g, deregister, target.NewSet(a), c)
}

func TestGroupDrainingIsNotRegistered(t *testing.T) {
	g := newGroup("arn")
	require.False(t, g.observedAt(0, append(health("draining", a), health("healthy", b)...)).stale)
	begins(t, g, register, target.NewSet(a, b), a)
	begins(t, g, deregister, target.NewSet(b)) // what drains is not deregistered again
}

func TestGroupInFlightIsInNoOtherPlan(t *testing.T) {
	g := newGroup("arn")
	require.False(t, g.observedAt(0, health("healthy", a)).stale)
	begins(t, g, register, target.NewSet(a, b), b)
	// b is unwanted again while it is being registered.
	begins(t, g, deregister, target.NewSet(), a)
	g.end(register, []target.Target{b}, awsapi.OK)
	begins(t, g, deregister, target.NewSet(), b)
}

func TestGroupBatches(t *testing.T) {
	g := newGroup("arn")
	require.False(t, g.observedAt(0, nil).stale)
	want := target.NewSet(a, b, c)
	first, more := g.begin(register, g.plan(wanted{desired: want}).Register, 2)
	require.Len(t, first, 2)
	require.True(t, more)
	g.end(register, first, awsapi.OK)
	second, more := g.begin(register, g.plan(wanted{desired: want}).Register, 2)
	require.ElementsMatch(t, []target.Target{a, b, c}, append(second, first...))
	require.False(t, more)
	g.end(register, second, awsapi.OK)
	require.True(t, g.plan(wanted{desired: want}).Empty())
}

func TestGroupAfterAnError(t *testing.T) {
	tests := map[string]struct {
		class awsapi.Class
		again []target.Target
	}{
		"denied: the same plan again":    {class: awsapi.Denied, again: []target.Target{a}},
		"refused: parked":                {class: awsapi.Invalid},
		"over a quota: full":             {class: awsapi.Limit},
		"throttled: the same plan again": {class: awsapi.Throttled, again: []target.Target{a}},
		"outcome open: in doubt":         {class: awsapi.Unavailable},
		"cut off: the same":              {class: awsapi.Canceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGroup("arn")
			require.False(t, g.observedAt(0, nil).stale)
			begins(t, g, register, target.NewSet(a), a)
			g.end(register, []target.Target{a}, tt.class)
			begins(t, g, register, target.NewSet(a), tt.again...)
		})
	}
}

// TestGroupInDoubt: a call whose outcome is open says nothing about other targets, and
// of its own it forbids the opposite, too, until AWS has been asked.
func TestGroupInDoubt(t *testing.T) {
	g := newGroup("arn")
	require.False(t, g.observedAt(0, health("healthy", a)).stale)
	begins(t, g, deregister, target.NewSet(), a)
	require.True(t, g.end(deregister, []target.Target{a}, awsapi.Unavailable).look)
	begins(t, g, register, target.NewSet(a, b), b)
	begins(t, g, deregister, target.NewSet(b))
	g.end(register, []target.Target{b}, awsapi.OK)
	require.Zero(t, g.observedAt(g.currentGeneration(), health("healthy", b)).drift, "what was in doubt is no drift")
	begins(t, g, register, target.NewSet(a, b), a)
}

// TestGroupTakesBackWhatDrains: AWS says OK to the registration of a target that drains,
// whatever it makes of it.
func TestGroupTakesBackWhatDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup("arn")
		require.False(t, g.observedAt(0, health("draining", a)).stale)
		for range 3 {
			begins(t, g, register, target.NewSet(a), a)
			require.True(t, g.end(register, []target.Target{a}, awsapi.OK).look)
			begins(t, g, register, target.NewSet(a))
			require.Zero(t, g.observedAt(g.currentGeneration(), health("draining", a)).drift)
			begins(t, g, register, target.NewSet(a))
			require.False(t, g.nextTry(register).IsZero())
			time.Sleep(drainParking * 3 / 2)
		}
		begins(t, g, register, target.NewSet(a), a)
		g.end(register, []target.Target{a}, awsapi.OK)
		require.Zero(t, g.observedAt(g.currentGeneration(), health("initial", a)).drift)
		require.True(t, g.plan(wanted{desired: target.NewSet(a)}).Empty())
		begins(t, g, deregister, nil, a)
		require.False(t, g.end(deregister, []target.Target{a}, awsapi.OK).look)
		begins(t, g, register, target.NewSet(a), a)
		require.True(t, g.end(register, []target.Target{a}, awsapi.OK).look, "it drains since we said so")
	})
}

// TestGroupStaleObservation is the race that would leak a target: an answer that
// was given before a registration, and arrives after it.
func TestGroupStaleObservation(t *testing.T) {
	g := newGroup("arn")
	require.False(t, g.observedAt(0, nil).stale)
	before := g.currentGeneration()
	begins(t, g, register, target.NewSet(a), a)
	g.end(register, []target.Target{a}, awsapi.OK)
	require.True(t, g.observedAt(before, nil).stale, "older than the call")
	begins(t, g, deregister, target.NewSet(), a)
}

func TestGroupLeavesUndecidedAsItIs(t *testing.T) {
	g := newGroup("arn")
	require.False(t, g.observedAt(0, health("healthy", a, b)).stale)
	plan := g.plan(wanted{undecided: target.NewSet(a, c)})
	require.Equal(t, target.Plan{Deregister: []target.Target{b}}, plan, "a stays, c does not come")
}

// TestParkedTargetIsNoReasonToRunForEver: a target whose time has come, and that no
// plan takes up since somebody else registered it, must not wake its key again.
func TestParkedTargetIsNoReasonToRunForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup("arn")
		require.False(t, g.observedAt(0, nil).stale)
		want := wanted{desired: target.NewSet(a)}
		batch, _ := g.begin(register, g.plan(want).Register, 10)
		require.NotNil(t, g.end(register, batch, awsapi.Invalid).parked)
		require.True(t, g.nextTry(register).After(time.Now()))
		require.True(t, g.nextTry(deregister).IsZero())
		require.False(t, g.observedAt(g.currentGeneration(), health("healthy", a)).stale)
		time.Sleep(lastParking)
		require.True(t, g.plan(want).Empty())
		require.True(t, g.nextTry(register).IsZero())
	})
}
