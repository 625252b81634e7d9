package readiness

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/target"
)

// Times of the book.
const (
	// stale is for how long a read may show what was before (AWS says "eventually"; a
	// minute is far more than anybody has reported), and so for how long a target that
	// is gone is remembered.
	stale = time.Minute
	// unreadableAfter is how long reads of a group fail before its pods say so.
	unreadableAfter = 30 * time.Second
	// After a failed read, or one that was throttled by what others use of the account, a
	// group is left alone for a while, which doubles with each failure.
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// book is what is known of the target groups that take pods with gates, and who waits
// for which. Nothing in it has to survive: what is not known is read again.
type book struct {
	// mu guards all below, and every group and record. It is held across no call.
	mu     sync.Mutex
	groups map[string]*group // by ARN
	waits  map[types.NamespacedName][]wait
	places map[types.NamespacedName]map[place]struct{} // that are or were a pod's
}

// place is a target of a group.
type place struct {
	arn    string
	target target.Target
}

func newBook() *book {
	return &book{
		groups: map[string]*group{}, waits: map[types.NamespacedName][]wait{}, places: map[types.NamespacedName]map[place]struct{}{},
	}
}

// group is one target group.
type group struct {
	firstRead, lastRead time.Time // when they began
	failing             time.Time // since when reads fail; zero: the last one did not
	class               awsapi.Class
	failures            int       // in a row
	pause               time.Time // until when it is left alone
	targets             map[target.Target]*record
	waiting             map[types.NamespacedName]waiter
	delays              delays
	check               Check
	poller              *Poller // nil: our own account's
}

// record is what is known of one target.
type record struct {
	facts
	pod   types.NamespacedName
	uid   types.UID // whose address it is; empty: not known
	since time.Time // since when that, or a call of ours, holds: what a read that began before shows is of the past
	// What AWS was last known to have, whoever's it was.
	there bool
	seen  time.Time
}

// waiter is a pod that waits for its target.
type waiter struct {
	target           target.Target
	since, notBefore time.Time
}

// groupLocked returns a group, which is kept from then on.
func (b *book) groupLocked(arn string) *group {
	g := b.groups[arn]
	if g == nil {
		g = &group{targets: map[target.Target]*record{}, waiting: map[types.NamespacedName]waiter{}}
		b.groups[arn] = g
	}
	return g
}

func (g *group) record(t target.Target) *record {
	r := g.targets[t]
	if r == nil {
		r = &record{}
		g.targets[t] = r
	}
	return r
}

// stands returns what is known of a pod's targets. A pod whose containers are ready has
// its addresses to itself: what was known of another pod there is forgotten.
func (b *book) stands(pod *endpoints.Pod, in []Membership, now time.Time) []standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	standings := make([]standing, len(in))
	for i, m := range in {
		standings[i].Membership = m
		if m.GroupARN == "" {
			continue
		}
		g := b.groupLocked(m.GroupARN)
		g.check, g.poller = m.Check, m.Poller
		if m.Target.IP.IsValid() {
			standings[i].facts = b.factsLocked(pod, m, now)
		}
		if g.unreadable(now) {
			standings[i].unreadable = g.class
		}
	}
	return standings
}

func (b *book) factsLocked(pod *endpoints.Pod, m Membership, now time.Time) facts {
	g := b.groups[m.GroupARN]
	if pod.ContainersReady {
		r := g.record(m.Target)
		if r.uid != pod.UID {
			b.handLocked(place{m.GroupARN, m.Target}, nameOf(pod), pod.UID, now)
		}
		return r.facts
	}
	if r := g.targets[m.Target]; r != nil && (r.uid == pod.UID || r.uid == "") {
		return r.facts
	}
	return facts{}
}

// unreadable reports whether the group's health has not been read for so long that it
// is to be said. That it does not exist is to be said at once.
func (g *group) unreadable(now time.Time) bool {
	return !g.failing.IsZero() && (g.class == awsapi.NotFound || now.Sub(g.failing) >= unreadableAfter)
}

// handLocked gives an address to a pod, of whose health nothing is known then.
func (b *book) handLocked(at place, pod types.NamespacedName, uid types.UID, now time.Time) *record {
	r := b.groups[at.arn].record(at.target)
	r.facts = facts{}
	r.pod, r.uid, r.since = pod, uid, now
	if b.places[pod] == nil {
		b.places[pod] = map[place]struct{}{}
	}
	b.places[pod][at] = struct{}{}
	return r
}

// registered notes that AWS took registrations, and returns the pods.
func (b *book) registered(arn string, all []Registration, now time.Time) []types.NamespacedName {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groupLocked(arn)
	pods := make([]types.NamespacedName, 0, len(all))
	for _, registration := range all {
		// A target that AWS has not had for a while begins anew, as initial.
		was := g.record(registration.Target)
		fresh := !g.firstRead.IsZero() && now.Sub(g.firstRead) >= stale && !was.there && now.Sub(was.seen) >= stale
		r := b.handLocked(place{arn, registration.Target}, registration.Pod, registration.UID, now)
		r.facts = facts{registered: now, notHealthy: now, own: fresh}
		r.there, r.seen = true, now
		pods = append(pods, registration.Pod)
	}
	return pods
}

// deregistered notes that AWS took deregistrations, and returns the pods.
func (b *book) deregistered(arn string, all []target.Target, now time.Time) []types.NamespacedName {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[arn]
	if g == nil {
		return nil
	}
	var pods []types.NamespacedName
	for _, t := range all {
		r := g.targets[t]
		if r == nil {
			continue
		}
		r.facts = facts{deregistered: now}
		r.since, r.seen = now, now
		if r.uid != "" {
			pods = append(pods, r.pod)
		}
	}
	return pods
}

// forget drops a group, and returns the pods that waited for it.
func (b *book) forget(arn string) []types.NamespacedName {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[arn]
	if g == nil {
		return nil
	}
	delete(b.groups, arn)
	return g.waitersLocked()
}

// await replaces what a pod waits for, and returns the groups.
func (b *book) await(pod types.NamespacedName, all []wait, now time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	arns := make([]string, 0, len(all))
	since := map[string]time.Time{}
	for _, w := range b.waits[pod] {
		if g := b.groups[w.GroupARN]; g != nil {
			since[w.GroupARN] = g.waiting[pod].since
			delete(g.waiting, pod)
		}
	}
	delete(b.waits, pod)
	for _, w := range all {
		started := since[w.GroupARN]
		if started.IsZero() {
			started = now
		}
		b.groupLocked(w.GroupARN).waiting[pod] = waiter{w.Target, started, w.notBefore}
		arns = append(arns, w.GroupARN)
	}
	if len(all) > 0 {
		b.waits[pod] = all
	}
	return arns
}

// release notes that a pod is gone, or on its way: it waits for nothing, and its
// addresses are nobody's.
func (b *book) release(pod types.NamespacedName, now time.Time) {
	b.await(pod, nil, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	for at := range b.places[pod] {
		g := b.groups[at.arn]
		if g == nil {
			continue
		}
		if r := g.targets[at.target]; r != nil && r.pod == pod {
			r.pod, r.uid = types.NamespacedName{}, ""
		}
	}
	delete(b.places, pod)
}

func nameOf(pod *endpoints.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
}
