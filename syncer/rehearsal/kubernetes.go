package rehearsal

import "net/http"

// Wrap stands in front of a Kubernetes client (rest.Config.Wrap) and makes every write
// a dry run: the API server admits or refuses it as always, webhooks that can take dry
// runs included, and keeps nothing of it.
func Wrap(next http.RoundTripper) http.RoundTripper { return dryRuns{next} }

type dryRuns struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (d dryRuns) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return d.next.RoundTrip(r)
	}
	r = r.Clone(r.Context()) // a RoundTripper must leave its request as it is
	query := r.URL.Query()
	query.Set("dryRun", "All")
	r.URL.RawQuery = query.Encode()
	return d.next.RoundTrip(r)
}
