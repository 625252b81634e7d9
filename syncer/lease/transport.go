package lease

import "net/http"

// Wrap puts the fence in front of a Kubernetes client (rest.Config.Wrap): what
// changes something is refused while the fence is closed. The client that renews
// the Lease must not be behind it.
func (f *Fence) Wrap(next http.RoundTripper) http.RoundTripper { return Guard(f.Check, next) }

// Guard asks check before each request that changes something, and refuses those for
// which it returns an error.
func Guard(check func() error, next http.RoundTripper) http.RoundTripper {
	return &guarded{check: check, next: next}
}

type guarded struct {
	check func() error
	next  http.RoundTripper
}

var _ http.RoundTripper = (*guarded)(nil)

// RoundTrip implements http.RoundTripper.
func (t *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		if err := t.check(); err != nil {
			if r.Body != nil {
				_ = r.Body.Close() // a RoundTripper closes it, whatever happens
			}
			return nil, err
		}
	}
	return t.next.RoundTrip(r)
}

// WrappedRoundTripper lets client-go find the transport below.
func (t *guarded) WrappedRoundTripper() http.RoundTripper { return t.next }
