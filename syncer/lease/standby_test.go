package lease

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCrash: the standby leads when the last renewal is as old as a Lease gets, not
// before, and not a look later.
func TestCrash(t *testing.T) {
	for after := range 20 {
		electing(t, func(first, second *process) {
			time.Sleep(time.Duration(after) * 70 * time.Millisecond)
			renewed := first.crash()
			within(t, duration+atOnce, second.works)
			require.GreaterOrEqual(t, time.Since(renewed), duration)
			require.LessOrEqual(t, time.Since(renewed), duration+atOnce)
			require.WithinDuration(t, renewed, second.began()[0].Previous, atOnce)
			first.end()
			second.end()
		})
	}
}

// TestBlind: a standby that cannot watch the Lease looks at it.
func TestBlind(t *testing.T) {
	blind := func(test func(first, second *process)) {
		electing(t, func(first, second *process) {
			second.set(func(l *line) { l.blind = true })
			second.server.cut()
			time.Sleep(time.Minute)
			require.False(t, second.works())
			test(first, second)
			second.end()
		})
	}
	t.Run("stop", func(t *testing.T) {
		blind(func(first, second *process) {
			first.end()
			within(t, lastLook, second.works)
		})
	})
	t.Run("crash", func(t *testing.T) {
		blind(func(first, second *process) {
			renewed := first.crash()
			within(t, lastLook+duration+atOnce, second.works)
			require.GreaterOrEqual(t, time.Since(renewed), duration)
			first.end()
		})
	})
}

// TestDeletedLease: who held it may be writing, and makes a new one.
func TestDeletedLease(t *testing.T) {
	electing(t, func(first, second *process) {
		first.server.remove()
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			require.True(t, first.works())
			require.False(t, second.works())
		}
		require.Equal(t, "first", first.server.holder())

		// Its last renewal is deleted before the standby has seen it.
		second.set(func(l *line) { l.there = 50 * time.Millisecond })
		writes := first.written()
		within(t, retryPeriod, func() bool { return first.written() > writes })
		renewed := first.crash()
		first.server.remove()
		within(t, duration+time.Second, second.works)
		require.GreaterOrEqual(t, time.Since(renewed), duration)
		first.end()
		second.end()
	})
}

// TestOtherSettings: the holder relies on its own duration.
func TestOtherSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		const long = 5 * duration
		first := startTimed(t, s, "first", Options{Duration: long, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod})
		synctest.Wait()
		second := startProcess(t, s, "second")
		time.Sleep(10 * time.Second)
		renewed := first.crash()
		within(t, long+atOnce, second.works)
		require.GreaterOrEqual(t, time.Since(renewed), long)
		first.end()
		second.end()
	})
}

// TestManyStandbys: one of them gets the Lease, and the others stand by again.
func TestManyStandbys(t *testing.T) {
	electing(t, func(first, second *process) {
		all := []*process{second, startProcess(first.t, first.server, "third"), startProcess(first.t, first.server, "fourth")}
		time.Sleep(10 * time.Second)
		first.end()
		for len(all) > 0 {
			within(t, atOnce, func() bool { return working(all) != nil })
			leader := working(all)
			for range 100 {
				time.Sleep(100 * time.Millisecond)
				require.Same(t, leader, working(all))
			}
			require.Equal(t, leader.name, leader.server.holder())
			leader.end()
			all = without(all, leader)
		}
	})
}

// TestTakenBetweenLookAndWrite: the holder's time is over, and before the standby's
// write arrives it renews.
func TestTakenBetweenLookAndWrite(t *testing.T) {
	electing(t, func(first, second *process) {
		first.set(func(l *line) { l.down = true })
		second.set(func(l *line) { l.beforeUpdate = func() { first.server.take("first") } })
		time.Sleep(duration + atOnce)
		require.False(t, second.works())
		renewed := time.Now()
		within(t, lastLook+duration+atOnce, second.works)
		require.GreaterOrEqual(t, time.Since(renewed), duration-atOnce)
		first.end()
		second.end()
	})
}
