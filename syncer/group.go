package syncer

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
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
	// planning has room for the one who plans, if the group is shared.
	planning chan struct{}
	// lane is the way to it. Rebind gives it another one.
	lane atomic.Pointer[lane]

	// mu guards all below. It is never held across a call to AWS.
	mu sync.Mutex
	// observed is what AWS has, as far as its answers tell; nil: it was not asked yet.
	observed target.Set
	// accepted are the targets of calls that AWS has accepted before it was asked.
	accepted map[operation]target.Set
	// states are AWS's words for what it has, those that drain included, from when it
	// was last asked; what was registered or deregistered since is initial or draining.
	states map[target.Target]string
	// ours are the targets of a shared group that we may have registered. Nil: the group is
	// not shared, or the ledger was not read yet.
	ours target.Set
	// taken are those of ours that AWS took so lately that it may not show them yet.
	taken map[target.Target]time.Time
	// inFlight are the targets of calls that have not returned.
	inFlight target.Set
	// doubt are the targets of which AWS alone knows what became of a call: no answer
	// came, or they were draining when they were registered. They are in no plan
	// before the group has been observed.
	doubt map[target.Target]operation
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
	// missing is since when it has not been found out what the group should have.
	missing time.Time
	// holding are the guards that keep something back.
	holding map[Guard]Hold
	// calls are the last ones that have returned.
	calls map[operation]Call
}

func newGroup(arn string) *group {
	return &group{
		arn: arn, planning: make(chan struct{}, 1), accepted: newAccepted(), taken: map[target.Target]time.Time{}, states: map[target.Target]string{}, inFlight: target.Set{},
		doubt: map[target.Target]operation{}, parking: newParking(), holding: map[Guard]Hold{},
		calls: map[operation]Call{},
	}
}

func newAccepted() map[operation]target.Set {
	return map[operation]target.Set{register: {}, deregister: {}}
}

// known reports whether the group has been observed.
func (g *group) known() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.observed != nil
}

// wanted is what a group should have. What is undecided is left as it is: neither
// registered nor deregistered. What is leaving is never to come back.
type wanted struct {
	desired, undecided, leaving target.Set
	shared                      bool // the others' targets stay
	most                        int  // targets that the group may have; 0: any number
}

// plan returns what can be done now to make the group as wanted: nothing of what is
// undecided, in flight, in doubt or parked.
//
// A group that has not been observed has only what is certain without looking: both
// calls can be repeated, so what is wanted may be registered although it might be
// there, and what is leaving may be deregistered although it might not.
func (g *group) plan(w wanted) target.Plan {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parking.forget(w.desired)
	left := g.leftLocked()
	maps.Copy(left, w.undecided)
	var plan target.Plan
	if g.observed != nil {
		plan = target.Diff(w.desired, g.observed, left)
	} else {
		plan.Register = target.Diff(w.desired, g.accepted[register], left).Register
		maps.Copy(left, w.desired)
		plan.Deregister = target.Diff(w.leaving, g.accepted[deregister], left).Register
	}
	if w.shared {
		plan.Deregister = slices.DeleteFunc(plan.Deregister, func(t target.Target) bool { return !g.ours.Has(t) })
	}
	if w.most > 0 {
		plan.Register = g.withinLocked(w, plan.Register)
	}
	if g.parking.isFull(len(plan.Register), time.Now()) {
		plan.Register = nil
	}
	return plan
}

// leftLocked returns the targets that no plan may touch now.
func (g *group) leftLocked() target.Set {
	left := g.parking.away(time.Now())
	maps.Copy(left, g.inFlight)
	for t := range g.doubt {
		left[t] = struct{}{}
	}
	return left
}

// begin takes the next batch of op: at most size of the targets that a plan made a
// moment ago names, less those that no plan would name any more. They are in flight
// from then on. It also returns whether more are left. An empty batch means that
// there is nothing to do now.
func (g *group) begin(op operation, planned []target.Target, size int) (batch []target.Target, more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	left := g.leftLocked()
	todo := make([]target.Target, 0, len(planned))
	for _, t := range planned {
		if !left.Has(t) {
			todo = append(todo, t)
		}
	}
	batch = g.parking.pick(op, todo, size)
	for _, t := range batch {
		g.inFlight[t] = struct{}{}
	}
	return batch, len(batch) < len(todo)
}

