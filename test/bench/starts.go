package bench

import (
	"context"
	"slices"
	"time"

	"github.com/tgsync/tgsync/test/awssim"
)

// down is how long nobody looked before a cold start: the time of a leader change.
const down = 2 * time.Second

const elbService = "elasticloadbalancing"

// playColdStart starts the product in a world where a pod has just become ready.
func playColdStart(ctx context.Context, t Trace, e entrant) ([]figure, error) {
	w, err := newWorld(ctx, t, awssim.Switches{})
	if err != nil {
		return nil, err
	}
	engine, err := e.make(ctx, w)
	if err != nil {
		return nil, err
	}
	place, _, err := w.coldStart(ctx, engine)
	if err != nil {
		return nil, err
	}
	observed, err := w.observed()
	if err != nil {
		return nil, err
	}
	groups := float64(t.Groups)
	return []figure{
		{name: "place of the live change among all calls", value: float64(place), unit: "calls"},
		{name: "all groups observed", value: observed.Seconds(), unit: "s", bound: (groups - account.Size) / account.Refill},
	}, nil
}

// playColdStartFromIngresses does the same where the groups are not known, but have
// to be found by way of their Ingresses.
func playColdStartFromIngresses(ctx context.Context, t Trace, _ entrant) ([]figure, error) {
	w, engine, err := newProvisionedWorld(ctx, t)
	if err != nil {
		return nil, err
	}
	place, delay, err := w.coldStart(ctx, engine)
	if err != nil {
		return nil, err
	}
	return []figure{
		{name: "calls before the live change", value: float64(place - 1), unit: "calls"},
		{name: "delay until the live change is sent", value: delay.Seconds(), unit: "s"},
		{name: "other changes", value: float64(w.changes() - 1), unit: "calls"},
	}, nil
}

// coldStart starts the engine a while after the only change of the trace. It returns
// the place of the call that carries the change among all calls of ELBv2, from 1, and
// when that was sent. Calls of EC2 take tokens of their own.
func (w *world) coldStart(ctx context.Context, engine Engine) (place int, delay time.Duration, err error) {
	if err := engine.Change(ctx, w.trace.Changes); err != nil {
		return 0, 0, err
	}
	if err := sleep(ctx, down); err != nil {
		return 0, 0, err
	}
	w.start = time.Now()
	if err := runFor(ctx, engine, lastCall); err != nil {
		return 0, 0, err
	}
	for _, c := range w.sim.Calls() {
		if c.Time.Before(w.start) || c.Service != elbService {
			continue
		}
		place++
		if carries(c, w.trace.Changes[0]) {
			return place, c.Arrived.Sub(w.start), nil
		}
	}
	return 0, 0, &lostError{len(w.trace.Changes)}
}

// changes counts the calls since the start that change something.
func (w *world) changes() (n int) {
	for _, c := range w.sim.Calls() {
		if !c.Time.Before(w.start) && mutates(c.Action) {
			n++
		}
	}
	return n
}

func carries(c awssim.Call, change Change) bool {
	return operations[c.Action] == change.Operation && c.Code == "OK" && slices.Contains(targetsOf(c), change.Target)
}

// observed returns when the last group was observed for the first time.
func (w *world) observed() (time.Duration, error) {
	p := w.record()
	first := map[int]time.Duration{}
	for _, r := range p.reads {
		if _, had := first[r.group]; !had {
			first[r.group] = r.sent + callLatency
		}
	}
	var last time.Duration
	for _, at := range first {
		last = max(last, at)
	}
	if missing := w.trace.Groups - len(first); missing > 0 {
		return 0, &lostError{missing}
	}
	return last, nil
}

// runFor runs an engine for a while.
func runFor(ctx context.Context, engine Engine, d time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	err := sleep(ctx, d)
	cancel()
	if failed := <-ended; err == nil {
		err = failed
	}
	return err
}

// playQuietDay counts what the product reads on a day on which nothing happens.
func playQuietDay(ctx context.Context, t Trace, e entrant) ([]figure, error) {
	const day = 24 * time.Hour
	w, err := newWorld(ctx, t, awssim.Switches{})
	if err != nil {
		return nil, err
	}
	engine, err := e.make(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := runFor(ctx, engine, rest+day); err != nil {
		return nil, err
	}
	byGroup, byMinute := make([]int, t.Groups), make([]int, day/time.Minute)
	w.start = time.Now().Add(-day)
	for _, r := range w.record().reads {
		byGroup[r.group]++
		byMinute[min(max(int(r.sent/time.Minute), 0), len(byMinute)-1)]++
	}
	perGroup := float64(day / auditInterval)
	return []figure{
		{name: "reads of a group, fewest", value: float64(slices.Min(byGroup)), unit: "calls", bound: perGroup},
		{name: "reads of a group, most", value: float64(slices.Max(byGroup)), unit: "calls", bound: perGroup},
		{name: "reads in the busiest minute", value: float64(slices.Max(byMinute)), unit: "calls", bound: perGroup * float64(t.Groups) / float64(len(byMinute))},
	}, nil
}
