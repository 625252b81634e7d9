package awssim

import (
	"slices"
	"time"
)

// Call is one API call as the simulator saw it.
type Call struct {
	Time      time.Time         // when it took effect
	Service   string            // elasticloadbalancing, ec2
	Action    string            // RegisterTargets
	Params    map[string]string // as on the wire: Targets.member.1.Id
	Code      string            // OK or the error code
	RequestID string
	Lost      bool // it had its effect, and the answer never arrived
}

// Calls are the calls until now, the oldest first. Options.KeepCalls limits them.
func (s *Sim) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// recordLocked keeps c. The list is trimmed at twice its limit, so that trimming
// costs nothing per call.
func (s *Sim) recordLocked(c Call) {
	s.calls = append(s.calls, c)
	if keep := s.opts.KeepCalls; keep > 0 && len(s.calls) > 2*keep {
		s.calls = slices.Clone(s.calls[len(s.calls)-keep:])
	}
}
