package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/playground"
)

// pair is a world with two daemons.
type pair struct {
	*world
	daemons [2]*playground.Daemon
}

// startPair starts two daemons. The first leads, and both are ready.
func startPair(t *testing.T, env ...string) *pair {
	t.Helper()
	p := &pair{world: startStack(t, env...)}
	for n := range p.daemons {
		p.daemons[n] = p.Daemon(n)
		require.NoError(t, p.daemons[n].Start(t.Context()))
		p.leads(p.daemons[0])
	}
	return p
}

// leader reports whether a daemon says that it leads.
func (p *pair) leader(ctx context.Context, d *playground.Daemon) (bool, error) {
	text, err := p.metrics(ctx, d)
	return strings.Contains(text, "\ntgsync_leader 1\n"), err
}

// leads waits until a daemon leads.
func (p *pair) leads(d *playground.Daemon) {
	p.t.Helper()
	p.eventually(d.Name()+" to lead", func(ctx context.Context) error {
		leads, err := p.leader(ctx, d)
		if err == nil && !leads {
			err = errors.New("it stands by")
		}
		return err
	})
}

// writes returns the mutating calls of a daemon, from the n-th call on.
func (p *pair) writes(d *playground.Daemon, from int) []awssim.Call {
	var calls []awssim.Call
	for _, c := range p.Sim().Calls()[from:] {
		if c.Caller == d.AccessKeyID() && !strings.HasPrefix(c.Action, "Describe") {
			calls = append(calls, c)
		}
	}
	return calls
}

// TestLeaderStops: the standby does not wait until the Lease runs out, which here
// takes longer than anybody waits.
func TestLeaderStops(t *testing.T) {
	p := startPair(t, "TGSYNC_LEASE_DURATION=5m")
	p.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}), ingress("demo0", "web", nil, "echo0"))
	dns := p.dnsName("demo0", "web")
	p.synced("demo0", "echo0", 2)
	require.Empty(t, p.writes(p.daemons[1], 0), "a standby writes nothing")

	calls := len(p.Sim().Calls())
	begin := time.Now()
	require.NoError(t, p.daemons[0].Stop())
	p.leads(p.daemons[1])
	t.Logf("the standby led %v after the leader was told to stop", time.Since(begin).Round(time.Millisecond))
	p.scale("demo0", "echo0", 3)
	p.synced("demo0", "echo0", 3)
	p.onlyRegistered(calls)
	require.Len(t, p.writes(p.daemons[1], 0), len(p.mutations(calls)), "all by the standby")
	p.answers(dns, "/echo0", http.StatusOK, "echo0\n")
}

// TestLeaderIsKilled: nobody gives the Lease up, so it runs out.
func TestLeaderIsKilled(t *testing.T) {
	p := startPair(t, "TGSYNC_LEASE_DURATION=2s", "TGSYNC_LEASE_RENEW_DEADLINE=1500ms", "TGSYNC_LEASE_RETRY_PERIOD=300ms")
	p.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}), ingress("demo0", "web", nil, "echo0"))
	p.synced("demo0", "echo0", 2)
	begin := time.Now()
	p.daemons[0].Kill()
	p.scale("demo0", "echo0", 4)
	p.leads(p.daemons[1])
	t.Logf("the standby led %v after the leader was killed", time.Since(begin).Round(time.Millisecond))
	p.synced("demo0", "echo0", 4)

	require.NoError(t, p.daemons[0].Start(t.Context()))
	leads, err := p.leader(t.Context(), p.daemons[0])
	require.NoError(t, err)
	require.False(t, leads, "whoever comes back stands by")
}

