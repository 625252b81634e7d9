package syncer

import (
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

// How long a parked target stays away: 15 s, doubling to 5 minutes. The first is
// about as long as AWS takes to forget an address, the last bounds the calls that
// are wasted on a target that will never do.
const (
	firstParking = 15 * time.Second
	lastParking  = 5 * time.Minute
)

// parking keeps targets that AWS refuses apart from those it takes. AWS refuses
// whole calls, so a refused batch is halved until the bad target stands alone; that
// one is parked, and the rest goes through. It belongs to its group.
type parking struct {
	// size is the most targets in the next batch of an operation, while it is being
	// found out which of them is refused; 0: no limit.
	size   map[operation]int
	parked map[target.Target]*parkedTarget
}

// parkedTarget is a target that was refused when it was alone.
type parkedTarget struct {
	op    operation
	class awsapi.Class // why: Invalid or Limit
	until time.Time
	times int // in a row
}

func newParking() parking {
	return parking{size: map[operation]int{}, parked: map[target.Target]*parkedTarget{}}
}

// limit returns how many targets the next batch may have.
func (p *parking) limit(op operation, size int) int {
	if l := p.size[op]; l > 0 {
		return min(l, size)
	}
	return size
}

// accepted notes that AWS took a batch: the next one may be twice as large. A
// deregistration makes room for those that did not fit.
func (p *parking) accepted(op operation, batch []target.Target) {
	if p.size[op] > 0 {
		p.size[op] = 2 * len(batch)
	}
	for _, t := range batch {
		delete(p.parked, t)
	}
	if op != deregister {
		return
	}
	for _, parked := range p.parked {
		if parked.class == awsapi.Limit {
			parked.until = time.Time{}
		}
	}
}

// refused notes that AWS refused a batch, and returns the target that is parked for
// it, if it was alone.
func (p *parking) refused(op operation, batch []target.Target, class awsapi.Class) *parkedTarget {
	if len(batch) > 1 {
		p.size[op] = len(batch) / 2
		return nil
	}
	parked := p.parked[batch[0]]
	if parked == nil {
		parked = &parkedTarget{}
		p.parked[batch[0]] = parked
	}
	pause := lastParking
	if parked.times < 5 { // 15 s << 5 is more than 5 minutes.
		pause = min(pause, firstParking<<parked.times)
	}
	parked.op, parked.class, parked.until = op, class, time.Now().Add(jitter(pause))
	parked.times++
	return parked
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
	for _, parked := range p.parked {
		if parked.op == op && parked.until.After(now) && (next.IsZero() || parked.until.Before(next)) {
			next = parked.until
		}
	}
	return next
}

// forget drops what nobody wants any more.
func (p *parking) forget(desired target.Set) {
	for t := range p.parked {
		if !desired.Has(t) {
			delete(p.parked, t)
		}
	}
}
