package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/metrics"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/lease"
	"github.com/tgsync/tgsync/syncer/target"
)

// The daemon's own settings.
const (
	batchSize          = 200
	batchInterval      = 200 * time.Millisecond
	auditInterval      = 10 * time.Minute
	gracePeriod        = time.Minute
	gateTimeout        = 10 * time.Minute
	apiShare           = 0.8
	leaseName          = "tgsync"
	leaseDuration      = 6 * time.Second
	leaseRenewDeadline = 4 * time.Second
	leaseRetryPeriod   = time.Second
)

// errKilled is what a process that was killed gets for every request: nothing of it
// reaches anybody.
var errKilled = errors.New("the process was killed")

// daemon is one process, put together as cmd/tgsync does it, without provisioning. One
// that has a name stands for election; one without leads as long as it runs.
type daemon struct {
	name      string
	identity  string // in the Lease: no two processes ever have the same
	world     *World
	metrics   *metrics.Metrics
	fence     *lease.Fence // nil: nothing is fenced
	kube      kubernetes.Interface
	leases    coordinationv1.LeasesGetter
	aws       *awsapi.Clients
	informers *syncer.Informers
	events    record.EventBroadcaster
	source    *source
	syncer    atomic.Pointer[syncer.Syncer] // of this term; nil: there is none

	dead  atomic.Bool // nothing it sends arrives
	stop  context.CancelCauseFunc
	ended chan error // has room for the one error of its end
}

// userAgent is how the API server tells daemons apart.
func userAgent(replica string) string { return "tgsync/" + replica + "." }

// Start starts a daemon.
func (w *World) Start(ctx context.Context, replica string) error {
	if w.daemons[replica] != nil {
		return fmt.Errorf("%s runs already", nameOf(replica))
	}
	w.started++
	d := &daemon{name: replica, identity: fmt.Sprintf("%s_%d", replica, w.started), world: w, metrics: metrics.New("test"), ended: make(chan error, 1)}
	if err := d.connect(ctx); err != nil {
		return err
	}
	var err error
	if d.informers, err = syncer.NewInformers(nil, d.kube); err != nil {
		return err
	}
	d.source = &source{changed: make(chan struct{}, 1)}
	d.source.set(w.account.bindings())
	d.watch()
	running, stop := context.WithCancelCause(ctx)
	d.stop = stop
	d.events = record.NewBroadcaster(record.WithContext(context.WithoutCancel(ctx)))
	d.events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: d.kube.CoreV1().Events("")})
	go func() { d.ended <- d.run(running) }()
	w.daemons[replica] = d
	return nil
}

// connect makes the clients. All that they send passes the line of the process.
func (d *daemon) connect(ctx context.Context) error {
	check := func() error { return nil }
	rc := d.world.kube.Config()
	rc.UserAgent, rc.Transport = userAgent(d.name), &mortal{d, rc.Transport}
	renewals := rest.CopyConfig(rc)
	renewals.Timeout = leaseRenewDeadline / 2
	var err error
	if d.leases, err = coordinationv1.NewForConfig(renewals); err != nil {
		return err
	}
	if d.name != "" {
		d.fence = lease.NewFence(leaseDuration)
		rc.Wrap(d.fence.Wrap)
		check = d.fence.Check
	}
	if d.kube, err = kubernetes.NewForConfig(rc); err != nil {
		return err
	}
	d.aws, err = awsapi.New(ctx, awsapi.Options{
		HTTPClient: &http.Client{Transport: &line{tap: d.world.tap, daemon: d, next: d.world.sim.Transport()}},
		Observer:   d.metrics, Fence: check, Share: apiShare, Version: "test",
	})
	return err
}

// watch shows in the metrics what is asked at every scrape.
func (d *daemon) watch() {
	for _, op := range syncer.Operations() {
		d.metrics.WatchPending(op,
			func() int { groups, _ := d.pending(op); return groups },
			func() time.Duration { _, oldest := d.pending(op); return oldest })
	}
	var states []string
	for _, state := range syncer.States() {
		states = append(states, string(state))
	}
	d.metrics.WatchGroups(states, d.groups)
}

