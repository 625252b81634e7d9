package syncer

import (
	"context"
	"log/slog"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tgsync/tgsync/syncer/target"
)

// Ledger keeps which targets of shared groups are ours. It outlives the process.
type Ledger interface {
	// Update replaces our targets of a binding's group by what change makes of them, and
	// returns these. Change may be called more than once. What stays as it is costs no
	// request.
	Update(ctx context.Context, b target.Binding, change func(ours target.Set) target.Set) (target.Set, error)
}

// settled is how long after a registration an observation may still lack the target: AWS
// says "eventually", and a minute is far more than anybody has reported.
const settled = time.Minute

// reasonNoLedger is the reason of the event for a ledger that cannot be written.
const reasonNoLedger = "OwnershipNotKept"

// share notes which targets of a shared group are ours, before a call is planned:
// whatever is registered is in the ledger by then, and nothing that is not in it is
// deregistered. So of a group for which there is no ledger yet, nothing is. It reports
// whether the call may be planned.
func (s *Syncer) share(ctx context.Context, b target.Binding, g *group, w wanted) bool {
	if !b.Shared {
		g.own(nil)
		return true
	}
	ours, err := s.o.Ledger.Update(ctx, b, func(ours target.Set) target.Set { return g.ownable(ours, w.desired) })
	if err != nil {
		s.o.Log.WarnContext(ctx, "cannot note which targets are ours", groupAttr(b), slog.Any("error", err))
		s.o.Events.Eventf(&corev1.ObjectReference{
			APIVersion: "v1", Kind: "Service", Namespace: b.Service.Namespace, Name: b.Service.Name,
		}, corev1.EventTypeWarning, reasonNoLedger, "the targets of target group %s stay as they are: cannot note which of them are ours: %v", b.GroupName, err)
		return false
	}
	g.own(ours)
	return true
}

// shareAgain notes what is ours after a call. If that fails, the next plan does it.
func (s *Syncer) shareAgain(ctx context.Context, c call) {
	defer c.group.turn()()
	if v, err := s.look(c.binding); err == nil {
		s.share(ctx, c.binding, c.group, v.wanted)
	}
}

// turn waits until nobody else plans for a shared group, and returns what lets the next
// one plan: what a plan is about to register must not be dropped from the ledger by
// another, whose view is older.
func (g *group) turn() (leave func()) {
	g.planning <- struct{}{}
	return func() { <-g.planning }
}

// ownable returns what is ours of a shared group: what is desired, and of what was ours
// all that AWS may have.
func (g *group) ownable(ours, desired target.Set) target.Set {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := maps.Clone(desired)
	if next == nil {
		next = target.Set{}
	}
	for t := range ours {
		_, doubt := g.doubt[t]
		_, taken := g.taken[t]
		if g.observed == nil || g.observed.Has(t) || g.inFlight.Has(t) || doubt || taken {
			next[t] = struct{}{}
		}
	}
	return next
}

// takenLocked notes which targets of a shared group AWS has just taken or let go. One
// that it has taken stays ours until an observation must have shown it: were it dropped
// from the ledger when one lacks it, nobody would ever deregister it.
func (g *group) takenLocked(op operation, batch []target.Target) {
	for _, t := range batch {
		delete(g.taken, t)
		if op == register && g.ours != nil {
			g.taken[t] = time.Now()
		}
	}
}

// shownLocked notes that an observation has shown all that was taken long enough ago.
func (g *group) shownLocked() {
	maps.DeleteFunc(g.taken, func(_ target.Target, at time.Time) bool { return time.Since(at) >= settled })
}

// own notes which targets of a shared group are ours.
func (g *group) own(ours target.Set) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ours = ours
}

// oursAmongLocked counts those that may be ours.
func (g *group) oursAmongLocked(targets []target.Target) int {
	n := 0
	for _, t := range targets {
		if g.ours == nil || g.ours.Has(t) {
			n++
		}
	}
	return n
}

// size returns how many targets of ours the group has.
func (g *group) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.oursAmongLocked(g.observed.Sorted())
}

// empty reports whether AWS is known to have none of our targets, but for those that
// drain.
func (g *group) empty(shared bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := g.observed != nil && (!shared || g.ours != nil)
	return known && g.oursAmongLocked(g.observed.Sorted()) == 0 && len(g.inFlight) == 0 && len(g.doubt) == 0
}
