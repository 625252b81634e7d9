package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/tgsync/tgsync/test/awssim"
)

// scenario is a trace, who plays it, and what is measured.
type scenario struct {
	name     string
	trace    Trace
	entrants []entrant
	play     func(ctx context.Context, t Trace, e entrant) ([]figure, error)
}

// figure is one measured number.
type figure struct {
	name  string
	value float64
	unit  string
	bound float64 // the least that any algorithm needs, in the same unit; 0: none is known
}

// seed of all traces that are drawn.
const seed = 1

// scenarios returns all that is played, in the order of the table.
func scenarios() []scenario {
	product := entrants[:1] // the others know nothing of observing a group
	return []scenario{
		{"one change", oneChange(), entrants, playOneChange},
		{"10 rollouts", rollouts(seed), entrants, playTrace},
		{"node drain", nodeDrain(seed), entrants, playTrace},
		{"all groups at once", allAtOnce(), entrants, playTrace},
		{"node drain with a neighbour", nodeDrain(seed), entrants, playBesideNeighbour},
		{"cold start", coldStart(), product, playColdStart},
		{"cold start from Ingresses", coldStart(), product, playColdStartFromIngresses},
		{"an Ingress group", ingressGroup(), product, playIngressGroup},
		{"5 gated rollouts", gatedRollouts(seed, 5), keepers(), playGated},
		{"20 gated rollouts", gatedRollouts(seed, 20), keepers(), playGated},
		{"50 gated rollouts", gatedRollouts(seed, 50), keepers(), playGated},
		{"a day of nothing", Trace{Groups: knownGroups, Held: knownTargets / knownGroups}, product, playQuietDay},
	}
}

// playOneChange measures what a single change costs and how long it waits to be
// sent.
func playOneChange(ctx context.Context, t Trace, e entrant) ([]figure, error) {
	p, err := playWith(ctx, t, e)
	if err != nil {
		return nil, err
	}
	return []figure{
		{name: "calls", value: float64(len(p.calls)), unit: "calls"},
		{name: "delay until sent", value: (p.calls[0].sent - t.Changes[0].At).Seconds(), unit: "s"},
	}, nil
}

// playTrace measures the waits of all changes.
func playTrace(ctx context.Context, t Trace, e entrant) ([]figure, error) {
	p, err := playWith(ctx, t, e)
	if err != nil {
		return nil, err
	}
	return p.figures(registration), nil
}

// playBesideNeighbour plays a trace while somebody else uses the account.
func playBesideNeighbour(ctx context.Context, t Trace, e entrant) ([]figure, error) {
	w, err := newWorld(ctx, t, stepRefill)
	if err != nil {
		return nil, err
	}
	n, err := newNeighbour(ctx, w)
	if err != nil {
		return nil, err
	}
	engine, err := e.make(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := w.play(ctx, engine, n.run); err != nil {
		return nil, err
	}
	p, err := w.result()
	if err != nil {
		return nil, err
	}
	return append(p.figures(besideNeighbour),
		figure{name: "throttled plans sent again unchanged", value: float64(p.staleResends()), unit: "calls"},
		figure{name: "registrations of the neighbour", value: n.took(p.done), unit: "calls", bound: p.done.Seconds() * neighbourRegistrations},
	), nil
}

// playWith lets one engine play a trace in a world of its own.
func playWith(ctx context.Context, t Trace, e entrant) (played, error) {
	w, err := newWorld(ctx, t, awssim.Switches{})
	if err != nil {
		return played{}, err
	}
	engine, err := e.make(ctx, w)
	if err != nil {
		return played{}, err
	}
	if err := w.play(ctx, engine); err != nil {
		return played{}, err
	}
	return w.result()
}

// figures are those of every trace, with bounds for a bucket.
func (p *played) figures(b Bucket) []figure {
	bound := WaitingBound(p.trace.Changes, b, callLatency)
	figures := []figure{
		{"done", p.done.Seconds(), "s", CompletionBound(p.trace.Changes, b, callLatency).Seconds()},
		{"calls", float64(len(p.calls)), "calls", 0},
		{"throttled", share(p.throttled(), len(p.calls)), "%", 0},
	}
	figures = append(figures, quantiles("wait", p.allWaits(), bound)...)
	if len(p.waits) < 2 {
		return figures
	}
	figures = append(figures, quantiles("register wait", p.waits[Register], bound)...)
	// Deregisters could have all tokens to themselves: their bound is their own.
	alone := WaitingBound(p.trace.Only(Deregister), b, callLatency)
	return append(figures, quantiles("deregister wait", p.waits[Deregister], alone)...)
}

func quantiles(what string, sorted []time.Duration, bound time.Duration) []figure {
	return []figure{
		{what + " p50", quantile(sorted, 0.5).Seconds(), "s", bound.Seconds()},
		{what + " p99", quantile(sorted, 0.99).Seconds(), "s", bound.Seconds()},
		{what + " worst", quantile(sorted, 1).Seconds(), "s", bound.Seconds()},
	}
}

// share returns n of all in percent.
func share(n, all int) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(n) / float64(all)
}

// lostError says that an engine left changes undone: its figures mean nothing.
type lostError struct{ changes int }

func (e *lostError) Error() string { return fmt.Sprintf("%d changes never reached AWS", e.changes) }
