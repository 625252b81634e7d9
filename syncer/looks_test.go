package syncer

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
)

// TestGroupIsLookedAtTwice: what an open outcome came to is asked at once, and again
// when a late effect must have shown. Audits go on as if nothing had been.
func TestGroupIsLookedAtTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup("arn")
		audit := time.Now().Add(time.Hour)
		g.audit = audit
		require.Zero(t, g.lookAfter(awsapi.OK))
		require.Equal(t, audit, g.nextLook(time.Hour), "nothing is open")

		require.Zero(t, g.lookAfter(awsapi.Unavailable))
		require.Equal(t, time.Now().Add(secondLook), g.nextLook(time.Hour))
		time.Sleep(secondLook)
		require.Equal(t, audit, g.nextLook(time.Hour))

		time.Sleep(time.Hour)
		require.Equal(t, audit.Add(time.Hour), g.nextLook(time.Hour))
	})
}

// TestLooksComeLaterAndLater while calls keep failing, until one is accepted.
func TestLooksComeLaterAndLater(t *testing.T) {
	g := newGroup("arn")
	require.Zero(t, g.lookAfter(awsapi.Unavailable))
	for least := 2 * firstLook; least < lastLook; least *= 2 {
		wait := g.lookAfter(awsapi.Unavailable)
		require.GreaterOrEqual(t, wait, least)
		require.Less(t, wait, least*3/2)
	}
	for range 100 {
		require.Less(t, g.lookAfter(awsapi.Unavailable), lastLook*3/2)
	}
	g.end(register, []target.Target{a}, awsapi.OK)
	require.Zero(t, g.lookAfter(awsapi.Unavailable))
}

// TestFirstAuditsSpread: a thousand groups that were found in one instant are not
// audited in one.
func TestFirstAuditsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quarter = 15 * time.Minute
		audits := map[time.Duration]int{}
		for range 1000 {
			audits[time.Until(newGroup("arn").nextLook(4*quarter))/quarter]++
		}
		for n := range 4 {
			require.InDelta(t, 250, audits[time.Duration(n)], 100)
		}
	})
}

// TestGroupInFlightIsNoDrift: an observation may show a call that has not returned.
func TestGroupInFlightIsNoDrift(t *testing.T) {
	g := newGroup("arn")
	require.False(t, g.observedAt(0, health("healthy", a)).stale)
	begins(t, g, register, target.NewSet(a, b), b)
	require.Zero(t, g.observedAt(g.currentGeneration(), health("healthy", a, b)).drift)
	require.Equal(t, 1, g.observedAt(g.currentGeneration(), health("healthy", b)).drift, "who took a away?")
}

// shows is an account whose one group has these targets.
type shows []awsapi.TargetHealth

func (shows) RegisterTargets(context.Context, string, []target.Target, func(netip.Addr) string) error {
	return nil
}
func (shows) DeregisterTargets(context.Context, string, []target.Target) error { return nil }
func (shows) RegistrationToken(context.Context) (*opqueue.Token, error)        { return nil, nil }
func (shows) ReadToken(context.Context, string) (*opqueue.Token, error)        { return nil, nil }
func (h shows) DescribeTargetHealth(context.Context, string) ([]awsapi.TargetHealth, error) {
	return h, nil
}

// TestGatesLookSettlesAnOpenOutcome: whoever looks first, the keys that waited for it go
// on. The look that was asked for finds nothing open any more.
func TestGatesLookSettlesAnOpenOutcome(t *testing.T) {
	informers, err := NewInformers(nil, fake.NewClientset())
	require.NoError(t, err)
	s, err := New(Options{AWS: shows(health("healthy", a)), Tokens: shows(nil), Informers: informers})
	require.NoError(t, err)
	defer informers.Shutdown()
	g := newGroup("arn")
	g.lane.Store(s.lanes[target.Role{}])
	s.groups["arn"] = g
	g.observedAt(0, health("healthy", a))
	begins(t, g, register, target.NewSet(a, b), b)
	g.end(register, []target.Target{b}, awsapi.Unavailable)

	_, err = gateReader{s}.DescribeTargetHealth(t.Context(), "arn")
	require.NoError(t, err)
	for _, op := range []operation{register, deregister} {
		require.True(t, s.waits(key{"arn", op}))
		s.lane("arn").queue(op).Remove(key{"arn", op})
	}
	_, err = gateReader{s}.DescribeTargetHealth(t.Context(), "arn")
	require.NoError(t, err)
	require.False(t, s.waits(key{"arn", register}), "nothing was open any more")
}

// bound is a source of one binding or none.
type bound []target.Binding

func (b bound) Bindings() []target.Binding      { return b }
func (bound) Missing() ([]target.Binding, bool) { return nil, true }
func (bound) Changed() <-chan struct{}          { return nil }

// TestLanesComeAndGo with the bindings that name their roles.
func TestLanesComeAndGo(t *testing.T) {
	informers, err := NewInformers(nil, fake.NewClientset())
	require.NoError(t, err)
	defer informers.Shutdown()
	s, err := New(Options{AWS: shows(nil), Tokens: shows(nil), Informers: informers, Roles: func(target.Role) (TargetAPI, Tokens) {
		return shows(nil), shows(nil)
	}})
	require.NoError(t, err)
	begun, ended := 0, 0
	rebind := func(bindings ...target.Binding) {
		s.o.Source = bound(bindings)
		s.rebind(func(l *lane) {
			begun++
			l.stop = func() { ended++ }
		})
	}
	role := target.Role{ARN: "role"}
	rebind(target.Binding{GroupARN: "a", Role: role}, target.Binding{GroupARN: "b", Role: role}, target.Binding{GroupARN: "c"})
	rebind(target.Binding{GroupARN: "b", Role: role})
	require.Equal(t, []int{1, 0}, []int{begun, ended})
	rebind(target.Binding{GroupARN: "c"})
	require.Equal(t, []int{1, 1}, []int{begun, ended})
	require.Len(t, s.allLanes(), 1, "our own account's stays")
	rebind(target.Binding{GroupARN: "b", Role: role})
	require.Equal(t, []int{2, 1}, []int{begun, ended})
}

// TestSharedTargetStaysOurs although an observation right after its registration lacks
// it, until one must have shown it.
func TestSharedTargetStaysOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup("arn")
		g.own(target.NewSet(a))
		g.observedAt(0, nil)
		begins(t, g, register, target.NewSet(a), a)
		g.end(register, []target.Target{a}, awsapi.OK)
		g.observedAt(g.currentGeneration(), nil)
		require.Equal(t, target.NewSet(a), g.ownable(target.NewSet(a), nil))

		time.Sleep(settled - 1)
		g.observedAt(g.currentGeneration(), nil)
		require.Equal(t, target.NewSet(a), g.ownable(target.NewSet(a), nil))
		time.Sleep(1)
		require.Equal(t, target.NewSet(a), g.ownable(target.NewSet(a), nil), "nobody has looked")
		g.observedAt(g.currentGeneration(), nil)
		require.Empty(t, g.ownable(target.NewSet(a), nil))

		begins(t, g, register, target.NewSet(a), a)
		g.end(register, []target.Target{a}, awsapi.OK)
		plan := g.plan(wanted{shared: true})
		require.Equal(t, []target.Target{a}, plan.Deregister)
		g.begin(deregister, plan.Deregister, 10)
		g.end(deregister, plan.Deregister, awsapi.OK)
		require.Empty(t, g.ownable(target.NewSet(a), nil), "an address that we left may be somebody else's")
	})
}
