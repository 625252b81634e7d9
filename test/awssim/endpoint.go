package awssim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// ObserverKeyID is the access key of those who only look. Their calls take no token
// and no time, no fault hits them, and Calls does not show them: what looks at the
// account does not change what is tested. They may read, and nothing else.
const ObserverKeyID = "OBSERVER"

// errReset stands for an answer that a fault keeps from its caller.
var errReset = errors.New("connection reset")

// reply is an answer before it becomes HTTP.
type reply struct {
	status      int
	requestID   string
	contentType string
	body        []byte
}

// ServeHTTP answers the protocols of all services. A caller that gets no
// answer sees its connection reset.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.answer(r)
	if err != nil {
		reset(w)
		return
	}
	answer.writeHeader(w.Header())
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body) // The caller is gone; the call is recorded.
}

// reset ends a connection so that the caller sees a reset and not just its end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// The server's documented way to cut what cannot be hijacked.
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // A connection that cannot be reset is closed.
	}
	_ = conn.Close()
}

func (a reply) writeHeader(h http.Header) {
	h.Set("Content-Type", a.contentType)
	h.Set("X-Amzn-Requestid", a.requestID)
}

// Transport answers requests in this process: the same answers as ServeHTTP's
// without a network, so that it also works in a synctest bubble.
func (s *Sim) Transport() http.RoundTripper { return transport{s} }

type transport struct{ sim *Sim }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	// The form is parsed into a copy: a RoundTripper must not change the request.
	answer, err := t.sim.answer(r.Clone(r.Context()))
	switch {
	case errors.Is(err, errReset):
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	case err != nil:
		return nil, err
	}
	resp := &http.Response{
		Status:        fmt.Sprintf("%d %s", answer.status, http.StatusText(answer.status)),
		StatusCode:    answer.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{},
		Body:          io.NopCloser(bytes.NewReader(answer.body)),
		ContentLength: int64(len(answer.body)),
		Request:       r,
	}
	answer.writeHeader(resp.Header)
	return resp, nil
}

// answer performs a request.
func (s *Sim) answer(r *http.Request) (reply, error) {
	q := newRequest(r)
	if q.cut {
		return reply{}, errReset
	}
	in, err := s.accountOf(q)
	switch {
	case err != nil:
		return s.refuse(q, err), nil
	case q.observes():
		return in.look(q), nil
	}
	return in.take(r.Context(), q)
}

// take performs a call. Half of the latency passes before it takes effect and half
// after. A caller that gives up meanwhile gets its context's error, but the call takes
// effect: what was sent cannot be recalled.
func (s *Sim) take(ctx context.Context, q *request) (reply, error) {
	s.mu.Lock()
	h := s.hitLocked(q)
	s.mu.Unlock()
	half := (s.opts.Latency + h.Latency) / 2
	gaveUp := wait(ctx, half)
	answer, err := s.perform(q, h)
	if gaveUp != nil {
		return reply{}, gaveUp
	}
	if err != nil {
		return reply{}, err
	}
	if err := wait(ctx, half); err != nil {
		return reply{}, err
	}
	if h.LoseResponse {
		return reply{}, errReset
	}
	return answer, nil
}

// perform lets a call take effect and records it, or sees to it that this happens
// later. The error is errReset: there is no answer.
func (s *Sim) perform(q *request, h hit) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.Reset {
		s.recordLocked(q, Call{RequestID: s.newUUIDLocked("request"), Lost: true})
		return reply{}, errReset
	}
	op, params, err := s.acceptLocked(q, h)
	if err != nil {
		return s.concludeLocked(q, h.LoseResponse, nil, err), nil
	}
	if h.late > 0 {
		// The one thing that happens by itself outside of Run: nobody is left to wait
		// for it, and accounts without a data plane have late effects too.
		time.AfterFunc(h.late, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			result, err := s.runLocked(q, op, params, h.stale)
			s.concludeLocked(q, true, result, err)
		})
		return reply{}, errReset
	}
	result, err := s.runLocked(q, op, params, h.stale)
	return s.concludeLocked(q, h.LoseResponse, result, err), nil
}

// acceptLocked decodes a call and takes its tokens. A call that is throttled by a
// fault takes none, unless the switch says that throttled calls do.
func (s *Sim) acceptLocked(q *request, h hit) (operation, any, error) {
	if !q.signed {
		return operation{}, nil, &apiError{http.StatusForbidden, "MissingAuthenticationToken", "Missing Authentication Token"}
	}
	op, params, err := q.svc.decode(q.form)
	failure := h.err(q.svc, s.opts.Switches)
	free := h.Throttle && !s.opts.Switches.ThrottleConsumesToken
	if _, known := q.svc.operations[q.action]; known && s.opts.Throttling && !free {
		if !s.admitLocked(time.Now(), q.svc.demands(q.action, op, params)) && failure == nil {
			failure = q.svc.throttled(s.opts.Switches)
		}
	}
	if failure != nil {
		return op, nil, failure
	}
	return op, params, err
}

// runLocked lets an accepted call take effect. A stale read sees the past.
func (s *Sim) runLocked(q *request, op operation, params any, stale time.Duration) (any, error) {
	s.caller = q.actor
	if q.reads() {
		return op.run(s.agoLocked(stale), params)
	}
	result, err := op.run(s, params)
	s.rememberLocked() // Of a call that fails, a part may have had its effect.
	if err == nil {
		s.changed()
	}
	return result, err
}

// concludeLocked records a call and puts its outcome into words.
func (s *Sim) concludeLocked(q *request, lost bool, result any, err error) reply {
	answer, code := q.reply(s.newUUIDLocked("request"), result, err)
	s.recordLocked(q, Call{Code: code, RequestID: answer.requestID, Lost: lost})
	return answer
}

// look answers an observer: at once, and as if it had never asked.
func (s *Sim) look(q *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	var result any
	op, params, err := q.svc.decode(q.form)
	switch {
	case err != nil:
	case !q.reads():
		err = &apiError{http.StatusForbidden, "AccessDenied", "An observer may not call " + q.action}
	default:
		s.caller = q.actor
		result, err = op.run(s, params)
	}
	answer, _ := q.reply("00000000-0000-0000-0000-000000000000", result, err)
	return answer
}

// wait lets d pass. It returns the context's error if that ends first.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
