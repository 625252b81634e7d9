package awssim

import (
	"slices"
	"time"
)

// Call is one API call as the simulator saw it.
type Call struct {
	Time      time.Time         // when it took effect
	Arrived   time.Time         // when its request was there
	Caller    string            // access key ID that signed it
	Service   string            // elasticloadbalancing, ec2
	Action    string            // RegisterTargets
	Params    map[string]string // as on the wire: Targets.member.1.Id
	Code      string            // OK or the error code; "": cut off before it took effect
	RequestID string
	Lost      bool // a fault kept the answer from the caller
}

// Calls are the calls until now, in the order in which they took effect.
// Options.KeepCalls limits them.
func (s *Sim) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(latest(s.calls, s.opts.KeepCalls))
}

// recordLocked completes c, a call that takes effect now, and keeps it.
func (s *Sim) recordLocked(q *request, c Call) {
	c.Time, c.Arrived = time.Now(), q.arrived
	c.Caller, c.Service, c.Action, c.Params = q.actor, q.svc.name, q.action, q.params
	s.calls = keepLatest(s.calls, c, s.opts.KeepCalls)
	s.opts.Log.Debug("call", "action", c.Action, "code", c.Code, "lost", c.Lost)
}

// latest are the last n of a log, and all of it if n is 0.
func latest[T any](log []T, n int) []T {
	if n <= 0 {
		return log
	}
	return log[max(0, len(log)-n):]
}

// keepLatest adds an entry to a log. The log is trimmed at twice its limit, so that
// trimming costs nothing per entry.
func keepLatest[T any](log []T, entry T, n int) []T {
	log = append(log, entry)
	if n > 0 && len(log) > 2*n {
		return slices.Clone(latest(log, n))
	}
	return log
}
