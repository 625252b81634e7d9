package bench

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	require.EqualValues(t, 50, quantile(hundred, 0.5))
	require.EqualValues(t, 99, quantile(hundred, 0.99))
	require.EqualValues(t, 100, quantile(hundred, 1))
	require.EqualValues(t, 1, quantile(hundred, 0))
	require.EqualValues(t, 2, quantile(hundred[:3], 0.5))
	require.Zero(t, quantile(nil, 0.5))
}

// TestCarry has a change that is carried twice, one by a call that was sent before
// it, and one by nobody.
func TestCarry(t *testing.T) {
	k := key{0, Register}
	accepted := func(sent time.Duration, targets ...int) call {
		return call{sent: sent, answered: sent + callLatency, key: k, targets: targets, accepted: true}
	}
	p := played{waits: map[Operation][]time.Duration{}, calls: []call{
		{sent: time.Second, answered: 2 * time.Second, key: k, targets: []int{1}, throttled: true},
		accepted(2*time.Second, 1), accepted(3*time.Second, 1, 2),
	}}
	p.trace.Changes = []Change{{Target: 1, Operation: Register}, {At: time.Second, Target: 2, Operation: Register}}
	require.NoError(t, p.carry())
	require.Equal(t, []time.Duration{2*time.Second + callLatency, 2*time.Second + callLatency}, p.waits[Register])
	require.Equal(t, 3*time.Second+callLatency, p.done)

	p.trace.Changes = append(p.trace.Changes,
		Change{Target: 1, Operation: Deregister}, Change{At: 4 * time.Second, Target: 2, Operation: Register}, Change{Target: 3, Operation: Register})
	require.Equal(t, &lostError{changes: 3}, p.carry())
}

func TestStaleResends(t *testing.T) {
	k := key{7, Register}
	tests := map[string]struct {
		first, again []int
		change       Change
		want         int
	}{
		"nothing changed":             {first: []int{1}, again: []int{1}, change: Change{At: 3 * time.Second, Group: 7, Operation: Register}},
		"another key changed":         {first: []int{1}, again: []int{1}, change: Change{At: time.Second, Group: 7, Operation: Deregister}},
		"changed, and made anew":      {first: []int{1}, again: []int{1, 2}, change: Change{At: time.Second, Group: 7, Operation: Register}},
		"changed, and sent unchanged": {first: []int{1}, again: []int{1}, change: Change{At: time.Second, Group: 7, Operation: Register}, want: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := played{trace: Trace{Changes: []Change{tt.change}}, calls: []call{
				{key: k, targets: tt.first, throttled: true},
				{sent: time.Second, key: key{8, Register}, targets: tt.first, accepted: true},
				{sent: 2 * time.Second, key: k, targets: tt.again, accepted: true},
			}}
			require.Equal(t, tt.want, p.staleResends())
			require.Equal(t, 1, p.throttled())
		})
	}
}

// TestEnginesCarryEverything plays a small trace with every engine: what is measured
// is AWS's own record, so an engine that does nothing has no figures.
func TestEnginesCarryEverything(t *testing.T) {
	trace := Trace{Groups: 3, Held: 2, Changes: []Change{
		{At: time.Second, Group: 0, Target: 6, Operation: Register},
		{At: time.Second, Group: 0, Target: 7, Operation: Register},
		{At: time.Second + time.Millisecond, Group: 0, Target: 8, Operation: Register},
		{At: 2 * time.Second, Group: 1, Target: 2, Operation: Deregister},
	}}
	for _, e := range entrants {
		calls := 3
		if e.name == "one call per change, FIFO" {
			calls = 4
		}
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := playWith(t.Context(), trace, e)
				require.NoError(t, err)
				require.Len(t, p.calls, calls)
				require.Equal(t, time.Second, p.calls[0].sent)
				require.Len(t, p.waits[Register], 3)
				require.Equal(t, callLatency, p.waits[Register][0])
				require.Equal(t, []time.Duration{callLatency}, p.waits[Deregister])
			})
		})
	}
}

// TestPacer compares the references' bucket with AWS's: it never lets a call go too
// early, and never one token later than it could.
func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer{bucket: registration}
		for n := range 30 {
			require.Equal(t, seconds(max(0, float64(n)-19)/4), max(0, p.take()), "call %d", n)
		}
		time.Sleep(time.Minute)
		for range 20 {
			require.LessOrEqual(t, p.take(), time.Duration(0))
		}
		require.Equal(t, 250*time.Millisecond, p.take())
	})
}

// TestNeighbourTakesItsShare lets the neighbour compete with somebody who takes all
// there is.
func TestNeighbourTakesItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := newWorld(t.Context(), Trace{Groups: 1, Held: 1}, stepRefill)
		require.NoError(t, err)
		n, err := newNeighbour(t.Context(), w)
		require.NoError(t, err)
		greedy, err := w.clients(t.Context())
		require.NoError(t, err)
		const watched = 5 * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), watched)
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				_ = greedy.ELB.RegisterTargets(ctx, w.arns[0], w.held(0), nil)
			}
		}()
		n.run(ctx)
		require.InEpsilon(t, watched.Seconds()*neighbourRegistrations, n.took(watched), 0.1)
		reads := slices.DeleteFunc(w.sim.Calls(), func(c awssim.Call) bool {
			return c.Params["TargetGroupArn"] != n.arn || c.Action != "DescribeTargetHealth" || c.Code != "OK"
		})
		require.InEpsilon(t, watched.Seconds()*1.2, len(reads), 0.1)
	})
}