// outcome is what follows from the answer to a batch.
type outcome struct {
	parked *parkedTarget // the target that was parked; nil: none
	full   *parkedTarget // set if the group was found to have no room for more
	look   bool          // the group must be observed
}

// end applies the answer to a batch. An error that leaves the outcome open makes
// what is known of its targets a guess: the group must be observed again.
func (g *group) end(op operation, batch []target.Target, class awsapi.Class) outcome {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.generation++
	for _, t := range batch {
		delete(g.inFlight, t)
	}
	switch class {
	case awsapi.OK:
		g.failures = 0
		g.parking.taken(op, batch)
		return outcome{look: g.applyLocked(op, batch)}
	case awsapi.Invalid:
		return outcome{parked: g.parking.refused(op, batch, g.drainLocked(batch))}
	case awsapi.Limit:
		return outcome{full: g.parking.overflowed(batch)}
	case awsapi.Unavailable, awsapi.Canceled:
		for _, t := range batch {
			g.doubt[t] = op
		}
		return outcome{look: true}
	default: // AWS did nothing.
		return outcome{}
	}
}

// applyLocked records what AWS has accepted. It reports whether the group must be
// observed all the same: whether AWS takes a target back that drains is not
// documented, and it says OK in either case.
func (g *group) applyLocked(op operation, batch []target.Target) (look bool) {
	g.takenLocked(op, batch)
	for _, t := range batch {
		drained := g.states[t] == awsapi.StateDraining
		switch {
		case op == register && drained:
			g.doubt[t], look = register, true
			continue
		case g.observed == nil:
			g.accepted[op][t] = struct{}{}
		case op == register:
			g.observed[t] = struct{}{}
		default:
			delete(g.observed, t)
		}
		g.states[t] = map[operation]string{register: awsapi.StateInitial, deregister: awsapi.StateDraining}[op]
	}
	return look
}

// drainLocked reports whether a target of a batch was draining when last heard of.
func (g *group) drainLocked(batch []target.Target) bool {
	for _, t := range batch {
		if g.states[t] == awsapi.StateDraining {
			return true
		}
	}
	return false
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
	// awaited says that plans have waited for it: it is the first one, or a call's outcome
	// was open.
	awaited bool
}

// observedAt takes in an observation that began at the given generation.
func (g *group) observedAt(generation int, health []awsapi.TargetHealth) observation {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.generation != generation {
		return observation{stale: true}
	}
	now := target.Set{}
	g.states = make(map[target.Target]string, len(health))
	for _, h := range health {
		g.states[h.Target] = h.State
		if h.State != awsapi.StateDraining {
			now[h.Target] = struct{}{} // one that drains is on its way out: for us it is not registered
		} else if g.doubt[h.Target] == register {
			g.parking.park(h.Target, register, reasonDraining)
		}
	}
	o := observation{awaited: g.observed == nil || len(g.doubt) > 0}
	if g.observed != nil {
		left := maps.Clone(g.inFlight)
		for t := range g.doubt {
			left[t] = struct{}{}
		}
		plan := target.Diff(g.observed, now, left)
		o.drift = g.oursAmongLocked(slices.Concat(plan.Register, plan.Deregister))
	}
	g.observed = now
	g.accepted = newAccepted()
	clear(g.doubt)
	g.shownLocked()
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

// lookAfter returns how long to wait before looking at the group after a call of a
// class. Not at all, unless calls keep failing: then longer and longer, since what is
// found makes the next call leave at once. If the outcome is open, one more look
// follows.
func (g *group) lookAfter(class awsapi.Class) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if class == awsapi.OK {
		return 0
	}
	n := g.failures
	g.failures++
	g.secondLook = time.Now().Add(secondLook)
	if n == 0 {
		return 0
	}
	return jitter(min(firstLook<<min(n, 8), lastLook))
}

// fill notes that there is no room for more targets before some have left.
func (g *group) fill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parking.fill()
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
	g.observed, g.accepted = nil, newAccepted()
}
