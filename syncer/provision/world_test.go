package provision

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

func TestMain(m *testing.M) {
	for k, v := range map[string]string{
		"AWS_REGION": "ap-northeast-3", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(k, v); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const (
	vpcID   = "vpc-1"
	cluster = "demo"
	prefix  = "alb.ingress.kubernetes.io/"
)

const (
	// gracePeriod is how long a Service that is gone still counts.
	gracePeriod = time.Minute
	// replaceTimeout and linger are shorter than the loop is let settle for.
	replaceTimeout = 5 * time.Minute
	linger         = 3 * time.Minute
)

// world is an AWS account, a cluster and the loop between them, in a bubble.
type world struct {
	t      *testing.T
	sim    *awssim.Sim
	aws    *awsapi.Clients // of the test, not of the loop
	wire   *wire
	client *fake.Clientset
	log    *slog.Logger
	marked int // calls seen by the last look
	linger time.Duration

	loop *Loop
	stop func()
	// For the next start.
	urgent    map[types.NamespacedName]bool
	directory *Directory

	mu     sync.Mutex // guards events and passes
	events []string
	passes []string
}

// inWorld runs a test in a world with virtual time.
func inWorld(t *testing.T, o awssim.Options, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		test(w)
		w.halt()
	})
}

func newWorld(t *testing.T, o awssim.Options) *world {
	t.Helper()
	if o.VPCs == nil {
		o.VPCs = []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
			{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.1.0/24", Public: true, Tags: map[string]string{publicRole: "1", internalRole: ""}},
			{ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.2.0/24", Public: true, Tags: map[string]string{publicRole: "1", internalRole: ""}},
		}}}
	}
	sim, err := awssim.New(o)
	require.NoError(t, err)
	w := &world{
		t: t, sim: sim, linger: linger, log: slog.New(slog.DiscardHandler),
		wire: &wire{next: sim.Transport(), sim: sim},
		// NewClientset tracks field managers, which nothing here uses, at ten times the cost.
		client: fake.NewSimpleClientset(&networkingv1.IngressClass{
			ObjectMeta: metav1.ObjectMeta{Name: "alb"}, Spec: networkingv1.IngressClassSpec{Controller: ingress.Controller},
		}),
	}
	if testing.Verbose() {
		w.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w.aws, err = awsapi.New(t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: sim.Transport()}})
	require.NoError(t, err)
	return w
}

// start starts the loop, as a fresh process would.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	clients, err := awsapi.New(ctx, awsapi.Options{HTTPClient: &http.Client{Transport: w.wire}})
	require.NoError(w.t, err)
	factory := informers.NewSharedInformerFactory(w.client, 0)
	ingresses, classes, services := factory.Networking().V1().Ingresses(), factory.Networking().V1().IngressClasses(), factory.Core().V1().Services()
	w.loop = New(Options{
		Settings: ingress.DefaultSettings(cluster), VPCID: vpcID,
		Ingresses: ingresses.Lister(), Classes: classes.Lister(), Services: services.Lister(),
		Synced: func() bool {
			return ingresses.Informer().HasSynced() && classes.Informer().HasSynced() && services.Informer().HasSynced()
		},
		Client: w.client, Events: recorder{w}, ELB: clients.ELB, EC2: clients.EC2, ACM: clients.ACM, Metrics: w, Log: w.log,
		AuditInterval: time.Hour, GracePeriod: gracePeriod, ReplaceTimeout: replaceTimeout, LBLinger: w.linger, Directory: w.directory,
		Urgent: func() map[types.NamespacedName]bool { return w.urgent },
	})
	for _, i := range []cache.SharedIndexInformer{ingresses.Informer(), classes.Informer(), services.Informer()} {
		wake := func(obj any) {
			if o, err := meta.Accessor(obj); err == nil {
				w.loop.Wake(o.GetNamespace())
			}
		}
		_, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: wake, DeleteFunc: wake, UpdateFunc: func(_, obj any) { wake(obj) },
		})
		require.NoError(w.t, err)
	}
	factory.Start(ctx.Done())
	ended := make(chan error, 1)
	go func() { ended <- w.loop.Run(ctx) }()
	w.stop = func() {
		cancel()
		require.NoError(w.t, <-ended)
		factory.Shutdown()
	}
}

// halt ends the loop if it runs.
func (w *world) halt() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

func (w *world) restart() {
	w.t.Helper()
	w.halt()
	w.start()
	w.settle()
}

// settle lets everything come to rest: less than an audit, more than the longest
// back-off. Ingresses that nobody holds go, as on an API server.
func (w *world) settle() {
	w.t.Helper()
	for range 12 {
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, ing := range w.ingresses() {
			if ing.DeletionTimestamp != nil && len(ing.Finalizers) == 0 {
				require.NoError(w.t, w.client.NetworkingV1().Ingresses(ing.Namespace).Delete(w.t.Context(), ing.Name, metav1.DeleteOptions{}))
			}
		}
	}
	synctest.Wait()
}

// GroupPass implements Metrics.
func (w *world) GroupPass(result string, _ time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passes = append(w.passes, result)
}

// recorder keeps events as "namespace/name reason: message".
type recorder struct{ w *world }

func (r recorder) Event(obj runtime.Object, _, reason, message string) {
	o, err := meta.Accessor(obj)
	if err != nil {
		return
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.events = append(r.w.events, fmt.Sprintf("%s/%s %s: %s", o.GetNamespace(), o.GetName(), reason, message))
}

func (r recorder) Eventf(obj runtime.Object, kind, reason, format string, args ...any) {
	r.Event(obj, kind, reason, fmt.Sprintf(format, args...))
}

func (r recorder) AnnotatedEventf(obj runtime.Object, _ map[string]string, kind, reason, format string, args ...any) {
	r.Eventf(obj, kind, reason, format, args...)
}

// said returns the events since the last look.
func (w *world) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.events
	w.events = nil
	return out
}

