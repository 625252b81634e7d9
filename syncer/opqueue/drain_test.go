package opqueue

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// callTime is what one call takes in the models below.
const callTime = 60 * time.Millisecond

// work is a key of the models: what is taken out of a group is urgent.
type work struct {
	group int
	out   bool
}

// event is a change of the models.
type event struct {
	at     time.Duration
	work   work
	urgent bool
}

// rollouts returns ten groups that are rolling over: 50 in and 50 out each within
// 100 s.
func rollouts() []event {
	var events []event
	for i := range 500 {
		at := time.Duration(i)*200*time.Millisecond + time.Millisecond
		events = append(events, event{at, work{i % 10, false}, false}, event{at + 100*time.Millisecond, work{i % 10, true}, true})
	}
	return events
}

// randomRollouts returns ten groups that replace 50 each within 100 s, at moments of
// their own.
func randomRollouts(seed uint64) []event {
	var events []event
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 1000 {
		out := i%2 == 0
		events = append(events, event{time.Duration(random.Int64N(int64(100 * time.Second))), work{i / 2 % 10, out}, out})
	}
	slices.SortFunc(events, func(a, b event) int { return int(a.at - b.at) })
	return events
}

// drain returns what happens when, 40 s into the rollouts, 2,000 pods of 100
// groups leave within 30 s and their replacements come 5 to 20 s later.
func drain() []event {
	events := rollouts()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		at := 40*time.Second + time.Duration(i)*15*time.Millisecond
		back := at + 5*time.Second + time.Duration(random.Int64N(int64(15*time.Second)))
		events = append(events, event{at, work{i % 100, true}, true}, event{back, work{random.IntN(100), false}, false})
	}
	slices.SortFunc(events, func(a, b event) int { return int(a.at - b.at) })
	return events
}

// saturation returns 1,000 keys, a tenth of them urgent, that change as soon as
// they have been served, and sooner, for ten minutes.
func saturation() []event {
	var events []event
	for round := range 600 {
		for i := range 1000 {
			out := i%10 == 0
			events = append(events, event{time.Duration(round)*time.Second + time.Duration(i)*time.Microsecond, work{i, out}, out})
		}
	}
	return events
}

// model plays events into a queue with the registration budget and keeps what
// each change has waited until the end of the call that took it.
type model struct {
	mu      sync.Mutex
	changes map[work][]event
	waits   map[bool][]time.Duration // by urgent
}

// run is one call: it takes all that the key has waiting.
func (m *model) run(start time.Time, budget *Budget) func(context.Context, work, time.Time) Result {
	return func(ctx context.Context, w work, _ time.Time) Result {
		m.mu.Lock()
		batch := m.changes[w]
		delete(m.changes, w)
		m.mu.Unlock()
		if len(batch) == 0 {
			return Done()
		}
		if budget.Pay(ctx, "registration", "") != nil {
			return Retry()
		}
		time.Sleep(callTime)
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, e := range batch {
			m.waits[e.urgent] = append(m.waits[e.urgent], time.Since(start)-e.at)
		}
		return Done()
	}
}

func playModel(t *testing.T, order Order, events []event) *model {
	t.Helper()
	m := &model{changes: map[work][]event{}, waits: map[bool][]time.Duration{}}
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(BudgetOptions{
			Shared:     Bucket{Name: "account", Size: 40, Refill: 10},
			Classes:    []Class{{Name: "registration", Refill: 4, Floor: 20}},
			Categories: []Bucket{{Name: "registration", Size: 20, Refill: 4}},
		})
		start := time.Now()
		q := New(Options[work]{
			Order: order, Workers: 8, Drain: func(error) time.Duration { return time.Second }, Run: m.run(start, budget),
			Take: func(ctx context.Context) (*Token, error) { return budget.Take(ctx, "registration", "registration") },
		})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- q.Run(ctx) }()
		for _, e := range events {
			time.Sleep(e.at - time.Since(start))
			m.mu.Lock()
			m.changes[e.work] = append(m.changes[e.work], e)
			m.mu.Unlock()
			q.Add(e.work, Change{Urgent: e.urgent, Size: 1})
		}
		for keys, _ := q.Pending(nil); keys > 0; keys, _ = q.Pending(nil) {
			time.Sleep(time.Second)
		}
		cancel()
		require.NoError(t, <-stopped)
	})
	slices.Sort(m.waits[true])
	slices.Sort(m.waits[false])
	return m
}

