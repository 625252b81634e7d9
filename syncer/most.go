package syncer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tgsync/tgsync/syncer/target"
)

// withinLocked returns those of the targets to be registered for which there is room
// below the most that a group may have (Options.MaxTargets), and counts the others. Who
// comes is decided as where a quota leaves no room: by a hash. Nobody goes for it, also
// if there are more already. As long as it is not known how many there are, nobody comes;
// the observation that is due makes a plan again.
func (g *group) withinLocked(w wanted, todo []target.Target) []target.Target {
	if g.observed == nil {
		return nil
	}
	room := w.most - g.holdsLocked(w.shared)
	g.parking.left = max(0, len(todo)-max(0, room))
	if g.parking.left == 0 {
		g.parking.toldLeft = false
		return todo
	}
	todo = slices.SortedFunc(slices.Values(todo), func(a, b target.Target) int { return cmp.Compare(place(a), place(b)) })
	todo = todo[:max(0, room)]
	slices.SortFunc(todo, target.Target.Compare)
	return todo
}

// holdsLocked returns how many targets the group has, with those on their way; of a shared
// one, how many are ours.
func (g *group) holdsLocked(shared bool) int {
	held := maps.Clone(g.observed)
	maps.Copy(held, g.inFlight)
	for t, op := range g.doubt {
		if op == register {
			held[t] = struct{}{}
		}
	}
	if shared {
		maps.DeleteFunc(held, func(t target.Target, _ struct{}) bool { return !g.ours.Has(t) })
	}
	return len(held)
}

// newlyLeft returns how many targets have no place, if that has not been told.
func (g *group) newlyLeft() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parking.left == 0 || g.parking.toldLeft {
		return 0
	}
	g.parking.toldLeft = true
	return g.parking.left
}

// tellLeft tells the owner of a Service that not all of its pods become targets.
func (s *Syncer) tellLeft(b target.Binding, g *group) {
	n := g.newlyLeft()
	svc, err := s.o.Informers.Services.Lister().Services(b.Service.Namespace).Get(b.Service.Name)
	if n == 0 || err != nil {
		return
	}
	s.o.Events.Event(svc, corev1.EventTypeWarning, reasonMost, fmt.Sprintf(
		"target group %s has the most targets that TGSYNC_MAX_TARGETS_PER_TARGET_GROUP allows, %d; %d more are left out until there is room",
		b.GroupName, s.o.MaxTargets, n))
}
