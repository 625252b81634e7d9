package awssim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// maxBody is the longest request body that is read. The largest real call (200
// targets) has about 20 kB.
const maxBody = 1 << 20

// errLost stands for an answer that a fault keeps from its caller.
var errLost = errors.New("response lost")

// reply is an answer before it becomes HTTP.
type reply struct {
	status    int
	requestID string
	body      []byte
}

// ServeHTTP answers the AWS Query protocol of both services. A lost response
// cuts the connection.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.answer(r)
	if err != nil {
		// The server's documented way to cut a connection without a word.
		panic(http.ErrAbortHandler)
	}
	answer.writeHeader(w.Header())
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body) // The caller is gone; the call is recorded.
}

func (a reply) writeHeader(h http.Header) {
	h.Set("Content-Type", "text/xml")
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
	case errors.Is(err, errLost):
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

// answer performs a request. Half of the latency passes before the call takes
// effect and half after. A caller that gives up meanwhile gets its context's
// error, but the call takes effect: what was sent cannot be recalled.
func (s *Sim) answer(r *http.Request) (reply, error) {
	if r.Body != nil {
		r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
	}
	if err := r.ParseForm(); err != nil {
		r.Form = url.Values{}
	}
	svc := serviceOf(r)
	fault := s.takeFault(svc.name, r.Form.Get("Action"))
	half := (s.opts.Latency + fault.Latency) / 2
	_ = wait(r.Context(), half)
	answer := s.perform(svc, r, fault)
	if err := wait(r.Context(), half); err != nil {
		return reply{}, err
	}
	if fault.LoseResponse {
		return reply{}, errLost
	}
	return answer, nil
}

// serviceOf routes by credential scope (.../REGION/SERVICE/aws4_request), and
// where there is none, by API version.
func serviceOf(r *http.Request) *service {
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	ec2 := r.Form.Get("Version") == ec2Service.version
	if len(scope) > 3 {
		ec2 = scope[3] == ec2Service.name
	}
	if ec2 {
		return ec2Service
	}
	return elbService
}

// perform lets a call take effect and records it.
func (s *Sim) perform(svc *service, r *http.Request, fault Fault) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	call := Call{
		Time:      time.Now(),
		Service:   svc.name,
		Action:    r.Form.Get("Action"),
		Params:    map[string]string{},
		Code:      "OK",
		RequestID: s.newUUIDLocked("request"),
		Lost:      fault.LoseResponse,
	}
	for name := range parametersOf(r.Form) {
		call.Params[name] = r.Form.Get(name)
	}
	answer := reply{status: http.StatusOK, requestID: call.RequestID}
	result, err := s.executeLocked(svc, r, fault)
	if err == nil {
		answer.body, err = svc.encodeResult(call.Action, call.RequestID, result)
	}
	if err != nil {
		failure := svc.apiErrorOf(err)
		call.Code = failure.code
		answer.status, answer.body = failure.status, svc.encodeError(call.RequestID, failure)
	}
	s.recordLocked(call)
	s.opts.Log.Debug("call", "action", call.Action, "code", call.Code, "lost", call.Lost)
	return answer
}

// executeLocked is a call without its form: its result or its error.
func (s *Sim) executeLocked(svc *service, r *http.Request, fault Fault) (any, error) {
	if r.Header.Get("Authorization") == "" {
		return nil, &apiError{http.StatusForbidden, "MissingAuthenticationToken", "Missing Authentication Token"}
	}
	name := r.Form.Get("Action")
	op, params, err := svc.decode(r.Form)
	if _, known := svc.operations[name]; known && s.opts.Throttling {
		if !s.admitLocked(time.Now(), svc.demands(name, op, params)) {
			return nil, svc.throttled(s.opts.Switches)
		}
	}
	if failure := fault.err(svc, s.opts.Switches); failure != nil {
		return nil, failure
	}
	if err != nil {
		return nil, err
	}
	result, err := op.run(s, params)
	if err == nil && !strings.HasPrefix(name, "Describe") {
		s.changed()
	}
	return result, err
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
