package readiness

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
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
	kubesim.DisableErrorBackoff()
	goleak.VerifyTestMain(m)
}

const (
	namespace = "ns"
	zoneA     = "ap-northeast-3a"
	agent     = "tgsync"
)

// check is quick, so that tests are short; its verdict takes 22 s.
var check = Check{Interval: 10 * time.Second, Timeout: 2 * time.Second, UnhealthyThreshold: 2}

// pinned is how long a load balancer takes to know a target.
var pinned = awssim.Switches{RegisterDelay: awssim.Span{Min: time.Second, Max: 5 * time.Second}}

// world is a cluster, an account and Gates between them, in virtual time. The SDK and
// client-go are the real ones; only their transports are in process.
type world struct {
	t       *testing.T
	sim     *awssim.Sim
	network *awssim.PipeNet
	elb     *awsapi.ELB // of the test
	kube    *kubesim.Server
	admin   kubernetes.Interface
	latch   bool
	share   float64 // of AWS's rates, of the process
	deaf    bool    // nobody tells the gates of pods

	gates *Gates
	pods  cache.SharedIndexInformer
	stop  func()

	mu       sync.Mutex // guards all below
	known    bool
	bindings []binding
	silent   map[string]*atomic.Bool // pods that do not answer, by address
	events   []string
	opened   []time.Duration // lags
	reads    []string        // groups that were read
}

// binding is a target group and the pods that it takes: all of a label's value.
type binding struct {
	Membership
	app string
}

// inWorld runs a test in a bubble. The world begins with load balancers but no groups,
// and Gates do not run yet.
func inWorld(t *testing.T, o awssim.Options, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, network: &awssim.PipeNet{}, latch: true, share: 1, known: true, silent: map[string]*atomic.Bool{}}
		o.Listen, o.Dial, o.Latency = w.network.Listen, w.network.Dial, 60*time.Millisecond
		o.VPCs = []awssim.VPC{{ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
			{ID: "subnet-a", Zone: zoneA, CIDR: "10.0.0.0/17"}, {ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.128.0/17"},
		}}}
		var err error
		w.sim, err = awssim.New(o)
		require.NoError(t, err)
		w.elb = w.clients(1).ELB
		w.kube = kubesim.New(kubesim.Options{Latency: 10 * time.Millisecond})
		w.admin, err = kubernetes.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.sim.Run(ctx) }()
		defer func() {
			if w.stop != nil {
				w.stop()
			}
			cancel()
			<-ended
			w.kube.Close()
		}()
		test(w)
	})
}

func (w *world) clients(share float64) *awsapi.Clients {
	w.t.Helper()
	c, err := awsapi.New(w.t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: w.sim.Transport()}, Share: share})
	require.NoError(w.t, err)
	return c
}

// start starts Gates, as a fresh process would.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	aws := w.clients(w.share)
	config := w.kube.Config()
	config.UserAgent = agent
	client, err := kubernetes.NewForConfig(config)
	require.NoError(w.t, err)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(func(obj any) (any, error) {
		if pod, ok := obj.(*corev1.Pod); ok {
			return endpoints.PodOf(pod), nil
		}
		return obj, nil
	}))
	w.pods = factory.Core().V1().Pods().Informer()
	w.gates = New(Options{
		Cluster: w, Pods: client.CoreV1(), AWS: reader{w, aws.ELB}, Events: w, Metrics: w, Latch: w.latch, Timeout: timeout,
		Token: func(ctx context.Context) (*opqueue.Token, error) { return aws.ReadToken(ctx, awsapi.ClassReadiness) },
		Log:   slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
	changed := func(obj any) {
		if pod, ok := obj.(*endpoints.Pod); ok && !w.deaf {
			w.gates.PodChanged(nameOf(pod))
		}
	}
	_, err = w.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: changed, UpdateFunc: func(_, obj any) { changed(obj) }, DeleteFunc: changed,
	})
	require.NoError(w.t, err)
	factory.StartWithContext(ctx)
	require.True(w.t, cache.WaitForCacheSync(ctx.Done(), w.pods.HasSynced))
	ended := make(chan error, 1)
	go func() { ended <- w.gates.Run(ctx) }()
	w.stop = func() {
		cancel()
		require.NoError(w.t, <-ended)
		factory.Shutdown()
		w.stop = nil
	}
}

// reader notes which groups are read.
type reader struct {
	w *world
	HealthReader
}

func (r reader) DescribeTargetHealth(ctx context.Context, arn string) ([]awsapi.TargetHealth, error) {
	r.w.mu.Lock()
	r.w.reads = append(r.w.reads, arn)
	r.w.mu.Unlock()
	return r.HealthReader.DescribeTargetHealth(ctx, arn)
}

