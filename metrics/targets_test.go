package metrics_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/metrics"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// now is when the pages of the tests were made.
var now = time.Date(2026, time.March, 14, 15, 9, 26, 535_000_000, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// leading is the page of a leader with no groups.
func leading() metrics.Page {
	return metrics.Page{
		At: now, Version: "v1.2.3", Cluster: "demo", States: []string{"unknown", "held", "parked", "pending", "synced"},
		Leader: metrics.Leader{
			Leads: true, Identity: "tgsync-0_6ff2", Holder: "tgsync-0_6ff2", Renewed: ago(400 * time.Millisecond), Seen: ago(390 * time.Millisecond),
		},
		Buckets: []metrics.Bucket{
			{Name: "elb-account", Tokens: 30.25, Size: 32, Refill: 8, Waiting: 2},
			{Name: "elb-account", Class: "registration", Tokens: 14, Size: 16, Refill: 3.2, Waiting: 2},
			{Name: "elb-registration", Tokens: 0.3, Size: 16, Refill: 3.2, Waiting: 2},
		},
	}
}

// arn is what AWS calls a group.
func arn(name string) string {
	return "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/" + name + "/73e2d6bc24d8a067"
}

// synced is a group with nothing to do and n targets.
func synced(name string, n int) metrics.TargetGroup {
	g := metrics.TargetGroup{
		Name: name, ARN: arn(name), Service: "shop/" + name, ServicePort: "http", Stack: "shop/web", State: "synced",
		Desired: n, Observed: &n, Health: map[string]int{"healthy": n},
		Actions: []metrics.Action{{Operation: "observe", WaitsFor: "time", Until: now.Add(4 * time.Minute)}},
		Calls: []metrics.Call{
			{Operation: "register", At: ago(90 * time.Second), Targets: n, Result: "OK"},
			{Operation: "observe", At: ago(3 * time.Hour), Targets: n, Result: "OK"},
		},
	}
	for i := range n {
		g.Targets = append(g.Targets, metrics.Target{
			Address: fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250), State: "healthy", Wanted: true, Endpoint: "ready",
			Pod: fmt.Sprintf("shop/%s-7d9c6b5f4-%05d", name, i),
		})
	}
	return g
}

