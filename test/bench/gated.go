package bench

import (
	"bufio"
	"context"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/readiness"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
)

// checked is how targets are checked: an Ingress's default interval.
var checked = readiness.Check{Interval: 15 * time.Second, Timeout: 5 * time.Second, UnhealthyThreshold: 2}

// pinned is the model of health: a load balancer learns of a target within 1 s to 5 s,
// and checks it first at any moment of the interval that follows.
var pinned = awssim.Switches{RegisterDelay: awssim.Span{Min: time.Second, Max: 5 * time.Second}}

// patchLatency is that of the API server.
const patchLatency = 10 * time.Millisecond

// gated is a world with a load balancer, and with pods that have a gate. The pods stand
// in a cluster of their own: the product's Syncer knows addresses alone.
type gated struct {
	*world
	product *product
	gates   *readiness.Gates
	reads   readiness.HealthReader // as the gates read

	kube *kubesim.Server
	hand kubernetes.Interface // that moves the pods
	pods cache.SharedIndexInformer
	// factory makes the informer of the pods.
	factory informers.SharedInformerFactory

	// mu guards all below.
	mu    sync.Mutex
	uids  map[int]types.UID // of the pods, by target
	opens map[int]chan struct{}
}

// newGated makes the account, the cluster and the product between them. Health is
// checked while sim.Run runs.
func newGated(ctx context.Context, t Trace) (*gated, error) {
	o := accountOptions(pinned)
	o.Listen, o.Dial = (&awssim.PipeNet{}).Listen, dialHealthy
	o.Quotas.TargetsPerLoadBalancer = 10 * len(t.Changes) // who drains counts, too
	sim, err := awssim.New(o)
	if err != nil {
		return nil, err
	}
	w := &gated{
		world: &world{sim: sim, trace: t}, kube: kubesim.New(kubesim.Options{Latency: patchLatency}),
		uids: map[int]types.UID{}, opens: map[int]chan struct{}{},
	}
	if err := w.attachGroups(ctx); err != nil {
		return nil, err
	}
	if w.hand, err = kubernetes.NewForConfig(w.kube.Admin()); err != nil {
		return nil, err
	}
	if err := w.createHeld(ctx); err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(w.kube.Config())
	if err != nil {
		return nil, err
	}
	if err := w.watchPods(client); err != nil {
		return nil, err
	}
	return w, w.addProduct(ctx, client)
}

// attachGroups makes the groups of the trace, and rules that forward to them.
func (w *gated) attachGroups(ctx context.Context) error {
	clients, err := w.setUpClients(ctx)
	if err != nil {
		return err
	}
	if err := w.addGroups(ctx, clients.ELB); err != nil {
		return err
	}
	lb, err := clients.ELB.CreateLoadBalancer(ctx, awsapi.LoadBalancer{
		Name: "gated", Type: "application", Scheme: "internal", SubnetIDs: []string{"subnet-a", "subnet-b"},
	})
	if err != nil {
		return err
	}
	forward := func(arn string) []awsapi.Action {
		return []awsapi.Action{{Type: "forward", Forward: []awsapi.WeightedTargetGroup{{ARN: arn, Weight: 1}}}}
	}
	listener, err := clients.ELB.CreateListener(ctx, awsapi.Listener{
		LoadBalancerARN: lb.ARN, Port: 80, Protocol: "HTTP", DefaultActions: forward(w.arns[0]),
	})
	if err != nil {
		return err
	}
	for g, arn := range w.arns {
		_, err := clients.ELB.CreateRule(ctx, listener.ARN, awsapi.Rule{
			Priority: int32(g + 1), Conditions: []awsapi.Condition{{Field: "path-pattern", Values: []string{"/" + groupName(g)}}}, Actions: forward(arn),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// watchPods makes the informer, which tells the gates of each change and the rollouts
// of gates that are open.
func (w *gated) watchPods(client kubernetes.Interface) error {
	w.factory = informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(func(obj any) (any, error) {
		if pod, ok := obj.(*corev1.Pod); ok {
			return endpoints.PodOf(pod), nil
		}
		return obj, nil
	}))
	w.pods = w.factory.Core().V1().Pods().Informer()
	changed := func(obj any) {
		pod, ok := obj.(*endpoints.Pod)
		if !ok {
			return
		}
		w.gates.PodChanged(types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name})
		if len(pod.Conditions) > 0 && pod.Conditions[0].Status == corev1.ConditionTrue {
			w.open(number(pod.IPs[0]))
		}
	}
	_, err := w.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: changed, UpdateFunc: func(_, obj any) { changed(obj) }, DeleteFunc: changed})
	return err
}

