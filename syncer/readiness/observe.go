package readiness

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

// observed takes in the health of all targets of a group, from a read that began at a
// time, and returns the pods that it may mean something to.
func (b *book) observed(arn string, began time.Time, health []awsapi.TargetHealth) []types.NamespacedName {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[arn]
	if g == nil || began.Before(g.lastRead) {
		return nil // nobody asks, or it is older than what is known
	}
	var pods []types.NamespacedName
	if !g.failing.IsZero() {
		pods = g.waitersLocked()
	}
	previous := g.readLocked(began)
	shown := make(map[target.Target]bool, len(health))
	for i := range health {
		shown[health[i].Target] = true
		r := g.record(health[i].Target)
		r.there, r.seen = true, began
		if !began.Before(r.since) && r.show(health[i], began, previous, &g.delays) {
			pods = append(pods, r.pod)
		}
	}
	return append(pods, g.absentLocked(shown, began)...)
}

// readLocked notes that a read has succeeded, and returns when the one before began.
func (g *group) readLocked(began time.Time) (previous time.Time) {
	if g.firstRead.IsZero() {
		g.firstRead = began
	}
	previous = g.lastRead
	g.lastRead, g.failing, g.class, g.failures = began, time.Time{}, awsapi.OK, 0
	return previous
}

// absentLocked takes in which targets a read did not show, and returns the pods to be
// told.
func (g *group) absentLocked(shown map[target.Target]bool, began time.Time) []types.NamespacedName {
	var pods []types.NamespacedName
	for t, r := range g.targets {
		switch {
		case shown[t] || began.Before(r.since):
		case r.uid == "" && began.Sub(r.seen) >= stale:
			delete(g.targets, t)
		case r.vanish(began):
			pods = append(pods, r.pod)
		}
	}
	return pods
}

// waitersLocked returns the pods that wait for a group.
func (g *group) waitersLocked() []types.NamespacedName { return slices.Collect(maps.Keys(g.waiting)) }

// show takes in what a read showed of the target, and reports whether a pod is to be
// told: of anything new, and of a health that it has not made use of.
func (r *record) show(h awsapi.TargetHealth, began, previous time.Time, d *delays) bool {
	news := !r.present || r.health != h
	if h.State == awsapi.StateInitial {
		r.own = true
	}
	if h.State == awsapi.StateHealthy {
		if r.health.State != awsapi.StateHealthy && !r.registered.IsZero() {
			d.add(r.registered, latest(r.notHealthy, r.registered), began)
		}
		if r.notHealthy.IsZero() {
			r.notHealthy = previous
		}
	} else {
		r.notHealthy = began
	}
	r.present, r.read, r.health = true, began, h
	return r.uid != "" && (news || h.State == awsapi.StateHealthy)
}

// vanish takes in that a read did not show the target.
func (r *record) vanish(began time.Time) bool {
	news := r.present || r.read.IsZero()
	r.there = false
	r.present, r.read, r.health, r.own, r.notHealthy = false, began, awsapi.TargetHealth{}, false, began
	return news && r.uid != ""
}

// throttled notes that a read was refused for its rate.
func (b *book) throttled(arn string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.groups[arn]; g != nil {
		g.pause = now.Add(firstPause + rand.N(firstPause/2)) //nolint:gosec // spreads load, guards nothing
	}
}

// failed notes that a group could not be read, and returns the pods to be told.
func (b *book) failed(arn string, class awsapi.Class, now time.Time) []types.NamespacedName {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[arn]
	if g == nil {
		return nil
	}
	if g.failing.IsZero() {
		g.failing = now
	}
	g.class = class
	g.pause = now.Add(min(firstPause<<min(g.failures, 8), lastPause))
	g.failures++
	if !g.unreadable(now) {
		return nil
	}
	return g.waitersLocked()
}
