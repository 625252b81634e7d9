package kubesim

import (
	"cmp"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Match selects requests. An empty field matches everything.
type Match struct {
	Verb      string // as in Call
	Resource  string // pods: the objects themselves; pods/status: their status
	Namespace string
	Name      string
	UserAgent string // a part of it: which of several clients
}

func (m Match) matches(r *request) bool {
	resource := r.resource
	if r.sub != "" {
		resource += "/" + r.sub
	}
	return (m.Verb == "" || m.Verb == r.verb) && (m.Resource == "" || m.Resource == resource) &&
		(m.Namespace == "" || m.Namespace == r.namespace) && (m.Name == "" || m.Name == r.name) &&
		strings.Contains(r.userAgent, m.UserAgent)
}

// Fault makes requests fail on demand. One with a Code, or one that refuses, is
// answered so and has no effect. The others let the request take effect.
type Fault struct {
	Match
	Times int // how many requests it hits; 0: all until ClearFaults

	Code       int                 // HTTP status of the answer
	Reason     metav1.StatusReason // default: the one that belongs to Code
	Message    string
	RetryAfter int // seconds: client-go then tries again by itself, whatever the verb

	Refuse       bool          // connection refused
	Latency      time.Duration // on top of Options.Latency
	LoseResponse bool          // the connection is reset instead of an answer
}

// Inject adds a fault. Of several that match a request, the one injected first
// hits it.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults ends all faults and all delays of watches.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.delays = nil, nil
}

// err is what the request is answered instead of taking effect, or nil.
func (f *Fault) err(r *request) error {
	if f.Code == 0 {
		return nil
	}
	err := apierrors.NewGenericServerResponse(f.Code, r.verb, r.kind.resource(), r.name, "", f.RetryAfter, false)
	if f.Code == http.StatusGone {
		err.ErrStatus.Reason = metav1.StatusReasonExpired // The other reason of 410 is history.
	}
	err.ErrStatus.Reason = cmp.Or(f.Reason, err.ErrStatus.Reason)
	err.ErrStatus.Message = cmp.Or(f.Message, err.ErrStatus.Message)
	return err
}

// takeFault uses one of a fault's times up. No fault is a Fault that does nothing.
func (s *Server) takeFault(r *request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.faults, func(f *Fault) bool { return f.matches(r) })
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

// SetDown takes the server away or brings it back. While it is down every request is
// refused; going down cuts all watches and resets the requests in flight.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
	if down {
		s.endWatchesLocked(Match{}, nil, io.ErrUnexpectedEOF)
	}
}

// Compact forgets all events until now: a watch or a list from an earlier version is
// answered with 410. Watches that run are not touched.
func (s *Server) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.forget(len(s.store.events))
	s.store.compacted = s.store.rv
}

// CutWatches ends the connections of watches as a broken proxy does. What they had
// not delivered comes when the client watches again.
func (s *Server) CutWatches(m Match) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endWatchesLocked(m, nil, io.ErrUnexpectedEOF)
}

// ExpireWatches ends watches with the 410 that makes a client list again.
func (s *Server) ExpireWatches(m Match) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endWatchesLocked(m, watchExpired(s.store.rv, s.store.rv), io.EOF)
}

// delay is what DelayWatches was told.
type delay struct {
	Match
	by time.Duration
}

// DelayWatches lets matching watches, those that run and those to come, deliver each
// event that long after it happened: caches are stale by so much. Lists and the
// objects that a watch begins with are fresh. Zero ends the delay; what was late
// already stays so, for events keep their order.
func (s *Server) DelayWatches(m Match, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delays = slices.DeleteFunc(s.delays, func(d delay) bool { return d.Match == m })
	s.delays = append(s.delays, delay{m, by})
}

// delayLocked is the longest of the delays that match.
func (s *Server) delayLocked(r *request) time.Duration {
	var longest time.Duration
	for _, d := range s.delays {
		if d.matches(r) {
			longest = max(longest, d.by)
		}
	}
	return longest
}
