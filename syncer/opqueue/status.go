package opqueue

import (
	"cmp"
	"slices"
	"time"
)

// Wait is what a key waits for.
type Wait string

// What a key can wait for.
const (
	WaitsForRun     Wait = "run"     // the end of its run, which is under way
	WaitsForToken   Wait = "token"   // it is ready: a worker, its turn, and a token that Order lets it have
	WaitsForGap     Wait = "gap"     // the least time from its last run to the next
	WaitsForPause   Wait = "pause"   // what Later asked for
	WaitsForBackoff Wait = "backoff" // the pause after a Retry
	WaitsForTime    Wait = "time"    // of a change that lies ahead; nothing else has changed
)

// Item is where one key of a queue stands.
type Item[K comparable] struct {
	Key   K
	Waits Wait
	// Changed is the time of the first change that no run has settled. Zero: there is
	// none but the one that lies ahead.
	Changed time.Time
	// Ready is since when a key waits for a token. Zero: it waits for something else.
	Ready time.Time
	// Until is when time ends the wait: of a gap, a pause, a back-off, or until the
	// change that lies ahead. Zero: something else ends it.
	Until time.Time
}

// Snapshot returns where each key stands for which something is to be done, now or
// later, in no order.
func (q *Queue[K]) Snapshot() []Item[K] {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.promoteLocked(now)
	all := make([]Item[K], 0, len(q.entries))
	for _, e := range q.entries {
		e.arrive(now) // Those that run are in no list.
		if item := e.item(now); item.Waits != "" {
			all = append(all, item)
		}
	}
	return all
}

// item returns where the key stands. Nothing is to be done for it if it waits for
// nothing.
func (e *entry[K]) item(now time.Time) Item[K] {
	item := Item[K]{Key: e.key, Changed: e.waiting.merge(e.taken).first}
	due := e.due()
	switch {
	case e.running:
		item.Waits = WaitsForRun
	case e.waiting.none() && e.ahead.IsZero():
		// It is kept for its gap alone.
	case e.waiting.none():
		item.Waits, item.Until = WaitsForTime, due
	case !due.After(now):
		item.Waits, item.Ready = WaitsForToken, later(e.waiting.first, due)
	case due.Equal(e.gap):
		item.Waits, item.Until = WaitsForGap, due
	case e.failed:
		item.Waits, item.Until = WaitsForBackoff, due
	default:
		item.Waits, item.Until = WaitsForPause, due
	}
	return item
}

// Level is what a bucket holds at a moment.
type Level struct {
	Bucket string
	// Class names the guarantee of a class out of the shared bucket: what it has left
	// of it. Empty: it is the bucket itself.
	Class   string
	Tokens  float64 // to be had
	Size    float64 // how many fit in; it is less than usual after a throttle
	Refill  float64 // tokens per second; so is this
	Waiting int     // callers that wait for a token of the bucket, or in the class
}

// Levels returns what the buckets hold: first the shared one, then what each class has
// left of its guarantee, then the categories; each by name. It takes nothing.
func (b *Budget) Levels() []Level {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	shared := Level{Bucket: b.sharedName}
	classes, categories := map[*class]*Level{}, map[*category]*Level{}
	for name, c := range b.classes {
		classes[c] = &Level{Bucket: b.sharedName, Class: name}
		classes[c].read(c.credit, now)
	}
	for name, c := range b.categories {
		categories[c] = &Level{Bucket: name}
		categories[c].read(c.bucket, now)
	}
	for _, l := range b.ordered {
		categories[l.category].Waiting += len(l.waiting)
		if l.class != nil {
			shared.Waiting += len(l.waiting)
			classes[l.class].Waiting += len(l.waiting)
		}
	}
	var all []Level
	if len(classes) > 0 { // Else nobody takes a token of the shared bucket.
		shared.read(b.shared, now)
		all = append(all, shared)
	}
	all = appendByName(all, classes)
	return appendByName(all, categories)
}

// read takes in a bucket. It gets a copy: what comes in meanwhile is for the bucket's
// own next look.
func (l *Level) read(b bucket, now time.Time) {
	b.fill(now)
	l.Tokens, l.Size, l.Refill = b.level, b.limit(), b.refill*b.scale(now)
}

func appendByName[T comparable](all []Level, levels map[T]*Level) []Level {
	first := len(all)
	for _, l := range levels {
		all = append(all, *l)
	}
	slices.SortFunc(all[first:], func(a, b Level) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Bucket, b.Bucket))
	})
	return all
}
