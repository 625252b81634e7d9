package bench

import (
	"slices"
	"time"

	"github.com/tgsync/tgsync/test/awssim"
)

// call is a call for one of the trace's groups, in the words of the trace. Times
// are from its start.
type call struct {
	sent, answered time.Duration
	key            key
	targets        []int // sorted
	throttled      bool
	accepted       bool
}

// played is what came of a trace.
type played struct {
	trace Trace
	calls []call
	reads []read
	waits map[Operation][]time.Duration // sorted
	done  time.Duration
}

// read is an observation of a group.
type read struct {
	sent  time.Duration
	group int
}

var operations = map[string]Operation{"RegisterTargets": Register, "DeregisterTargets": Deregister}

// result measures the waits of all changes. That one has no end is an error.
func (w *world) result() (played, error) {
	p := w.record()
	return *p, p.carry()
}

// record reads AWS's record of the calls since the start of the trace.
func (w *world) record() *played {
	p := &played{trace: w.trace, waits: map[Operation][]time.Duration{}}
	byARN := map[string]int{}
	for g, arn := range w.arns {
		byARN[arn] = g
	}
	for _, c := range w.sim.Calls() {
		g, ours := byARN[c.Params["TargetGroupArn"]]
		if !ours || c.Time.Before(w.start) {
			continue
		}
		// A call takes effect in the middle of its time.
		sent := c.Time.Sub(w.start) - callLatency/2
		if op, ok := operations[c.Action]; ok {
			p.calls = append(p.calls, mutation(c, key{g, op}, sent))
		} else if c.Action == "DescribeTargetHealth" && c.Code == "OK" {
			p.reads = append(p.reads, read{sent, g})
		}
	}
	return p
}

func mutation(c awssim.Call, k key, sent time.Duration) call {
	targets := targetsOf(c)
	slices.Sort(targets)
	return call{
		sent: sent, answered: sent + callLatency, key: k, targets: targets,
		throttled: c.Code == "ThrottlingException" || c.Code == "Throttling", accepted: c.Code == "OK",
	}
}

// carry finds for every change the first accepted call that carries it.
func (p *played) carry() error {
	type named struct {
		target    int
		operation Operation
	}
	first := map[named]call{}
	for _, c := range p.calls {
		for _, t := range c.targets {
			n := named{t, c.key.operation}
			if _, had := first[n]; !had && c.accepted {
				first[n] = c
			}
		}
	}
	lost := 0
	for _, change := range p.trace.Changes {
		c, ok := first[named{change.Target, change.Operation}]
		if !ok || c.sent < change.At {
			lost++
			continue
		}
		p.waits[change.Operation] = append(p.waits[change.Operation], c.answered-change.At)
		p.done = max(p.done, c.answered)
	}
	for _, waits := range p.waits {
		slices.Sort(waits)
	}
	if lost > 0 {
		return &lostError{lost}
	}
	return nil
}

// allWaits returns the waits of both operations, sorted.
func (p *played) allWaits() []time.Duration {
	waits := slices.Concat(p.waits[Register], p.waits[Deregister])
	slices.Sort(waits)
	return waits
}

// throttled returns how many calls AWS refused for their rate.
func (p *played) throttled() int {
	n := 0
	for _, c := range p.calls {
		if c.throttled {
			n++
		}
	}
	return n
}

// staleResends counts the throttled calls that were sent again as they were,
// although more of their key had changed since: the plan was not made anew.
func (p *played) staleResends() int {
	stale := 0
	for i, c := range p.calls {
		if !c.throttled {
			continue
		}
		next := slices.IndexFunc(p.calls[i+1:], func(o call) bool { return o.key == c.key })
		if next < 0 {
			continue
		}
		again := p.calls[i+1+next]
		if slices.Equal(c.targets, again.targets) && p.changedBetween(c.key, c.sent, again.sent) {
			stale++
		}
	}
	return stale
}

// changedBetween reports whether a key changed after one moment and before another.
func (p *played) changedBetween(k key, after, before time.Duration) bool {
	return slices.ContainsFunc(p.trace.Changes, func(c Change) bool {
		return c.key() == k && c.At > after && c.At < before
	})
}

// quantile returns the nearest rank in sorted waits: the least that a share q of
// them does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}
