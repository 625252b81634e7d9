package syncer

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/target"
)

// many returns n targets.
func many(n int) []target.Target {
	var all []target.Target
	for i := range n {
		all = append(all, target.Target{IP: netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), Port: 8000})
	}
	return all
}

// TestRefusedBatchIsHalved, and what AWS takes is followed by twice as much. The other
// operation has a size of its own.
func TestRefusedBatchIsHalved(t *testing.T) {
	p := newParking()
	next := func(op operation) []target.Target { return p.pick(op, many(100), 64) }
	require.Len(t, next(register), 64)
	require.Nil(t, p.refused(register, next(register), false))
	require.Len(t, next(register), 32)
	require.Nil(t, p.refused(register, next(register), false))
	require.Len(t, next(register), 16)
	p.taken(register, next(register))
	require.Len(t, next(register), 32)
	require.Len(t, next(deregister), 64)
	require.Nil(t, p.refused(register, many(2), false), "it may be either")
	require.Len(t, next(register), 1)
	require.NotNil(t, p.refused(register, next(register), false))
}

// TestParkedTargetStaysAwayLongerEachTime, and is a reason to run for its operation
// alone.
func TestParkedTargetStaysAwayLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParking()
		for _, least := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
			until := p.refused(register, []target.Target{a}, false).until
			require.GreaterOrEqual(t, time.Until(until), least)
			require.Less(t, time.Until(until), least*3/2)
			require.Equal(t, until, p.next(register, time.Now()))
			require.Zero(t, p.next(deregister, time.Now()))
			require.True(t, p.away(until.Add(-1)).Has(a))
			require.Empty(t, p.away(until))
		}
	})
}

// TestParkedTargetIsForgotten when what was refused is not asked for any more.
func TestParkedTargetIsForgotten(t *testing.T) {
	p := newParking()
	require.NotNil(t, p.refused(register, []target.Target{a}, false))
	require.NotNil(t, p.refused(deregister, []target.Target{b}, false))
	p.forget(target.NewSet(a))
	require.Len(t, p.parked, 2, "a is wanted, and b is not")
	p.forget(target.NewSet(b))
	require.Empty(t, p.parked)
}
