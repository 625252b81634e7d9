package kubesim

import (
	"slices"
	"time"
)

// Call is one request as the server saw it.
type Call struct {
	Time        time.Time // when it took effect
	Verb        string    // get list watch create update patch delete deletecollection
	Resource    string    // pods
	Subresource string    // status
	Namespace   string
	Name        string // of a create, empty: it is in the body
	Code        int    // HTTP status; 0: the connection was refused
	UserAgent   string
	Lost        bool // it had its effect, and the answer never arrived
}

// Calls are the calls until now, the oldest first. Options.KeepCalls limits them.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// record keeps a call. The list is trimmed at twice its limit, so that trimming
// costs nothing per call.
func (s *Server) record(r *request, code int, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, Call{
		Time: time.Now(), Verb: r.verb, Resource: r.resource, Subresource: r.sub, Namespace: r.namespace, Name: r.name,
		Code: code, UserAgent: r.userAgent, Lost: lost,
	})
	if keep := s.opts.KeepCalls; keep > 0 && len(s.calls) > 2*keep {
		s.calls = slices.Clone(s.calls[len(s.calls)-keep:])
	}
}
