package securitygroup

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	vpcID   = "vpc-1"
	cluster = "demo"
	backend = "sg-backend"
)

// account is EC2 as far as this package uses it: every rule once, writes all or none, and
// a group that is named by a rule or an interface is not deleted.
type account struct {
	mu         sync.Mutex // guards what follows
	groups     map[string]*awsapi.SecurityGroup
	interfaces []awsapi.NetworkInterface
	calls      []string
	limit      int                       // of rules in a group; 0: none
	fail       map[string]error          // by action, or by action and group
	during     map[string]func(*account) // runs once while a call is under way, after it has read
}

func newAccount() *account {
	return &account{groups: map[string]*awsapi.SecurityGroup{}, fail: map[string]error{}, during: map[string]func(*account){}}
}

func apiError(code string) error { return &smithy.GenericAPIError{Code: code, Message: code} }

func (a *account) group(id string, tags awsapi.Tags, rules ...awsapi.Permission) {
	a.groups[id] = &awsapi.SecurityGroup{ID: id, Name: id, VPCID: vpcID, Tags: tags, Ingress: rules}
}

// begin enters a call and returns why it fails.
func (a *account) begin(action, on string) error {
	a.calls = append(a.calls, strings.TrimSpace(action+" "+on))
	return cmp.Or(a.fail[action], a.fail[action+" "+on])
}

// answer lets happen what happens while an answer is on its way.
func (a *account) answer(action string) {
	if f := a.during[action]; f != nil {
		delete(a.during, action)
		a.mu.Unlock()
		f(a)
		a.mu.Lock()
	}
}

func (a *account) DescribeNetworkInterfaces(_ context.Context, _ string, addresses []string) ([]awsapi.NetworkInterface, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.begin("interfaces", strings.Join(addresses, " ")); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(a.interfaces), func(n awsapi.NetworkInterface) bool {
		return !slices.ContainsFunc(n.Addresses, func(address string) bool { return slices.Contains(addresses, address) })
	}), nil
}

func (a *account) DescribeNetworkInterfacesOf(_ context.Context, _ string, ids []string) ([]awsapi.NetworkInterface, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.begin("interfaces of", strings.Join(ids, " ")); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(a.interfaces), func(n awsapi.NetworkInterface) bool { return !slices.Contains(ids, n.InstanceID) }), nil
}

// read returns copies of groups.
func (a *account) read(wanted func(*awsapi.SecurityGroup) bool) []awsapi.SecurityGroup {
	var found []awsapi.SecurityGroup
	for _, id := range sortedKeys(a.groups) {
		if g := *a.groups[id]; wanted(&g) {
			g.Ingress = slices.Clone(g.Ingress)
			found = append(found, g)
		}
	}
	return found
}

func (a *account) DescribeSecurityGroups(_ context.Context, _ string, tags awsapi.Tags) ([]awsapi.SecurityGroup, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.begin("groups", ""); err != nil {
		return nil, err
	}
	found := a.read(func(g *awsapi.SecurityGroup) bool {
		for k, v := range tags {
			if g.Tags[k] != v {
				return false
			}
		}
		return true
	})
	a.answer("groups")
	return found, nil
}

func (a *account) FindSecurityGroups(_ context.Context, _ string, ids, _ []string) ([]awsapi.SecurityGroup, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.begin("read", strings.Join(ids, " ")); err != nil {
		return nil, err
	}
	found := a.read(func(g *awsapi.SecurityGroup) bool { return slices.Contains(ids, g.ID) })
	a.answer("read")
	return found, nil
}

func (a *account) CreateSecurityGroup(_ context.Context, g awsapi.SecurityGroup) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.begin("create", g.Name); err != nil {
		return "", err
	}
	g.ID = "sg-" + g.Name
	if a.groups[g.ID] != nil {
		return "", apiError("InvalidGroup.Duplicate")
	}
	a.groups[g.ID] = &g
	return g.ID, nil
}

