package syncer

import (
	"context"
	"io"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"
)

// watched are the resources of the caches that every cluster has.
var watched = []string{"ingresses", "ingressclasses", "services", "endpointslices", "pods", "nodes"}

// clusterWide are those that have no namespace.
var clusterWide = []string{"ingressclasses", "nodes"}

// How long caches are waited for that do not follow the cluster. A reflector of
// client-go whose watch has failed tries again within a minute.
const (
	followTimeout = time.Minute
	followPoll    = 20 * time.Millisecond
)

// Watches knows whether the caches follow the cluster. A cache that was full once stays
// so while its watch is broken, and only grows old: after an outage of the API server
// client-go pauses, and whoever gets the Lease meanwhile would act on what was before.
type Watches struct {
	// Namespaces is in how many namespaces each kind is watched that has any; 0: in the
	// whole cluster.
	Namespaces int

	mu   sync.Mutex // guards open
	open map[string]int
}

// Wrap stands in front of a Kubernetes client (rest.Config.Wrap) and notes its watches.
func (w *Watches) Wrap(next http.RoundTripper) http.RoundTripper {
	return watching{w, next}
}

// Follow waits until every cache follows the cluster. Others are resources of kinds that
// a cluster may lack, each with whether it is served as far as is known. Follow reports
// false if that is not so after a minute, or ctx has ended.
func (w *Watches) Follow(ctx context.Context, others map[string]func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	ticker := time.NewTicker(followPoll)
	defer ticker.Stop()
	for !w.follow(others) {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
	return true
}

func (w *Watches) follow(others map[string]func() bool) bool {
	needed := slices.Clone(watched)
	for resource, served := range others {
		if served() {
			needed = append(needed, resource)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, resource := range needed {
		if w.open[resource] < w.needed(resource) {
			return false
		}
	}
	return true
}

// needed is how many watches make a cache.
func (w *Watches) needed(resource string) int {
	if slices.Contains(clusterWide, resource) {
		return 1
	}
	return max(1, w.Namespaces)
}

// count notes that a watch began (1) or ended (-1).
func (w *Watches) count(resource string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = map[string]int{}
	}
	w.open[resource] += n
}

// watching is a transport whose watches are noted.
type watching struct {
	watches *Watches
	next    http.RoundTripper
}

var _ http.RoundTripper = watching{}

// RoundTrip implements http.RoundTripper.
func (t watching) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK || r.URL.Query().Get("watch") != "true" {
		return resp, err
	}
	resource := path.Base(r.URL.Path)
	t.watches.count(resource, 1)
	resp.Body = &watchBody{ReadCloser: resp.Body, ended: func() { t.watches.count(resource, -1) }}
	return resp, nil
}

// WrappedRoundTripper lets client-go find the transport below.
func (t watching) WrappedRoundTripper() http.RoundTripper { return t.next }

// watchBody is the body of a watch, which has ended when it is closed or cannot be read.
type watchBody struct {
	io.ReadCloser
	once  sync.Once
	ended func()
}

// Read implements io.Reader.
func (b *watchBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.once.Do(b.ended)
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchBody) Close() error {
	b.once.Do(b.ended)
	return b.ReadCloser.Close()
}