// busy is a page with a group in each state.
func busy() metrics.Page {
	two, four := 2, 4
	p := leading()
	p.Groups = []metrics.TargetGroup{
		synced("k8s-shop-web-0a1b2c3d4e", 3),
		{
			Name: "k8s-shop-cart-1b2c3d4e5f", ARN: arn("k8s-shop-cart-1b2c3d4e5f"), Service: "shop/cart", ServicePort: "8080", State: "pending",
			Desired: 3, Undecided: 1, Observed: &two, InFlight: 1, InDoubt: 1, Health: map[string]int{"healthy": 1, "initial": 1, "draining": 2},
			Actions: []metrics.Action{
				{Operation: "deregister", WaitsFor: "run", Changed: ago(5 * time.Second)},
				{Operation: "observe", WaitsFor: "token", Changed: ago(3 * time.Second), Ready: ago(2 * time.Second)},
				{Operation: "register", WaitsFor: "gap", Changed: ago(100 * time.Millisecond), Until: now.Add(100 * time.Millisecond)},
			},
			Calls: []metrics.Call{
				{Operation: "register", At: ago(2 * time.Second), Targets: 1, Result: "Unavailable", Error: "RegisterTargets: connection reset by peer"},
			},
			Gates: &metrics.Gates{Pods: 2, Since: ago(12 * time.Second), Read: ago(time.Second), Next: now.Add(time.Second)},
			Targets: []metrics.Target{
				{Address: "10.0.1.1:8080", State: "draining"},
				{Address: "10.0.1.2:8080", State: "draining", Endpoint: "terminating", Pod: "shop/cart-1"},
				{Address: "10.0.1.3:8080", State: "healthy", Wanted: true, Endpoint: "ready", Pod: "shop/cart-2"},
				{Address: "10.0.1.4:8080", State: "initial", Wanted: true, Endpoint: "ready", Pod: "shop/cart-3"},
				{Address: "10.0.1.5:8080", Wanted: true, Endpoint: "ready", Pod: "shop/cart-4"},
			},
		},
		{
			Name: "k8s-shop-search-2c3d4e5f6a", ARN: arn("k8s-shop-search-2c3d4e5f6a"), Service: "shop/search", ServicePort: "http", State: "parked",
			Desired: 12, Observed: &four, Health: map[string]int{"healthy": 3, "unhealthy": 1},
			Actions: []metrics.Action{
				{Operation: "register", WaitsFor: "backoff", Changed: ago(70 * time.Second), Until: now.Add(8 * time.Second)},
				{Operation: "deregister", WaitsFor: "pause", Changed: ago(time.Second), Until: now.Add(time.Second)},
			},
			Calls: []metrics.Call{{Operation: "register", At: ago(20 * time.Second), Targets: 1, Result: "Denied", Error: "AccessDenied: not authorized"}},
			Parked: []metrics.Parked{
				{Target: "192.0.2.1:8080", Targets: 1, Operation: "register", Reason: "Invalid", Until: now.Add(14 * time.Second), Times: 1},
				{Targets: 7, Operation: "register", Reason: "Limit", Until: now.Add(3 * time.Minute), Times: 4},
			},
			Targets: []metrics.Target{{Address: "10.0.2.1:8080", State: "unhealthy", Wanted: true, Endpoint: "ready", Pod: "shop/search-1"}},
		},
		{
			Name: "k8s-shop-mail-3d4e5f6a7b", ARN: arn("k8s-shop-mail-3d4e5f6a7b"), Service: "shop/mail", ServicePort: "http", State: "held",
			Problem: "the Service does not exist", Observed: &four, Health: map[string]int{"healthy": 4},
			Guards:  []metrics.Hold{{Guard: "grace_period", Targets: 4, Since: ago(10 * time.Second), Until: now.Add(50 * time.Second)}},
			Actions: []metrics.Action{{Operation: "deregister", WaitsFor: "time", Until: now.Add(50 * time.Second)}},
		},
		{
			Name: "k8s-shop-new-4e5f6a7b8c", ARN: arn("k8s-shop-new-4e5f6a7b8c"), Service: "shop/new", ServicePort: "http", State: "unknown", Desired: 1,
			Actions: []metrics.Action{{Operation: "observe", WaitsFor: "token", Changed: ago(3 * time.Second), Ready: ago(3 * time.Second)}},
			Targets: []metrics.Target{{Address: "10.0.3.1:8080", Wanted: true, Endpoint: "ready", Pod: "shop/new-1"}},
		},
	}
	return p
}

// standby is the page of a process that does not lead.
func standby() metrics.Page {
	p := leading()
	p.Leader.Leads, p.Leader.Identity = false, "tgsync-1_90ab"
	return p
}

// crowd is a page with many groups of 20 targets.
func crowd(groups int) metrics.Page {
	p := busy()
	for i := range groups - len(p.Groups) {
		p.Groups = append(p.Groups, synced(fmt.Sprintf("k8s-team%03d-frontend-%010x", i, i*7919), 20))
	}
	return p
}

// serve returns what a server with this page answers.
func serve(t *testing.T, p metrics.Page, path string) *httptest.ResponseRecorder {
	t.Helper()
	s := &metrics.Server{Metrics: metrics.New("test"), Page: func() metrics.Page { return p }, Log: slog.New(slog.DiscardHandler)}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w
}

func TestTargetsGolden(t *testing.T) {
	for name, page := range map[string]metrics.Page{"busy": busy(), "standby": standby(), "empty": leading()} {
		for path, ext := range map[string]string{"/targets": ".html", "/targets.json": ".json"} {
			t.Run(name+ext, func(t *testing.T) {
				got := serve(t, page, path).Body.String()
				if ext == ".json" {
					var all any
					require.NoError(t, json.Unmarshal([]byte(got), &all))
					text, err := json.MarshalIndent(all, "", "  ")
					require.NoError(t, err)
					got = string(text) + "\n"
				}
				file := filepath.Join("testdata", "targets-"+name+ext)
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				require.Equal(t, string(want), got)
			})
		}
	}
}

