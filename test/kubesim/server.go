package kubesim

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Options describe a server. The zero value is one with the built-in kinds that
// never forgets an event.
type Options struct {
	Seed      uint64        // of UIDs and generated names
	Kinds     []Kind        // beside the built-in ones
	Window    int           // how many events a watch can go back at least; 0: all
	Bookmarks time.Duration // between two bookmarks of a watch; 0: a minute
	Latency   time.Duration // of every request, half before and half after it takes effect
	KeepCalls int           // how many of the latest calls Calls returns; 0: all
}

// Server is a simulated API server. It is used inside the bubble in which it was made.
type Server struct {
	opts  Options
	kinds map[schema.GroupVersionResource]*Kind

	mu       sync.Mutex // guards all below
	store    store
	watchers []*watcher // in the order in which they began
	faults   []*Fault
	delays   []delay
	calls    []Call
	dry      bool // the request that is served is a dry run
	down     bool
	closed   bool
}

// New returns a server without objects.
func New(o Options) *Server {
	if o.Bookmarks == 0 {
		o.Bookmarks = time.Minute
	}
	s := &Server{opts: o, kinds: map[schema.GroupVersionResource]*Kind{}, store: newStore(o.Seed, o.Window)}
	for _, k := range slices.Concat(builtin, o.Kinds) {
		s.kinds[k.gvr()] = k.complete()
	}
	return s
}

// Close ends all watches and refuses every request from now on.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.endWatchesLocked(Match{}, nil, io.EOF)
}

// Config reaches the server as a client does. Set its UserAgent to tell clients
// apart. QPS is unlimited.
func (s *Server) Config() *rest.Config { return config(s) }

// Admin reaches the server past faults, latency and SetDown, and is not recorded:
// the hand that moves the world while the product looks on.
func (s *Server) Admin() *rest.Config { return config(admin{s}) }

func config(transport http.RoundTripper) *rest.Config {
	return &rest.Config{
		Host:          "http://kubesim",
		Transport:     transport,
		QPS:           -1,
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON},
	}
}

var (
	_ http.RoundTripper = (*Server)(nil)
	_ http.RoundTripper = admin{}
)

// admin is the other way in.
type admin struct{ s *Server }

// RoundTrip implements [http.RoundTripper].
func (a admin) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if a.s.isClosed() {
		return nil, refused()
	}
	r, err := a.s.parse(req)
	ans, err := a.s.answer(req.Context(), r, err)
	if err != nil {
		return nil, err
	}
	return ans.response(req), nil
}

// RoundTrip implements [http.RoundTripper].
func (s *Server) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	r, err := s.parse(req)
	fault := s.takeFault(r)
	if fault.Refuse || s.isDown() {
		s.record(r, 0, false)
		return nil, refused()
	}
	latency := s.opts.Latency + fault.Latency
	if waitErr := wait(ctx, latency/2); waitErr != nil {
		return nil, waitErr
	}
	if s.isDown() {
		s.record(r, 0, false)
		return nil, reset()
	}
	if err == nil {
		err = fault.err(r)
	}
	ans, err := s.answer(ctx, r, err)
	if err != nil {
		return nil, err
	}
	s.record(r, ans.code, fault.LoseResponse)
	err = wait(ctx, latency-latency/2)
	if err == nil && fault.LoseResponse {
		err = reset()
	}
	if err != nil {
		ans.discard()
		return nil, err
	}
	return ans.response(req), nil
}

// freshness is how long a real server waits for a version that it does not know yet
// before it gives up.
const freshness = 3 * time.Second

// answer serves r unless it failed already. The error is that of the context.
func (s *Server) answer(ctx context.Context, r *request, failed error) (*answer, error) {
	if failed != nil {
		return failure(failed), nil
	}
	ans, err := s.serve(ctx, r)
	if isFutureVersion(err) {
		if err := wait(ctx, freshness); err != nil {
			return nil, err
		}
		ans, err = s.serve(ctx, r)
	}
	if err != nil {
		return failure(err), nil
	}
	return ans, nil
}

func (s *Server) serve(ctx context.Context, r *request) (*answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dry = r.dry
	switch r.verb {
	case "get":
		return s.getLocked(r)
	case "list":
		return s.listLocked(r)
	case "watch":
		return s.watchLocked(r, ctx.Done())
	case "create":
		return s.createLocked(r)
	case "update":
		return s.updateLocked(r)
	case "patch":
		return s.patchLocked(r)
	case "delete":
		return s.deleteLocked(r)
	default:
		return s.deleteCollectionLocked(r)
	}
}

func (s *Server) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down || s.closed
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// answer is a response: a body, or a watch.
type answer struct {
	code       int
	body       []byte
	retryAfter int
	watch      *watcher
}

func (a *answer) response(req *http.Request) *http.Response {
	resp := &http.Response{
		Status: strconv.Itoa(a.code) + " " + http.StatusText(a.code), StatusCode: a.code,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header:        http.Header{"Content-Type": {runtime.ContentTypeJSON}},
		Body:          io.NopCloser(bytes.NewReader(a.body)),
		ContentLength: int64(len(a.body)),
	}
	if a.retryAfter > 0 {
		resp.Header.Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	if a.watch != nil {
		resp.Body, resp.ContentLength = a.watch, -1
	}
	return resp
}

// discard is for an answer that nobody will read.
func (a *answer) discard() {
	if a.watch != nil {
		_ = a.watch.Close()
	}
}

// wait waits in the time of the bubble.
func wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	// One of the two ends the wait; if both did, either answer is true.
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// refused and reset are what the net package says, so that client-go treats them so.
func refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

func reset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}