// open notes that a pod's gate is open.
func (w *gated) open(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if opened := w.opens[n]; opened != nil {
		close(opened)
		delete(w.opens, n)
	}
}

// addProduct makes the Syncer and the gates.
func (w *gated) addProduct(ctx context.Context, client kubernetes.Interface) error {
	engine, err := newProduct(nil)(ctx, w.world)
	if err != nil {
		return err
	}
	w.product, _ = engine.(*product)
	clients, err := w.clients(ctx)
	if err != nil {
		return err
	}
	told := tellsGates{TargetAPI: clients.ELB, w: w}
	w.reads = told.TargetAPI
	w.gates = readiness.New(readiness.Options{
		Cluster: w, Pods: client.CoreV1(), AWS: w.reads, Events: &record.FakeRecorder{}, Metrics: unmeasured{},
		Token: func(ctx context.Context) (*opqueue.Token, error) {
			return clients.ReadToken(ctx, awsapi.ClassReadiness)
		},
		Log: slog.New(slog.DiscardHandler), Latch: true, Timeout: 10 * time.Minute,
	})
	return w.product.addSyncer(api{told, clients}, fixed(w.bindings()))
}

// tellsGates stands between the Syncer and AWS, and tells the gates what AWS took.
type tellsGates struct {
	syncer.TargetAPI
	w *gated
}

// RegisterTargets implements syncer.TargetAPI.
func (a tellsGates) RegisterTargets(ctx context.Context, arn string, all []target.Target, zone func(netip.Addr) string) error {
	err := a.TargetAPI.RegisterTargets(ctx, arn, all, zone)
	if err == nil {
		a.w.gates.Registered(arn, a.w.registrations(all))
	}
	return err
}

// DeregisterTargets implements syncer.TargetAPI.
func (a tellsGates) DeregisterTargets(ctx context.Context, arn string, all []target.Target) error {
	err := a.TargetAPI.DeregisterTargets(ctx, arn, all)
	if err == nil {
		a.w.gates.Deregistered(arn, all)
	}
	return err
}

// DescribeTargetHealth implements syncer.TargetAPI.
func (a tellsGates) DescribeTargetHealth(ctx context.Context, arn string) ([]awsapi.TargetHealth, error) {
	began := time.Now()
	health, err := a.TargetAPI.DescribeTargetHealth(ctx, arn)
	if err == nil {
		a.w.gates.Observed(arn, began, health)
	}
	return health, err
}

// registrations names the pods behind targets.
func (w *gated) registrations(all []target.Target) []readiness.Registration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var pods []readiness.Registration
	for _, t := range all {
		if uid, ok := w.uids[number(t.IP)]; ok {
			pods = append(pods, readiness.Registration{Target: t, Pod: podName(number(t.IP)), UID: uid})
		}
	}
	return pods
}

// Pod implements readiness.Cluster.
func (w *gated) Pod(name types.NamespacedName) *endpoints.Pod {
	obj, _, _ := w.pods.GetStore().GetByKey(name.String())
	pod, _ := obj.(*endpoints.Pod)
	return pod
}

// Groups implements readiness.Cluster: a pod is in the group that it replaces a pod of.
func (w *gated) Groups(pod *endpoints.Pod) ([]readiness.Membership, bool) {
	g := w.groupOf(pod.Labels["group"])
	m := readiness.Membership{Binding: groupName(g), GroupARN: w.arns[g], Check: checked}
	if pod.IPs[0].IsValid() {
		m.Target = target.Target{IP: pod.IPs[0], Port: targetPort}
	}
	return []readiness.Membership{m}, true
}

// Gated implements readiness.Cluster: the informer tells of each pod.
func (*gated) Gated() iter.Seq[types.NamespacedName] { return func(func(types.NamespacedName) bool) {} }

// dialHealthy connects to a target that answers its health check at once.
func dialHealthy(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go func() {
		defer far.Close() //nolint:errcheck // nothing is left to be lost
		if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
			_, _ = far.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		}
	}()
	return near, nil
}