// calls returns the loop's and the test's calls since the last look. Those of the
// test are Describe calls.
func (w *world) calls() []string {
	var out []string
	all := w.sim.Calls()
	for _, c := range all[w.marked:] {
		out = append(out, c.Action)
	}
	w.marked = len(all)
	return out
}

// writes returns the mutating calls since the last look.
func (w *world) writes() []string {
	return slices.DeleteFunc(w.calls(), func(a string) bool { return strings.HasPrefix(a, "Describe") || strings.HasPrefix(a, "List") })
}

// service creates a Service with port 80 to targetPort 5678.
func (w *world) service(namespace, name string) {
	w.t.Helper()
	_, err := w.client.CoreV1().Services(namespace).Create(w.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + namespace + "-" + name)},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(5678)}}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// ingress creates an Ingress that routes /SERVICE to each of the services.
func (w *world) ingress(namespace, name string, annotations map[string]string, services ...string) {
	w.t.Helper()
	ing := &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + namespace + "-" + name), Annotations: map[string]string{
			prefix + "target-type": "ip", prefix + "scheme": "internet-facing",
		}},
		Spec: networkingv1.IngressSpec{IngressClassName: new("alb"), Rules: []networkingv1.IngressRule{rulesTo(services...)}},
	}
	for k, v := range annotations {
		ing.Annotations[prefix+k] = v
	}
	_, err := w.client.NetworkingV1().Ingresses(namespace).Create(w.t.Context(), ing, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

func rulesTo(services ...string) networkingv1.IngressRule {
	var rule networkingv1.IngressRule
	rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
	for _, s := range services {
		rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{
			Path: "/" + s, PathType: new(networkingv1.PathTypeExact),
			Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: s, Port: networkingv1.ServiceBackendPort{Number: 80},
			}},
		})
	}
	return rule
}

// update changes an Ingress.
func (w *world) update(namespace, name string, change func(*networkingv1.Ingress)) {
	w.t.Helper()
	ing := w.get(namespace, name)
	change(ing)
	_, err := w.client.NetworkingV1().Ingresses(namespace).Update(w.t.Context(), ing, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

func (w *world) get(namespace, name string) *networkingv1.Ingress {
	w.t.Helper()
	ing, err := w.client.NetworkingV1().Ingresses(namespace).Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	return ing.DeepCopy()
}

// remove deletes an Ingress as the API server does: one with finalizers stays.
func (w *world) remove(namespace, name string) {
	w.t.Helper()
	w.update(namespace, name, func(ing *networkingv1.Ingress) { ing.DeletionTimestamp = new(metav1.Now()) })
}

func (w *world) ingresses() []networkingv1.Ingress {
	w.t.Helper()
	list, err := w.client.NetworkingV1().Ingresses("").List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	return list.Items
}

// account tells what AWS holds, a line for each resource, without what differs
// between runs.
func (w *world) account() []string {
	w.t.Helper()
	ctx, lines, groups := w.t.Context(), []string(nil), map[string]string{}
	securityGroups, err := w.aws.EC2.DescribeSecurityGroups(ctx, vpcID, awsapi.Tags{ingress.TagCluster: cluster})
	require.NoError(w.t, err)
	for _, g := range securityGroups {
		if g.Tags[ingress.TagStack] != "" { // the backend group is all groups'
			lines = append(lines, fmt.Sprintf("security group %s %v", g.Name, g.Ingress))
		}
	}
	targetGroups, err := w.aws.ELB.DescribeTargetGroups(ctx)
	require.NoError(w.t, err)
	for _, g := range targetGroups {
		groups[g.ARN] = g.Name
		lines = append(lines, fmt.Sprintf("target group %s %d %s", g.Name, g.Port, g.HealthCheck.Path))
	}
	balancers, err := w.aws.ELB.DescribeLoadBalancers(ctx)
	require.NoError(w.t, err)
	for _, b := range balancers {
		lines = append(lines, fmt.Sprintf("load balancer %s %s", b.Name, b.Scheme))
		listeners, err := w.aws.ELB.DescribeListeners(ctx, b.ARN)
		require.NoError(w.t, err)
		for _, l := range listeners {
			rules, err := w.aws.ELB.DescribeRules(ctx, l.ARN)
			require.NoError(w.t, err)
			for _, r := range rules {
				lines = append(lines, fmt.Sprintf("listener %d rule %d %s -> %s", l.Port, r.Priority, conditionsKey(r.Conditions), doing(r, groups)))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func doing(r awsapi.Rule, groups map[string]string) string {
	a := r.Actions[0]
	if a.FixedResponse != nil {
		return a.FixedResponse.StatusCode + " " + a.FixedResponse.MessageBody
	}
	return groups[a.Forward[0].ARN]
}

// bound returns "namespace/service" of every binding.
func bound(bindings []target.Binding) []string {
	var out []string
	for _, b := range bindings {
		out = append(out, b.Service.String())
	}
	slices.Sort(out)
	return out
}

// kinds counts lines of the account by their first two words.
func kinds(lines []string) map[string]int {
	out := map[string]int{}
	for _, l := range lines {
		words := strings.Fields(l)
		if words[0] == "listener" {
			words = []string{"rule"}
		}
		out[strings.Join(words[:min(2, len(words))], " ")]++
	}
	return out
}
