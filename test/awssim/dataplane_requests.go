package awssim

import (
	"slices"
	"time"
)

// RequestLog is one request that a load balancer served.
type RequestLog struct {
	Time         time.Time     // when its header had arrived
	Duration     time.Duration // until its answer began
	LoadBalancer string        // name
	Port         int           // of the listener
	Method       string
	Host         string // as the client sent it
	Path         string
	TargetGroup  string // name; "": answered by the load balancer without asking a target
	Target       string // "10.0.0.7:8080", or ""
	Status       int    // 460: the client did not wait
}

// Requests are the requests served until now, in the order in which their
// answers began: who has an answer finds its request here. Options.KeepCalls
// limits them.
func (s *Sim) Requests() []RequestLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(latest(s.requests, s.opts.KeepCalls))
}

func (s *Sim) logRequest(r RequestLog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = keepLatest(s.requests, r, s.opts.KeepCalls)
}