// Pod implements Cluster.
func (w *world) Pod(name types.NamespacedName) *endpoints.Pod {
	obj, _, _ := w.pods.GetStore().GetByKey(name.String())
	pod, _ := obj.(*endpoints.Pod)
	return pod
}

// Groups implements Cluster.
func (w *world) Groups(pod *endpoints.Pod) ([]Membership, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var in []Membership
	for _, b := range w.bindings {
		if b.app == pod.Labels["app"] {
			m := b.Membership
			if pod.IPs[0].IsValid() {
				m.Target = target.Target{IP: pod.IPs[0], Port: 80}
			}
			in = append(in, m)
		}
	}
	return in, w.known
}

// Gated implements Cluster.
func (w *world) Gated() iter.Seq[types.NamespacedName] {
	return func(yield func(types.NamespacedName) bool) {
		for _, obj := range w.pods.GetStore().List() {
			if pod, ok := obj.(*endpoints.Pod); ok && len(pod.Gates) > 0 && !yield(nameOf(pod)) {
				return
			}
		}
	}
}

// Eventf implements Events.
func (w *world) Eventf(object runtime.Object, eventType, reason, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod, ok := object.(*corev1.Pod)
	require.True(w.t, ok)
	require.NotEmpty(w.t, pod.UID)
	w.events = append(w.events, eventType+" "+reason+" "+fmt.Sprintf(format, args...))
}

// GateOpened implements Metrics.
func (w *world) GateOpened(_, lag time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened = append(w.opened, lag)
}

// GateTimedOut implements Metrics.
func (w *world) GateTimedOut() {}

// group makes a target group that a load balancer of its own forwards to, and binds it
// to the pods of an app.
func (w *world) group(name, app string) string {
	w.t.Helper()
	g := w.unused(name, app)
	ctx := w.t.Context()
	lb, err := w.elb.CreateLoadBalancer(ctx, awsapi.LoadBalancer{Name: name, Type: "application", Scheme: "internal", SubnetIDs: []string{"subnet-a", "subnet-b"}})
	require.NoError(w.t, err)
	_, err = w.elb.CreateListener(ctx, awsapi.Listener{
		LoadBalancerARN: lb.ARN, Port: 80, Protocol: "HTTP",
		DefaultActions: []awsapi.Action{{Type: "forward", Forward: []awsapi.WeightedTargetGroup{{ARN: g, Weight: 1}}}},
	})
	require.NoError(w.t, err)
	return g
}

// unused makes a target group that nothing forwards to.
func (w *world) unused(name, app string) string {
	w.t.Helper()
	g, err := w.elb.CreateTargetGroup(w.t.Context(), awsapi.TargetGroup{
		Name: name, Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: "vpc-1",
		HealthCheck: awsapi.HealthCheck{IntervalSeconds: 10, TimeoutSeconds: 2, UnhealthyThreshold: 2, HealthyThreshold: 2},
	})
	require.NoError(w.t, err)
	w.bind(binding{Membership{Binding: name, GroupARN: g.ARN, Check: check}, app})
	return g.ARN
}

// bind adds a binding, or replaces the one of that name.
func (w *world) bind(b binding) {
	w.mu.Lock()
	w.bindings = append(slices.DeleteFunc(w.bindings, func(o binding) bool { return o.Binding == b.Binding }), b)
	w.mu.Unlock()
	if w.gates != nil {
		w.gates.Rebound()
	}
}

// unbind removes a binding.
func (w *world) unbind(name string) {
	w.mu.Lock()
	w.bindings = slices.DeleteFunc(w.bindings, func(o binding) bool { return o.Binding == name })
	w.mu.Unlock()
	w.gates.Rebound()
}

// run makes a pod whose containers are ready, at 10.0.0.n, and that answers.
func (w *world) run(name, app string, n int, gates ...string) types.UID {
	w.t.Helper()
	ip := fmt.Sprintf("10.0.%d.%d", n/256, n%256)
	w.serve(ip)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": app}}, Spec: corev1.PodSpec{NodeName: "n"}}
	for _, gate := range gates {
		pod.Spec.ReadinessGates = append(pod.Spec.ReadinessGates, corev1.PodReadinessGate{ConditionType: corev1.PodConditionType(gate)})
	}
	pods := w.admin.CoreV1().Pods(namespace)
	made, err := pods.Create(w.t.Context(), pod, metav1.CreateOptions{})
	require.NoError(w.t, err)
	made.Status.PodIP, made.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	_, err = pods.UpdateStatus(w.t.Context(), made, metav1.UpdateOptions{})
	require.NoError(w.t, err)
	w.containers(name, corev1.ConditionTrue)
	return made.UID
}

