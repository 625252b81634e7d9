package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/tgsync/tgsync/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape returns what /metrics says, one sample a line.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	return get(t, &metrics.Server{Metrics: m, Log: slog.New(slog.DiscardHandler)}, "/metrics", http.StatusOK)
}

func get(t *testing.T, s *metrics.Server, path string, status int) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	require.Equal(t, status, w.Code)
	return w.Body.String()
}

// TestMetrics records one of each and looks at what Prometheus would see.
func TestMetrics(t *testing.T) {
	m := metrics.New("v1.2.3")
	groups, oldest := 0, time.Duration(0)
	m.WatchPending("register", func() int { return groups }, func() time.Duration { return oldest })
	m.WatchGroups([]string{"held", "synced"}, func() []metrics.Group {
		return []metrics.Group{{Name: "web", State: "held", Targets: map[string]int{"healthy": 2}, Parked: map[string]int{"Invalid": 3}}}
	})
	m.DriftFound(2)
	m.GuardHolds("live_read")
	m.GateOpened(20*time.Second, 0)
	m.GateOpened(0, time.Second)
	m.GateTimedOut()
	m.WatchGates(func() int { return 4 })
	leads := false
	m.WatchLeader(func() bool { return leads })
	m.TargetsProgrammed("register", 7, 300*time.Millisecond)
	m.TargetsProgrammed("register", 1, 0)
	m.Request("elasticloadbalancing", "RegisterTargets", "OK", 60*time.Millisecond)
	m.TokenWait("elb-account", time.Second)
	m.GroupPass("ok", time.Second)

	text := scrape(t, m)
	for _, want := range []string{
		`tgsync_build_info{version="v1.2.3"} 1`,
		`tgsync_target_programming_duration_seconds_count{operation="register"} 1`,
		`tgsync_target_programming_duration_seconds_sum{operation="register"} 0.3`,
		`tgsync_batch_size_sum{operation="register"} 8`,
		`tgsync_pending_changes{operation="register"} 0`,
		`tgsync_oldest_pending_change_seconds{operation="register"} 0`,
		`tgsync_aws_requests_total{code="OK",operation="RegisterTargets",service="elasticloadbalancing"} 1`,
		`tgsync_parked_targets{reason="Invalid"} 3`,
		`tgsync_groups{state="held"} 1`,
		`tgsync_groups{state="synced"} 0`,
		`tgsync_targets{state="healthy",target_group="web"} 2`,
		`tgsync_guard_holds_total{guard="live_read"} 1`,
		`tgsync_target_ready_duration_seconds_sum 20`,
		`tgsync_gate_lag_seconds_count 1`,
		`tgsync_gate_timeouts_total 1`,
		`tgsync_gates_waiting 4`,
		`tgsync_drift_repaired_total 2`,
		`tgsync_leader 0`,
		`tgsync_token_wait_seconds_sum{bucket="elb-account"} 1`,
		`tgsync_ingress_group_passes_total{result="ok"} 1`,
		`go_goroutines`,
	} {
		require.Contains(t, text, want)
	}

	groups, oldest, leads = 2, 90*time.Second, true
	text = scrape(t, m)
	require.Contains(t, text, `tgsync_oldest_pending_change_seconds{operation="register"} 90`, "asked at every scrape")
	require.Contains(t, text, `tgsync_leader 1`)
}

// TestClientGo: client-go has one place for its measurements, and every Metrics of
// the process shows them, not only the first.
func TestClientGo(t *testing.T) {
	first, second := metrics.New("first"), metrics.New("second")
	queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[string]{Name: t.Name()})
	defer queue.ShutDown()
	depth := func(n int) {
		for _, m := range []*metrics.Metrics{first, second} {
			require.Contains(t, scrape(t, m), fmt.Sprintf("workqueue_depth{name=%q} %d\n", t.Name(), n))
		}
	}
	queue.Add("x")
	depth(1)
	item, _ := queue.Get()
	queue.Done(item)
	depth(0)

	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	_, err = client.CoreV1().Nodes().Get(t.Context(), "none", metav1.GetOptions{})
	require.Error(t, err)
	for _, m := range []*metrics.Metrics{first, second} {
		require.Regexp(t, `rest_client_requests_total\{code="404",method="GET"\} [1-9]`, scrape(t, m))
		require.Regexp(t, `rest_client_request_duration_seconds_count\{verb="GET"\} [1-9]`, scrape(t, m))
	}
}

func TestReadiness(t *testing.T) {
	var reason error
	s := &metrics.Server{Metrics: metrics.New("test"), Ready: func() error { return reason }, Log: slog.New(slog.DiscardHandler)}
	require.Equal(t, "ok\n", get(t, s, "/readyz", http.StatusOK))
	reason = errors.New("caches are not synced")
	require.Equal(t, "caches are not synced\n", get(t, s, "/readyz", http.StatusServiceUnavailable))
	require.Equal(t, "ok\n", get(t, s, "/healthz", http.StatusOK), "not ready is not dead")
}

func TestRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := &metrics.Server{Metrics: metrics.New("test"), Ready: func() error { return nil }, Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- s.Run(ctx, l) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + l.Addr().String() + "/metrics")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Contains(t, string(body), "tgsync_build_info")

	cancel()
	require.NoError(t, <-ended)
	_, err = net.DialTimeout("tcp", l.Addr().String(), time.Second)
	require.Error(t, err, "nobody listens after Run")
}

// TestInformers has client-go measure an informer that has a name.
func TestInformers(t *testing.T) {
	m := metrics.New("test")
	name, err := cache.NewInformerName(t.Name())
	require.NoError(t, err)
	defer name.Release()
	client := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithInformerName(name))
	nodes := factory.Core().V1().Nodes().Informer()
	ctx, cancel := context.WithCancel(t.Context())
	factory.StartWithContext(ctx)
	defer factory.Shutdown()
	defer cancel()
	require.True(t, cache.WaitForCacheSync(ctx.Done(), nodes.HasSynced))
	text := scrape(t, m)
	require.Contains(t, text, `informer_queued_items{resource="nodes"} 0`)
	require.Contains(t, text, `informer_processing_latency_seconds_count{resource="nodes"}`)
}
