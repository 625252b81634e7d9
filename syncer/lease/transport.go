package lease

import "net/http"

// Wrap puts the fence in front of a Kubernetes client (rest.Config.Wrap): what
// changes something is refused while the fence is closed. The client that renews
// the Lease must not be behind it.
func (f *Fence) Wrap(next http.RoundTripper) http.RoundTripper {
	return &fenced{fence: f, next: next}
}

type fenced struct {
	fence *Fence
	next  http.RoundTripper
}

var _ http.RoundTripper = (*fenced)(nil)

// RoundTrip implements http.RoundTripper.
func (t *fenced) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		if err := t.fence.Check(); err != nil {
			if r.Body != nil {
				_ = r.Body.Close() // a RoundTripper closes it, whatever happens
			}
			return nil, err
		}
	}
	return t.next.RoundTrip(r)
}

// WrappedRoundTripper lets client-go find the transport below.
func (t *fenced) WrappedRoundTripper() http.RoundTripper { return t.next }