// serve lets something answer at an address.
func (w *world) serve(ip string) {
	w.t.Helper()
	if w.silent[ip] != nil {
		return
	}
	silent := &atomic.Bool{}
	w.silent[ip] = silent
	l, err := w.network.Listen(w.t.Context(), "tcp", ip+":80")
	require.NoError(w.t, err)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if silent.Load() {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	ended := make(chan error)
	go func() { ended <- server.Serve(l) }()
	w.t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
}

// containers sets the pod's ContainersReady, as its kubelet does.
func (w *world) containers(name string, status corev1.ConditionStatus) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"ContainersReady","status":%q,"lastTransitionTime":%q}]}}`, status, time.Now().UTC().Format(time.RFC3339))
	_, err := w.admin.CoreV1().Pods(namespace).Patch(w.t.Context(), name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	require.NoError(w.t, err)
}

func (w *world) delete(name string) {
	w.t.Helper()
	require.NoError(w.t, w.admin.CoreV1().Pods(namespace).Delete(w.t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}))
}

// register registers pods in a group as the Syncer does.
func (w *world) register(arn string, names ...string) {
	w.t.Helper()
	var targets []target.Target
	var all []Registration
	for _, name := range names {
		pod := w.get(name)
		at := target.Target{IP: netip.MustParseAddr(pod.Status.PodIP), Port: 80}
		targets = append(targets, at)
		all = append(all, Registration{Target: at, Pod: types.NamespacedName{Namespace: namespace, Name: name}, UID: pod.UID})
	}
	require.NoError(w.t, w.elb.RegisterTargets(w.t.Context(), arn, targets, nil))
	if w.gates != nil {
		w.gates.Registered(arn, all)
	}
}

// deregister deregisters the target at 10.0.0.n.
func (w *world) deregister(arn string, n int) {
	w.t.Helper()
	at := target.Target{IP: netip.AddrFrom4([4]byte{10, 0, byte(n / 256), byte(n % 256)}), Port: 80}
	require.NoError(w.t, w.elb.DeregisterTargets(w.t.Context(), arn, []target.Target{at}))
	w.gates.Deregistered(arn, []target.Target{at})
}

func (w *world) get(name string) *corev1.Pod {
	w.t.Helper()
	pod, err := w.admin.CoreV1().Pods(namespace).Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	return pod
}

// says returns the status, reason and message of a pod's gate; empty: it has no
// condition.
func (w *world) says(name, gate string) string {
	w.t.Helper()
	c := conditionOf(w.get(name).Status.Conditions, gate)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s %s %s", c.Status, c.Reason, c.Message)
}

// patches returns how many requests have changed pods, or tried to.
func (w *world) patches() int {
	n := 0
	for _, c := range w.kube.Calls() {
		if c.Verb == "patch" && c.Resource == "pods" && c.Subresource == "status" && c.UserAgent == agent {
			n++
		}
	}
	return n
}

// readsOf returns how many reads there were of each group.
func (w *world) readsOf() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[string]int{}
	for _, arn := range w.reads {
		n[arn]++
	}
	return n
}

// healthyAt returns since when a pod's target is healthy; zero: it is not.
func (w *world) healthyAt(arn, name string) time.Time {
	w.t.Helper()
	ip := netip.MustParseAddr(w.get(name).Status.PodIP)
	for _, t := range w.sim.Targets(arn) {
		if t.Address.Addr() == ip {
			return t.Healthy
		}
	}
	return time.Time{}
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// until lets time pass in steps of 10 ms until something is so, and returns how long it
// took: at most a minute.
func (w *world) until(what string, is func() bool) time.Duration {
	w.t.Helper()
	began := time.Now()
	for !is() {
		require.Less(w.t, time.Since(began), time.Minute, what)
		pass(10 * time.Millisecond)
	}
	return time.Since(began)
}

const open = "True  "

// isOpen reports whether all gates of all pods named are open.
func (w *world) isOpen(gate string, names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !isOpen(conditionOf(w.get(name).Status.Conditions, gate)) })
}

// names returns the names of n pods.
func names(prefix string, n int) []string {
	all := map[string]bool{}
	for i := range n {
		all[fmt.Sprintf("%s%03d", prefix, i)] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func deletion(seconds int64) metav1.DeleteOptions {
	return metav1.DeleteOptions{GracePeriodSeconds: &seconds}
}