func (a *account) AuthorizeIngress(_ context.Context, id string, rules []awsapi.Permission) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(rules) == 0 {
		return nil
	}
	if err := a.begin("authorize", id); err != nil {
		return err
	}
	g := a.groups[id]
	switch {
	case g == nil:
		return apiError("InvalidGroup.NotFound")
	case slices.ContainsFunc(rules, func(r awsapi.Permission) bool { return contains(g.Ingress, r) }):
		return apiError("InvalidPermission.Duplicate")
	case a.limit > 0 && len(g.Ingress)+len(rules) > a.limit:
		return apiError("RulesPerSecurityGroupLimitExceeded")
	}
	g.Ingress = append(g.Ingress, rules...)
	return nil
}

func (a *account) RevokeIngress(_ context.Context, id string, rules []awsapi.Permission) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.begin("revoke", id); err != nil {
		return err
	}
	g := a.groups[id]
	for _, r := range rules {
		if !contains(g.Ingress, r) {
			return apiError("InvalidPermission.NotFound")
		}
	}
	g.Ingress = slices.DeleteFunc(g.Ingress, func(r awsapi.Permission) bool { return contains(rules, r) })
	return nil
}

func (a *account) DeleteSecurityGroup(_ context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.begin("delete", id); err != nil {
		return err
	}
	a.answer("delete")
	for _, g := range a.groups {
		if slices.ContainsFunc(g.Ingress, func(r awsapi.Permission) bool { return r.GroupID == id }) {
			return apiError("DependencyViolation")
		}
	}
	delete(a.groups, id)
	return nil
}

// world is an account, a cluster and the loop between them, in a bubble.
type world struct {
	t       *testing.T
	aws     *account
	backend *Backend
	boards  [2]*Board
	nodes   map[string]Node
	tags    map[string]string
	loop    *Loop
	stop    func()
	marked  int

	mu     sync.Mutex // guards what follows
	pods   map[string][]Pod
	events []string
}

// inWorld runs a test in a world with two nodes of one security group.
func inWorld(t *testing.T, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, aws: newAccount(), nodes: map[string]Node{}, pods: map[string][]Pod{}, boards: [2]*Board{NewBoard(), NewBoard()}}
		w.backend = NewBackend(BackendOptions{EC2: w.aws, VPCID: vpcID, Cluster: cluster})
		w.aws.group(backend, awsapi.Tags{ingress.TagCluster: cluster, tagResource: backendResource})
		w.aws.group("sg-node", awsapi.Tags{clusterTag + cluster: "owned"})
		w.node("a", "sg-node")
		w.node("b", "sg-node")
		test(w)
		if w.stop != nil {
			w.stop()
		}
	})
}

// node adds a node with an interface.
func (w *world) node(name string, groups ...string) {
	w.nodes[name] = Node{Instance: "i-" + name}
	w.aws.interfaces = append(w.aws.interfaces, awsapi.NetworkInterface{
		ID: "eni-" + name, InstanceID: "i-" + name, SecurityGroups: groups,
	})
}

// pod adds a pod of a Service.
func (w *world) pod(service, name, node string, change ...func(*Pod)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, pods := range w.pods {
		n += len(pods)
	}
	p := Pod{
		Name: types.NamespacedName{Namespace: "ns", Name: name}, UID: types.UID("uid-" + name), Node: node,
		Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(n + 1)}),
	}
	for _, f := range change {
		f(&p)
	}
	w.pods[service] = append(slices.Clone(w.pods[service]), p)
}

// gone removes the pods of a Service.
func (w *world) gone(service string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pods, service)
}

// start starts the loop. What it needs is all that is needed.
func (w *world) start() {
	for _, b := range w.boards {
		b.Complete()
	}
	w.run()
}