func TestTargetsFilter(t *testing.T) {
	tests := map[string]struct {
		query string
		want  []string // parts of the names
	}{
		"nothing":              {want: []string{"web", "cart", "search", "mail", "new"}},
		"a name":               {query: "q=CART", want: []string{"cart"}},
		"a Service and port":   {query: "q=shop/cart:8080", want: []string{"cart"}},
		"an address":           {query: "q=10.0.2.1", want: []string{"search"}},
		"a pod":                {query: "q=shop/new-1", want: []string{"new"}},
		"an ARN":               {query: "q=targetgroup/k8s-shop-mail", want: []string{"mail"}},
		"an Ingress group":     {query: "q=shop/web", want: []string{"web"}},
		"all words":            {query: "q=+cart++10.0.1.3+", want: []string{"cart"}},
		"words of two groups":  {query: "q=cart+search"},
		"a state":              {query: "state=held", want: []string{"mail"}},
		"a state and a text":   {query: "state=held&q=cart"},
		"a state that is none": {query: "state=lost"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var p metrics.Page
			require.NoError(t, json.Unmarshal(serve(t, busy(), "/targets.json?"+tt.query).Body.Bytes(), &p))
			require.Len(t, p.Groups, len(tt.want))
			html := serve(t, busy(), "/targets?"+tt.query).Body.String()
			require.Equal(t, len(tt.want), strings.Count(html, `class="name"`), "the page shows as many")
			for i, part := range tt.want {
				require.Contains(t, p.Groups[i].Name, part)
				require.Contains(t, html, `<span class="name">`+p.Groups[i].Name)
			}
			require.Equal(t, len(tt.want) == 0, strings.Contains(html, "No target group fits the filter"))
			require.Contains(t, html, "all 5<", "the states count all groups")
		})
	}
}

// TestTargetsEscapes puts markup into every text of a page.
func TestTargetsEscapes(t *testing.T) {
	const evil = `"'><script>alert(1)</script><a href="javascript:x">`
	one := 1
	p := metrics.Page{
		At: now, Version: evil, Cluster: evil, NotReady: evil, States: []string{evil}, Leader: metrics.Leader{Identity: evil, Holder: evil},
		Buckets: []metrics.Bucket{{Account: evil, Name: evil, Waiting: 1}, {Name: evil, Class: evil}},
		Groups: []metrics.TargetGroup{{
			Name: evil, ARN: evil, Role: evil, Service: evil, ServicePort: evil, Stack: evil, State: evil, Problem: evil, Observed: &one, Health: map[string]int{evil: 1},
			Actions: []metrics.Action{{Operation: evil, WaitsFor: evil, Changed: now}},
			Calls:   []metrics.Call{{Operation: evil, Result: evil, Error: evil}},
			Parked:  []metrics.Parked{{Target: evil, Targets: 1, Operation: evil, Reason: evil}},
			Guards:  []metrics.Hold{{Guard: evil, Targets: 1}},
			Targets: []metrics.Target{{Address: evil, State: evil, Endpoint: evil, Pod: evil}},
		}},
	}
	html := serve(t, p, "/targets?q=%22%27%3E%3Cscript%3Ealert(1)&state="+`%22%27%3E%3Cscript%3Ealert(1)%3C/script%3E%3Ca%20href=%22javascript:x%22%3E`).Body.String()
	require.NotContains(t, html, "<script")
	require.NotContains(t, html, `href="javascript`)
	require.NotContains(t, html, `"'>`)
	require.Equal(t, 1, strings.Count(html, `class="name"`), "it is found all the same")
}

