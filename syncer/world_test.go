package syncer_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/lease"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The simulated answers take as long as AWS's do.
const callLatency = 60 * time.Millisecond

// targetQuota is small, but not too small for tests that are not about it: those
// do not attach their groups to a load balancer.
const targetQuota = 30

const (
	auditInterval = 10 * time.Minute
	gracePeriod   = time.Minute
)

// world is a cluster, an account and a Syncer between them, in virtual time. The
// SDK is the real one; only its HTTP transport is in process.
type world struct {
	t       *testing.T
	kube    *fake.Clientset
	sim     *awssim.Sim
	aws     *awsapi.Clients
	source  *source
	metrics *recorder
	events  *record.FakeRecorder
	syncer  *syncer.Syncer
	stop    func()
	lose    func() // stops as if the Lease were lost
	// liveSince is since when nobody leads, for the next start.
	liveSince time.Time
	// maxTargets is the most that a group gets; 0: any number.
	maxTargets int
	// adjust changes the options of the next start; nil: it does not.
	adjust func(*syncer.Options)
}

// inWorld runs a test in a bubble of virtual time.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	inWorldWith(t, awssim.Switches{}, test)
}

func inWorldWith(t *testing.T, switches awssim.Switches, test func(w *world)) {
	t.Helper()
	t.Setenv("AWS_REGION", "ap-northeast-3")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	synctest.Test(t, func(t *testing.T) {
		sim, err := awssim.New(awssim.Options{
			Latency: callLatency, Switches: switches,
			VPCs: []awssim.VPC{{ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
				{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17"},
				{ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.128.0/17"},
			}}},
			Quotas: awssim.Quotas{TargetsPerLoadBalancer: targetQuota},
		})
		require.NoError(t, err)
		aws, err := awsapi.New(t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: sim.Transport()}})
		require.NoError(t, err)
		w := &world{t: t, kube: fake.NewClientset(), sim: sim, aws: aws, metrics: &recorder{}, events: record.NewFakeRecorder(100)}
		w.source = &source{changed: make(chan struct{}, 1)}
		defer func() { w.stop() }()
		test(w)
	})
}

// source is a provisioner that does as it is told.
type source struct {
	mu       sync.Mutex
	bindings []target.Binding
	missing  []target.Binding
	unread   bool // what is missing is not known yet
	changed  chan struct{}
}

func (s *source) Bindings() []target.Binding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bindings)
}

func (s *source) Missing() ([]target.Binding, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.missing), !s.unread
}

func (s *source) Changed() <-chan struct{} { return s.changed }

func (s *source) set(bindings ...target.Binding) {
	s.change(func() { s.bindings = bindings })
}

