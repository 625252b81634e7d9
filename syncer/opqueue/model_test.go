package opqueue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	modelGap     = time.Second
	modelWorkers = 2
)

// modelKey is a key as the words of the package say it: no lists, no timers.
type modelKey struct {
	first, urgent, ahead, taken, takenUrgent time.Time
	running, removed                         bool
	gap, pause                               time.Time
}

func (k *modelKey) change(since time.Time, urgent bool) {
	k.first = earlier(k.first, since)
	if urgent {
		k.urgent = earlier(k.urgent, since)
	}
	k.pause = time.Time{}
}

// machine plays a queue and its model side by side.
type machine struct {
	q      *Queue[int]
	budget *Budget
	keys   map[int]*modelKey
	runs   map[int]chan Result // as reported by the queue
	paid   map[int]context.Context
	begun  chan func()
}

// step starts in the model what has to start at this very instant.
func (m *machine) step() {
	now := time.Now()
	running := 0
	for _, k := range m.keys {
		if !k.ahead.IsZero() && !k.ahead.After(now) {
			k.change(k.ahead, false)
			k.ahead = time.Time{}
		}
		if k.running {
			running++
		}
	}
	for ; running < modelWorkers; running++ {
		k := m.choose(now)
		if k == nil {
			return
		}
		k.running, k.taken, k.takenUrgent = true, k.first, k.urgent
		k.first, k.urgent = time.Time{}, time.Time{}
	}
}

// choose returns the key that has waited longest, urgent ones weighted.
func (m *machine) choose(now time.Time) *modelKey {
	var chosen *modelKey
	var longest time.Duration
	for _, k := range m.keys {
		if k.running || k.first.IsZero() || k.gap.After(now) || k.pause.After(now) {
			continue
		}
		waited := now.Sub(k.first)
		if !k.urgent.IsZero() {
			u := now.Sub(k.urgent)
			waited = max(waited, u+2*max(0, u-4*time.Second))
		}
		if chosen == nil || waited > longest {
			chosen, longest = k, waited
		}
	}
	return chosen
}

// wake returns the first instant within d at which the model has to look again.
func (m *machine) wake(d time.Duration) time.Duration {
	now := time.Now()
	for _, k := range m.keys {
		for _, at := range []time.Time{k.gap, k.pause, k.ahead} {
			if at.After(now) {
				d = min(d, at.Sub(now))
			}
		}
	}
	return d
}

func (m *machine) sleep(t *rapid.T, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(m.wake(time.Until(end)))
		m.compare(t)
	}
}

func (m *machine) compare(t *rapid.T) {
	synctest.Wait()
	for len(m.begun) > 0 {
		(<-m.begun)()
	}
	m.step()
	pending, oldest, running := 0, time.Time{}, []int{}
	for i, k := range m.keys {
		if first := earlier(k.first, k.taken); !first.IsZero() {
			pending++
			oldest = earlier(oldest, first)
		}
		if k.running {
			running = append(running, i)
		}
	}
	require.ElementsMatch(t, running, slices.Collect(maps.Keys(m.runs)), "running at %v", time.Now())
	keys, since := m.q.Pending(nil)
	require.Equal(t, pending, keys)
	require.Equal(t, oldest, since)
}

func (m *machine) finish(t *rapid.T) {
	if len(m.runs) == 0 {
		t.Skip("nothing is running")
	}
	i := rapid.SampledFrom(slices.Sorted(maps.Keys(m.runs))).Draw(t, "run")
	k := m.keys[i]
	spends := rapid.Bool().Draw(t, "spends")
	if spends {
		require.NoError(t, m.budget.Pay(m.paid[i], "call", ""))
	}
	result := rapid.SampledFrom([]Result{Done(), More(), Retry(), Later(700 * time.Millisecond), Later(time.Minute)}).Draw(t, "result")
	m.runs[i] <- result
	delete(m.runs, i)
	synctest.Wait()

	now := time.Now()
	if k.removed {
		result = Done()
	}
	if spends || result.outcome == more {
		k.gap = now.Add(modelGap)
	}
	fresh := !k.first.IsZero()
	if result.outcome != done {
		k.first, k.urgent = earlier(k.first, k.taken), earlier(k.urgent, k.takenUrgent)
	}
	k.running, k.removed, k.taken, k.takenUrgent, k.pause = false, false, time.Time{}, time.Time{}, time.Time{}
	switch {
	case fresh:
	case result.outcome == retry:
		// How long is drawn at random; see TestBackoffGrowsToAMinute.
		k.pause = m.q.entries[i].pause
	case result.outcome == notYet:
		k.pause = now.Add(result.after)
	}
}

func (m *machine) add(t *rapid.T) {
	i := rapid.IntRange(0, 5).Draw(t, "key")
	c := Change{
		Since:  time.Now().Add(time.Duration(rapid.IntRange(-20000, 5000).Draw(t, "since")) * time.Millisecond),
		Urgent: rapid.Bool().Draw(t, "urgent"),
	}
	m.q.Add(i, c)
	k := m.keys[i]
	if c.Since.After(time.Now()) {
		k.ahead = earlier(k.ahead, c.Since)
	} else {
		k.change(c.Since, c.Urgent)
	}
}

func (m *machine) remove(t *rapid.T) {
	i := rapid.IntRange(0, 5).Draw(t, "key")
	m.q.Remove(i)
	k := m.keys[i]
	*k = modelKey{running: k.running, removed: k.running, gap: k.gap}
	if !k.running {
		k.gap = time.Time{}
	}
}

func TestQueueAgainstModel(t *testing.T) {
	checkInBubble(t, func(t *rapid.T) {
		m := &machine{keys: map[int]*modelKey{}, runs: map[int]chan Result{}, paid: map[int]context.Context{}, begun: make(chan func(), 10)}
		for i := range 6 {
			m.keys[i] = &modelKey{}
		}
		m.budget = NewBudget(BudgetOptions{Categories: []Bucket{{Name: "call", Size: 1e6, Refill: 1e6, Alone: true}}})
		m.q = New(Options[int]{
			Workers: modelWorkers, Gap: modelGap,
			Take: func(ctx context.Context) (*Token, error) { return m.budget.Take(ctx, "call", "") },
			Run: func(ctx context.Context, i int, since time.Time) Result {
				finish := make(chan Result)
				m.begun <- func() {
					require.NotContains(t, m.runs, i, "one run of a key at a time")
					m.runs[i], m.paid[i] = finish, ctx
					m.step()
					if k := m.keys[i]; !k.removed {
						require.Equal(t, k.taken, since, fmt.Sprint("first change of ", i))
					}
				}
				return <-finish
			},
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- m.q.Run(ctx) }()
		defer func() {
			cancel()
			for len(ended) == 0 {
				synctest.Wait()
				for len(m.begun) > 0 {
					(<-m.begun)()
				}
				for i, finish := range m.runs {
					finish <- Done()
					delete(m.runs, i)
				}
				synctest.Wait()
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"add": m.add, "add again": m.add, "remove": m.remove, "finish": m.finish,
			"sleep": func(t *rapid.T) {
				m.sleep(t, time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms"))*time.Millisecond)
			},
			"": func(t *rapid.T) {
				m.compare(t)
				time.Sleep(time.Nanosecond) // No two changes have the same time.
				m.compare(t)
			},
		})
	})
}
