package syncer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
)

// Guard keeps targets from being deregistered that a cluster in good health would not
// want to lose. What the guards hold back counts as desired.
type Guard string

// The guards, in the order in which a plan passes them.
const (
	// GuardGracePeriod holds every target of a group whose Service, Service port or
	// EndpointSlices are not found: not found is not zero. It ends after a while. A pod
	// that terminates meanwhile is held, too: without its Service it is not known whether
	// that publishes such pods.
	GuardGracePeriod Guard = "grace_period"
	// GuardFailOpen holds targets whose pods have all become not ready while none is
	// terminating: what they have in common is more likely to be at fault, and a load
	// balancer without targets helps nobody.
	GuardFailOpen Guard = "fail_open"
	// GuardLiveRead holds more than half of a group whose pods live, until the API
	// server itself has said that they are not wanted: a cache can be wrong.
	GuardLiveRead Guard = "live_read"
)

// Guards returns all guards.
func Guards() []Guard { return []Guard{GuardGracePeriod, GuardFailOpen, GuardLiveRead} }

// The removal that needs a live read: of more than half of a group, and of two at
// least, since one of one is every restart of a single pod.
const (
	massShare = 2 // more than one in so many
	massLeast = 2
)

// reasonHeld is the reason of the event for targets that a guard holds.
const reasonHeld = "TargetsHeld"

// view is what the caches say of a binding's group.
type view struct {
	wanted
	result endpoints.Result
}

// look computes what a binding's group should have, from the caches.
func (s *Syncer) look(b target.Binding) (view, error) {
	var found endpoints.Result
	if !b.Drain {
		in, err := s.o.Informers.input(b, s.o.FailOpen)
		if err != nil {
			return view{}, err
		}
		found = endpoints.Calculate(in)
	}
	v := viewOf(found)
	v.shared, v.most = b.Shared, s.o.MaxTargets
	return v, nil
}

func viewOf(found endpoints.Result) view {
	v := view{result: found, wanted: wanted{desired: found.Desired, undecided: target.Set{}, leaving: target.Set{}}}
	for _, e := range found.Endpoints {
		switch e.State {
		case endpoints.Undecided:
			v.undecided[e.Target] = struct{}{}
		case endpoints.Terminating:
			v.leaving[e.Target] = struct{}{}
		default:
		}
	}
	return v
}

// zone returns the zone of a target's node, "" if it is not known.
func (v view) zone(t target.Target) string {
	e, _ := v.result.Find(t)
	return e.Zone
}

// removal is a plan's deregistrations on their way through the guards.
type removal struct {
	binding target.Binding
	group   *group
	view    view
	targets []target.Target
}

// guard returns those deregistrations of a plan that may be carried out now. Of a
// group that drains this is all of them: somebody has asked for just that.
func (s *Syncer) guard(ctx context.Context, r removal) []target.Target {
	if r.binding.Drain {
		return r.targets
	}
	for _, step := range []struct {
		name  Guard
		holds func(removal) target.Set
	}{
		{GuardGracePeriod, s.holdMissing},
		{GuardFailOpen, s.holdNotReady},
		{GuardLiveRead, s.holdUnproven},
	} {
		held := step.holds(r)
		s.note(ctx, r, step.name, len(held))
		if len(held) > 0 {
			r.targets = slices.DeleteFunc(slices.Clone(r.targets), held.Has)
		}
	}
	return r.targets
}

// note tells about a guard that begins to hold something, and remembers whether it
// does.
func (s *Syncer) note(ctx context.Context, r removal, name Guard, held int) {
	if !r.group.hold(name, held) {
		return
	}
	s.o.Metrics.GuardHolds(string(name))
	why := map[Guard]string{
		GuardGracePeriod: fmt.Sprintf("%v; they are deregistered in %v", r.view.result.Missing, s.o.GracePeriod),
		GuardFailOpen:    "no pod is ready, and none is terminating",
		GuardLiveRead:    "their pods live; the API server is asked whether they are not wanted",
	}[name]
	s.o.Log.WarnContext(ctx, "targets are held", groupAttr(r.binding), slog.String("guard", string(name)), slog.Int("targets", held), slog.String("why", why))
	s.o.Events.Eventf(&corev1.ObjectReference{
		APIVersion: "v1", Kind: "Service", Namespace: r.binding.Service.Namespace, Name: r.binding.Service.Name,
	}, corev1.EventTypeWarning, reasonHeld, "%d targets of target group %s stay registered: %s", held, r.binding.GroupName, why)
}

