package provision

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

// podPorts are the ports that every pod listens on.
var podPorts = []int32{5678, 9999}

// traffic is a world with pods, a fast loop that registers them, and clients.
type traffic struct {
	*world
	net        *awssim.PipeNet
	pods       map[string][]string // addresses by Service
	registered map[string]map[target.Target]bool
	servers    []*http.Server // of the pods
	end        func()

	mu       sync.Mutex // guards all below
	probes   map[probe]string
	failures []string
	asked    int
}

// probe is a request that is to be answered by a Service.
type probe struct{ host, path string }

// inTraffic runs a test in a world whose load balancers serve.
func inTraffic(t *testing.T, o awssim.Options, test func(*traffic)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newTraffic(t, o)
		defer w.end()
		test(w)
		w.halt()
		require.Empty(t, w.failures)
		require.NotZero(t, w.asked)
	})
}

func newTraffic(t *testing.T, o awssim.Options) *traffic {
	t.Helper()
	n := &awssim.PipeNet{}
	o.Listen, o.Dial = n.Listen, n.Dial
	w := &traffic{
		world: newWorld(t, o), net: n, pods: map[string][]string{},
		registered: map[string]map[target.Target]bool{}, probes: map[probe]string{},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.sim.Run(ctx) }()
	w.wire.after = w.ask
	w.end = func() {
		w.halt()
		for _, server := range w.servers {
			_ = server.Close()
		}
		cancel()
		require.NoError(t, <-ended)
	}
	return w
}

// deploy makes a Service with pods that answer with its name.
func (w *traffic) deploy(name string, addresses ...string) {
	w.t.Helper()
	w.service("demo0", name)
	for _, ip := range addresses {
		w.pod(name, ip)
	}
}

func (w *traffic) pod(name, ip string) {
	w.t.Helper()
	for _, port := range podPorts {
		socket, err := w.net.Listen(w.t.Context(), "tcp", fmt.Sprintf("%s:%d", ip, port))
		require.NoError(w.t, err)
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, name)
		})}
		go func() { _ = server.Serve(socket) }()
		w.servers = append(w.servers, server)
	}
	w.pods["demo0/"+name] = append(w.pods["demo0/"+name], ip)
}

// change changes a Service.
func (w *traffic) change(name string, change func(*corev1.Service)) {
	w.t.Helper()
	svc, err := w.client.CoreV1().Services("demo0").Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	svc = svc.DeepCopy()
	change(svc)
	_, err = w.client.CoreV1().Services("demo0").Update(w.t.Context(), svc, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

// live lets time pass, in which targets are registered and clients ask.
func (w *traffic) live(d time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(time.Second)
		synctest.Wait()
		w.sync()
		w.ask()
		w.collect()
	}
}

// collect deletes Ingresses that nobody holds, as an API server does.
func (w *traffic) collect() {
	for _, ing := range w.ingresses() {
		if ing.DeletionTimestamp != nil && len(ing.Finalizers) == 0 {
			require.NoError(w.t, w.client.NetworkingV1().Ingresses(ing.Namespace).Delete(w.t.Context(), ing.Name, metav1.DeleteOptions{}))
		}
	}
}

// sync registers the pods of each Service in its target groups, as the fast loop does.
func (w *traffic) sync() {
	if w.stop == nil {
		return
	}
	for _, b := range w.loop.Bindings() {
		svc, err := w.client.CoreV1().Services(b.Service.Namespace).Get(w.t.Context(), b.Service.Name, metav1.GetOptions{})
		if err != nil {
			continue // not found is not zero
		}
		want := map[target.Target]bool{}
		for _, ip := range w.pods[b.Service.String()] {
			port := svc.Spec.Ports[0].TargetPort.IntVal
			if b.TargetPort > 0 {
				port = b.TargetPort
			}
			want[target.Target{IP: netip.MustParseAddr(ip), Port: port}] = true
		}
		have := w.registered[b.GroupARN]
		missing := slices.DeleteFunc(slices.Collect(maps.Keys(want)), func(t target.Target) bool { return have[t] })
		gone := slices.DeleteFunc(slices.Collect(maps.Keys(have)), func(t target.Target) bool { return want[t] })
		ctx := w.t.Context()
		if len(missing) > 0 && w.aws.ELB.RegisterTargets(ctx, b.GroupARN, missing, func(netip.Addr) string { return "" }) != nil {
			continue
		}
		if len(gone) > 0 && w.aws.ELB.DeregisterTargets(ctx, b.GroupARN, gone) != nil {
			continue
		}
		w.registered[b.GroupARN] = want
	}
}

// address is where an Ingress says that it is served.
func (w *traffic) address(name string) string {
	w.t.Helper()
	host := hostOf(w.get("demo0", name))
	require.NotEmpty(w.t, host)
	return host
}

// follow asks for a path at an address from now on.
func (w *traffic) follow(host, path, service string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probes[probe{host, path}] = service
}

func (w *traffic) unfollow(host, path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.probes, probe{host, path})
}

// ask makes all requests that are followed.
func (w *traffic) ask() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p, want := range w.probes {
		w.asked++
		if got := w.answer(p); got != want {
			w.failures = append(w.failures, fmt.Sprintf("%v: %s%s is answered with %q, not by %s", time.Now().Format(time.TimeOnly), p.host, p.path, got, want))
		}
	}
}

func (w *traffic) answer(p probe) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := w.sim.DialContext(ctx, "tcp", p.host+":80")
	if err != nil {
		return err.Error()
	}
	defer conn.Close() //nolint:errcheck // Nothing is left to be lost.
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", p.path, p.host); err != nil {
		return err.Error()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is left to be lost.
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return string(body)
}

// weights tells which target groups get requests, by name, with how many healthy
// targets each has.
func (w *traffic) weights() map[string]int {
	w.t.Helper()
	ctx := w.t.Context()
	names := map[string]string{}
	groups, err := w.aws.ELB.DescribeTargetGroups(ctx)
	require.NoError(w.t, err)
	for _, g := range groups {
		names[g.ARN] = g.Name
	}
	out := map[string]int{}
	balancers, err := w.aws.ELB.DescribeLoadBalancers(ctx)
	require.NoError(w.t, err)
	for _, b := range balancers {
		listeners, err := w.aws.ELB.DescribeListeners(ctx, b.ARN)
		require.NoError(w.t, err)
		for _, l := range listeners {
			rules, err := w.aws.ELB.DescribeRules(ctx, l.ARN)
			require.NoError(w.t, err)
			for _, r := range rules {
				for _, f := range r.Actions[0].Forward {
					if f.Weight > 0 && !isParking(&r) {
						out[names[f.ARN]] = w.healthyIn(f.ARN)
					}
				}
			}
		}
	}
	return out
}

func (w *traffic) healthyIn(arn string) (n int) {
	health, err := w.aws.ELB.DescribeTargetHealth(w.t.Context(), arn)
	require.NoError(w.t, err)
	for _, h := range health {
		if h.State == awsapi.StateHealthy {
			n++
		}
	}
	return n
}
