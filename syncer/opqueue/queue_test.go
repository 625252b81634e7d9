package opqueue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// started is a run that has begun and returns what finish is sent.
type started struct {
	ctx    context.Context
	key    string
	since  time.Time
	finish chan Result
}

// bench is a queue under test whose runs are in the test's hands.
type bench struct {
	*Queue[string]
	runs   chan started
	stop   context.CancelFunc
	ended  chan error
	begin  time.Time
	budget *Budget
}

// newBench starts a queue with one bucket of tokens for its runs.
func newBench(t *testing.T, tokens float64, o Options[string]) *bench {
	t.Helper()
	b := &bench{runs: make(chan started, 100), ended: make(chan error, 1), begin: time.Now()}
	b.budget = NewBudget(BudgetOptions{Categories: []Bucket{{Name: "call", Size: tokens, Refill: 1, Alone: true}}})
	o.Take = func(ctx context.Context) (*Token, error) { return b.budget.Take(ctx, "call", "") }
	o.Run = func(ctx context.Context, key string, since time.Time) Result {
		s := started{ctx, key, since, make(chan Result)}
		b.runs <- s
		return <-s.finish
	}
	b.Queue = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	b.stop = cancel
	go func() { b.ended <- b.Run(ctx) }()
	return b
}

// next returns the run that has begun, and spends its token.
func (b *bench) next(t *testing.T) started {
	t.Helper()
	synctest.Wait()
	require.NotEmpty(t, b.runs, "no run has begun")
	s := <-b.runs
	require.NoError(t, b.budget.Pay(s.ctx, "call", ""))
	return s
}

// none checks that no run begins for d.
func (b *bench) none(t *testing.T, d time.Duration) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	require.Empty(t, b.runs, "a run has begun")
}

func (b *bench) end(t *testing.T) {
	t.Helper()
	b.stop()
	require.NoError(t, <-b.ended)
}

func TestKeyIsHeldOnceWithItsFirstChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1000, Options[string]{Gap: time.Second})
		b.Add("a", Change{})
		run := b.next(t)
		require.Equal(t, b.begin, run.since, "the first change does not wait")
		time.Sleep(time.Second)
		b.Add("a", Change{})
		time.Sleep(time.Second)
		b.Add("a", Change{})
		b.none(t, time.Second)
		keys, oldest := b.Pending(nil)
		require.Equal(t, 1, keys)
		require.Equal(t, b.begin, oldest, "what is under way is pending")
		require.True(t, b.Waits("a"))
		require.False(t, b.Waits("b"))

		run.finish <- Done()
		synctest.Wait()
		_, oldest = b.Pending(nil)
		require.Equal(t, b.begin.Add(time.Second), oldest)
		b.none(t, time.Second-1)
		time.Sleep(1)
		run = b.next(t)
		require.Equal(t, b.begin.Add(time.Second), run.since, "a change during a run has a time of its own")
		run.finish <- Done()
		b.none(t, time.Hour)
		require.Empty(t, b.entries, "what is settled is forgotten")
		b.end(t)
	})
}

