package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/playground"
)

// nothingWasForbidden finds a permission that the manifests lack.
func (w *world) nothingWasForbidden() {
	w.t.Helper()
	require.NotEmpty(w.t, w.requests(), "the audit log knows the daemon")
	for _, r := range w.requests() {
		require.True(w.t, w.mayForbid || !r.Forbidden, "%+v", r)
	}
}

// requests returns what the daemons asked of the API server: others may have used
// their identity.
func (w *world) requests() []playground.Request {
	w.t.Helper()
	all, err := w.Requests()
	require.NoError(w.t, err)
	var daemons []playground.Request
	for _, r := range all {
		if strings.HasPrefix(r.RequestedBy, "tgsync/") {
			daemons = append(daemons, r)
		}
	}
	return daemons
}

// secretsWereKept looks for what nobody may read in all that anybody can: logs,
// metrics and events.
func (w *world) secretsWereKept() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), patience)
	defer cancel()
	texts := w.logs()
	for _, d := range w.Daemons() {
		text, err := w.metrics(ctx, d)
		require.NoError(w.t, err)
		texts["metrics of "+d.Name()] = text
	}
	events, err := w.Clientset().CoreV1().Events("").List(ctx, metav1.ListOptions{})
	require.NoError(w.t, err)
	texts["events"] = fmt.Sprint(events.Items)

	secrets := append(w.Secrets(), playground.AccessKeyID[:len(playground.AccessKeyID)-1])
	var leaks []string
	for _, secret := range secrets {
		require.NotEmpty(w.t, secret)
		for where, text := range texts {
			if strings.Contains(text, secret) {
				leaks = append(leaks, secret+" in "+where)
			}
		}
	}
	require.Empty(w.t, leaks)
}

// logs returns the log of each daemon, which all have something to say.
func (w *world) logs() map[string]string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.Dir(), "tgsync*.log"))
	require.NoError(w.t, err)
	require.NotEmpty(w.t, files)
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(w.t, err)
		require.NotEmpty(w.t, text, file)
		texts[filepath.Base(file)] = string(text)
	}
	return texts
}

// metrics returns what a daemon shows to Prometheus.
func (w *world) metrics(ctx context.Context, d *playground.Daemon) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL()+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := w.HTTPClient().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // it is read to its end
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}
