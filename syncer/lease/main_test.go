package lease

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	typed "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The times of the tests are the ones that ship.
const (
	duration      = 6 * time.Second
	renewDeadline = 4 * time.Second
	retryPeriod   = time.Second
	// lastLook is the longest from one look of a standby at the Lease to the next, if
	// nothing wakes it: the retry period is spread by up to 1.2 of itself.
	lastLook = 22 * retryPeriod / 10
	// atOnce is less than any of the times above, and more than a request takes.
	atOnce = 10 * time.Millisecond
)

// errDown is what a client gets that does not reach the API server.
var errDown = errors.New("connection refused")

// server is the API server as far as one Lease goes, with its resource versions.
type server struct {
	mu       sync.Mutex
	lease    *coordinationv1.Lease
	version  int
	watchers map[*watch.RaceFreeFakeWatcher]bool
}

// tellLocked sends an event to all who watch. What is in it is not looked at.
func (s *server) tellLocked(kind watch.EventType) {
	for w := range s.watchers {
		w.Action(kind, &coordinationv1.Lease{})
	}
}

// cut ends all watches.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		w.Stop()
	}
	clear(s.watchers)
}

// remove deletes the Lease.
func (s *server) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease = nil
	s.tellLocked(watch.Deleted)
}

// take gives the Lease to somebody who renews it, past all rules.
func (s *server) take(holder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease.Spec.HolderIdentity, s.lease.Spec.RenewTime = &holder, &metav1.MicroTime{Time: time.Now()}
	s.lease.ResourceVersion = "taken"
	s.tellLocked(watch.Modified)
}

// line is one process's way to the server. It can be cut, and be slow.
type line struct {
	typed.LeaseInterface // what is not used here
	server               *server

	mu           sync.Mutex // guards all below
	down         bool
	there, back  time.Duration // of each request
	blind        bool          // watches are refused
	mute         bool          // writes are carried out, and the answer does not arrive
	writes       int           // accepted
	beforeUpdate func()        // runs once, when an update reaches the server
}

var (
	_ typed.LeasesGetter   = (*line)(nil)
	_ typed.LeaseInterface = (*line)(nil)
)

func (l *line) Leases(string) typed.LeaseInterface { return l }

func (l *line) set(change func(l *line)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// travel lets a request go there, be carried out, and its answer come back.
func (l *line) travel(ctx context.Context, carryOut func() (*coordinationv1.Lease, error)) (*coordinationv1.Lease, error) {
	l.mu.Lock()
	down, there, back := l.down, l.there, l.back
	l.mu.Unlock()
	if down {
		return nil, errDown
	}
	if err := pause(ctx, there); err != nil {
		return nil, err
	}
	lease, err := carryOut()
	if err := pause(ctx, back); err != nil {
		return nil, err
	}
	return lease, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

var resource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

func (l *line) Get(ctx context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	return l.travel(ctx, func() (*coordinationv1.Lease, error) {
		l.server.mu.Lock()
		defer l.server.mu.Unlock()
		if l.server.lease == nil {
			return nil, apierrors.NewNotFound(resource, name)
		}
		return l.server.lease.DeepCopy(), nil
	})
}

func (l *line) Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	l.mu.Lock()
	refused := l.down || l.blind || o.FieldSelector != "metadata.name=tgsync"
	l.mu.Unlock()
	if refused {
		return nil, errDown
	}
	w := watch.NewRaceFreeFake()
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if l.server.watchers == nil {
		l.server.watchers = map[*watch.RaceFreeFakeWatcher]bool{}
	}
	l.server.watchers[w] = true
	context.AfterFunc(ctx, func() {
		l.server.mu.Lock()
		defer l.server.mu.Unlock()
		delete(l.server.watchers, w)
		w.Stop()
	})
	return w, nil
}

func (l *line) Create(ctx context.Context, lease *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return l.travel(ctx, func() (*coordinationv1.Lease, error) {
		l.server.mu.Lock()
		defer l.server.mu.Unlock()
		if l.server.lease != nil {
			return nil, apierrors.NewAlreadyExists(resource, lease.Name)
		}
		return l.keepLocked(lease)
	})
}

func (l *line) Update(ctx context.Context, lease *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return l.travel(ctx, func() (*coordinationv1.Lease, error) {
		var first func()
		l.set(func(l *line) { first, l.beforeUpdate = l.beforeUpdate, nil })
		if first != nil {
			first()
		}
		l.server.mu.Lock()
		defer l.server.mu.Unlock()
		if l.server.lease == nil {
			return nil, apierrors.NewNotFound(resource, lease.Name)
		}
		if lease.ResourceVersion != l.server.lease.ResourceVersion {
			return nil, apierrors.NewConflict(resource, lease.Name, errors.New("changed"))
		}
		return l.keepLocked(lease)
	})
}

// keepLocked stores a lease under a new version. The server's lock is held.
func (l *line) keepLocked(lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	var err error
	l.set(func(l *line) {
		l.writes++
		if l.mute {
			err = errDown
		}
	})
	l.server.version++
	l.server.lease = lease.DeepCopy()
	l.server.lease.ResourceVersion = strconv.Itoa(l.server.version)
	l.server.tellLocked(watch.Modified)
	return l.server.lease.DeepCopy(), err
}

// holder is whom the server takes for the leader.
func (s *server) holder() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease == nil {
		return ""
	}
	return *s.lease.Spec.HolderIdentity
}