// TestTargetsOfAnotherAccount say by way of which role, and its buckets whose they are.
func TestTargetsOfAnotherAccount(t *testing.T) {
	const role = "arn:aws:iam::222222222222:role/tgsync"
	p := leading()
	p.Groups = []metrics.TargetGroup{synced("ours", 1), synced("theirs", 1)}
	p.Groups[1].Role = role
	p.Buckets = append(p.Buckets, metrics.Bucket{Account: "222222222222", Name: "elb-account", Size: 40, Waiting: 1})
	html := serve(t, p, "/targets?q=role/tgsync").Body.String()
	require.Equal(t, 1, strings.Count(html, `class="name"`))
	require.Contains(t, html, ", by way of "+role)
	require.Equal(t, 2, strings.Count(html, "of account 222222222222"), "in the table and in what is scarce")
	require.NotContains(t, serve(t, p, "/targets?q=ours").Body.String(), "by way of")
}

func TestTargetsHeaders(t *testing.T) {
	page := serve(t, busy(), "/targets")
	require.Equal(t, "text/html; charset=utf-8", page.Header().Get("Content-Type"))
	require.Equal(t, "nosniff", page.Header().Get("X-Content-Type-Options"))
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page.Body.String())
	require.NotNil(t, style)
	sum := sha256.Sum256([]byte(style[1]))
	require.Equal(t, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", page.Header().Get("Content-Security-Policy"))
	require.NotRegexp(t, ` (style|on\w+)=`, page.Body.String(), "the policy would not let it work")
	require.Equal(t, "application/json", serve(t, busy(), "/targets.json").Header().Get("Content-Type"))
}

func TestTargetsOfManyGroups(t *testing.T) {
	html := serve(t, crowd(500), "/targets").Body.String()
	require.Equal(t, 500, strings.Count(html, `class="name"`))
	require.Less(t, len(html), 2_000_000)

	p := leading()
	for i := range 500 {
		p.Groups = append(p.Groups, synced(fmt.Sprintf("group-%d", i), 100))
	}
	html = serve(t, p, "/targets").Body.String()
	require.Less(t, len(html), 2_000_000, "it does not grow with the targets")
	require.Equal(t, 500, strings.Count(html, "and 80 more"))
	html = serve(t, p, "/targets?q=group-77").Body.String()
	require.NotContains(t, html, " more, in the", "of one group there is room for all")

	var all metrics.Page
	require.NoError(t, json.Unmarshal(serve(t, p, "/targets.json").Body.Bytes(), &all))
	require.Len(t, all.Groups[499].Targets, 100, "nothing is left out")
}

func TestTargetsWhoLeads(t *testing.T) {
	tests := map[string]struct {
		leader metrics.Leader
		want   string
	}{
		"this process":       {leader: metrics.Leader{Leads: true}, want: "This process leads."},
		"another":            {leader: metrics.Leader{Holder: "tgsync-7", Seen: ago(time.Second), Renewed: ago(2 * time.Second)}, want: "<b>tgsync-7</b> leads <span class=\"soft\">(Lease seen 1.0\u00a0s ago, renewed 2.0\u00a0s ago)"},
		"nobody":             {leader: metrics.Leader{Seen: ago(time.Second), Renewed: ago(time.Second)}, want: "nobody leads"},
		"it is not known":    {want: "who leads is not known yet"},
		"the caches are not": {want: "Not ready: the caches are not full yet."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			html := serve(t, metrics.Page{At: now, Leader: tt.leader, NotReady: "the caches are not full yet"}, "/targets").Body.String()
			require.Contains(t, html, tt.want)
		})
	}
}

// BenchmarkTargets makes the page of 500 groups with 20 targets each.
func BenchmarkTargets(b *testing.B) {
	p := crowd(500)
	s := &metrics.Server{Metrics: metrics.New("test"), Page: func() metrics.Page { return p }, Log: slog.New(slog.DiscardHandler)}
	for _, path := range []string{"/targets", "/targets.json"} {
		b.Run(path, func(b *testing.B) {
			var bytes int
			for b.Loop() {
				w := httptest.NewRecorder()
				s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil))
				bytes = w.Body.Len()
			}
			b.ReportMetric(float64(bytes), "bytes")
		})
	}
}