func (s *source) change(how func()) {
	s.mu.Lock()
	how()
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// recorder keeps the latencies of calls that AWS accepted.
type recorder struct {
	mu        sync.Mutex
	latencies []time.Duration
	drift     int
	holds     map[string]int
	lags      []time.Duration // of gates that were opened
}

func (r *recorder) TargetsProgrammed(_ string, _ int, latency time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latencies = append(r.latencies, latency)
}

func (r *recorder) DriftFound(targets int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drift += targets
}

func (r *recorder) GuardHolds(guard string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holds == nil {
		r.holds = map[string]int{}
	}
	r.holds[guard]++
}

func (r *recorder) GateOpened(_, lag time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lags = append(r.lags, lag)
}

func (r *recorder) GateTimedOut() {}

// options are those of a Syncer in this world.
func (w *world) options(informers *syncer.Informers) syncer.Options {
	return syncer.Options{
		AWS: w.aws.ELB, Tokens: w.aws, Source: w.source, Informers: informers, Metrics: w.metrics, Log: slog.New(slog.DiscardHandler),
		Live: syncer.ReadLiveSlices(w.kube.DiscoveryV1()), Events: w.events,
		BatchSize: 200, MaxTargets: w.maxTargets, BatchInterval: 200 * time.Millisecond, AuditInterval: auditInterval,
		GracePeriod: gracePeriod, FailOpen: true, LiveSince: w.liveSince,
		Pods: w.kube.CoreV1(), GateLatch: true, GateTimeout: 10 * time.Minute,
		Roles: func(r target.Role) (syncer.TargetAPI, syncer.Tokens) {
			c := w.aws.Assume(r)
			return c.ELB, c
		},
	}
}

// parked returns how many targets are parked, by reason.
func (w *world) parked() map[string]int {
	count := map[string]int{}
	for _, st := range w.syncer.Status() {
		for reason, n := range st.Parked {
			count[reason] += n
		}
	}
	return count
}

// start starts a Syncer, as a daemon that has just come up.
func (w *world) start() {
	w.t.Helper()
	w.startOnly()
	w.settle()
}

func (w *world) startOnly() {
	w.t.Helper()
	informers, err := syncer.NewInformers(nil, w.kube)
	require.NoError(w.t, err)
	o := w.options(informers)
	if w.adjust != nil {
		w.adjust(&o)
	}
	s, err := syncer.New(o)
	require.NoError(w.t, err)
	w.syncer = s
	ctx, cancel := context.WithCancelCause(w.t.Context())
	informers.Start(ctx.Done())
	var running sync.WaitGroup
	running.Go(func() { require.NoError(w.t, s.Run(ctx)) })
	end := func(cause error) {
		cancel(cause)
		running.Wait()
		informers.Shutdown()
	}
	w.stop = func() { end(nil) }
	w.lose = func() { end(lease.ErrLost) }
}

// settle lets everything that is under way come to rest.
func (w *world) settle() {
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

// service makes a Service with a target group that is bound to it.
func (w *world) service(name string) target.Binding {
	w.t.Helper()
	w.addService(name)
	g, err := w.aws.ELB.CreateTargetGroup(w.t.Context(), awsapi.TargetGroup{
		Name: name, Port: 8000, Protocol: "HTTP", TargetType: "ip", VPCID: "vpc-1",
	})
	require.NoError(w.t, err)
	b := w.serviceBinding(name)
	b.GroupARN = g.ARN
	return b
}

// serviceBinding is a binding of a Service to a group of its name.
func (w *world) serviceBinding(name string) target.Binding {
	return target.Binding{
		GroupName: name, Service: types.NamespacedName{Namespace: "demo0", Name: name}, ServicePort: intstr.FromInt32(8000),
	}
}

// attach makes a load balancer that forwards to a binding's group: quotas are of
// load balancers.
func (w *world) attach(b target.Binding) {
	w.t.Helper()
	lb, err := w.aws.ELB.CreateLoadBalancer(w.t.Context(), awsapi.LoadBalancer{
		Name: "lb", Scheme: "internal", SubnetIDs: []string{"subnet-a", "subnet-b"},
	})
	require.NoError(w.t, err)
	_, err = w.aws.ELB.CreateListener(w.t.Context(), awsapi.Listener{
		LoadBalancerARN: lb.ARN, Port: 80, Protocol: "HTTP",
		DefaultActions: []awsapi.Action{{Type: "forward", Forward: []awsapi.WeightedTargetGroup{{ARN: b.GroupARN, Weight: 1}}}},
	})
	require.NoError(w.t, err)
}

func (w *world) addService(name string) {
	w.t.Helper()
	_, err := w.kube.CoreV1().Services("demo0").Create(w.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8000}}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// endpoints makes the pods of a Service: ready addresses.
func (w *world) endpoints(service string, ips ...string) {
	w.t.Helper()
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "demo0", Name: service, Labels: map[string]string{discoveryv1.LabelServiceName: service},
			Annotations: map[string]string{corev1.EndpointsLastChangeTriggerTime: time.Now().Format(time.RFC3339Nano)},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new(""), Port: new(int32(8000))}},
	}
	for _, ip := range ips {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip}})
	}
	slices := w.kube.DiscoveryV1().EndpointSlices("demo0")
	if _, err := slices.Update(w.t.Context(), slice, metav1.UpdateOptions{}); err != nil {
		_, err = slices.Create(w.t.Context(), slice, metav1.CreateOptions{})
		require.NoError(w.t, err)
	}
}

// registered returns the addresses that AWS has, without those that drain.
func (w *world) registered(b target.Binding) []string {
	w.t.Helper()
	health, err := w.aws.ELB.DescribeTargetHealth(w.t.Context(), b.GroupARN)
	require.NoError(w.t, err)
	ips := []string{}
	for _, h := range health {
		if h.State != awsapi.StateDraining {
			ips = append(ips, h.Target.IP.String())
		}
	}
	slices.Sort(ips)
	return ips
}

// calls returns the calls of an action since a moment.
func (w *world) calls(action string, since time.Time) []awssim.Call {
	return slices.DeleteFunc(w.sim.Calls(), func(c awssim.Call) bool { return c.Action != action || c.Time.Before(since) })
}
