package readiness

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
)

// Cluster is the view of pods and of the target groups that take them. It answers from
// caches: it is asked often, from many goroutines at once, and must not block.
type Cluster interface {
	// Pod returns a pod, or nil if it is not in the cache.
	Pod(name types.NamespacedName) *endpoints.Pod
	// Groups returns every target group whose Service selects the pod, those that do not
	// exist yet and those without traffic included. It reports false as long as that is
	// not known, because nothing has been built from the Ingresses yet: then nothing is
	// decided.
	Groups(pod *endpoints.Pod) ([]Membership, bool)
	// Gated returns the pods that have gates of ours.
	Gated() iter.Seq[types.NamespacedName]
}

// HealthReader reads the health of all targets of a group, in one call. Whoever keeps
// what is observed of a group stands in between and sees each answer.
type HealthReader interface {
	DescribeTargetHealth(ctx context.Context, groupARN string) ([]awsapi.TargetHealth, error)
}

// Events tells the owner of an object what happened to it. record.EventRecorder is one.
type Events interface {
	Eventf(object runtime.Object, eventType, reason, format string, args ...any)
}

// Metrics is what gates report.
type Metrics interface {
	// GateOpened records that a gate opened: how long after AWS took the target's
	// registration, and at most how long after the moment at which it could have been
	// opened. Zero: not known.
	GateOpened(sinceRegistered, lag time.Duration)
	// GateTimedOut counts gates that opened without a group in trouble.
	GateTimedOut()
}

// Options configure Gates.
type Options struct {
	Cluster Cluster
	Pods    typedcorev1.PodsGetter // must not wait for client-go's own limit of requests
	AWS     HealthReader
	// Token waits for the token of the next read, before it is known of which group. A
	// call in a context that brings it spends it. Nil: reads need none.
	Token   func(ctx context.Context) (*opqueue.Token, error)
	Events  Events
	Metrics Metrics
	Log     *slog.Logger
	// Latch keeps a gate open that was opened for a pod. Without it, a gate follows the
	// health of its targets, as LBC's does.
	Latch bool
	// Timeout is how long a target group that is missing, not in use or failing is waited
	// for. Zero: for ever.
	Timeout time.Duration
	// Drain returns how long calls under way may go on after a stop. Nil: not at all.
	Drain func(cause error) time.Duration
}

// Gates opens the readiness gates of pods. What happens elsewhere is told to it by the
// methods between New and Run, from any goroutine; they do no I/O and do not block.
type Gates struct {
	o    Options
	book *book
	pods *opqueue.Queue[types.NamespacedName] // to be decided about
	own  *Poller                              // of our own account

	// mu guards memories.
	mu       sync.Mutex
	memories map[types.NamespacedName]*memory
}

// New returns Gates that know nothing yet.
func New(o Options) *Gates {
	g := &Gates{o: o, book: newBook(), memories: map[types.NamespacedName]*memory{}}
	g.pods = opqueue.New(opqueue.Options[types.NamespacedName]{Run: g.reflect, Workers: patchWorkers, Drain: o.Drain})
	g.own = g.NewPoller(o.Token)
	return g
}

// PodChanged notes that a pod has come, changed or gone, or that the target groups
// that take it have changed.
func (g *Gates) PodChanged(pod types.NamespacedName) { g.pods.Add(pod, opqueue.Change{}) }

// Rebound notes that other Services may feed other groups now, or that this is known
// for the first time.
func (g *Gates) Rebound() {
	for pod := range g.o.Cluster.Gated() {
		g.PodChanged(pod)
	}
}

// Registered notes that AWS has just accepted a call that registers targets of pods
// with gates.
func (g *Gates) Registered(groupARN string, all []Registration) {
	g.tell(g.book.registered(groupARN, all, time.Now()))
}

// Deregistered notes that AWS has just accepted a call that deregisters targets.
func (g *Gates) Deregistered(groupARN string, all []target.Target) {
	g.tell(g.book.deregistered(groupARN, all, time.Now()))
}

// Observed notes the health of all targets of a group, from a read by somebody else
// that began at the given time.
func (g *Gates) Observed(groupARN string, began time.Time, health []awsapi.TargetHealth) {
	g.tell(g.book.observed(groupARN, began, health))
}

// Forget drops what is known of a group that is bound no more.
func (g *Gates) Forget(groupARN string) {
	g.poller(groupARN).reads.Remove(groupARN)
	g.tell(g.book.forget(groupARN))
}

func (g *Gates) tell(pods []types.NamespacedName) {
	for _, pod := range pods {
		g.PodChanged(pod)
	}
}

// Run works until ctx ends: the poller, which reads health, and the reflector, which
// writes conditions. Caches must be full by then.
func (g *Gates) Run(ctx context.Context) error {
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return g.RunPoller(ctx) })
	running.Go(func() error { return g.RunReflector(ctx) })
	return running.Wait()
}

// RunPoller reads health alone.
func (g *Gates) RunPoller(ctx context.Context) error { return g.own.Run(ctx) }

// RunReflector decides and writes conditions alone: health is what Observed says.
func (g *Gates) RunReflector(ctx context.Context) error {
	g.Rebound()
	return g.pods.Run(ctx)
}

// Waiting is what pods wait for in one target group.
type Waiting struct {
	GroupARN string
	Pods     int
	Since    time.Time // when the first of them began to wait
	Read     time.Time // when the last read began; zero: there was none
	Next     time.Time // when the next one is worth a token
}

// Waiting returns the groups that pods wait for, in no order.
func (g *Gates) Waiting() []Waiting { return g.book.waiting(time.Now()) }
