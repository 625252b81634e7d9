package syncer

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/lease"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/readiness"
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
)

// TargetAPI is what the syncer needs of AWS. Calls are idempotent; an error of
// class Unavailable leaves open whether the call took effect.
type TargetAPI interface {
	// Zone returns the Availability Zone of an address, "" if AWS finds it by itself.
	RegisterTargets(ctx context.Context, groupARN string, targets []target.Target, zone func(netip.Addr) string) error
	DeregisterTargets(ctx context.Context, groupARN string, targets []target.Target) error
	DescribeTargetHealth(ctx context.Context, groupARN string) ([]awsapi.TargetHealth, error)
}

// Tokens are AWS's permission to call, taken before it is known for which group.
// A call made in a context that brings one (opqueue.WithToken) spends it.
type Tokens interface {
	RegistrationToken(ctx context.Context) (*opqueue.Token, error)
	ReadToken(ctx context.Context, class string) (*opqueue.Token, error)
}

// Source tells which Service ports feed which target groups.
type Source interface {
	// Bindings returns the bindings of today. The slice is not changed afterwards.
	Bindings() []target.Binding
	// Missing returns the bindings of groups that are wanted and do not exist yet, and
	// whether it is known what is wanted.
	Missing() ([]target.Binding, bool)
	// Changed signals that Bindings or Missing differ. One receiver is served.
	Changed() <-chan struct{}
}

// Metrics is what the syncer reports.
type Metrics interface {
	TargetsProgrammed(operation string, targets int, latency time.Duration)
	// DriftFound counts targets that were registered or deregistered by others.
	DriftFound(targets int)
	// GuardHolds counts the times that a guard began to hold targets of a group.
	GuardHolds(guard string)
	readiness.Metrics
}

// Options configure a Syncer.
type Options struct {
	AWS    TargetAPI // of our own account
	Tokens Tokens
	// Roles returns the same of a role of another account. Nil: no binding has one.
	Roles         func(target.Role) (TargetAPI, Tokens)
	Source        Source
	Informers     *Informers
	Live          LiveSlices
	Ledger        Ledger                 // of shared groups; nil: there are none
	Pods          typedcorev1.PodsGetter // for their conditions; no limit of requests
	Metrics       Metrics
	Events        record.EventRecorder
	Log           *slog.Logger
	BatchSize     int           // targets in one call
	MaxTargets    int           // the most that a group gets; 0: any number
	BatchInterval time.Duration // from the end of a group's call to the start of its next of the same operation
	AuditInterval time.Duration // how often a group is compared with AWS although nothing has changed
	GracePeriod   time.Duration // how long targets are held of which it is not found whether they are wanted
	FailOpen      bool          // hold the targets of a Service none of whose pods is ready
	GateLatch     bool          // a readiness gate that was opened stays open
	GateTimeout   time.Duration // how long a readiness gate waits for a target group in trouble
	// LiveSince is from when on nobody has taken care of changes: these go first. Zero:
	// there is none such.
	LiveSince time.Time
	// Order is whose change goes to AWS first. Nil means opqueue.ByAge.
	Order opqueue.Order
}

// Syncer keeps target groups equal to the endpoints of their Services.
type Syncer struct {
	o        Options
	index    atomic.Pointer[index]
	handlers handlers // taken away by Run
	zones    *vpcs
	live     *liveReads
	gates    *readiness.Gates

	// mu guards groups and lanes; a group has a lock of its own.
	mu     sync.Mutex
	groups map[string]*group
	lanes  map[target.Role]*lane // that of our own account is there from the beginning
}

// index is an immutable view of the bindings.
type index struct {
	byARN     map[string]target.Binding
	byService map[types.NamespacedName][]target.Binding
	// byNamespace has those of groups that do not exist yet, too, once complete says
	// that these are known.
	byNamespace map[string][]target.Binding
	complete    bool
}

func indexOf(source Source) *index {
	all := source.Bindings()
	missing, complete := source.Missing()
	i := &index{
		byARN: map[string]target.Binding{}, byService: map[types.NamespacedName][]target.Binding{},
		byNamespace: map[string][]target.Binding{}, complete: complete,
	}
	for _, b := range all {
		i.byARN[b.GroupARN] = b
		i.byService[b.Service] = append(i.byService[b.Service], b)
	}
	for _, b := range slices.Concat(all, missing) {
		if b.Drain {
			continue // no pod waits for a group that lets all of them go
		}
		i.byNamespace[b.Service.Namespace] = append(i.byNamespace[b.Service.Namespace], b)
	}
	return i
}

// New returns a Syncer whose event handlers are in place. Run does the work.
func New(o Options) (*Syncer, error) {
	s := &Syncer{o: o, groups: map[string]*group{}, zones: newVPCs(), live: newLiveReads(o.Live, o.Log)}
	s.lanes = map[target.Role]*lane{{}: s.newLane(o.AWS, o.Tokens)}
	s.gates = s.newGates()
	s.index.Store(&index{})
	if err := s.addHandlers(); err != nil {
		return nil, errors.Join(err, s.handlers.remove())
	}
	return s, nil
}

