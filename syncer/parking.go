package syncer

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"github.com/tgsync/tgsync/syncer/target"
)

// How long a parked target stays away: 15 s, doubling to 5 minutes. The first is
// about as long as AWS takes to forget an address, the last bounds the calls that
// are wasted on a target that will never do. One that drains stays away for 30 s at
// most: draining ends after 5 minutes, unless somebody asked for more.
const (
	firstParking = 15 * time.Second
	lastParking  = 5 * time.Minute
	drainParking = 30 * time.Second
)

// Why a target is parked: the reasons of tgsync_parked_targets.
const (
	reasonInvalid  = "Invalid"  // AWS refuses it
	reasonLimit    = "Limit"    // a quota leaves no room for it
	reasonDraining = "Draining" // AWS does not take it back before it has drained
	reasonLeftOut  = "LeftOut"  // the group has as many as it may have by our own setting
)

// parking keeps targets that AWS refuses apart from those it takes. AWS refuses
// whole calls, so a refused batch is halved until the bad target stands alone; that
// one is parked, and the rest goes through. Where a quota is used up none is bad:
// all that are left wait until there is room. It belongs to its group.
type parking struct {
	// size is the most targets in the next batch of an operation, while it is being
	// found out which of them is refused; 0: no limit.
	size   map[operation]int
	parked map[target.Target]*parkedTarget
	// full is set while a quota leaves no room for more targets; over is how many had
	// no place when it was last planned.
	full *parkedTarget
	over int
	// left is how many had no place because of the most that a group may have, and toldLeft
	// whether somebody was told.
	left     int
	toldLeft bool
}

// parkedTarget is a target that was refused when it was alone, or all those for
// which there is no room.
type parkedTarget struct {
	op     operation
	reason string
	until  time.Time
	times  int // in a row
}

func newParking() parking {
	return parking{size: map[operation]int{}, parked: map[target.Target]*parkedTarget{}}
}

// extend keeps p away for longer than the last time, and in any case no longer than
// last.
func (p *parkedTarget) extend(last time.Duration) {
	pause := last
	if p.times < 5 { // 15 s << 5 is more than 5 minutes.
		pause = min(last, firstParking<<p.times)
	}
	p.until = time.Now().Add(jitter(pause))
	p.times++
}

// pick returns the next batch of an operation out of all that is to be done. Where
// not all can go, who goes first is decided by a hash: should there be no room for
// the others, then those left out are spread over nodes and zones, and they are the
// same ones every time.
func (p *parking) pick(op operation, todo []target.Target, size int) []target.Target {
	if limit := p.size[op]; limit > 0 {
		size = min(limit, size)
	}
	if len(todo) <= size {
		return todo
	}
	slices.SortFunc(todo, func(a, b target.Target) int { return cmp.Compare(place(a), place(b)) })
	batch := todo[:size]
	slices.SortFunc(batch, target.Target.Compare)
	return batch
}

// place is a target's place in the order in which room is given.
func place(t target.Target) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(t.String()))
	return h.Sum64()
}

// taken notes that AWS took a batch: the next one may be twice as large. As many as
// it deregisters may come instead.
func (p *parking) taken(op operation, batch []target.Target) {
	if p.size[op] > 0 {
		p.size[op] = 2 * len(batch)
	}
	for _, t := range batch {
		delete(p.parked, t)
	}
	switch {
	case op == register:
		p.full = nil
	case p.full != nil:
		p.full.until = time.Time{}
		p.size[register] = len(batch)
	}
}

// refused notes that AWS refused a batch, and returns the target that is parked for
// it, if it was alone. Draining says that this may be the cause.
func (p *parking) refused(op operation, batch []target.Target, draining bool) *parkedTarget {
	if len(batch) > 1 {
		p.size[op] = len(batch) / 2
		return nil
	}
	if draining {
		return p.park(batch[0], op, reasonDraining)
	}
	return p.park(batch[0], op, reasonInvalid)
}

// park keeps one target away.
func (p *parking) park(t target.Target, op operation, reason string) *parkedTarget {
	parked := p.parked[t]
	if parked == nil {
		parked = &parkedTarget{}
		p.parked[t] = parked
	}
	parked.op, parked.reason = op, reason
	if reason == reasonDraining {
		parked.extend(drainParking)
	} else {
		parked.extend(lastParking)
	}
	return parked
}

// overflowed notes that a quota left no room for a batch. Fewer may fit; if not even
// one does, the group is full, which is tried again with one.
func (p *parking) overflowed(batch []target.Target) *parkedTarget {
	p.size[register] = max(1, len(batch)/2)
	if len(batch) > 1 {
		return nil
	}
	return p.fill()
}

// fill notes that the group is full.
func (p *parking) fill() *parkedTarget {
	if p.full == nil {
		p.full = &parkedTarget{op: register, reason: reasonLimit}
	}
	p.full.extend(lastParking)
	return p.full
}

// isFull reports whether there is known to be no room for more targets, of which
// some are waiting.
func (p *parking) isFull(waiting int, now time.Time) bool {
	if waiting == 0 {
		p.full = nil
	}
	p.over = 0
	if p.full != nil {
		p.over = waiting
	}
	return p.full != nil && p.full.until.After(now)
}

// away returns the targets that are to be left alone now.
func (p *parking) away(now time.Time) target.Set {
	away := target.Set{}
	for t, parked := range p.parked {
		if parked.until.After(now) {
			away[t] = struct{}{}
		}
	}
	return away
}

// next returns when the next target of an operation is tried again; zero: none is
// away. One whose time has come is left to the plan: were it named here, a target that
// no plan takes up would make its key run again and again.
func (p *parking) next(op operation, now time.Time) time.Time {
	var next time.Time
	sooner := func(parked *parkedTarget) {
		if parked.op == op && parked.until.After(now) && (next.IsZero() || parked.until.Before(next)) {
			next = parked.until
		}
	}
	for _, parked := range p.parked {
		sooner(parked)
	}
	if p.full != nil {
		sooner(p.full)
	}
	return next
}

// forget drops what nobody wants any more.
func (p *parking) forget(desired target.Set) {
	for t, parked := range p.parked {
		if desired.Has(t) != (parked.op == register) {
			delete(p.parked, t)
		}
	}
}

// count adds the parked targets, by reason.
func (p *parking) count(by map[string]int) {
	for _, parked := range p.parked {
		by[parked.reason]++
	}
	if p.over > 0 {
		by[reasonLimit] += p.over
	}
	if p.left > 0 {
		by[reasonLeftOut] += p.left
	}
}
