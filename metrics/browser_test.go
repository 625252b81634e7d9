package metrics_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/metrics"
)

// browserEnv names the Chromium that the browser test starts, such as chromium: it is
// asked for, since a browser takes seconds.
const browserEnv = "TGSYNC_TEST_CHROMIUM"

// probe shows pages in frames, with everything opened, and notes by how much each is
// wider than its frame.
const probe = `<!DOCTYPE html><title>waiting</title><script>
function measure(frame) {
  const page = frame.contentDocument;
  for (const d of page.querySelectorAll("details")) d.open = true;
  return frame.name + " " + (page.documentElement.scrollWidth - page.documentElement.clientWidth);
}
onload = () => { document.title = "too wide: " + [...document.querySelectorAll("iframe")].map(measure).join(", "); };
</script>`

// TestTargetsInABrowser checks that no page is wider than a phone's window, or a desk's.
func TestTargetsInABrowser(t *testing.T) {
	browser, err := exec.LookPath(os.Getenv(browserEnv))
	if err != nil {
		t.Skipf("%s names no browser", browserEnv)
	}
	long := busy()
	long.Cluster, long.Leader.Leads, long.Leader.Holder = strings.Repeat("cluster", 14), false, strings.Repeat("x", 100)
	for i := range long.Groups {
		long.Groups[i].Service = strings.Repeat("n", 63) + "/" + strings.Repeat("s", 63)
		long.Groups[i].Calls = append(long.Groups[i].Calls, metrics.Call{Operation: "register", Result: "Invalid", Error: strings.Repeat("e", 300)})
	}
	var frames strings.Builder
	var want []string
	mux := http.NewServeMux()
	for i, page := range []metrics.Page{busy(), long, crowd(500), standby(), leading()} {
		// The page's policy forbids frames, so its body comes alone.
		body := serve(t, page, "/targets").Body.Bytes()
		mux.HandleFunc(fmt.Sprintf("GET /%d", i), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
		for _, width := range []int{360, 1280} {
			fmt.Fprintf(&frames, "<iframe name=%[1]d@%[2]d src=%[1]d style=width:%[2]dpx;border:0></iframe>", i, width)
			want = append(want, fmt.Sprintf("%d@%d 0", i, width))
		}
	}
	mux.HandleFunc("GET /probe", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, probe, frames.String()) })
	server := httptest.NewServer(mux)
	defer server.Close()
	require.Contains(t, dumpDOM(t, browser, server.URL+"/probe"), "<title>too wide: "+strings.Join(want, ", ")+"</title>")
}

// dumpDOM returns what the browser makes of a page.
func dumpDOM(t *testing.T, browser, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(),
		"--dump-dom", url)
	cmd.WaitDelay = time.Second // its children hold the pipe
	dom, err := cmd.Output()
	require.NoError(t, err)
	return string(dom)
}
