package lease

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// electing starts two candidates, of which the first leads.
func electing(t *testing.T, test func(first, second *process)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		first := startProcess(t, s, "first")
		synctest.Wait()
		second := startProcess(t, s, "second")
		time.Sleep(10 * time.Second)
		require.True(t, first.works())
		require.True(t, first.fence.Open())
		require.False(t, second.works())
		require.False(t, second.fence.Open())
		test(first, second)
	})
}

// within lets time pass until ok.
func within(t *testing.T, limit time.Duration, ok func() bool) {
	t.Helper()
	start := time.Now()
	for !ok() {
		require.LessOrEqual(t, time.Since(start), limit)
		time.Sleep(time.Millisecond)
	}
}

// TestStop: the Lease is kept while the work ends, for longer than it would last by
// itself, and is then given up.
func TestStop(t *testing.T) {
	electing(t, func(first, second *process) {
		const drain = 3 * duration
		first.drains(drain)
		stopped := time.Now()
		first.stop()
		for time.Since(stopped) < drain-time.Millisecond {
			require.True(t, first.works())
			require.True(t, first.fence.Open(), "what is under way may be finished")
			require.False(t, second.works())
			time.Sleep(10 * time.Millisecond)
		}
		require.NoError(t, <-first.ended)
		require.Equal(t, []error{context.Canceled}, first.ends)
		require.False(t, first.fence.Open())
		released := time.Now()
		within(t, atOnce, second.works)
		require.WithinDuration(t, released, second.began()[0].Previous, time.Millisecond)
		second.end()
		require.Empty(t, second.server.holder())
	})
}

func TestStopOfAStandby(t *testing.T) {
	electing(t, func(first, second *process) {
		second.end()
		require.Zero(t, second.written())
		require.Equal(t, "first", first.server.holder())
		first.end()
	})
}

// TestLoss cuts the leader off. It stops by itself, before another leads, and does
// not take the Lease away from the other when it is back.
func TestLoss(t *testing.T) {
	electing(t, func(first, second *process) {
		cut := time.Now()
		first.set(func(l *line) { l.down = true })
		within(t, renewDeadline+retryPeriod, func() bool { return !first.works() })
		require.False(t, first.fence.Open())
		require.Equal(t, []error{ErrLost}, first.ends)
		require.False(t, second.works())
		within(t, duration+atOnce, second.works)
		require.GreaterOrEqual(t, time.Since(cut), duration-retryPeriod)

		first.set(func(l *line) { l.down = false })
		writes := first.written()
		time.Sleep(time.Minute)
		require.Equal(t, writes, first.written())
		require.True(t, second.works())
		require.Len(t, second.began(), 1)

		second.end()
		within(t, atOnce, first.works)
		require.Len(t, first.began(), 2, "a process that lost the Lease may get it back")
		first.end()
	})
}

// TestSlowEnd: the work of a lost term takes long to end; until then this process
// is no candidate, and the fence is shut.
func TestSlowEnd(t *testing.T) {
	electing(t, func(first, second *process) {
		first.drains(time.Minute)
		first.set(func(l *line) { l.down = true })
		within(t, duration+atOnce, second.works)
		require.True(t, first.works())
		require.False(t, first.fence.Open())
		first.set(func(l *line) { l.down = false })
		second.end()
		time.Sleep(30 * time.Second)
		require.Empty(t, first.server.holder())
		within(t, time.Minute, func() bool { return len(first.began()) == 2 })
		first.drains(0)
		first.end()
	})
}

// TestFrozen gives the Lease to another behind the leader's back, as if the leader
// had been stopped for a while.
func TestFrozen(t *testing.T) {
	electing(t, func(first, second *process) {
		first.server.take("other")
		within(t, retryPeriod+time.Millisecond, func() bool { return !first.fence.Open() })
		synctest.Wait()
		require.False(t, first.works(), "the work ends with the first look at the Lease, not at the renew deadline")
		require.Equal(t, "other", first.server.holder(), "nobody gives up the Lease of another")
		first.end()
		second.end()
	})
}