// run runs until ctx ends.
func (d *daemon) run(ctx context.Context) error {
	defer d.events.Shutdown()
	d.informers.Start(ctx.Done())
	defer d.informers.Shutdown()
	if d.name == "" {
		return d.lead(ctx, lease.Term{})
	}
	cache.WaitForCacheSync(ctx.Done(), d.informers.HasSynced)
	return lease.New(lease.Options{
		Client: d.leases, Watcher: d.kube.CoordinationV1(), Namespace: namespace, Name: leaseName, Identity: d.identity,
		Duration: leaseDuration, RenewDeadline: leaseRenewDeadline, RetryPeriod: leaseRetryPeriod,
		Fence: d.fence, Log: slog.New(slog.DiscardHandler),
	}).Run(ctx, d.lead)
}

// lead is the work of a term.
func (d *daemon) lead(ctx context.Context, term lease.Term) error {
	o := d.options()
	if !term.Previous.IsZero() {
		o.LiveSince = term.Previous.Add(-leaseDuration)
	}
	s, err := syncer.New(o)
	if err != nil {
		return err
	}
	d.syncer.Store(s)
	defer d.syncer.Store(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Run(ctx) })
	return g.Wait()
}

func (d *daemon) options() syncer.Options {
	return syncer.Options{
		AWS: d.aws.ELB, Tokens: d.aws, Source: d.source, Informers: d.informers, Metrics: d.metrics,
		Events: d.events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "tgsync"}), Log: slog.New(slog.DiscardHandler),
		BatchSize:     batchSize,
		BatchInterval: d.world.settings.BatchInterval, AuditInterval: d.world.settings.AuditInterval,
		GracePeriod: d.world.settings.GracePeriod, FailOpen: !d.world.settings.FailClosed,
		Pods: d.kube.CoreV1(), GateLatch: true, GateTimeout: gateTimeout,
		Live: syncer.ReadLiveSlices(d.kube.DiscoveryV1()),
	}
}

// pending returns how many groups wait for an operation, and for how long.
func (d *daemon) pending(op string) (groups int, oldest time.Duration) {
	if s := d.syncer.Load(); s != nil {
		return s.Pending(op)
	}
	return 0, 0
}

// status returns what is known of the groups. A standby knows nothing.
func (d *daemon) status() []syncer.Status {
	if s := d.syncer.Load(); s != nil {
		return s.Status()
	}
	return nil
}

// groups returns what is shown of the groups.
func (d *daemon) groups() []metrics.Group {
	var all []metrics.Group
	for _, st := range d.status() {
		all = append(all, metrics.Group{Name: st.Binding.GroupName, State: string(st.State), Targets: st.Targets, Parked: st.Parked})
	}
	return all
}

// Stop stops a daemon as SIGTERM does, and waits for its end.
func (w *World) Stop(replica string) error {
	d, err := w.daemon(replica)
	if err != nil {
		return err
	}
	delete(w.daemons, replica)
	d.stop(nil)
	if err := <-d.ended; err != nil {
		return fmt.Errorf("%s ended with: %w", nameOf(replica), err)
	}
	return nil
}

// Kill ends a daemon as SIGKILL does: what it has sent is on its way, and nothing
// follows. Its goroutines end in their own time, which is not the world's: Close waits
// for them.
func (w *World) Kill(replica string) error {
	d, err := w.daemon(replica)
	if err != nil {
		return err
	}
	delete(w.daemons, replica)
	w.killed = append(w.killed, d)
	d.dead.Store(true)
	d.stop(lease.ErrLost)
	return nil
}

// mortal is a process's way to the API server.
type mortal struct {
	daemon *daemon
	next   http.RoundTripper
}

var _ http.RoundTripper = (*mortal)(nil)

// RoundTrip implements http.RoundTripper.
func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if m.daemon.dead.Load() {
		return nil, errKilled
	}
	return m.next.RoundTrip(r)
}

// source is a provisioner that has nothing left to do but what it is told.
type source struct {
	bound   atomic.Pointer[[]target.Binding]
	changed chan struct{} // has room for one change: it stands for all since
}

var _ syncer.Source = (*source)(nil)

// Bindings implements syncer.Source.
func (s *source) Bindings() []target.Binding { return *s.bound.Load() }

// Missing implements syncer.Source: nothing is.
func (s *source) Missing() ([]target.Binding, bool) { return nil, true }

// Changed implements syncer.Source.
func (s *source) Changed() <-chan struct{} { return s.changed }

func (s *source) set(bindings []target.Binding) {
	s.bound.Store(&bindings)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
