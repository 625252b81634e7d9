package opqueue

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Back-off of a key whose runs fail: half to all of 250 ms, doubling up to a
// minute.
const (
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = time.Minute
)

// restAfter is how long a key counts as one that ran a moment ago.
const restAfter = 10 * time.Second

// Options configure a Queue.
type Options[K comparable] struct {
	// Run does the work of a key whose first change happened at since. Of one key
	// one run is under way at a time. The token stands in the context, where Pay
	// finds it; a run that has nothing to do leaves it there. The context outlives
	// a stop by Drain.
	Run func(ctx context.Context, key K, since time.Time) Result
	// Take waits for the token of the next run, such as Budget.Take of a category
	// and class. Nil: runs need none.
	Take func(ctx context.Context) (*Token, error)
	// Workers is how many runs may be under way at once; at least one is.
	Workers int
	// Gap is the least time from the end of a run to the start of the next one of
	// the same key. A run that is done without having spent its token does not count.
	Gap time.Duration
	// Drain returns how long runs under way may go on before their context ends, when
	// ctx has ended for a cause. Nil: not at all.
	Drain func(cause error) time.Duration
	// Order is who goes first, and what is kept in reserve. Nil means ByAge.
	Order Order
	// Rank, if given, decides instead of Order: of the keys that are ready, the one
	// with the highest rank goes first, and of equals the one whose first change is
	// oldest. It is asked for each of them whenever one is picked, with the queue
	// locked, so it must be quick and must not call the queue; and it can let a key
	// starve.
	Rank func(key K) float64
}

// Change is a reason to run a key. The zero value is one that happened now.
type Change struct {
	// Since is when it happened. A change may lie ahead: the key is then due at that
	// time. Of several that lie ahead the first one counts.
	Since time.Time
	// Urgent changes grow old faster, see Order. One that lies ahead is not urgent.
	Urgent bool
	// Size is how many things have changed, for Order to weigh; 0: none that has not
	// been told of already, or that is known. Of one that lies ahead it does not count.
	Size int
}

// Result is how a run went. What it was run for is its age: the time of the
// changes known when it began.
type Result struct {
	outcome outcome
	after   time.Duration
}

type outcome int

const (
	done outcome = iota
	more
	retry
	notYet
)

// Done says that nothing is left to do, or nothing was there to be done.
func Done() Result { return Result{} }

// More says that a part is done: the key keeps its age and comes again as soon as
// the gap allows.
func More() Result { return Result{outcome: more} }

// Retry says that the run failed: the key keeps its age and comes again after a
// back-off, or when it changes.
func Retry() Result { return Result{outcome: retry} }

// Later says that the run has to wait: the key keeps its age and comes again
// after d, or when it changes. It is no failure.
func Later(d time.Duration) Result { return Result{outcome: notYet, after: d} }

// Queue holds keys that have changed until they are run. A key is held once,
// however often it changes, with the time of its first change that no run has
// settled.
//
// It is ready to run unless it is running, within the gap after its last run, or
// pausing after a Retry or Later. A change ends a pause, also one that arrived
// during the run that asked for it.
type Queue[K comparable] struct {
	o Options[K]
	// wake tells Run that the first to be ready may be another. It is buffered so
	// that nothing is lost while Run is elsewhere.
	wake chan struct{}

	// mu guards all below, and every entry. It is not held while a key is run.
	mu       sync.Mutex
	entries  map[K]*entry[K]
	lists    [lists]list[K]
	sequence uint64
}

// New returns an empty queue.
func New[K comparable](o Options[K]) *Queue[K] {
	if o.Order == nil {
		o.Order = ByAge{}
	}
	q := &Queue[K]{o: o, wake: make(chan struct{}, 1), entries: map[K]*entry[K]{}}
	for i := range q.lists {
		q.lists[i].number = i
	}
	return q
}

// Add notes that a key has changed.
func (q *Queue[K]) Add(key K, c Change) {
	now := time.Now()
	if c.Since.IsZero() {
		c.Since = now
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.entries[key]
	if !ok {
		q.sequence++
		e = &entry[K]{key: key, sequence: q.sequence}
		q.entries[key] = e
	}
	switch {
	case c.Since.After(now):
		e.ahead = earlier(e.ahead, c.Since)
	case c.Urgent:
		e.changed(moments{c.Since, c.Since, c.Size}, now)
	default:
		e.changed(moments{first: c.Since, changes: c.Size}, now)
	}
	q.placeLocked(e, now)
}

// Remove forgets a key and all its changes. A run that is under way goes on; what
// it returns does not count.
func (q *Queue[K]) Remove(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.entries[key]
	if !ok {
		return
	}
	if e.running {
		e.waiting, e.taken, e.ahead, e.removed = moments{}, moments{}, time.Time{}, true
		return
	}
	for i := range q.lists {
		q.lists[i].drop(e)
	}
	delete(q.entries, key)
}

// Waits reports whether a key has changes that no run has settled, one under way
// included.
func (q *Queue[K]) Waits(key K) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.entries[key]
	return ok && !e.waiting.merge(e.taken).none()
}