// all returns the waits of all changes, sorted.
func (m *model) all() []time.Duration {
	all := slices.Concat(m.waits[true], m.waits[false])
	slices.Sort(all)
	return all
}

// percentile returns what p per cent of the urgent or other changes waited at most.
func (m *model) percentile(urgent bool, p int) time.Duration {
	waits := m.waits[urgent]
	return waits[len(waits)*p/100-1].Round(100 * time.Millisecond)
}

// p99s plays events with every order and prints how long was waited.
func p99s(t *testing.T, events []event) (urgents, others map[string]time.Duration) {
	t.Helper()
	urgents, others = map[string]time.Duration{}, map[string]time.Duration{}
	for name, order := range map[string]Order{"oldest first": OldestFirst{}, "urgent first": UrgentFirst{}, "by age": ByAge{}} {
		m := playModel(t, order, events)
		urgents[name], others[name] = m.percentile(true, 99), m.percentile(false, 99)
		t.Logf("%-12s  urgent p50 %5v p99 %5v   others p50 %5v p99 %5v", name,
			m.percentile(true, 50), urgents[name], m.percentile(false, 50), others[name])
	}
	return urgents, others
}

func TestDrain(t *testing.T) {
	urgents, others := p99s(t, drain())
	require.Less(t, urgents["by age"], urgents["oldest first"]*6/10, "those that leave wait half as long")
	require.Less(t, others["by age"], others["oldest first"]*14/10)
	require.Greater(t, others["urgent first"], others["oldest first"]*18/10, "they would starve")
}

func TestRollouts(t *testing.T) {
	urgents, others := p99s(t, rollouts())
	require.Less(t, others["by age"], others["oldest first"]*11/10, "a usual day costs nobody anything")
	require.LessOrEqual(t, urgents["by age"], urgents["oldest first"])
}

// TestReservePays plays rollouts that are not as even as a clock: with a reserve
// most changes wait less, and so does the one that waits longest.
func TestReservePays(t *testing.T) {
	for seed := range uint64(5) {
		events := randomRollouts(seed)
		oldest, age := playModel(t, OldestFirst{}, events).all(), playModel(t, ByAge{}, events).all()
		median, worst := len(events)/2, len(events)-1
		t.Logf("seed %d: p50 %v instead of %v, worst %v instead of %v", seed, age[median], oldest[median], age[worst], oldest[worst])
		require.Less(t, age[median], oldest[median]*85/100)
		require.Less(t, age[worst], oldest[worst])
		require.LessOrEqual(t, age[worst], ripe+250*time.Millisecond+callTime, "who is ripe has a token, or gets the next")
	}
}

// TestNothingStarves saturates a queue for ten minutes: nobody waits three times as
// long as the urgent change that waits longest.
func TestNothingStarves(t *testing.T) {
	tests := map[string]struct {
		order  Order
		starve bool
	}{
		"by age":       {ByAge{}, false},
		"urgent first": {UrgentFirst{}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := playModel(t, test.order, saturation())
			urgent, other := m.percentile(true, 100), m.percentile(false, 100)
			t.Logf("longest waits: urgent %v, others %v", urgent, other)
			require.Len(t, m.waits[true], 60_000)
			require.Len(t, m.waits[false], 540_000)
			require.Equal(t, test.starve, other > 3*urgent)
		})
	}
}