// holdMissing is GuardGracePeriod.
func (s *Syncer) holdMissing(r removal) target.Set {
	until := r.group.missingUntil(r.view.result.Missing != nil, s.o.GracePeriod)
	if !until.After(time.Now()) || len(r.targets) == 0 {
		return nil
	}
	s.add(key{r.binding.GroupARN, deregister}, opqueue.Change{Since: until})
	return target.NewSet(r.targets...)
}

// holdNotReady is GuardFailOpen. It holds what is registered, and registers nothing.
func (s *Syncer) holdNotReady(r removal) target.Set {
	held := target.Set{}
	if !s.o.FailOpen || len(r.view.desired) > 0 || r.view.result.Has(endpoints.Terminating) {
		return held
	}
	for _, t := range r.targets {
		if e, ok := r.view.result.Find(t); ok && e.State == endpoints.NotReady {
			held[t] = struct{}{}
		}
	}
	return held
}

// holdUnproven is GuardLiveRead.
func (s *Syncer) holdUnproven(r removal) target.Set {
	living := target.Set{}
	for _, t := range r.targets {
		if s.lives(r.view.result, t) {
			living[t] = struct{}{}
		}
	}
	if len(living) < massLeast || len(living)*massShare <= r.group.size() {
		return nil
	}
	read, ok := s.live.answer(r.binding.Service)
	if !ok {
		s.live.ask(r.binding.Service)
		return living
	}
	living = s.stillWanted(r, living, read)
	if len(living) > 0 {
		// The cache will catch up, and tells when it does. If not, the answer is no answer
		// any more by then, and the API server is asked again.
		s.add(key{r.binding.GroupARN, deregister}, opqueue.Change{Since: time.Now().Add(liveFresh)})
	}
	return living
}

// stillWanted returns those targets that a live read of the slices does not give up.
// What it finds missing, and the cache does not, is the grace period's to decide when
// the cache has found it missing, too.
func (s *Syncer) stillWanted(r removal, targets target.Set, read []*discoveryv1.EndpointSlice) target.Set {
	in, err := s.o.Informers.input(r.binding, s.o.FailOpen)
	if err != nil {
		return targets
	}
	in.Slices = read
	missing := r.view.result.Missing != nil
	r.view, r.targets = viewOf(endpoints.Calculate(in)), targets.Sorted()
	if r.view.result.Missing != nil && !missing {
		return targets
	}
	wanted := s.holdNotReady(r)
	for t := range targets {
		if r.view.desired.Has(t) {
			wanted[t] = struct{}{}
		}
	}
	return wanted
}

// lives reports whether a target that is not wanted has a pod that is neither
// terminating nor gone.
func (s *Syncer) lives(found endpoints.Result, t target.Target) bool {
	if e, ok := found.Find(t); ok {
		return e.State != endpoints.Terminating
	}
	return s.o.Informers.hasLivingPod(t.IP)
}

// Hold is what a guard keeps registered.
type Hold struct {
	Since   time.Time // when it began to
	Targets int       // at the last look
}

// hold notes how many targets a guard holds, and reports whether it has just begun to.
func (g *group) hold(name Guard, targets int) (begun bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h, held := g.holding[name]
	if targets == 0 {
		delete(g.holding, name)
		return false
	}
	if !held {
		h.Since = time.Now()
	}
	h.Targets = targets
	g.holding[name] = h
	return !held
}

// held reports whether a guard held targets, or would have held some, when the group
// was last looked at.
func (g *group) held() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.holding) > 0 || !g.missing.IsZero()
}

// missingUntil returns when what is missing now counts as zero. It is the zero time
// if nothing is missing.
func (g *group) missingUntil(missing bool, grace time.Duration) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !missing {
		g.missing = time.Time{}
		return g.missing
	}
	if g.missing.IsZero() {
		g.missing = time.Now()
	}
	return g.missing.Add(grace)
}
