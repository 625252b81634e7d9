package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Options configure a Candidate.
type Options struct {
	// Client reaches the Lease. Its requests do not wait for others and do not pass
	// the fence, and each ends well before RenewDeadline, so that one that hangs
	// leaves time for another.
	Client coordinationv1.LeasesGetter
	// Watcher reaches the Lease for a watch, which lasts: its requests do not end by
	// themselves.
	Watcher         coordinationv1.LeasesGetter
	Namespace, Name string
	// Identity names this process. No other may ever have the same: see NewIdentity.
	Identity string

	Duration      time.Duration // whole seconds; others take over after it
	RenewDeadline time.Duration // a leader that tried to renew for so long stops; at most Duration - Margin - RetryPeriod
	RetryPeriod   time.Duration // from one renewal to the next, and the least from one try to the next; below RenewDeadline / 1.2

	Fence *Fence
	Log   *slog.Logger
}

// Term is one time of leading.
type Term struct {
	// Previous is when the leader before, which may have been this process, last
	// renewed the Lease or gave it up, by its own clock. Zero: there was none.
	Previous time.Time
}

// ErrLost is the cause (context.Cause) with which a work's context ends when the
// Lease is lost: then there is nothing to be finished. After any other end the Lease
// is kept until the work has returned.
var ErrLost = errors.New("the lease is lost")

// Work is what a leader does. It ends, with all that it started, when ctx does.
type Work func(ctx context.Context, t Term) error

// Candidate is a process that may lead.
type Candidate struct {
	o      Options
	holder atomic.Pointer[Holder] // nil: the Lease was not seen yet
}

// New returns a Candidate.
func New(o Options) *Candidate { return &Candidate{o: o} }

// NewIdentity returns a name for this process: the pod's, or the host's if that is
// empty, with something random, because the next process of the same pod is
// another one.
func NewIdentity(pod string) (string, error) {
	if pod == "" {
		host, err := os.Hostname()
		if err != nil {
			return "", fmt.Errorf("name of this host: %w", err)
		}
		pod = host
	}
	return pod + "_" + string(uuid.NewUUID()), nil
}

// Run does the work whenever this process leads, until ctx ends or the work returns
// by itself; then the Lease is given up and Run returns what the work returned.
// When the Lease is lost, the work's context ends at once, and Run tries to get the
// Lease back once the work has returned.
func (c *Candidate) Run(ctx context.Context, work Work) error {
	for ctx.Err() == nil {
		lost, err := c.term(ctx, work)
		if !lost {
			return err
		}
		if err != nil {
			c.o.Log.ErrorContext(ctx, "the work of a lost term failed", slog.Any("error", err))
		}
	}
	return nil
}

// term waits for the Lease and works while it is held. It reports whether the Lease
// was lost, maybe before any work began; otherwise the work has returned, or ctx has
// ended.
func (c *Candidate) term(ctx context.Context, work Work) (lost bool, err error) {
	// The Lease is renewed until the work is done, whatever happens to ctx.
	electing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	l := c.newLock(stop)
	won := make(chan context.Context, 1) // room for one: a stop may come first, and then nobody looks
	elector, err := c.newElector(l, won)
	if err != nil {
		return false, fmt.Errorf("lease %s/%s: %w", c.o.Namespace, c.o.Name, err)
	}
	if c.standBy(ctx, l); ctx.Err() != nil {
		return false, nil
	}
	var running sync.WaitGroup
	running.Go(func() { elector.Run(electing) })
	select {
	case <-ctx.Done():
	case <-electing.Done():
		lost = true // another was quicker
	case leading := <-won:
		lost, err = c.lead(ctx, leading, func(ctx context.Context) error { return work(ctx, Term{Previous: l.previous}) })
	}
	stop()
	running.Wait()
	if !lost {
		c.release(ctx, l)
	}
	return lost, err
}

// newElector returns client-go's part of a term. What it sends on won ends with the
// election.
func (c *Candidate) newElector(l *lock, won chan<- context.Context) (*leaderelection.LeaderElector, error) {
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: l, Name: c.o.Name,
		LeaseDuration: c.o.Duration, RenewDeadline: c.o.RenewDeadline, RetryPeriod: c.o.RetryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) { won <- leading },
			OnStoppedLeading: c.o.Fence.shut,
		},
	})
}

func (c *Candidate) newLock(lost func()) *lock {
	return &lock{fence: c.o.Fence, lost: lost, Interface: witness{&resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: c.o.Namespace, Name: c.o.Name},
		Client:     c.o.Client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: c.o.Identity},
	}, &c.holder}}
}

// lead works until leading or ctx ends, and reports whether leading ended before
// the work did.
func (c *Candidate) lead(ctx, leading context.Context, work func(context.Context) error) (lost bool, err error) {
	log := c.o.Log.With(slog.String("lease", c.o.Namespace+"/"+c.o.Name), slog.String("identity", c.o.Identity))
	log.InfoContext(ctx, "this process leads")
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unwatch := context.AfterFunc(leading, func() { cancel(ErrLost) })
	err = work(working)
	lost = !unwatch()
	if lost {
		log.WarnContext(ctx, "the lease was lost and all work has stopped; this process stands by")
	}
	return lost, err
}

// release gives the Lease up. Should that fail, it runs out.
func (c *Candidate) release(ctx context.Context, l *lock) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.o.RenewDeadline)
	defer cancel()
	if err := l.release(ctx); err != nil {
		c.o.Log.WarnContext(ctx, "the lease was not given up and has to run out", slog.Any("error", err))
	}
}
