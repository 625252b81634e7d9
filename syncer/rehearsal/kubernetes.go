package rehearsal

import (
	"io"
	"log/slog"
	"net/http"
)

// Wrap stands in front of a Kubernetes client (rest.Config.Wrap) and makes every write
// a dry run: the API server admits or refuses it as always, webhooks that can take dry
// runs included, and keeps nothing of it. What is written is logged.
func Wrap(log *slog.Logger) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return dryRuns{next, log} }
}

type dryRuns struct {
	next http.RoundTripper
	log  *slog.Logger
}

// RoundTrip implements http.RoundTripper.
func (d dryRuns) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return d.next.RoundTrip(r)
	}
	d.log.InfoContext(r.Context(), "write to Kubernetes", slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("body", body(r)))
	r = r.Clone(r.Context()) // a RoundTripper must leave its request as it is
	query := r.URL.Query()
	query.Set("dryRun", "All")
	r.URL.RawQuery = query.Encode()
	return d.next.RoundTrip(r)
}

// mostOfBody is how much of a body is logged: patches are shorter.
const mostOfBody = 1000

// body returns what a request brings, which stays there to be read.
func body(r *http.Request) string {
	if r.GetBody == nil {
		return ""
	}
	again, err := r.GetBody()
	if err != nil {
		return ""
	}
	text, _ := io.ReadAll(io.LimitReader(again, mostOfBody))
	return string(text)
}