func TestResults(t *testing.T) {
	const gap = time.Second
	tests := map[string]struct {
		result  Result
		unspent bool // the run leaves its token
		during  bool // a change comes during the run
		after   bool // a change comes a millisecond after the run
		least   time.Duration
		most    time.Duration
		newAge  bool // of the next run
	}{
		"more":                        {result: More(), least: gap, most: gap},
		"more, nothing sent":          {result: More(), unspent: true, least: gap, most: gap},
		"retry":                       {result: Retry(), least: gap, most: gap},
		"retry, nothing sent":         {result: Retry(), unspent: true, least: firstBackoff / 2, most: firstBackoff},
		"retry and a change after":    {result: Retry(), unspent: true, after: true, least: time.Millisecond, most: time.Millisecond},
		"retry and a change during":   {result: Retry(), unspent: true, during: true},
		"later":                       {result: Later(time.Minute), least: time.Minute, most: time.Minute},
		"later within the gap":        {result: Later(time.Millisecond), least: gap, most: gap},
		"later and a change after":    {result: Later(time.Minute), after: true, least: gap, most: gap},
		"later and a change during":   {result: Later(time.Minute), during: true, least: gap, most: gap},
		"done and a change after":     {result: Done(), after: true, least: gap, most: gap, newAge: true},
		"nothing to do, then changed": {result: Done(), unspent: true, after: true, least: time.Millisecond, most: time.Millisecond, newAge: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1000, Options[string]{Gap: gap})
				b.Add("a", Change{})
				run := <-b.runs
				if !test.unspent {
					require.NoError(t, b.budget.Pay(run.ctx, "call", ""))
				}
				time.Sleep(time.Second)
				if test.during {
					b.Add("a", Change{})
				}
				run.finish <- test.result
				end := time.Now()
				if test.after {
					time.Sleep(time.Millisecond)
					b.Add("a", Change{})
				}
				next := <-b.runs
				waited := time.Since(end)
				require.GreaterOrEqual(t, waited, test.least)
				require.LessOrEqual(t, waited, test.most)
				require.Equal(t, !test.newAge, next.since.Equal(b.begin), "the age is kept")
				next.finish <- Done()
				b.end(t)
			})
		})
	}
}

func TestBackoffGrowsToAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1000, Options[string]{})
		b.Add("a", Change{})
		least := firstBackoff / 2
		for range 20 {
			run := b.next(t)
			run.finish <- Retry()
			b.none(t, least-1)
			time.Sleep(least + 1)
			least = min(2*least, lastBackoff/2)
		}
		b.next(t).finish <- Retry()
		synctest.Wait()
		b.Add("a", Change{})
		b.next(t).finish <- Retry()
		b.none(t, firstBackoff/2-1)
		time.Sleep(firstBackoff/2 + 1)
		b.next(t).finish <- Done()
		b.end(t)
	})
}

func TestKeyIsBoundLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, Options[string]{Workers: 10})
		now := time.Now()
		b.Add("first", Change{})
		first := b.next(t)
		require.Equal(t, "first", first.key)
		b.Add("young", Change{Since: now})
		b.Add("gone", Change{Since: now.Add(-time.Hour)})
		b.none(t, time.Second/2)
		b.Add("old", Change{Since: now.Add(-time.Minute)})
		b.Remove("gone")
		time.Sleep(time.Second / 2)
		old := b.next(t)
		require.Equal(t, "old", old.key, "decided when the token was there")
		b.Remove("young")
		b.none(t, 5*time.Second)
		require.Zero(t, b.budget.categories["call"].held, "nobody holds a token while idle")
		first.finish <- Done()
		old.finish <- Done()
		b.end(t)
	})
}

func TestUnspentTokenServesTheNextKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, Options[string]{Workers: 2})
		b.Add("a", Change{})
		synctest.Wait()
		a := <-b.runs
		b.Add("b", Change{})
		b.none(t, 0)
		GiveBack(a.ctx)
		synctest.Wait()
		(<-b.runs).finish <- Done() // without having spent it
		b.none(t, 0)
		b.Add("c", Change{})
		b.next(t).finish <- Done()
		b.none(t, 0)
		require.NoError(t, b.budget.Pay(a.ctx, "call", ""), "who gave back may pay again")
		require.Equal(t, b.begin.Add(time.Second), time.Now())
		a.finish <- Done()
		b.end(t)
	})
}

func TestChangesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1000, Options[string]{})
		b.Add("a", Change{Since: b.begin.Add(30 * time.Second)})
		b.Add("a", Change{Since: b.begin.Add(40 * time.Second)})
		b.Add("a", Change{})
		b.next(t).finish <- Later(time.Hour)
		synctest.Wait()
		keys, _ := b.Pending(nil)
		require.Equal(t, 1, keys)
		b.none(t, 30*time.Second-1)
		time.Sleep(1)
		run := b.next(t)
		require.Equal(t, b.begin, run.since)
		run.finish <- Done()
		b.none(t, time.Hour)

		due := time.Now().Add(time.Minute)
		b.Add("a", Change{Since: due})
		keys, oldest := b.Pending(nil)
		require.Zero(t, keys)
		require.Zero(t, oldest)
		b.none(t, time.Minute-1)
		time.Sleep(1)
		run = b.next(t)
		require.Equal(t, due, run.since)
		run.finish <- Done()
		b.end(t)
	})
}

func TestRemovedDuringItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1000, Options[string]{Workers: 2})
		b.Add("a", Change{})
		run := b.next(t)
		b.Remove("a")
		b.Remove("nobody")
		keys, _ := b.Pending(nil)
		require.Zero(t, keys)
		b.Add("a", Change{Since: b.begin.Add(-time.Second)})
		b.none(t, time.Minute) // one at a time
		run.finish <- Retry()
		run = b.next(t)
		require.Equal(t, b.begin.Add(-time.Second), run.since)
		b.Remove("a")
		run.finish <- Retry()
		b.none(t, time.Hour)
		require.Empty(t, b.entries)
		b.end(t)
	})
}

func TestSlowRunBlocksNoOtherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1000, Options[string]{Workers: 2})
		b.Add("slow", Change{})
		slow := b.next(t)
		for range 10 {
			b.Add("quick", Change{})
			b.next(t).finish <- Done()
		}
		slow.finish <- Done()
		b.end(t)
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1000, Options[string]{Drain: func(error) time.Duration { return 10 * time.Second }})
		b.Add("under way", Change{})
		run := b.next(t)
		b.Add("not begun", Change{})
		b.stop()
		b.none(t, 10*time.Second-1)
		require.NoError(t, run.ctx.Err())
		require.Empty(t, b.ended)
		time.Sleep(1)
		synctest.Wait()
		require.ErrorIs(t, run.ctx.Err(), context.Canceled, "drained for long enough")
		run.finish <- More()
		require.NoError(t, <-b.ended)
		keys, _ := b.Pending(func(key string) bool { return key == "not begun" })
		require.Equal(t, 1, keys)
		require.Empty(t, b.runs)
		require.Zero(t, b.budget.categories["call"].held)
	})
}

func TestStopWhileWaitingForAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, Options[string]{Workers: 2})
		b.Add("a", Change{})
		b.next(t).finish <- Done()
		b.Add("b", Change{})
		b.none(t, time.Second/2)
		b.end(t)
		require.Empty(t, b.runs)
	})
}

func TestTokenThatComesWithTheStop(t *testing.T) {
	budget := NewBudget(published())
	ctx, cancel := context.WithCancel(t.Context())
	q := New(Options[int]{Take: func(ctx context.Context) (*Token, error) {
		defer cancel()
		return budget.Take(ctx, "read", "audit")
	}})
	q.Add(1, Change{})
	require.NoError(t, q.Run(ctx))
	require.Zero(t, budget.shared.held)
}

func TestOneWorkerAtLeastAndFirstCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1000, Options[string]{})
		keys := []string{"a", "e", "c", "b", "d"}
		for _, key := range keys {
			b.Add(key, Change{}) // all in the same instant
		}
		for _, key := range keys {
			run := b.next(t)
			require.Equal(t, key, run.key)
			b.none(t, time.Minute)
			run.finish <- Done()
		}
		b.end(t)
	})
}

func TestRunFailsWithoutTokens(t *testing.T) {
	errNone := errors.New("none")
	q := New(Options[int]{Take: func(context.Context) (*Token, error) { return nil, errNone }})
	q.Add(1, Change{})
	require.ErrorIs(t, q.Run(t.Context()), errNone)
}

func TestRunsNeedNoTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran []time.Duration
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var q *Queue[int]
		q = New(Options[int]{Gap: time.Second, Run: func(context.Context, int, time.Time) Result {
			ran = append(ran, time.Since(start))
			if len(ran) == 1 {
				q.Add(1, Change{})
			}
			return Done()
		}})
		q.Add(1, Change{})
		require.NoError(t, q.Run(ctx))
		require.Equal(t, []time.Duration{0, time.Second}, ran)
	})
}
