package awssim

import (
	"net/http"
	"slices"
	"time"
)

// Fault makes calls fail on demand. A fault with a Code or with Throttle answers
// an error, and the call has no effect. The others let the call take effect.
type Fault struct {
	Service string // elasticloadbalancing, ec2; empty: both
	Action  string // RegisterTargets; empty or "*": every action
	Times   int    // how many calls it hits; 0: all until ClearFaults

	Code, Message string
	Status        int // of Code; 0: 400

	Throttle     bool          // the service's own throttling error
	Latency      time.Duration // on top of Options.Latency
	LoseResponse bool          // the connection is cut instead of an answer
}

// Inject adds a fault. Of several that match a call, the one injected first
// hits it.
func (s *Sim) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults ends all faults.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (f *Fault) matches(service, action string) bool {
	return (f.Service == "" || f.Service == service) &&
		(f.Action == "" || f.Action == "*" || f.Action == action)
}

// err is what the call is answered instead of taking effect, or nil.
func (f *Fault) err(svc *service, switches Switches) *apiError {
	switch {
	case f.Throttle:
		return svc.throttled(switches)
	case f.Code != "":
		status := f.Status
		if status == 0 {
			status = http.StatusBadRequest
		}
		return &apiError{status, f.Code, f.Message}
	}
	return nil
}

// takeFault uses one of a fault's times up. No fault is a Fault that does nothing.
func (s *Sim) takeFault(service, action string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.faults, func(f *Fault) bool { return f.matches(service, action) })
	if i < 0 {
		return Fault{}
	}
	f := s.faults[i]
	if f.Times == 1 {
		s.faults = slices.Delete(s.faults, i, i+1)
	} else if f.Times > 1 {
		f.Times--
	}
	return *f
}
