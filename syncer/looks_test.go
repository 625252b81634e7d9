package syncer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
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