// Run works until ctx ends. Calls under way are finished, what has not begun is
// left: whoever comes next finds it by comparing again. It takes the event handlers
// away, so a Syncer runs once.
func (s *Syncer) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, s.handlers.remove()) }()
	// Nothing is compared, and so nothing deregistered, before all caches are full.
	if !cache.WaitForCacheSync(ctx.Done(), s.o.Informers.HasSynced) {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	own := s.lanes[target.Role{}]
	g.Go(func() error { return own.run(ctx) })
	g.Go(func() error { return s.gates.Run(ctx) })
	g.Go(func() error {
		s.live.run(ctx, s.liveRead)
		return nil
	})
	start := func(l *lane) {
		laneCtx, stop := context.WithCancel(ctx)
		l.stop = stop
		g.Go(func() error { return l.run(laneCtx) })
	}
	g.Go(func() error {
		s.rebind(start)
		for {
			// Only one of these can happen at a time, and rebind does not block.
			select {
			case <-ctx.Done():
				return nil
			case <-s.o.Source.Changed():
				s.rebind(start)
			}
		}
	})
	return g.Wait()
}

// drain returns how long calls under way may go on. If the Lease is lost they may
// not: nothing may be finished then.
func drain(cause error) time.Duration {
	if errors.Is(cause, lease.ErrLost) {
		return 0
	}
	return drainTimeout
}

// rebind takes over the bindings of today: a new group is observed first, one that is
// bound no more, or by way of another role, is forgotten.
func (s *Syncer) rebind(start func(*lane)) {
	next := indexOf(s.o.Source)
	previous := s.index.Swap(next)
	s.mu.Lock()
	for arn, g := range s.groups {
		if b, bound := next.byARN[arn]; !bound || b.Role != previous.byARN[arn].Role {
			s.unbindLocked(g)
		}
	}
	for arn, b := range next.byARN {
		if s.groups[arn] == nil {
			s.groups[arn] = newGroup(arn)
		}
		s.groups[arn].lane.Store(s.laneLocked(b.Role, start))
	}
	s.endLanesLocked(next.byARN)
	s.mu.Unlock()
	var fresh []target.Binding
	for arn, b := range next.byARN {
		if before, had := previous.byARN[arn]; had && before == b {
			continue
		}
		if s.group(arn).known() {
			s.addBoth(arn)
		} else {
			fresh = append(fresh, b)
		}
	}
	s.begin(fresh)
	s.gates.Rebound()
}

// unbindLocked lets go of a group that is bound no more.
func (s *Syncer) unbindLocked(g *group) {
	// With a call under way it is kept: were it bound again, what the call does would be
	// missed.
	if g.distrust(); !g.busy() {
		delete(s.groups, g.arn)
	}
	g.lane.Load().forget(g.arn)
	s.gates.Forget(g.arn)
}

// headStart is what the calls for changes that nobody has taken care of get before
// the first group is observed. They leave as soon as they have tokens.
const headStart = 100 * time.Millisecond

// begin starts to work on groups that have not been observed. Where pods have become
// ready that nobody has registered, they are registered before anything is looked at:
// RegisterTargets can be repeated. Then the groups are observed, first those that
// pods are leaving, then the others, the one that changed last first.
func (s *Syncer) begin(fresh []target.Binding) {
	type beginning struct {
		arn     string
		changed time.Time
	}
	now := time.Now()
	at := now
	order := make([]beginning, 0, len(fresh))
	for _, b := range fresh {
		changed, leaving := s.o.Informers.changedAt(b.Service)
		if !s.o.LiveSince.IsZero() && changed.After(s.o.LiveSince) {
			s.add(key{b.GroupARN, register}, opqueue.Change{Since: changed})
			at = now.Add(headStart)
		}
		if leaving {
			changed = now
		}
		order = append(order, beginning{b.GroupARN, changed})
	}
	slices.SortFunc(order, func(a, b beginning) int { return b.changed.Compare(a.changed) })
	for i, g := range order {
		// A nanosecond makes the order: the oldest is served first.
		s.add(key{g.arn, observe}, opqueue.Change{Since: at.Add(time.Duration(i - len(order)))})
	}
}

// forgetUnbound drops a group that was kept only for its calls under way.
func (s *Syncer) forgetUnbound(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, bound := s.index.Load().byARN[g.arn]; !bound && !g.busy() {
		delete(s.groups, g.arn)
	}
}

// group returns the state of a group, or nil.
func (s *Syncer) group(arn string) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[arn]
}

// Pending returns how many groups wait for an operation and the age of the
// oldest of what they wait for.
func (s *Syncer) Pending(op string) (groups int, oldest time.Duration) {
	for _, l := range s.allLanes() {
		n, since := l.mutations.Pending(func(k key) bool { return k.op == operation(op) })
		groups += n
		if n > 0 {
			oldest = max(oldest, time.Since(since))
		}
	}
	return groups, oldest
}