// stops is how often the leader is frozen: TGSYNC_SIGSTOPS, or a few times.
func stops(t *testing.T) int {
	t.Helper()
	text, ok := os.LookupEnv("TGSYNC_SIGSTOPS")
	if !ok {
		return 10
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// TestFrozenLeader stops a busy leader with SIGSTOP at random moments, lets the
// standby take over, and wakes it. It must not change anything any more.
func TestFrozenLeader(t *testing.T) {
	n := stops(t)
	p := startPair(t, "TGSYNC_LEASE_DURATION=1s", "TGSYNC_LEASE_RENEW_DEADLINE=700ms", "TGSYNC_LEASE_RETRY_PERIOD=200ms",
		"TGSYNC_API_SHARE=1", "TGSYNC_BATCH_INTERVAL=10ms")
	quiet := p.churn()
	defer quiet()
	f := &freezer{pair: p}
	for done := 0; done < n; {
		if f.freeze() {
			done++
		}
	}
	t.Logf("%d stops, %d more in which the Lease changed hands again; %d writes of a leader that was about to be frozen "+
		"arrived within %v of its successor's first; takeover p50 %v, worst %v",
		n, f.unsettled, f.close, tolerance, f.percentile(50), f.percentile(100))
}

// tolerance is how long after the successor's first write a request of the old
// leader may still arrive.
const tolerance = 50 * time.Millisecond

// freezer freezes leaders.
type freezer struct {
	*pair
	unsettled, close int
	takeovers        []time.Duration // from the stop to the successor's first write
}

// freeze freezes the leader once. It reports false if the Lease changed hands once
// more meanwhile, which says nothing.
func (f *freezer) freeze() bool {
	f.t.Helper()
	old, successor := f.busyLeader()
	time.Sleep(rand.N(300 * time.Millisecond))
	calls := len(f.Sim().Calls())
	require.NoError(f.t, old.Signal(syscall.SIGSTOP))
	stopped := time.Now()
	f.eventually("the first write of "+successor.Name(), func(context.Context) error {
		if len(f.writes(successor, calls)) == 0 {
			return errors.New("none yet")
		}
		return nil
	})
	first := f.writes(successor, calls)[0].Time
	term := f.term()
	time.Sleep(tolerance + rand.N(100*time.Millisecond)) // whatever is sent from here on comes too late
	require.NoError(f.t, old.Signal(syscall.SIGCONT))
	f.eventually(old.Name()+" to answer", func(ctx context.Context) error {
		_, err := f.leader(ctx, old)
		return err
	})
	time.Sleep(300 * time.Millisecond) // in which it could do harm
	if f.term() != term {
		f.unsettled++
		return false
	}
	f.takeovers = append(f.takeovers, first.Sub(stopped))
	for _, c := range f.writes(old, calls) {
		late := c.Arrived.Sub(first)
		require.LessOrEqual(f.t, late, tolerance, "%s of %s, stopped %v before", c.Action, old.Name(), c.Arrived.Sub(stopped))
		if late > 0 {
			f.close++
		}
	}
	return true
}

// busyLeader returns the daemon that leads and has just written, and the other.
func (f *freezer) busyLeader() (leader, other *playground.Daemon) {
	f.t.Helper()
	calls := len(f.Sim().Calls())
	f.eventually("a busy leader", func(ctx context.Context) error {
		for n, d := range f.daemons {
			leads, err := f.leader(ctx, d)
			if err != nil {
				return err
			}
			if leads && len(f.writes(d, calls)) > 0 {
				leader, other = d, f.daemons[1-n]
				return nil
			}
		}
		return errors.New("nobody writes")
	})
	return leader, other
}

// term returns how often the Lease has changed hands.
func (f *freezer) term() int32 {
	f.t.Helper()
	lease, err := f.Clientset().CoordinationV1().Leases("tgsync").Get(f.t.Context(), "tgsync", metav1.GetOptions{})
	require.NoError(f.t, err)
	return *lease.Spec.LeaseTransitions
}

// percentile returns what p % of the takeovers did not exceed.
func (f *freezer) percentile(p int) time.Duration {
	sorted := slices.Sorted(slices.Values(f.takeovers))
	return sorted[(len(sorted)-1)*p/100].Round(time.Millisecond)
}

// churn keeps the leader busy: Services whose endpoints change ten times a second.
// More is asked for than AWS's rates allow, so that calls always wait for tokens.
func (w *world) churn() (stop func()) {
	w.t.Helper()
	const services = 6
	manifests := []string{namespace("churn")}
	var names []string
	for n := range services {
		name := fmt.Sprintf("busy%d", n)
		names = append(names, name)
		manifests = append(manifests,
			fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {namespace: churn, name: %s}, spec: {ports: [{port: 80}]}}`, name),
			fmt.Sprintf(`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: churn, name: %[1]s, labels: {kubernetes.io/service-name: %[1]s}},
addressType: IPv4, ports: [{name: "", port: 8000}], endpoints: []}`, name))
	}
	w.apply(append(manifests, ingress("churn", "busy", nil, names...))...)
	w.dnsName("churn", "busy")
	base := w.addresses()
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			service, address := n%services, base.As4()
			address[3] = byte(1 + 2*service + n/services%2)
			patch := fmt.Sprintf(`{"endpoints":[{"addresses":[%q]}]}`, netip.AddrFrom4(address))
			_, _ = w.Clientset().DiscoveryV1().EndpointSlices("churn").Patch(ctx, names[service], types.MergePatchType, []byte(patch), metav1.PatchOptions{})
			time.Sleep(100 * time.Millisecond / services)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// addresses returns the first of 256 addresses of the network where no pods are.
func (w *world) addresses() netip.Addr {
	w.t.Helper()
	nodes, err := w.Clientset().CoreV1().Nodes().List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	pods, err := netip.ParsePrefix(nodes.Items[0].Spec.PodCIDR)
	require.NoError(w.t, err)
	address := pods.Addr().As4()
	address[2] += 50
	return netip.AddrFrom4(address)
}
