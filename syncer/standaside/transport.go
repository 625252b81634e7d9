package standaside

import (
	"net/http"

	"github.com/tgsync/tgsync/syncer/lease"
)

// Wrap stands in front of a Kubernetes client (rest.Config.Wrap): what changes
// something is refused while the other writes.
func (w *Watch) Wrap(next http.RoundTripper) http.RoundTripper { return lease.Guard(w.Check, next) }
