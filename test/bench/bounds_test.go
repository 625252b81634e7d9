package bench

import (
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const d = 60 * time.Millisecond

// at makes changes of one key: a register in group at each second.
func at(group int, times ...float64) []Change {
	var changes []Change
	for _, s := range times {
		changes = append(changes, Change{At: seconds(s), Group: group, Target: len(changes), Operation: Register})
	}
	return changes
}

func all(parts ...[]Change) []Change {
	var changes []Change
	for _, p := range parts {
		changes = append(changes, p...)
	}
	return changes
}

func TestBounds(t *testing.T) {
	tests := map[string]struct {
		changes             []Change
		bucket              Bucket
		completion, waiting time.Duration
	}{
		"nothing":           {bucket: Bucket{1, 1}},
		"one change":        {changes: at(0, 3), bucket: Bucket{1, 1}, completion: 3*time.Second + d, waiting: d},
		"the bucket covers": {changes: all(at(0, 0), at(1, 0)), bucket: Bucket{2, 1}, completion: d, waiting: d},
		"three at once, one token": {
			changes: all(at(0, 0), at(1, 0), at(2, 0)), bucket: Bucket{1, 1},
			completion: 2*time.Second + d, waiting: 2*time.Second + d,
		},
		"what changes later can be carried later": {
			// One call of a key may wait for its second change.
			changes: all(at(0, 0, 1), at(1, 0)), bucket: Bucket{1, 1},
			completion: time.Second + d, waiting: time.Second + d,
		},
		"a key that never rests takes its share": {
			changes: all(at(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), at(1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)), bucket: Bucket{1, 1},
			completion: 10*time.Second + d, waiting: time.Second + d,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.completion, CompletionBound(tt.changes, tt.bucket, d))
			require.InDelta(t, tt.waiting, WaitingBound(tt.changes, tt.bucket, d), float64(2*boundPrecision))
		})
	}
}

// TestBoundsAgainstExhaustiveSearch compares both bounds with the best of all
// schedules, of which some know the future. Nobody is done before the completion
// bound, and somebody is done then. Nobody waits less than the waiting bound, and
// mostly somebody does not wait longer: where the bound is out by as little as a
// tick, this test fails.
func TestBoundsAgainstExhaustiveSearch(t *testing.T) {
	const cases = 600
	r := rand.New(rand.NewPCG(1, 2))
	reached := 0
	for range cases {
		s := randomSearch(r)
		best := s.best()
		b := Bucket{Size: float64(s.size), Refill: 1 / float64(s.period)}
		changes := s.changes()
		require.Equal(t, time.Duration(best.done)*time.Second+d, CompletionBound(changes, b, d), "%+v", s)
		bound, worst := WaitingBound(changes, b, d), time.Duration(best.wait)*time.Second+d
		require.LessOrEqual(t, bound, worst+2*boundPrecision, "%+v", s)
		if bound > worst-2*boundPrecision {
			reached++
		}
	}
	require.Greater(t, reached, cases/2, "the waiting bound is hardly ever reached")
}

func TestWaitingBoundOfManyChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var changes []Change
	for n := range 100_000 {
		changes = append(changes, Change{At: time.Duration(r.Int64N(int64(time.Hour))), Group: r.IntN(1000), Target: n, Operation: Register})
	}
	bound := WaitingBound(changes, Bucket{20, 4}, d)
	// A thousand keys that change all the time take turns: 250 s each.
	require.InDelta(t, 220*time.Second, bound, float64(30*time.Second))
}

// search finds the best schedule of a small case by trying all. Time is in whole
// ticks, of which it takes period to make a token: an optimal schedule can be moved
// forward until each call meets a change or a new token, and both come on ticks.
type search struct {
	size, period int
	keys         [][]bool // by key and tick: whether it changes
	known        map[searchState]outcome
}

type searchState struct {
	tick, level int    // level is in parts of a token
	oldest      [3]int // by key: the tick of the oldest change that waits, or -1
}

// outcome is the best of what can follow: each of the two by a schedule of its own.
type outcome struct{ done, wait int }

func randomSearch(r *rand.Rand) *search {
	s := &search{size: 1 + r.IntN(2), period: 1 + r.IntN(3), known: map[searchState]outcome{}}
	ticks := 4 + r.IntN(5)
	for range 2 + r.IntN(2) {
		changes := make([]bool, ticks)
		for t := range changes {
			changes[t] = r.IntN(2) == 0
		}
		changes[r.IntN(ticks)] = true
		s.keys = append(s.keys, changes)
	}
	return s
}

func (s *search) changes() []Change {
	var changes []Change
	for k, ticks := range s.keys {
		for t, changed := range ticks {
			if changed {
				changes = append(changes, Change{At: time.Duration(t) * time.Second, Group: k, Operation: Register})
			}
		}
	}
	return changes
}

func (s *search) best() outcome {
	return s.from(searchState{level: s.size * s.period, oldest: [3]int{-1, -1, -1}})
}

func (s *search) from(at searchState) outcome {
	waiting := s.arrive(&at)
	if waiting == 0 && at.tick >= len(s.keys[0]) {
		return outcome{}
	}
	if known, ok := s.known[at]; ok {
		return known
	}
	best := outcome{done: 1 << 30, wait: 1 << 30}
	for calls := range 1 << len(s.keys) {
		if calls&^waiting != 0 || bits.OnesCount(uint(calls))*s.period > at.level {
			continue
		}
		o := s.after(at, calls)
		best.done, best.wait = min(best.done, o.done), min(best.wait, o.wait)
	}
	s.known[at] = best
	return best
}

// arrive notes the changes of the tick, and returns the keys that wait, as bits.
func (s *search) arrive(at *searchState) (waiting int) {
	for k := range s.keys {
		if at.tick < len(s.keys[k]) && s.keys[k][at.tick] && at.oldest[k] < 0 {
			at.oldest[k] = at.tick
		}
		if at.oldest[k] >= 0 {
			waiting |= 1 << k
		}
	}
	return waiting
}

// after returns the best that can follow when the given keys are called now.
func (s *search) after(at searchState, calls int) outcome {
	var now outcome
	next := searchState{tick: at.tick + 1, level: at.level - bits.OnesCount(uint(calls))*s.period, oldest: at.oldest}
	next.level = min(next.level+1, s.size*s.period)
	for k := range s.keys {
		if calls&(1<<k) != 0 {
			now.done, now.wait = at.tick, max(now.wait, at.tick-at.oldest[k])
			next.oldest[k] = -1
		}
	}
	// Nothing that waits so long can be the best: it only bounds the search.
	if at.tick > len(s.keys[0])+len(s.keys)*s.period+1 {
		return outcome{done: 1 << 30, wait: 1 << 30}
	}
	rest := s.from(next)
	return outcome{done: max(now.done, rest.done), wait: max(now.wait, rest.wait)}
}
