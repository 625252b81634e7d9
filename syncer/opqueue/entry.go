package opqueue

import (
	"cmp"
	"container/heap"
	"time"
)

// moments are the times of the first of some changes and of the first urgent one
// among them, zero: there is none; and how many they are.
type moments struct {
	first, urgent time.Time
	changes       int
}

func (m moments) merge(o moments) moments {
	return moments{earlier(m.first, o.first), earlier(m.urgent, o.urgent), m.changes + o.changes}
}

func (m moments) none() bool { return m.first.IsZero() }

// earlier returns the earlier of two times, where zero stands for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// entry is what a queue knows of one key.
type entry[K comparable] struct {
	key      K
	waiting  moments   // of the changes that no run has taken
	taken    moments   // of those that the run under way has taken
	ahead    time.Time // of the first change that is still to come
	running  bool
	removed  bool // during the run under way
	failures int  // in a row
	failed   bool // the pause is a back-off
	gap      time.Time
	busy     time.Time // until when a run counts as one of a moment ago
	rested   bool      // the first change that waits came later than that
	pause    time.Time // end of a back-off or of what Later asked for

	sequence uint64      // orders changes of the same instant
	at       [lists]int  // position in each list, from 1; 0: not there
	by       [lists]rank // what each list is ordered by
}

// changed notes a change. It ends every pause: what failed or had to wait may now
// be something else.
func (e *entry[K]) changed(m moments, now time.Time) {
	if e.waiting.none() {
		e.rested = !now.Before(e.busy)
	}
	e.waiting = e.waiting.merge(m)
	e.pause, e.failures = time.Time{}, 0
}

// arrive turns the change that was to come into one that waits.
func (e *entry[K]) arrive(now time.Time) {
	if !e.ahead.IsZero() && !e.ahead.After(now) {
		e.changed(moments{first: e.ahead}, now)
		e.ahead = time.Time{}
	}
}

// due returns when there is something to do about a key that is not running: a
// run if something waits by then, else to forget the key.
func (e *entry[K]) due() time.Time {
	switch {
	case e.waiting.none() && e.ahead.IsZero():
		return later(e.gap, e.busy)
	case e.waiting.none():
		return later(e.gap, e.ahead)
	case e.pause.IsZero():
		return e.gap
	default:
		return later(e.gap, earlier(e.pause, e.ahead))
	}
}

// leaves returns what part of the bucket has to be left by a run before its first
// change has waited for the patience.
func (e *entry[K]) leaves(o Order) float64 {
	if e.rested {
		return 0
	}
	part, _ := o.Leaves(max(1, e.waiting.changes))
	return part
}

// The lists that an entry can be in: it is asleep, or ready and modest, or urgent
// as well, or none of it while it runs.
const (
	asleep = iota // by the time to wake up
	ready         // by the time of the first change
	urgent        // by the time of the first urgent change
	modest        // by what part of the bucket has to be left
	lists
)

// rank is the place in a list: the less the earlier.
type rank struct {
	leaves float64
	time   time.Time
}

func (r rank) compare(o rank) int {
	return cmp.Or(cmp.Compare(r.leaves, o.leaves), r.time.Compare(o.time))
}

// list is a heap of entries by rank.
type list[K comparable] struct {
	number  int
	entries []*entry[K]
}

var _ heap.Interface = (*list[int])(nil)

// put adds an entry, or moves it.
func (l *list[K]) put(e *entry[K], by rank) {
	switch {
	case e.at[l.number] == 0:
		e.by[l.number] = by
		heap.Push(l, e)
	case e.by[l.number].compare(by) != 0:
		e.by[l.number] = by
		heap.Fix(l, e.at[l.number]-1)
	}
}

// drop takes an entry out, if it is there.
func (l *list[K]) drop(e *entry[K]) {
	if i := e.at[l.number]; i > 0 {
		heap.Remove(l, i-1)
	}
}

// best returns the entry with the highest rank; of equals, the one that is first in
// the list's order. There must be one.
func (l *list[K]) best(rank func(K) float64) *entry[K] {
	best, highest := 0, rank(l.entries[0].key)
	for i := 1; i < len(l.entries); i++ {
		if r := rank(l.entries[i].key); r > highest || r == highest && l.Less(i, best) {
			best, highest = i, r
		}
	}
	return l.entries[best]
}

// head returns the earliest entry, or nil.
func (l *list[K]) head() *entry[K] {
	if len(l.entries) == 0 {
		return nil
	}
	return l.entries[0]
}

// Len implements heap.Interface.
func (l *list[K]) Len() int { return len(l.entries) }

// Less implements heap.Interface.
func (l *list[K]) Less(i, j int) bool {
	a, b := l.entries[i], l.entries[j]
	if c := a.by[l.number].compare(b.by[l.number]); c != 0 {
		return c < 0
	}
	return a.sequence < b.sequence
}

// Swap implements heap.Interface.
func (l *list[K]) Swap(i, j int) {
	l.entries[i], l.entries[j] = l.entries[j], l.entries[i]
	l.entries[i].at[l.number], l.entries[j].at[l.number] = i+1, j+1
}

// Push implements heap.Interface.
func (l *list[K]) Push(x any) {
	e, _ := x.(*entry[K])
	l.entries = append(l.entries, e)
	e.at[l.number] = len(l.entries)
}

// Pop implements heap.Interface.
func (l *list[K]) Pop() any {
	last := len(l.entries) - 1
	e := l.entries[last]
	l.entries[last] = nil
	l.entries = l.entries[:last]
	e.at[l.number] = 0
	return e
}
