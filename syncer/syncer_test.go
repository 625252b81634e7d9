package syncer_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
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

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The simulated answers take as long as AWS's do.
const callLatency = 60 * time.Millisecond

// world is a cluster, an account and a Syncer between them, in virtual time. The
// SDK is the real one; only its HTTP transport is in process.
type world struct {
	t       *testing.T
	kube    *fake.Clientset
	sim     *awssim.Sim
	aws     *awsapi.Clients
	source  *source
	metrics *recorder
	stop    func()
}

// inWorld runs a test in a bubble of virtual time.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Setenv("AWS_REGION", "ap-northeast-3")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	synctest.Test(t, func(t *testing.T) {
		sim, err := awssim.New(awssim.Options{
			Latency: callLatency,
			VPCs: []awssim.VPC{{ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
				{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17"},
			}}},
		})
		require.NoError(t, err)
		aws, err := awsapi.New(t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: sim.Transport()}})
		require.NoError(t, err)
		w := &world{t: t, kube: fake.NewClientset(), sim: sim, aws: aws, metrics: &recorder{}}
		w.source = &source{changed: make(chan struct{}, 1)}
		defer func() { w.stop() }()
		test(w)
	})
}

// source is a provisioner that does as it is told.
type source struct {
	mu       sync.Mutex
	bindings []target.Binding
	changed  chan struct{}
}

func (s *source) Bindings() []target.Binding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bindings)
}

func (s *source) Changed() <-chan struct{} { return s.changed }

func (s *source) set(bindings ...target.Binding) {
	s.mu.Lock()
	s.bindings = bindings
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
}

func (r *recorder) TargetsProgrammed(_ string, _ int, latency time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latencies = append(r.latencies, latency)
}

// start starts a Syncer, as a daemon that has just come up.
func (w *world) start() {
	w.t.Helper()
	informers, err := syncer.NewInformers(w.kube)
	require.NoError(w.t, err)
	s, err := syncer.New(syncer.Options{
		AWS: w.aws.ELB, Source: w.source, Informers: informers, Metrics: w.metrics, Log: slog.New(slog.DiscardHandler),
		BatchSize: 200, BatchInterval: 200 * time.Millisecond,
	})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	informers.Start(ctx.Done())
	var running sync.WaitGroup
	running.Go(func() { require.NoError(w.t, s.Run(ctx)) })
	w.stop = func() {
		cancel()
		running.Wait()
		informers.Shutdown()
	}
	w.settle()
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
	return target.Binding{
		GroupARN: g.ARN, GroupName: name, Service: types.NamespacedName{Namespace: "demo0", Name: name},
		ServicePort: intstr.FromInt32(8000),
	}
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

func TestOneChangeIsOneCallAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		require.Equal(t, []string{"10.0.0.1"}, w.registered(b))

		began := time.Now()
		w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
		w.settle()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2"}, w.registered(b))
		calls := w.calls("RegisterTargets", began)
		require.Len(t, calls, 1)
		require.Equal(t, callLatency/2, calls[0].Time.Sub(began), "the call left in the instant of the change")
		require.Equal(t, callLatency, w.metrics.latencies[len(w.metrics.latencies)-1])

		began = time.Now()
		w.endpoints("echo0", "10.0.0.2")
		w.settle()
		require.Equal(t, []string{"10.0.0.2"}, w.registered(b))
		require.Len(t, w.calls("DeregisterTargets", began), 1)
		require.Empty(t, w.calls("RegisterTargets", began))
	})
}

func TestBurstIsBatched(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		began := time.Now()
		var ips []string
		for n := range 50 { // one more pod every 20 ms
			ips = append(ips, fmt.Sprintf("10.0.1.%d", n))
			w.endpoints("echo0", ips...)
			time.Sleep(20 * time.Millisecond)
		}
		w.settle()
		require.Len(t, w.registered(b), 50)
		// Once at once, then one call per interval and latency, for a second.
		require.LessOrEqual(t, len(w.calls("RegisterTargets", began)), 6)
	})
}