func (w *world) newLoop() *Loop {
	return New(Options{
		EC2: w.aws, VPCID: vpcID, Cluster: cluster, Sources: []Source{w.boards[0], w.boards[1]}, Synced: func() bool { return true },
		Pods: func(n Need) []Pod {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.pods[n.Service.Name]
		},
		Node: func(name string) (Node, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			n, ok := w.nodes[name]
			return n, ok
		},
		Backend: w.backend, TargetTags: w.tags, AuditInterval: time.Hour, Events: recorder{w}, Log: slog.New(slog.DiscardHandler),
	})
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.loop = w.newLoop()
	ended := make(chan error, 1)
	go func() { ended <- w.loop.Run(ctx) }()
	w.stop = func() {
		cancel()
		require.NoError(w.t, <-ended)
	}
	synctest.Wait()
}

// after lets time pass. What the test has changed before is seen by whoever takes the
// locks next: time alone orders nothing.
func (w *world) after(d time.Duration) {
	for _, mu := range []*sync.Mutex{&w.mu, &w.aws.mu} {
		mu.Lock()
		mu.Unlock() //nolint:staticcheck // an empty section, for its order
	}
	time.Sleep(d)
	synctest.Wait()
}

// change wakes the loop as an event of the cluster does, and lets it work.
func (w *world) change() {
	w.after(0)
	w.loop.Wake()
	w.after(3 * time.Second)
}

// need is one of an Ingress: the backend group reaches ports of a Service's pods.
func (w *world) need(service string, ports ...int32) {
	n := Need{Name: "need " + service, Service: types.NamespacedName{Namespace: "ns", Name: service}, Backend: true, Owners: []corev1.ObjectReference{{Name: service}}}
	o := Opening{From: Peer{Group: backend}}
	for _, p := range ports {
		o.Ports = append(o.Ports, Port{Protocol: TCP, Number: p})
	}
	n.Openings = []Opening{o}
	w.show(service, n)
}

// owner is who is told.
func (w *world) owner(name string) []corev1.ObjectReference {
	return []corev1.ObjectReference{{Name: name}}
}

func (w *world) show(part string, needs ...Need) { w.boards[0].Show(part, needs) }

// rules are those of a group, as "tcp 80-80 sg-backend", with "!" where they are not marked.
func (w *world) rules(id string) []string {
	w.aws.mu.Lock()
	defer w.aws.mu.Unlock()
	out := []string{}
	for _, r := range w.aws.groups[id].Ingress {
		text := fmt.Sprintf("%s %d-%d %s", r.Protocol, r.FromPort, r.ToPort, r.GroupID+r.CIDR+r.CIDRv6)
		if r.Description != shared {
			text += "!"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// calls are those since the last look.
func (w *world) calls() []string {
	w.aws.mu.Lock()
	defer w.aws.mu.Unlock()
	out := w.aws.calls[w.marked:]
	w.marked = len(w.aws.calls)
	return append([]string{}, out...)
}

// writes are the mutating calls since the last look.
func (w *world) writes() []string {
	return slices.DeleteFunc(w.calls(), func(c string) bool {
		return strings.HasPrefix(c, "interfaces") || strings.HasPrefix(c, "groups") || strings.HasPrefix(c, "read")
	})
}

func (w *world) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.events
	w.events = nil
	return out
}

// recorder keeps events as "name reason: message".
type recorder struct{ w *world }

func (r recorder) Event(obj runtime.Object, _, reason, message string) {
	ref, _ := obj.(*corev1.ObjectReference)
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.events = append(r.w.events, ref.Name+" "+reason+": "+message)
}

func (r recorder) Eventf(obj runtime.Object, kind, reason, format string, args ...any) {
	r.Event(obj, kind, reason, fmt.Sprintf(format, args...))
}

func (r recorder) AnnotatedEventf(obj runtime.Object, _ map[string]string, kind, reason, format string, args ...any) {
	r.Eventf(obj, kind, reason, format, args...)
}

// rule is one that the backend group reaches ports by.
func rule(from, to int32) awsapi.Permission {
	return Peer{Group: backend}.permission(TCP, portRange{from, to})
}

// theirs is a rule that somebody else made.
func theirs(p awsapi.Permission) awsapi.Permission {
	p.Description = "mine"
	return p
}
