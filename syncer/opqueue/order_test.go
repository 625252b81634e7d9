package opqueue

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestOrders(t *testing.T) {
	tests := map[string]struct {
		order          Order
		oldest, urgent time.Duration
		urgentFirst    bool
	}{
		"by age, the same key":              {ByAge{}, time.Second, time.Second, true},
		"by age, nobody has waited long":    {ByAge{}, 4 * time.Second, 3 * time.Second, false},
		"by age, at the end of patience":    {ByAge{}, 4*time.Second + 1, 4 * time.Second, false},
		"by age, threefold from there":      {ByAge{}, 10 * time.Second, 6 * time.Second, true},
		"by age, but no more":               {ByAge{}, 10*time.Second + 1, 6 * time.Second, false},
		"oldest first, somebody else older": {OldestFirst{}, 2 * time.Second, time.Second, false},
		"oldest first, the same key":        {OldestFirst{}, time.Second, time.Second, true},
		"urgent first":                      {UrgentFirst{}, time.Hour, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.urgentFirst, test.order.Urgent(test.oldest, test.urgent))
		})
	}
}

func TestOnlyByAgeKeepsAReserve(t *testing.T) {
	tests := map[string]struct {
		order   Order
		changes int
		part    float64
	}{
		"one change":             {ByAge{}, 1, 0.5},
		"each further one":       {ByAge{}, 3, 0.3},
		"with six it is used up": {ByAge{}, 6, 0},
		"and with more":          {ByAge{}, 100, 0},
		"oldest first":           {OldestFirst{}, 1, 0},
		"urgent first":           {UrgentFirst{}, 1, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			part, _ := test.order.Leaves(test.changes)
			require.InDelta(t, test.part, part, 1e-9)
		})
	}
	require.Less(t, ripe, patience, "what is urgent goes ahead only when it may go")
}

// TestReserve starts with a key that has run a moment ago and a bucket of ten tokens,
// of which one comes in every second, and takes some of them.
func TestReserve(t *testing.T) {
	const size, ripens = 10, ripe
	tests := map[string]struct {
		left  float64 // tokens
		later time.Duration
		add   []Change
		more  time.Duration // after which a second change comes; 0: none does
		waits time.Duration // from the first change
	}{
		"above the reserve":                    {left: 6, add: []Change{{}}},
		"the token comes":                      {left: 5, add: []Change{{}}, waits: time.Second},
		"the token does not come in time":      {left: 1, add: []Change{{}}, waits: ripens},
		"it has waited already":                {left: 1, add: []Change{{Since: time.Unix(0, 0)}}},
		"it waits for a token all the same":    {left: 0.5, add: []Change{{Since: time.Unix(0, 0)}}, waits: time.Second / 2},
		"many changes":                         {left: 1, add: []Change{{Size: 6}}},
		"not as many":                          {left: 1, add: []Change{{Size: 4}}, waits: 2 * time.Second},
		"many changes one by one":              {left: 1, add: []Change{{Size: 2}, {Size: 4}}},
		"told of already":                      {left: 1, add: []Change{{Size: 4}, {}, {}, {}}, waits: 2 * time.Second},
		"many with a second one":               {left: 1, add: []Change{{Size: 1}}, more: time.Second, waits: time.Second},
		"urgent or not":                        {left: 1, add: []Change{{Urgent: true}}, waits: ripens},
		"it has not run for a while":           {left: 1, later: restAfter, add: []Change{{}}},
		"it has not run for not quite as long": {left: 1, later: restAfter - 1, add: []Change{{}}, waits: ripens},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, size, Options[string]{Workers: 2})
				b.Add("a", Change{})
				b.next(t).finish <- Done()
				b.none(t, max(test.later, time.Second)-1)
				time.Sleep(1)
				b.drainTo(t, test.left)
				start := time.Now()
				for _, c := range test.add {
					b.Add("a", c)
				}
				if test.more > 0 {
					b.none(t, test.more)
					b.Add("a", Change{Size: 5})
				}
				run := <-b.runs
				require.Equal(t, test.waits, time.Since(start).Round(time.Microsecond))
				run.finish <- Done()
				b.end(t)
			})
		})
	}
}

// drainTo takes tokens until so many are left.
func (b *bench) drainTo(t *testing.T, left float64) {
	t.Helper()
	b.budget.mu.Lock()
	defer b.budget.mu.Unlock()
	c := b.budget.categories["call"]
	c.fill(time.Now())
	require.GreaterOrEqual(t, c.level, left)
	c.level = left
}

func TestReserveIsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10, Options[string]{Workers: 2})
		for _, key := range []string{"busy", "busier"} {
			b.Add(key, Change{})
			b.next(t).finish <- Done()
		}
		b.none(t, 3*time.Second)
		b.drainTo(t, 3)
		b.Add("busy", Change{})
		b.none(t, time.Second)
		b.Add("at rest", Change{})
		run := b.next(t)
		require.Equal(t, "at rest", run.key, "who has not run goes at once, though younger")
		run.finish <- Done()
		b.Add("busier", Change{Size: 4})
		run = b.next(t)
		require.Equal(t, "busier", run.key, "so does whose run serves many")
		run.finish <- Done()
		b.none(t, ripe-time.Second-1)
		time.Sleep(1)
		run = b.next(t)
		require.Equal(t, "busy", run.key)
		run.finish <- Done()
		b.end(t)
	})
}