// process is a candidate with its line, in a goroutine of its own.
type process struct {
	*line
	t     *testing.T
	name  string
	fence *Fence
	stop  context.CancelFunc
	ended chan error

	candidate *Candidate

	mu      sync.Mutex // guards all below
	working bool
	terms   []Term
	ends    []error       // why the contexts ended
	drain   time.Duration // how long the work takes to end
	fails   chan error    // ends the work
}

func startProcess(t *testing.T, s *server, name string) *process {
	t.Helper()
	return startTimed(t, s, name, Options{Duration: duration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod})
}

// startTimed starts a process with times of its own.
func startTimed(t *testing.T, s *server, name string, o Options) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &process{
		line: &line{server: s}, t: t, name: name, fence: NewFence(o.Duration),
		stop: cancel, ended: make(chan error, 1), fails: make(chan error, 1),
	}
	o.Client, o.Watcher, o.Namespace, o.Name, o.Identity = p.line, p.line, "tgsync", "tgsync", name
	o.Fence, o.Log = p.fence, slog.New(slog.DiscardHandler)
	p.candidate = New(o)
	go func() { p.ended <- p.candidate.Run(ctx, p.work) }()
	return p
}

func (p *process) work(ctx context.Context, term Term) error {
	p.mu.Lock()
	p.working = true
	p.terms = append(p.terms, term)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.working = false
	}()
	select {
	case <-ctx.Done():
		p.mu.Lock()
		p.ends = append(p.ends, context.Cause(ctx))
		drain := p.drain
		p.mu.Unlock()
		time.Sleep(drain)
		return nil
	case err := <-p.fails:
		return err
	}
}

func (p *process) works() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.working
}

// began returns the terms so far.
func (p *process) began() []Term {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.terms)
}

// drains says how long the work takes to end from now on.
func (p *process) drains(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drain = d
}

// crash cuts a leader off, for the others as good as dead, and returns when it sent
// its last renewal. One may have been under way.
func (p *process) crash() time.Time {
	p.set(func(l *line) { l.down = true })
	synctest.Wait()
	return p.fence.renewed.Load().monotonic
}

// written returns how many writes of this process the server accepted.
func (p *process) written() int {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return p.writes
}

// end stops the process and waits for it.
func (p *process) end() {
	p.t.Helper()
	p.stop()
	require.NoError(p.t, <-p.ended)
}

// working returns the one of some processes that works; nil: none.
func working(all []*process) *process {
	var found *process
	for _, p := range all {
		if p.works() {
			require.Nil(p.t, found, "%s works too", p.name)
			found = p
		}
	}
	return found
}

func without(all []*process, one *process) []*process {
	return slices.DeleteFunc(all, func(p *process) bool { return p == one })
}
