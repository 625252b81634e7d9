package syncer

import (
	"maps"
	"math/rand/v2"
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

// of returns an operation's part of a plan.
func (op operation) of(p target.Plan) []target.Target {
	if op == register {
		return p.Register
	}
	return p.Deregister
}

// group is what the syncer knows of one target group in AWS. What waits to be done
// is in the queues, not here.
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
	parking    parking
	failures   int // calls in a row whose outcome is open
	// audit is when the group is compared with AWS although nothing has changed.
	audit time.Time
	// secondLook is when a call whose outcome was open has had its effect, if it ever
	// has one.
	secondLook time.Time
}

func newGroup(arn string) *group {
	return &group{arn: arn, inFlight: target.Set{}, parking: newParking()}
}

// known reports whether the group has been observed.
func (g *group) known() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.observed != nil
}

// wanted is what a group should have. What is undecided is left as it is: neither
// registered nor deregistered.
type wanted struct{ desired, undecided target.Set }

// plan returns what can be done now to make the group as wanted: nothing of what is
// undecided, in flight or parked, and nothing at all before the group has been observed.
func (g *group) plan(w wanted) target.Plan {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.planLocked(w)
}

func (g *group) planLocked(w wanted) target.Plan {
	if g.observed == nil {
		return target.Plan{}
	}
	g.parking.forget(w.desired)
	left := g.parking.away(time.Now())
	maps.Copy(left, g.inFlight)
	maps.Copy(left, w.undecided)
	return target.Diff(w.desired, g.observed, left)
}

// begin takes the next batch of op: at most size targets of the plan, which are
// in flight from then on, and whether more are left. An empty batch means that
// there is nothing to do now.
func (g *group) begin(op operation, w wanted, size int) (batch []target.Target, more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	todo := op.of(g.planLocked(w))
	batch = todo[:min(len(todo), g.parking.limit(op, size))]
	for _, t := range batch {
		g.inFlight[t] = struct{}{}
	}
	return batch, len(batch) < len(todo)
}

// end applies the answer to a batch, and returns the target that was parked, if
// any. An error that leaves the outcome open makes everything known about the
// group a guess: it must be observed again.
func (g *group) end(op operation, batch []target.Target, class awsapi.Class) *parkedTarget {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.generation++
	for _, t := range batch {
		delete(g.inFlight, t)
	}
	switch class {
	case awsapi.OK:
		g.failures = 0
		g.parking.accepted(op, batch)
		g.applyLocked(op, batch)
	case awsapi.Invalid, awsapi.Limit:
		return g.parking.refused(op, batch, class)
	case awsapi.Unavailable, awsapi.Canceled:
		g.observed = nil
	default: // AWS did nothing.
	}
	return nil
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

// observation is what came of asking AWS about a group.
type observation struct {
	stale bool // a call has returned since: one more is needed
	drift int  // targets that somebody else registered or deregistered
}

// observedAt takes in an observation that began at the given generation.
func (g *group) observedAt(generation int, health []awsapi.TargetHealth) observation {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.generation != generation {
		return observation{stale: true}
	}
	now := target.Set{}
	for _, h := range health {
		// A draining target is on its way out: for us it is not registered.
		if h.State != awsapi.StateDraining {
			now[h.Target] = struct{}{}
		}
	}
	var o observation
	if g.observed != nil {
		plan := target.Diff(g.observed, now, g.inFlight)
		o.drift = len(plan.Register) + len(plan.Deregister)
	}
	g.observed = now
	return o
}

// nextLook returns when the group is to be compared with AWS again. Audits come at
// first at a random moment of the interval, so that groups that were found together
// spread, and then once an interval; a second look after a call whose outcome was
// open comes in between.
func (g *group) nextLook(interval time.Duration) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if g.audit.IsZero() {
		g.audit = now.Add(rand.N(interval)) //nolint:gosec // spreads load, guards nothing
	}
	for !g.audit.After(now) {
		g.audit = g.audit.Add(interval)
	}
	if g.secondLook.After(now) && g.secondLook.Before(g.audit) {
		return g.secondLook
	}
	return g.audit
}

// nextTry returns when a parked target of an operation is tried again; zero: none
// is parked.
func (g *group) nextTry(op operation) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.parking.next(op, time.Now())
}

// failed notes that the outcome of a call is open and returns how long to wait
// before looking: not at all the first time, then longer and longer, since what is
// found makes the next call leave at once.
func (g *group) failed() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.failures
	g.failures++
	g.secondLook = time.Now().Add(secondLook)
	if n == 0 {
		return 0
	}
	return jitter(min(firstLook<<min(n, 8), lastLook))
}

// busy reports whether a call for the group is under way.
func (g *group) busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.inFlight) > 0
}

// distrust makes what is known of the group a guess.
func (g *group) distrust() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.observed = nil
}

// parked counts the parked targets by reason.
func (g *group) parked(count map[string]int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.parking.parked {
		count[string(p.class)]++
	}
}
