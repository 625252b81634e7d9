package provision

import (
	"cmp"
	"context"
	"slices"

	"github.com/tgsync/tgsync/syncer/ingress"
)

// Outcome is what one pass over a group did.
type Outcome struct {
	Group    string
	Steps    []string // done, in words and in order
	Problems []ingress.Problem
	Err      error // what was refused, or ended the pass
	Waiting  bool  // Err only says that something has to finish first: more steps follow
}

// Once makes one pass over every group, in the order of their names, and returns what
// each did. Bindings, Missing and Needs show it, too. The caches must be full. With
// clients that only pretend to write (package rehearsal), it is what Run would do next.
func (l *Loop) Once(ctx context.Context) ([]Outcome, error) {
	l.regroup()
	if err := l.inventory.load(ctx, l.balancerNames()); err != nil {
		return nil, err
	}
	if err := l.adopt(ctx); err != nil {
		return nil, err
	}
	l.read.Store(true)
	var outcomes []Outcome
	ended := true
	for _, g := range *l.groups.Load() {
		p := l.newPass(g)
		o := Outcome{Group: g.ID.String()}
		p.told = func(step string) { o.Steps = append(o.Steps, step) }
		o.Err = p.run(ctx)
		o.Waiting = o.Err != nil && isWaiting(o.Err)
		if p.model != nil { // it was built
			o.Problems = p.model.Problems
		}
		ended = ended && (o.Err == nil || o.Waiting)
		outcomes = append(outcomes, o)
	}
	if ended {
		l.needs.Complete() // and if not, nobody is to take what is missing for unneeded
	}
	slices.SortFunc(outcomes, func(a, b Outcome) int { return cmp.Compare(a.Group, b.Group) })
	return outcomes, ctx.Err()
}
