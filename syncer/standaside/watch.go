package standaside

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	typed "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

// ErrAside says that a request was refused because another controller writes, or may
// write. It has not been sent.
var ErrAside = errors.New("refused: another controller writes")

const (
	// retryPeriod is the time from one try that failed to the next, spread by a fifth.
	retryPeriod = time.Second
	// lookPeriod is the longest time from one look to the next while the other is gone.
	lookPeriod = 15 * time.Second
	spread     = 0.2
)

// Options configure a Watch.
type Options struct {
	// Looks reads the Lease; each of its requests ends after a while.
	Looks typed.LeasesGetter
	// Watches watches it: its requests do not end by themselves.
	Watches         typed.LeasesGetter
	Namespace, Name string // of the Lease; no name: there is no other
	// Tell says to people, in the leader's name, that its work waits or goes on.
	Tell func(ctx context.Context, reason, message string)
	Log  *slog.Logger
}

// Watch knows whether the other writes. It outlives terms of leading.
type Watch struct {
	o      Options
	status atomic.Pointer[status]
}

// status is what is known. It does not change, but is replaced.
type status struct {
	free    bool
	holder  string        // who the other is, or was
	renewed time.Time     // when it last renewed its Lease, by its own clock
	over    chan struct{} // closed when another status has replaced this one
}

// New returns a Watch, for which the other writes until Run has seen otherwise.
func New(o Options) *Watch {
	w := &Watch{o: o}
	w.status.Store(&status{free: o.Name == "", over: make(chan struct{})})
	return w
}

// Check returns nil if something may be changed now as far as the other is concerned,
// and ErrAside otherwise. It is cheap, and belongs right before the request is sent.
func (w *Watch) Check() error {
	if w.Aside() {
		return ErrAside
	}
	return nil
}

// Aside reports whether the other writes, or may write.
func (w *Watch) Aside() bool { return !w.status.Load().free }

// lease names the Lease that is watched.
func (w *Watch) lease() string { return w.o.Namespace + "/" + w.o.Name }

// Run looks after the Lease until ctx ends. It fails if the Lease may not be read, at
// the start.
func (w *Watch) Run(ctx context.Context) error {
	if w.o.Name == "" {
		return nil
	}
	var s sighting
	events := make(chan *coordinationv1.LeaseSpec)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { w.follow(ctx, events) })
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		// Whatever comes first: only a look can find that the other is gone.
		select {
		case <-ctx.Done():
			return nil
		case spec := <-events:
			if w.Aside() && s.seen {
				s.again(spec, time.Now())
				next.Reset(time.Until(s.until))
				continue
			}
		case <-next.C:
		}
		pause, err := w.look(ctx, &s)
		if err != nil {
			return err
		}
		next.Reset(pause)
	}
}

// look reads the Lease, and returns when it is to be looked at again.
func (w *Watch) look(ctx context.Context, s *sighting) (pause time.Duration, err error) {
	found, err := w.o.Looks.Leases(w.o.Namespace).Get(ctx, w.o.Name, metav1.GetOptions{})
	now := time.Now()
	switch {
	case err == nil:
		s.again(&found.Spec, now)
	case apierrors.IsNotFound(err):
		s.again(nil, now)
	case apierrors.IsForbidden(err) && !s.seen:
		return 0, fmt.Errorf("TGSYNC_LBC_LEASE_NAME: whether the AWS Load Balancer Controller still writes cannot be seen: "+
			"the service account needs the verbs get and watch for leases.coordination.k8s.io named %q in namespace %q "+
			"(the Role tgsync there, in deploy/rbac.yaml): %w", w.o.Name, w.o.Namespace, err)
	default:
		if ctx.Err() == nil {
			w.o.Log.WarnContext(ctx, "cannot read the other controller's lease", slog.String("lease", w.lease()), slog.Any("error", err))
		}
		return wait.Jitter(retryPeriod, spread), nil
	}
	w.show(ctx, s, now)
	if !s.free(now) {
		return time.Until(s.until), nil
	}
	return wait.Jitter(lookPeriod, spread), nil
}

// show lets everybody know what a look has found.
func (w *Watch) show(ctx context.Context, s *sighting, now time.Time) {
	before := w.status.Load()
	is := &status{free: s.free(now), holder: before.holder, renewed: before.renewed, over: make(chan struct{})}
	if s.spec != nil {
		is.holder, is.renewed = holder(s.spec), renewed(s.spec)
	}
	w.status.Store(is)
	close(before.over)
	log := w.o.Log.With(slog.String("lease", w.lease()), slog.String("holder", is.holder), slog.Time("renewed", is.renewed))
	switch {
	case before.free && !is.free:
		log.WarnContext(ctx, "another controller renews its lease; nothing is written")
	case !before.free && is.free && is.holder != "":
		log.InfoContext(ctx, "the other controller's lease has run out")
	}
}

// follow sends each state of the Lease that a watch shows, until ctx ends.
func (w *Watch) follow(ctx context.Context, events chan<- *coordinationv1.LeaseSpec) {
	failing := false
	for ctx.Err() == nil {
		err := w.followOnce(ctx, events)
		if err != nil && !failing && ctx.Err() == nil {
			w.o.Log.WarnContext(ctx, "the other controller's lease cannot be watched; its return is noticed later", slog.Any("error", err))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(wait.Jitter(retryPeriod, spread)):
		}
	}
}

// followOnce does so until the watch is cut. The first event says what there is.
func (w *Watch) followOnce(ctx context.Context, events chan<- *coordinationv1.LeaseSpec) error {
	watching, err := w.o.Watches.Leases(w.o.Namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, w.o.Name).String(),
	})
	if err != nil {
		return err
	}
	defer watching.Stop()
	for e := range watching.ResultChan() {
		found, ok := e.Object.(*coordinationv1.Lease)
		if !ok {
			return apierrors.FromObject(e.Object)
		}
		spec := &found.Spec
		if e.Type == watch.Deleted {
			spec = nil
		}
		select {
		case <-ctx.Done():
		case events <- spec:
		}
	}
	return nil
}