func TestChangeDuringTheRunHasToRipen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10, Options[string]{})
		b.Add("a", Change{})
		run := b.next(t)
		b.drainTo(t, 0)
		b.Add("a", Change{})
		run.finish <- Done()
		b.none(t, ripe-1)
		time.Sleep(1)
		b.next(t).finish <- Done()
		b.end(t)
	})
}

// A key that wakes up while others ripen has its own say.
func TestKeyWakesWhileOthersRipen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10, Options[string]{Gap: time.Second})
		b.Add("a", Change{})
		b.next(t).finish <- Done()
		b.none(t, time.Second/2)
		b.Add("b", Change{})
		b.next(t).finish <- Done()
		b.none(t, time.Second/2)
		b.drainTo(t, 1)
		b.Add("a", Change{})
		b.Add("b", Change{Size: 6})
		b.none(t, time.Second/2-1)
		time.Sleep(1)
		run := b.next(t)
		require.Equal(t, "b", run.key)
		run.finish <- Done()
		b.end(t)
	})
}

func TestRemovedWhileItRipens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10, Options[string]{})
		b.Add("a", Change{})
		b.next(t).finish <- Done()
		synctest.Wait()
		b.drainTo(t, 1)
		b.Add("a", Change{})
		b.none(t, time.Second)
		b.Remove("a")
		b.none(t, time.Hour)
		require.Zero(t, b.budget.categories["call"].held)
		b.end(t)
	})
}

// reserved is a queue whose bucket is often low, and what was left when each token
// was taken.
type reserved struct {
	q       *Queue[int]
	bucket  *category
	left    map[*Token]float64
	running int
	broken  []string
}

// TestReserveHolds adds changes at random. No key runs that has to leave more than
// is left, and none waits that may run.
func TestReserveHolds(t *testing.T) {
	const workers = 3
	checkInBubble(t, func(t *rapid.T) {
		r := &reserved{left: map[*Token]float64{}}
		budget := NewBudget(BudgetOptions{Categories: []Bucket{{Name: "call", Size: 10, Refill: 1.7, Alone: true}}})
		r.bucket = budget.categories["call"]
		r.q = New(Options[int]{
			Workers: workers, Gap: 200 * time.Millisecond,
			Take: func(ctx context.Context) (*Token, error) {
				token, err := budget.Take(ctx, "call", "")
				budget.mu.Lock()
				defer budget.mu.Unlock()
				r.left[token] = r.bucket.level
				return token, err
			},
			Run: func(ctx context.Context, key int, since time.Time) Result {
				budget.mu.Lock()
				left := r.left[purseOf(ctx).token]
				budget.mu.Unlock()
				r.check(key, since, left)
				if budget.Pay(ctx, "call", "") != nil {
					return Retry()
				}
				time.Sleep(callTime)
				r.q.mu.Lock()
				defer r.q.mu.Unlock()
				r.running--
				return Done()
			},
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- r.q.Run(ctx) }()
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			time.Sleep(time.Duration(rapid.IntRange(0, 700).Draw(t, "ms"))*time.Millisecond + 1)
			synctest.Wait()
			r.idle(workers, budget)
			for range rapid.IntRange(1, 2).Draw(t, "at once") {
				r.q.Add(rapid.IntRange(0, 8).Draw(t, "key"), Change{
					Urgent: rapid.Bool().Draw(t, "urgent"), Size: rapid.SampledFrom([]int{0, 1, 1, 2, 5}).Draw(t, "size"),
				})
			}
			synctest.Wait()
			r.idle(workers, budget)
		}
		cancel()
		require.NoError(t, <-ended)
		require.Empty(t, r.broken)
	})
}

// check notes a run that takes what is not for it.
func (r *reserved) check(key int, since time.Time, left float64) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	r.running++
	e := r.q.entries[key]
	part, patience := ByAge{}.Leaves(max(1, e.taken.changes))
	if !e.rested && time.Since(since) < patience && left < part*10-tokenSlack {
		r.broken = append(r.broken, fmt.Sprintf("%d ran with %v left", key, left))
	}
}

// idle notes a key that waits although it might run.
func (r *reserved) idle(workers int, budget *Budget) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	budget.mu.Lock()
	defer budget.mu.Unlock()
	r.bucket.fill(time.Now())
	if r.running == workers || !r.bucket.has(1) {
		return
	}
	for _, e := range r.q.lists[ready].entries {
		part, patience := ByAge{}.Leaves(max(1, e.waiting.changes))
		if e.rested || time.Since(e.waiting.first) >= patience || r.bucket.has(1+part*10+2*tokenSlack) {
			r.broken = append(r.broken, fmt.Sprintf("%d waits with %v left", e.key, r.bucket.level))
		}
	}
}
