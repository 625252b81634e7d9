package bench

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
)

// The daemon's own settings.
const (
	batchSize     = 200
	batchInterval = 200 * time.Millisecond
	auditInterval = 10 * time.Minute
	gracePeriod   = time.Minute
	gateTimeout   = 10 * time.Minute
	leaseDuration = 6 * time.Second

	provisionAuditInterval = time.Hour
	replaceTimeout         = 5 * time.Minute
	lbLinger               = 10 * time.Minute
)

// product is the Syncer as the daemon runs it, over a fake cluster. A change is an
// update of an EndpointSlice.
type product struct {
	kube      kubernetes.Interface
	informers *syncer.Informers
	syncer    *syncer.Syncer
	slices    []*discoveryv1.EndpointSlice // by group
	beside    []part                       // none: everything is provisioned already
	// liveSince is since when nobody has led; zero: nobody ever did.
	liveSince time.Time
	order     opqueue.Order // nil: the daemon's own
}

var _ Engine = (*product)(nil)

// newProduct returns what makes the engine for a world that provisioned everything
// before.
func newProduct(order opqueue.Order) func(context.Context, *world) (Engine, error) {
	return func(ctx context.Context, w *world) (Engine, error) {
		return makeProduct(ctx, w, order)
	}
}

func makeProduct(ctx context.Context, w *world, order opqueue.Order) (Engine, error) {
	clients, err := w.clients(ctx)
	if err != nil {
		return nil, err
	}
	p := &product{liveSince: time.Now().Add(-leaseDuration), order: order}
	var objects []runtime.Object
	for g := range w.trace.Groups {
		p.slices = append(p.slices, heldSlice(g, w.held(g)))
		objects = append(objects, service(g), p.slices[g].DeepCopy())
	}
	p.kube = newCluster(objects)
	if p.informers, err = syncer.NewInformers(nil, p.kube); err != nil {
		return nil, err
	}
	return p, p.addSyncer(api{clients.ELB, clients}, fixed(w.bindings()))
}

// newCluster makes a cluster of the given objects. It does not track field managers,
// which nothing here uses: that would take ten times as long.
func newCluster(objects []runtime.Object) *fake.Clientset {
	return fake.NewSimpleClientset(objects...)
}

// api is what the Syncer needs of AWS.
type api struct {
	syncer.TargetAPI
	syncer.Tokens
}

func (p *product) addSyncer(aws api, source syncer.Source) (err error) {
	p.syncer, err = syncer.New(p.options(aws, source, batchInterval))
	return err
}

// options are those of the daemon.
func (p *product) options(aws api, source syncer.Source, gap time.Duration) syncer.Options {
	return syncer.Options{
		AWS: aws, Tokens: aws, Source: source, Informers: p.informers, Metrics: unmeasured{},
		Events: &record.FakeRecorder{}, Log: slog.New(slog.DiscardHandler),
		BatchSize: batchSize, BatchInterval: gap, AuditInterval: auditInterval,
		GracePeriod: gracePeriod, FailOpen: true, Live: syncer.ReadLiveSlices(p.kube.DiscoveryV1()), LiveSince: p.liveSince,
		Pods: p.kube.CoreV1(), GateLatch: true, GateTimeout: gateTimeout,
		Order: p.order,
	}
}

// Run implements Engine.
func (p *product) Run(ctx context.Context) error {
	p.informers.Start(ctx.Done())
	defer p.informers.Shutdown()
	g, ctx := errgroup.WithContext(ctx)
	for _, beside := range append([]part{{targetsPart, p.syncer.Run}}, p.beside...) {
		g.Go(func() error { return beside.run(withPart(ctx, beside.name)) })
	}
	return g.Wait()
}

// Change implements Engine. A target that is unwanted is a pod that terminates and
// still serves; it stays in the slice as long as the trace takes.
func (p *product) Change(ctx context.Context, changes []Change) error {
	slice := p.slices[changes[0].Group]
	apply(slice, changes, time.Now())
	_, err := p.kube.DiscoveryV1().EndpointSlices(slice.Namespace).Update(ctx, slice.DeepCopy(), metav1.UpdateOptions{})
	return err
}

// apply changes a slice as the EndpointSlice controller would.
func apply(slice *discoveryv1.EndpointSlice, changes []Change, at time.Time) {
	for _, c := range changes {
		if c.Operation == Register {
			slice.Endpoints = append(slice.Endpoints, ready(address(c.Target)))
			continue
		}
		ip := address(c.Target).IP.String()
		for i := range slice.Endpoints {
			if slice.Endpoints[i].Addresses[0] == ip {
				slice.Endpoints[i].Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}
			}
		}
	}
	slice.Annotations[corev1.EndpointsLastChangeTriggerTime] = at.Format(time.RFC3339Nano)
}

func ready(t target.Target) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses:  []string{t.IP.String()},
		Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
	}
}

// heldSlice is the slice of a group that has not changed for an hour.
func heldSlice(g int, held []target.Target) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: groupName(g), Labels: map[string]string{discoveryv1.LabelServiceName: groupName(g)},
			Annotations: map[string]string{corev1.EndpointsLastChangeTriggerTime: time.Now().Add(-time.Hour).Format(time.RFC3339Nano)},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new(""), Protocol: new(corev1.ProtocolTCP), Port: new(int32(targetPort))}},
	}
	for _, t := range held {
		slice.Endpoints = append(slice.Endpoints, ready(t))
	}
	return slice
}

func service(g int) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: groupName(g)},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Ports: []corev1.ServicePort{{Port: targetPort}}},
	}
}

// fixed is a provisioner that has nothing left to do.
type fixed []target.Binding

// Bindings implements syncer.Source.
func (f fixed) Bindings() []target.Binding { return f }

// Missing implements syncer.Source.
func (fixed) Missing() ([]target.Binding, bool) { return nil, true }

// Changed implements syncer.Source: never.
func (fixed) Changed() <-chan struct{} { return nil }

// unmeasured is for a Syncer whose calls are measured at AWS.
type unmeasured struct{}

// TargetsProgrammed implements syncer.Metrics.
func (unmeasured) TargetsProgrammed(string, int, time.Duration) {}

// DriftFound implements syncer.Metrics.
func (unmeasured) DriftFound(int) {}

// GuardHolds implements syncer.Metrics.
func (unmeasured) GuardHolds(string) {}

// GateOpened implements syncer.Metrics.
func (unmeasured) GateOpened(_, _ time.Duration) {}

// GateTimedOut implements syncer.Metrics.
func (unmeasured) GateTimedOut() {}

// GroupPass implements provision.Metrics.
func (unmeasured) GroupPass(string, time.Duration) {}
