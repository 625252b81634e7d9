package syncer

import (
	"sync"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

// operation is what a key asks to be done with its target group. Register and
// Deregister of one group are keys of their own, so that neither waits for the
// other.
type operation string

const (
	register   operation = "register"
	deregister operation = "deregister"
	observe    operation = "observe"
)

// Operations returns the operations that Pending knows.
func Operations() []string { return []string{string(register), string(deregister)} }

// change is what waits for one operation of a group.
type change struct {
	since   time.Time // when the first of the waiting changes became known
	trigger time.Time // when the first of them happened in Kubernetes; zero: not known
}

// merge returns a change that is as old as the older of the two.
func (c change) merge(o change) change {
	if c.since.IsZero() || !o.since.IsZero() && o.since.Before(c.since) {
		c.since = o.since
	}
	if c.trigger.IsZero() || !o.trigger.IsZero() && o.trigger.Before(c.trigger) {
		c.trigger = o.trigger
	}
	return c
}

// latency returns the time since the change happened; 0 if that is not known.
func (c change) latency() time.Duration {
	if c.trigger.IsZero() {
		return 0
	}
	return time.Since(c.trigger)
}

// group is what the syncer knows of one target group in AWS.
type group struct {
	arn string

	// mu guards all below. It is never held across a call to AWS.
	mu sync.Mutex
	// observed is what AWS has, as far as its answers tell; nil: not known.
	observed target.Set
	// inFlight are the targets of calls that have not returned.
	inFlight target.Set
	// generation counts the calls that have returned. An observation that began
	// before the last of them may not show it and is thrown away.
	generation int
	pending    map[operation]change
	sending    map[operation]change
	lastEnd    map[operation]time.Time
}

func newGroup(arn string) *group {
	return &group{
		arn: arn, inFlight: target.Set{},
		pending: map[operation]change{}, sending: map[operation]change{}, lastEnd: map[operation]time.Time{},
	}
}

// changed notes that desired may differ now.
func (g *group) changed(c change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, op := range []operation{register, deregister} {
		g.pending[op] = g.pending[op].merge(c)
	}
}

// waiting returns since when a change waits for op; zero: nothing waits.
func (g *group) waiting(op operation) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pending[op].merge(g.sending[op]).since
}

// known reports whether the group has been observed.
func (g *group) known() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.observed != nil
}

// rest returns how long op has to wait so that its calls are interval apart.
func (g *group) rest(op operation, interval time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lastEnd[op].IsZero() {
		return 0
	}
	return interval - time.Since(g.lastEnd[op])
}

// begin takes the next batch of op: at most size targets of the plan, which are
// in flight from then on. An empty batch means that there is nothing to do now.
func (g *group) begin(op operation, desired target.Set, size int) []target.Target {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.observed == nil {
		return nil // the observation adds the key again
	}
	plan := target.Diff(desired, g.observed, g.inFlight)
	batch := plan.Register
	if op == deregister {
		batch = plan.Deregister
	}
	if len(batch) == 0 {
		delete(g.pending, op)
		return nil
	}
	g.sending[op] = g.pending[op]
	if len(batch) > size {
		batch = batch[:size] // the rest stays pending: its key comes again when this call returns
	} else {
		delete(g.pending, op)
	}
	for _, t := range batch {
		g.inFlight[t] = struct{}{}
	}
	return batch
}

// end applies the answer to a batch and returns the change that it carried. An
// error that leaves the outcome open makes everything known about the group a
// guess: it must be observed again.
func (g *group) end(op operation, batch []target.Target, class awsapi.Class) change {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.generation++
	g.lastEnd[op] = time.Now()
	for _, t := range batch {
		delete(g.inFlight, t)
	}
	sent := g.sending[op]
	delete(g.sending, op)
	switch class {
	case awsapi.OK:
		g.applyLocked(op, batch)
	case awsapi.Unavailable:
		g.observed = nil
		g.pending[op] = g.pending[op].merge(sent)
	default:
		g.pending[op] = g.pending[op].merge(sent)
	}
	return sent
}

// applyLocked records what AWS has accepted.
func (g *group) applyLocked(op operation, batch []target.Target) {
	if g.observed == nil {
		return // an observation is on its way and will show it
	}
	for _, t := range batch {
		if op == register {
			g.observed[t] = struct{}{}
		} else {
			delete(g.observed, t)
		}
	}
}

// currentGeneration is what an observation remembers before it asks AWS.
func (g *group) currentGeneration() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.generation
}

// observedAt takes in an observation that began at the given generation. It
// reports false if a call has returned since: then the observation may be older
// than what the call did, and one more is needed.
func (g *group) observedAt(generation int, health []awsapi.TargetHealth) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.generation != generation {
		return false
	}
	g.observed = target.Set{}
	for _, h := range health {
		// A draining target is on its way out: for us it is not registered.
		if h.State != awsapi.StateDraining {
			g.observed[h.Target] = struct{}{}
		}
	}
	return true
}
