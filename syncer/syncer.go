package syncer

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

// Sizes and times of the sync loop.
const (
	// mutationWorkers is how many registration calls may be under way. AWS grants
	// 4 a second; 8 keep that up while a call takes as long as 2 s.
	mutationWorkers = 8
	// readWorkers is how many groups are observed at once (AWS: 10 a second).
	readWorkers = 4
	// drainTimeout is how long calls under way may go on after a stop. A call that
	// is cut off leaves its outcome open.
	drainTimeout = 10 * time.Second
	// Failed keys come back after 250 ms, doubling to a minute.
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = time.Minute
)

// TargetAPI is what the syncer needs of AWS. Calls are idempotent; an error of
// class Unavailable leaves open whether the call took effect.
type TargetAPI interface {
	RegisterTargets(ctx context.Context, groupARN string, targets []target.Target) error
	DeregisterTargets(ctx context.Context, groupARN string, targets []target.Target) error
	DescribeTargetHealth(ctx context.Context, groupARN string) ([]awsapi.TargetHealth, error)
}

// Source tells which Service ports feed which target groups.
type Source interface {
	// Bindings returns the bindings of today. The slice is not changed afterwards.
	Bindings() []target.Binding
	// Changed signals that Bindings differ. One receiver is served.
	Changed() <-chan struct{}
}

// Metrics is what the syncer reports.
type Metrics interface {
	TargetsProgrammed(operation string, targets int, latency time.Duration)
}

// Options configure a Syncer.
type Options struct {
	AWS           TargetAPI
	Source        Source
	Informers     *Informers
	Metrics       Metrics
	Log           *slog.Logger
	BatchSize     int           // targets in one call
	BatchInterval time.Duration // from the end of a group's call to the start of its next of the same operation
}

// Syncer keeps target groups equal to the endpoints of their Services.
type Syncer struct {
	o         Options
	mutations workqueue.TypedRateLimitingInterface[key]
	reads     workqueue.TypedRateLimitingInterface[key]
	index     atomic.Pointer[index]

	// mu guards groups; a group has a lock of its own.
	mu     sync.Mutex
	groups map[string]*group
}

// index is an immutable view of the bindings.
type index struct {
	byARN     map[string]target.Binding
	byService map[types.NamespacedName][]target.Binding
}

// New returns a Syncer whose event handlers are in place. Run does the work.
func New(o Options) (*Syncer, error) {
	s := &Syncer{o: o, mutations: newQueue("registration"), reads: newQueue("reads"), groups: map[string]*group{}}
	s.index.Store(&index{})
	if err := s.addHandlers(); err != nil {
		return nil, err
	}
	return s, nil
}

func newQueue(name string) workqueue.TypedRateLimitingInterface[key] {
	return workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[key](firstBackoff, lastBackoff),
		workqueue.TypedRateLimitingQueueConfig[key]{Name: name})
}

// Run works until ctx ends. Calls under way are finished, what has not begun is
// left: whoever comes next finds it by comparing again.
func (s *Syncer) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	defer s.reads.ShutDown()
	defer s.mutations.ShutDown()
	// Nothing is compared, and so nothing deregistered, before all caches are full.
	if !cache.WaitForCacheSync(ctx.Done(), s.o.Informers.HasSynced) {
		return nil
	}
	calls, cancel := linger(ctx, drainTimeout)
	defer cancel()
	for range mutationWorkers {
		workers.Go(func() { s.work(calls, s.mutations) })
	}
	for range readWorkers {
		workers.Go(func() { s.work(calls, s.reads) })
	}
	s.rebind()
	for {
		// Only one of these can happen at a time, and rebind does not block.
		select {
		case <-ctx.Done():
			s.mutations.ShutDown()
			s.reads.ShutDown()
			workers.Wait()
			return nil
		case <-s.o.Source.Changed():
			s.rebind()
		}
	}
}

// linger returns a context that ends a while after ctx does.
func linger(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-later.Done():
		}
	})
	return later, func() {
		stop()
		cancel()
	}
}

// rebind takes over the bindings of today: a new group is observed first, one
// that is bound no more is forgotten.
func (s *Syncer) rebind() {
	next := &index{byARN: map[string]target.Binding{}, byService: map[types.NamespacedName][]target.Binding{}}
	for _, b := range s.o.Source.Bindings() {
		next.byARN[b.GroupARN] = b
		next.byService[b.Service] = append(next.byService[b.Service], b)
	}
	previous := s.index.Swap(next)
	s.mu.Lock()
	maps.DeleteFunc(s.groups, func(arn string, _ *group) bool { _, bound := next.byARN[arn]; return !bound })
	for arn := range next.byARN {
		if s.groups[arn] == nil {
			s.groups[arn] = newGroup(arn)
		}
	}
	s.mu.Unlock()
	for arn, b := range next.byARN {
		if before, had := previous.byARN[arn]; had && before == b {
			continue
		}
		g := s.group(arn)
		g.changed(change{since: time.Now()})
		if g.known() {
			s.addBoth(arn)
		} else {
			s.reads.Add(key{arn, observe})
		}
	}
}

// group returns the state of a bound group, or nil.
func (s *Syncer) group(arn string) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[arn]
}

// Pending returns how many groups wait for an operation and the age of the
// oldest of what they wait for.
func (s *Syncer) Pending(op string) (groups int, oldest time.Duration) {
	s.mu.Lock()
	all := make([]*group, 0, len(s.groups))
	for _, g := range s.groups {
		all = append(all, g)
	}
	s.mu.Unlock()
	for _, g := range all {
		if since := g.waiting(operation(op)); !since.IsZero() {
			groups++
			oldest = max(oldest, time.Since(since))
		}
	}
	return groups, oldest
}
