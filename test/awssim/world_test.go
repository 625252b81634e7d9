package awssim

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	zoneA = "ap-northeast-3a"
	zoneB = "ap-northeast-3b"
	zoneC = "ap-northeast-3c" // no load balancer is there
	dns   = "demo-1667793482.ap-northeast-3.elb.amazonaws.com"
)

// newSim is an account with a VPC of three small subnets, so that some of the
// VPC's addresses are in none.
func newSim(t *testing.T, o Options) *Sim {
	t.Helper()
	o.VPCs = []VPC{{ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []Subnet{
		{ID: "subnet-a", Zone: zoneA, CIDR: "10.0.1.0/24", Public: true},
		{ID: "subnet-b", Zone: zoneB, CIDR: "10.0.2.0/24", Public: true},
		{ID: "subnet-c", Zone: zoneC, CIDR: "10.0.3.0/24", Public: true},
	}}}
	s, err := New(o)
	require.NoError(t, err)
	return s
}

// start runs s until the test's end.
func start(t *testing.T, s *Sim) {
	t.Helper()
	ended := make(chan error)
	go func() { ended <- s.Run(t.Context()) }()
	t.Cleanup(func() { require.NoError(t, <-ended) })
}

// addGroup makes a target group with port 8080 and ELBv2's default settings.
func addGroup(s *Sim, name string) *targetGroup {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &targetGroup{
		arn: "arn:tg/" + name, name: name, protocol: "HTTP", port: 8080, targetType: "ip", vpcID: "vpc-1",
		check: healthCheck{
			enabled: true, protocol: "HTTP", port: "traffic-port", path: "/healthz",
			interval: 30 * time.Second, timeout: 5 * time.Second,
			healthyThreshold: 5, unhealthyThreshold: 2, matcher: "200",
		},
		attributes: map[string]string{},
		targets:    map[targetKey]*registration{},
		usedBy:     map[*rule]bool{},
	}
	s.targetGroups[g.arn] = g
	return g
}

// addBalancer makes an active load balancer in two of the three zones, with one
// listener.
func addBalancer(s *Sim, port int, rules ...*rule) *loadBalancer {
	s.mu.Lock()
	defer s.mu.Unlock()
	lb := &loadBalancer{
		arn: "arn:lb/demo", name: "demo", dnsName: dns, vpcID: "vpc-1", activeAt: time.Now(),
		subnets:    []*subnet{s.subnets["subnet-a"], s.subnets["subnet-b"]},
		attributes: map[string]string{},
	}
	l := &listener{arn: "arn:listener/demo", lb: lb, port: port, protocol: "HTTP"}
	lb.listeners = []*listener{l}
	s.loadBalancers[lb.arn] = lb
	setRulesLocked(l, rules)
	s.changed()
	return lb
}

// setRulesLocked gives l its rules, in the order of priority.
func setRulesLocked(l *listener, rules []*rule) {
	for _, old := range l.rules {
		for _, a := range old.actions {
			for _, w := range a.forward {
				delete(w.group.usedBy, old)
			}
		}
	}
	l.rules = rules
	for _, r := range rules {
		r.listener = l
		for _, a := range r.actions {
			for _, w := range a.forward {
				w.group.usedBy[r] = true
			}
		}
	}
}

func setRules(s *Sim, lb *loadBalancer, rules ...*rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	setRulesLocked(lb.listeners[0], rules)
	s.changed()
}

func forwardTo(groups ...weightedGroup) *rule {
	return &rule{actions: []action{{kind: "forward", forward: groups}}}
}

func always(g *targetGroup) *rule { return forwardTo(weightedGroup{g, 1}) }

func fixedRule(status, body string) *rule {
	return &rule{actions: []action{{kind: "fixed-response", fixed: &fixedResponse{status, "text/plain", body}}}}
}

func register(t *testing.T, s *Sim, g *targetGroup, ids ...string) {
	t.Helper()
	require.NoError(t, call(s, s.registerLocked, g, specs(ids...)...))
}

func deregister(t *testing.T, s *Sim, g *targetGroup, ids ...string) {
	t.Helper()
	require.NoError(t, call(s, s.deregisterLocked, g, specs(ids...)...))
}

func specs(ids ...string) []targetSpec {
	var list []targetSpec
	for _, id := range ids {
		list = append(list, targetSpec{id: id})
	}
	return list
}

// call does what an API call does around the change it makes.
func call(s *Sim, f func(*targetGroup, []targetSpec) error, g *targetGroup, ts ...targetSpec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed()
	return f(g, ts)
}

// states are the targets of a group, "IP:PORT STATE REASON" each.
func states(t *testing.T, s *Sim, g *targetGroup, ts ...targetSpec) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.healthLocked(g, ts)
	require.NoError(t, err)
	list := []string{}
	for _, h := range all {
		line := net.JoinHostPort(h.key.ip.String(), h.healthCheckPort) + " " + h.state + " " + h.reason
		list = append(list, strings.TrimSpace(line))
	}
	return list
}

// startPod serves HTTP on an address of the network in memory.
func startPod(t *testing.T, n *PipeNet, address string, handler http.HandlerFunc) *http.Server {
	t.Helper()
	socket, err := n.Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	return serveOn(t, socket, handler)
}

func serveOn(t *testing.T, socket net.Listener, handler http.HandlerFunc) *http.Server {
	t.Helper()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(socket) }()
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// says is a pod that answers every request with its name.
func says(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }
}

// clientOf reaches load balancers by their DNS names.
func clientOf(t *testing.T, s *Sim) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: s.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get is the status and the body of one request.
func get(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	return getContext(t.Context(), t, c, url)
}

func getContext(ctx context.Context, t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

const site = "http://" + dns + "/"

// inBubble starts a simulator on a network in memory.
func inBubble(t *testing.T, o Options) (*PipeNet, *Sim) {
	t.Helper()
	n := &PipeNet{}
	o.Listen, o.Dial = n.Listen, n.Dial
	s := newSim(t, o)
	start(t, s)
	return n, s
}

// answers counts the bodies of n requests.
func answers(t *testing.T, s *Sim, n int) map[string]int {
	t.Helper()
	client, count := clientOf(t, s), map[string]int{}
	for range n {
		_, body := get(t, client, site)
		count[body]++
	}
	return count
}

// healthy waits until every target has been checked.
func healthy(t *testing.T) {
	t.Helper()
	time.Sleep(31 * time.Second)
	synctest.Wait()
}