func TestManyTargetsGoInChunks(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		began := time.Now()
		ip := netip.MustParseAddr("10.0.2.0")
		var ips []string
		for range 450 {
			ips = append(ips, ip.String())
			ip = ip.Next()
		}
		w.endpoints("echo0", ips...)
		w.settle()
		require.Len(t, w.registered(b), 450)
		require.Len(t, w.calls("RegisterTargets", began), 3)
	})
}

func TestConvergesAfterFaults(t *testing.T) {
	tests := map[string]awssim.Fault{
		"an error five times":           {Times: 5, Code: "InternalFailure", Status: http.StatusInternalServerError},
		"refused five times":            {Times: 5, Code: "ValidationError"},
		"throttled five times":          {Times: 5, Throttle: true},
		"the response is lost":          {Times: 1, LoseResponse: true},
		"slow calls":                    {Times: 3, Latency: 3 * time.Second},
		"every response lost for a bit": {Times: 3, LoseResponse: true},
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				b := w.service("echo0")
				w.source.set(b)
				w.start()
				for _, action := range []string{"RegisterTargets", "DeregisterTargets"} {
					fault.Action = action
					w.sim.Inject(fault)
				}
				w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
				time.Sleep(50 * time.Millisecond)
				w.endpoints("echo0", "10.0.0.2", "10.0.0.3")
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				require.Equal(t, []string{"10.0.0.2", "10.0.0.3"}, w.registered(b))
			})
		})
	}
}

func TestRestartFindsWhatChanged(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
		w.source.set(b)
		w.start()
		w.stop()
		w.endpoints("echo0", "10.0.0.2", "10.0.0.3")
		began := time.Now()
		w.start()
		require.Equal(t, []string{"10.0.0.2", "10.0.0.3"}, w.registered(b))
		require.Len(t, w.calls("RegisterTargets", began), 1)
		require.Len(t, w.calls("DeregisterTargets", began), 1)
	})
}

func TestRestartWithNothingChangedMutatesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		w.stop()
		began := time.Now()
		w.start()
		require.Empty(t, w.calls("RegisterTargets", began))
		require.Empty(t, w.calls("DeregisterTargets", began))
	})
}

func TestMissingServiceHoldsItsTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		require.NoError(t, w.kube.CoreV1().Services("demo0").Delete(t.Context(), "echo0", metav1.DeleteOptions{}))
		w.endpoints("echo0")
		w.settle()
		require.Equal(t, []string{"10.0.0.1"}, w.registered(b), "not found is not zero")
		w.addService("echo0")
		w.settle()
		require.Empty(t, w.registered(b), "the Service is back, and has no endpoints")
	})
}

func TestStopFinishesCallsUnderWay(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		w.sim.Inject(awssim.Fault{Action: "RegisterTargets", Latency: 2 * time.Second})
		w.endpoints("echo0", "10.0.0.1")
		time.Sleep(time.Second)
		w.stop()
		require.Equal(t, []string{"10.0.0.1"}, w.registered(b))
	})
}

// TestOneSickGroupDoesNotSlowAnother has every call for one group hang.
func TestOneSickGroupDoesNotSlowAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		sick, well := w.service("sick"), w.service("well")
		w.source.set(sick, well)
		w.start()
		w.sim.Inject(awssim.Fault{Action: "RegisterTargets", Times: 1, Latency: 30 * time.Second})
		w.endpoints("sick", "10.0.0.1")
		time.Sleep(time.Second)
		began := time.Now()
		w.endpoints("well", "10.0.0.2")
		time.Sleep(callLatency)
		synctest.Wait()
		require.Equal(t, []string{"10.0.0.2"}, w.registered(well))
		require.Len(t, w.calls("RegisterTargets", began), 1)
	})
}
