package readiness

import (
	"math"
	"slices"
	"time"
)

// Times of reads.
const (
	// firstDelay is what no registration is quicker than, as long as nothing has been
	// learned: ELB needs about a second to tell a load balancer.
	firstDelay = time.Second
	// lastPropagation is how long that takes at most, as a rule.
	lastPropagation = 5 * time.Second
	// While tokens are free, a group is read again after fastGap as long as a target is
	// expected to become healthy; for one that is late by some time, after an eighth of
	// that, up to slowGap.
	fastGap = time.Second
	slowGap = 5 * time.Second
	lateBy  = 8
)

// How much is learned.
const (
	samples  = 32
	learned  = 8               // from so many on they are believed
	coarsest = 5 * time.Second // what is not known more exactly teaches nothing
)

// delays are how long the latest targets of one group took from their registration to
// healthy. The zero value has learned nothing.
type delays struct {
	latest []time.Duration
	next   int
}

// add learns from a target that was not healthy at one moment and was at the next.
// The middle is taken: were it the moment at which it was seen, the first read would
// come later with each one.
func (d *delays) add(registered, before, seen time.Time) {
	if seen.Sub(before) > coarsest {
		return
	}
	sample := before.Add(seen.Sub(before) / 2).Sub(registered)
	if len(d.latest) < samples {
		d.latest = append(d.latest, sample)
		return
	}
	d.latest[d.next] = sample
	d.next = (d.next + 1) % samples
}

// first is how long after a registration it is worth looking for the first time.
func (d *delays) first() time.Duration {
	if len(d.latest) < learned {
		return firstDelay
	}
	return slices.Min(d.latest)
}

// last is how long after a registration a target is healthy, if it is to be healthy
// at all.
func (d *delays) last(c Check) time.Duration {
	if len(d.latest) < learned {
		return lastPropagation + c.interval()
	}
	return slices.Max(d.latest)
}

// gapAt is the least time between two reads for a target of an age.
func gapAt(age, last time.Duration) time.Duration {
	return min(max(fastGap, (age-last)/lateBy), slowGap)
}

// due returns when the group is worth a read for anybody, and false if for nobody.
func (g *group) due(now time.Time) (time.Time, bool) {
	var first time.Time
	for _, w := range g.waiting {
		if due := g.dueFor(w, now); first.IsZero() || due.Before(first) {
			first = due
		}
	}
	return latest(first, g.pause), len(g.waiting) > 0
}

// dueFor returns when the group is worth a read for one pod.
func (g *group) dueFor(w waiter, now time.Time) time.Time {
	due := latest(w.since, w.notBefore)
	if !g.lastRead.IsZero() {
		due = latest(due, g.lastRead.Add(gapAt(now.Sub(g.startOf(w)), g.delays.last(g.check))))
	}
	// Where initial has to be seen, it has to be seen before it is over.
	if r := g.targets[w.target]; r != nil && !r.registered.IsZero() && !r.unowned() {
		due = latest(due, r.registered.Add(g.delays.first()))
	}
	return due
}

// startOf returns since when a pod's target may have been on its way to healthy.
func (g *group) startOf(w waiter) time.Time {
	if r := g.targets[w.target]; r != nil && !r.registered.IsZero() {
		return r.registered
	}
	return w.since
}

// unowned reports whether a first read has to show that the target is initial.
func (r *record) unowned() bool { return !r.registered.IsZero() && r.read.IsZero() && !r.own }

// urgent is how much more a target counts that has to be seen initial. If that is
// missed, its pod waits for a minute.
const urgent = 4

// rank says what a read of the group is worth now: the pods that may have become healthy
// since the last read, times how long they may have been so. Both grow with the time
// since then, so no group starves, and where n pods wait in one group and one in
// another, the first is read √n times as often.
func (g *group) rank(now time.Time) float64 {
	last := g.delays.last(g.check)
	var expected float64
	var since time.Time
	for _, w := range g.waiting {
		if g.dueFor(w, now).After(now) {
			continue
		}
		// Who is late becomes healthy ever less likely in the next second.
		weight := float64(last) / float64(max(now.Sub(g.startOf(w)), last))
		if r := g.targets[w.target]; r != nil && r.unowned() {
			weight = urgent
		}
		expected += weight
		if since.IsZero() || w.since.Before(since) {
			since = w.since
		}
	}
	if !g.lastRead.IsZero() {
		since = latest(since, g.lastRead)
	}
	return expected * math.Pow(now.Sub(since).Seconds(), 2)
}
