package opqueue

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSnapshot follows one key through all that it can wait for.
func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gap = time.Second
		b := newBench(t, 4, Options[string]{Gap: gap})
		at := func(d time.Duration) time.Time { return b.begin.Add(d) }
		stands := func(want Item[string]) {
			t.Helper()
			synctest.Wait()
			want.Key = "a"
			require.Equal(t, []Item[string]{want}, b.Snapshot())
		}
		require.Empty(t, b.Snapshot())
		b.Add("a", Change{Since: at(time.Minute)})
		stands(Item[string]{Waits: WaitsForTime, Until: at(time.Minute)})
		b.Add("a", Change{})
		run := b.next(t)
		stands(Item[string]{Waits: WaitsForRun, Changed: at(0)})
		run.finish <- Retry() // the gap is longer than the first back-off
		stands(Item[string]{Waits: WaitsForGap, Changed: at(0), Until: at(gap)})

		time.Sleep(gap)
		b.next(t).finish <- Later(10 * time.Second)
		stands(Item[string]{Waits: WaitsForPause, Changed: at(0), Until: at(gap + 10*time.Second)})
		time.Sleep(10 * time.Second)
		run = b.next(t)
		b.Remove("a")
		run.finish <- Done()
		synctest.Wait()
		require.Empty(t, b.Snapshot(), "it is known for the gap after its run alone")
		b.end(t)
	})
}

func TestSnapshotOfBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1000, Options[string]{})
		b.Add("a", Change{})
		b.next(t).finish <- Retry()
		synctest.Wait()
		item := b.Snapshot()[0]
		require.Equal(t, Item[string]{Key: "a", Waits: WaitsForBackoff, Changed: b.begin, Until: item.Until}, item)
		require.WithinRange(t, item.Until, b.begin.Add(firstBackoff/2), b.begin.Add(firstBackoff))
		time.Sleep(firstBackoff)
		b.next(t).finish <- Later(time.Minute)
		synctest.Wait()
		require.Equal(t, WaitsForPause, b.Snapshot()[0].Waits, "what Later asks for is no back-off, even after one")
		b.end(t)
	})
}

// TestSnapshotOfTokens lets a key come when the bucket is empty.
func TestSnapshotOfTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, Options[string]{})
		require.NoError(t, b.budget.Pay(t.Context(), "call", ""))
		b.Add("a", Change{Since: b.begin.Add(-time.Hour)})
		b.Add("b", Change{Since: b.begin.Add(time.Millisecond)})
		synctest.Wait()
		require.ElementsMatch(t, []Item[string]{
			{Key: "a", Waits: WaitsForToken, Changed: b.begin.Add(-time.Hour), Ready: b.begin.Add(-time.Hour)},
			{Key: "b", Waits: WaitsForTime, Until: b.begin.Add(time.Millisecond)},
		}, b.Snapshot())
		time.Sleep(2 * time.Millisecond)
		require.Contains(t, b.Snapshot(), Item[string]{
			Key: "b", Waits: WaitsForToken, Changed: b.begin.Add(time.Millisecond), Ready: b.begin.Add(time.Millisecond),
		})
		require.Equal(t, 1, b.budget.Levels()[0].Waiting, "one token is waited for, whoever gets it")
		b.end(t)
	})
}

func TestLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := published()
		o.Share = 0.5
		b := NewBudget(o)
		require.Equal(t, []Level{
			{Bucket: "account", Tokens: 20, Size: 20, Refill: 5},
			{Bucket: "account", Class: "audit", Tokens: 2, Size: 2, Refill: 0.5},
			{Bucket: "account", Class: "provisioning", Tokens: 4, Size: 4, Refill: 1},
			{Bucket: "account", Class: "readiness", Tokens: 6, Size: 6, Refill: 1.5},
			{Bucket: "account", Class: "registration", Tokens: 10, Size: 10, Refill: 2},
			{Bucket: "heavy", Tokens: 5, Size: 5, Refill: 0.1},
			{Bucket: "other", Tokens: 2.5, Size: 2.5, Refill: 0.5},
			{Bucket: "read", Tokens: 20, Size: 20, Refill: 5},
			{Bucket: "register", Tokens: 10, Size: 10, Refill: 2},
			{Bucket: "write", Tokens: 10, Size: 10, Refill: 1.5},
		}, b.Levels())

		level := func(bucket, class string) Level {
			for _, l := range b.Levels() {
				if l.Bucket == bucket && l.Class == class {
					return l
				}
			}
			return Level{}
		}
		take(t, b, 10, "register", "registration")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = b.Take(ctx, "register", "registration") }()
		synctest.Wait()
		require.Equal(t, Level{Bucket: "account", Tokens: 10, Size: 20, Refill: 5, Waiting: 1}, level("account", ""))
		require.Equal(t, Level{Bucket: "account", Class: "registration", Size: 10, Refill: 2, Waiting: 1}, level("account", "registration"))
		require.Equal(t, Level{Bucket: "register", Size: 10, Refill: 2, Waiting: 1}, level("register", ""))
		require.Equal(t, Level{Bucket: "read", Tokens: 20, Size: 20, Refill: 5}, level("read", ""), "nobody takes those")
		cancel()
		synctest.Wait()
		time.Sleep(time.Second)
		require.InDelta(t, 2, level("register", "").Tokens, 1e-6, "what has come in meanwhile is seen")
		b.Throttled("register")
		require.Equal(t, Level{Bucket: "register", Size: 7, Refill: 1.4}, level("register", ""), "throttled, it is smaller")
	})
}