// TestShortLease: several renewals fall into one second. The standby sees the last
// of them, whenever the leader goes.
func TestShortLease(t *testing.T) {
	o := Options{Duration: time.Second, RenewDeadline: 700 * time.Millisecond, RetryPeriod: 200 * time.Millisecond}
	for after := range 50 {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			first := startTimed(t, s, "first", o)
			synctest.Wait()
			second := startTimed(t, s, "second", o)
			time.Sleep(5*time.Second + time.Duration(after)*20*time.Millisecond)
			renewed := first.crash()
			within(t, 2*time.Second, second.works)
			require.GreaterOrEqual(t, time.Since(renewed), o.Duration)
			require.LessOrEqual(t, time.Since(renewed), o.Duration+atOnce)
			first.end()
			second.end()
		})
	}
}

// TestSlowRenewals: an answer that takes three seconds says something about three
// seconds ago.
func TestSlowRenewals(t *testing.T) {
	electing(t, func(first, second *process) {
		first.set(func(l *line) { l.back = 3 * time.Second })
		time.Sleep(5 * time.Second)
		closed := false
		for range 1000 {
			time.Sleep(50 * time.Millisecond)
			require.GreaterOrEqual(t, now().since(*first.fence.renewed.Load()), 3*time.Second)
			closed = closed || !first.fence.Open()
		}
		require.True(t, closed, "renewals are four seconds apart, and each is known three seconds later")
		require.True(t, first.works())
		first.end()
		second.end()
	})
}

// TestUnansweredRenewal: a process got the Lease and never heard of it.
func TestUnansweredRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startProcess(t, &server{}, "first")
		p.set(func(l *line) { l.mute = true })
		time.Sleep(time.Minute)
		require.Equal(t, "first", p.server.holder())
		require.False(t, p.works())
		require.False(t, p.fence.Open())
		p.set(func(l *line) { l.mute = false })
		p.end()
		require.Empty(t, p.server.holder())
	})
}

// TestWorkFails ends a term from within.
func TestWorkFails(t *testing.T) {
	electing(t, func(first, second *process) {
		errBroken := errors.New("broken")
		first.fails <- errBroken
		require.ErrorIs(t, <-first.ended, errBroken)
		within(t, atOnce, second.works)
		second.end()
	})
}

// TestStopDuringRenewal: a renewal that nobody waits for any more has its effect
// before the Lease is given up.
func TestStopDuringRenewal(t *testing.T) {
	electing(t, func(first, second *process) {
		first.set(func(l *line) { l.there, l.beforeUpdate = 100*time.Millisecond, first.stop })
		require.NoError(t, <-first.ended)
		require.Empty(t, first.server.holder())
		within(t, atOnce, second.works)
		second.end()
	})
}

// TestReleaseMeetsAChange: between the look at the Lease and giving it up, somebody
// else changes it.
func TestReleaseMeetsAChange(t *testing.T) {
	for name, tt := range map[string]struct{ holder, want string }{
		"a renewal of ours arrives late": {"first", ""},
		"another has it":                 {"other", "other"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := startProcess(t, &server{}, "first")
				time.Sleep(retryPeriod / 2)
				p.set(func(l *line) {
					l.beforeUpdate = func() { p.server.take(tt.holder) }
				})
				p.end()
				require.Equal(t, tt.want, p.server.holder())
			})
		})
	}
}

func TestIdentity(t *testing.T) {
	first, err := NewIdentity("tgsync-0")
	require.NoError(t, err)
	second, err := NewIdentity("tgsync-0")
	require.NoError(t, err)
	require.Regexp(t, `^tgsync-0_[0-9a-f-]{36}$`, first)
	require.NotEqual(t, first, second)
	unnamed, err := NewIdentity("")
	require.NoError(t, err)
	require.Regexp(t, `^.+_[0-9a-f-]{36}$`, unnamed)
}

func TestWrongTimes(t *testing.T) {
	c := New(Options{Identity: "first", Duration: time.Second, RenewDeadline: time.Second, RetryPeriod: time.Second, Fence: NewFence(duration)})
	require.ErrorContains(t, c.Run(t.Context(), nil), "leaseDuration")
}