// Pending returns how many keys have changes that no run has settled, those under
// way included, and the time of the first; of all keys that match, or of all if
// match is nil. With no such key the time is zero.
func (q *Queue[K]) Pending(match func(K) bool) (keys int, oldest time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.promoteLocked(now)
	for key, e := range q.entries {
		e.arrive(now) // Those that run are in no list.
		pending := e.waiting.merge(e.taken)
		if !pending.none() && (match == nil || match(key)) {
			keys++
			oldest = earlier(oldest, pending.first)
		}
	}
	return keys, oldest
}

// placeLocked puts an entry into the lists that it belongs to now.
func (q *Queue[K]) placeLocked(e *entry[K], now time.Time) {
	e.arrive(now)
	if e.running {
		return
	}
	due := e.due()
	if due.After(now) {
		q.unreadyLocked(e)
		q.lists[asleep].put(e, rank{time: due})
	} else {
		q.lists[asleep].drop(e)
		if e.waiting.none() {
			delete(q.entries, e.key)
			return
		}
		q.lists[ready].put(e, rank{time: e.waiting.first})
		q.lists[modest].put(e, rank{e.leaves(q.o.Order), e.waiting.first})
		if !e.waiting.urgent.IsZero() {
			q.lists[urgent].put(e, rank{time: e.waiting.urgent})
		}
	}
	select {
	case q.wake <- struct{}{}:
	default: // Run has not looked since the last time, and will.
	}
}

// unreadyLocked takes an entry out of the lists of those that are ready.
func (q *Queue[K]) unreadyLocked(e *entry[K]) {
	q.lists[ready].drop(e)
	q.lists[urgent].drop(e)
	q.lists[modest].drop(e)
}

// promoteLocked wakes up every entry whose time has come.
func (q *Queue[K]) promoteLocked(now time.Time) {
	for e := q.lists[asleep].head(); e != nil && !e.by[asleep].time.After(now); e = q.lists[asleep].head() {
		q.placeLocked(e, now)
	}
}

// pop takes the key that goes next, with the time of its first change, for a run
// with a token. If it returns none, one may go after a wait, or when something
// changes. The caller runs it.
func (q *Queue[K]) pop(token *Token) (e *entry[K], since time.Time, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.promoteLocked(now)
	if e, wait = q.chooseLocked(token, now); e == nil {
		return nil, time.Time{}, wait
	}
	q.unreadyLocked(e)
	e.running = true
	e.taken, e.waiting = e.waiting, moments{}
	return e, e.taken.first, 0
}

// chooseLocked returns the key that goes next: by rank, if there are ranks; else by
// age, if the oldest may go at all, else the one that has to leave least. If no key
// may, that is so for a wait.
func (q *Queue[K]) chooseLocked(token *Token, now time.Time) (*entry[K], time.Duration) {
	e, u, m := q.lists[ready].head(), q.lists[urgent].head(), q.lists[modest].head()
	if e == nil {
		return nil, never
	}
	if q.o.Rank != nil {
		return q.lists[ready].best(q.o.Rank), 0
	}
	if wait := q.waitLocked(e, token, now); wait > 0 {
		// Any other is younger, and has to leave more than the most modest.
		if w := q.waitLocked(m, token, now); w > 0 {
			return nil, min(wait, w)
		}
		return m, 0
	}
	if u != nil && q.o.Order.Urgent(now.Sub(e.waiting.first), now.Sub(u.waiting.urgent)) && q.waitLocked(u, token, now) == 0 {
		return u, 0
	}
	return e, 0
}

// waitLocked returns how long it takes until a key may go that is ready: until the
// bucket has enough, at most until the first change has waited for the patience.
func (q *Queue[K]) waitLocked(e *entry[K], token *Token, now time.Time) time.Duration {
	_, patience := q.o.Order.Leaves(max(1, e.waiting.changes))
	if left := patience - now.Sub(e.waiting.first); left > 0 {
		return min(left, token.leaves(e.by[modest].leaves))
	}
	return 0
}

// finish takes in how a run went. Sent says that it made a call.
func (q *Queue[K]) finish(e *entry[K], r Result, sent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	e.running = false
	if e.removed {
		r, e.removed = Done(), false
	}
	// More would otherwise be a busy loop.
	if sent || r.outcome == more {
		e.gap = now.Add(q.o.Gap)
		e.busy, e.rested = now.Add(restAfter), false
	}
	changed := !e.waiting.none()
	if r.outcome != done {
		e.waiting = e.waiting.merge(e.taken)
	}
	e.taken = moments{}
	switch {
	case changed || r.outcome == done || r.outcome == more:
		e.pause, e.failures = time.Time{}, 0
	case r.outcome == retry:
		e.pause, e.failed = now.Add(backoff(e.failures)), true
		e.failures++
	default:
		e.pause, e.failed = now.Add(r.after), false
	}
	q.placeLocked(e, now)
}

// backoff returns how long to pause after a failure that was preceded by others.
func backoff(failures int) time.Duration {
	d := lastBackoff
	if failures < 8 { // 250 ms << 8 is more than a minute.
		d = min(d, firstBackoff<<failures)
	}
	return d/2 + rand.N(d/2) //nolint:gosec // spreads load, guards nothing
}
