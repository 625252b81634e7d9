package provision

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/syncer/target"
)

// Sizes and times of the loop.
const (
	// workers is how many groups are worked on at once. AWS grants 3 mutating calls
	// a second: two workers keep that up with calls of 600 ms.
	workers = 2
	// firstBackoff doubles to lastBackoff while a group fails, and to lastWait while
	// it waits for something that AWS is about to finish: network interfaces outlive
	// their load balancer by seconds to minutes, and targets become healthy in seconds.
	firstBackoff = time.Second
	lastBackoff  = time.Minute
	lastWait     = 4 * time.Second
)

// Loop keeps the load balancers of all Ingress groups as their Models say.
type Loop struct {
	o         Options
	inventory *inventory
	services  *services
	acm       *certificates
	board     *board
	needs     *securitygroup.Board
	groups    atomic.Pointer[map[ingress.GroupID]ingress.Group]
	read      atomic.Bool // the inventory has been
	// wake has a capacity of one: a change that nobody has looked at yet stands for
	// all changes since, and dirty holds where they were.
	wake chan struct{}

	mu       sync.Mutex // guards dirty, states and problems
	dirty    map[string]bool
	states   map[ingress.GroupID]*state
	problems map[ingress.GroupID]map[string]int // by reason
}

// New returns a Loop. Run does the work.
func New(o Options) *Loop {
	if o.Directory == nil {
		o.Directory = NewDirectory(o.ELB, o.Settings.ClusterName, o.Log)
	}
	if o.Backend == nil {
		o.Backend = securitygroup.NewBackend(securitygroup.BackendOptions{EC2: o.EC2, VPCID: o.VPCID, Cluster: o.Settings.ClusterName})
	}
	l := &Loop{
		needs: securitygroup.NewBoard(), acm: newCertificates(o.ACM, o.Log),
		o: o, inventory: newInventory(o), services: newServices(o.Services, o.GracePeriod), board: newBoard(), wake: make(chan struct{}, 1),
		dirty: map[string]bool{}, states: map[ingress.GroupID]*state{}, problems: map[ingress.GroupID]map[string]int{},
	}
	l.groups.Store(&map[ingress.GroupID]ingress.Group{})
	return l
}

// Bindings returns which Service ports feed which target groups now, ordered by
// group and ARN. The slice is never changed.
func (l *Loop) Bindings() []target.Binding { return l.board.all.Load().bindings }

// Missing returns the bindings of target groups that are wanted and do not exist yet.
// It reports false as long as it is not known which those are.
func (l *Loop) Missing() ([]target.Binding, bool) {
	return l.board.all.Load().missing, l.read.Load()
}

// Needs tells what has to be reachable from load balancers.
func (l *Loop) Needs() securitygroup.Source { return l.needs }

// Changed signals that Bindings or Missing may differ. One receiver is served.
func (l *Loop) Changed() <-chan struct{} { return l.board.changed }

// Wake says that an Ingress, Service or IngressClass changed in a namespace ("" for
// a class). An Ingress refers to Services of its own namespace only, so the groups
// with a member there are looked at again. It never blocks.
func (l *Loop) Wake(namespace string) {
	l.mu.Lock()
	l.dirty[namespace] = true
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// queue holds the groups that wait for a worker; no group is on two at once.
type queue = workqueue.TypedDelayingInterface[ingress.GroupID]

// Run works until ctx ends, and returns when the workers have. What is not done
// then is found by whoever starts next.
func (l *Loop) Run(ctx context.Context) (err error) {
	synced := []cache.InformerSynced{l.o.Synced}
	if l.o.Params != nil {
		stop, refused := l.o.Params.onChange(l.Wake)
		if refused != nil {
			return refused
		}
		defer func() { err = errors.Join(err, stop()) }()
		synced = append(synced, l.o.Params.HasSynced)
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) || !l.start(ctx) {
		return nil // ctx has ended
	}
	q := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[ingress.GroupID]{Name: "ingress-groups"})
	var running sync.WaitGroup
	defer running.Wait()
	defer q.ShutDown()
	for id := range *l.groups.Load() {
		q.Add(id)
	}
	for range workers {
		running.Go(func() { l.work(ctx, q) })
	}
	for {
		// Only one of these can happen at a time, and regroup does no I/O.
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
			for _, id := range l.regroup() {
				q.Add(id)
			}
		}
	}
}

// start reads the inventory and shows the bindings of what stands, before anything
// is changed: targets go on being synced whatever happens to the rest. What the
// directory knows is shown at once, and so is what is urgent. It reports false if ctx
// ended.
func (l *Loop) start(ctx context.Context) bool {
	l.regroup()
	l.showKnown(ctx)
	for failures := 0; ; failures++ {
		err := l.inventory.load(ctx, l.balancerNames())
		if err == nil {
			err = l.adopt(ctx)
		}
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			l.o.Log.ErrorContext(ctx, "cannot read what AWS holds", slog.Any("error", err))
		}
		timer := time.NewTimer(backoff(failures, lastBackoff))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
	l.read.Store(true)
	l.showStanding(l.inventory.known)
	l.needs.Complete()
	l.board.signal() // also that what is missing is known now
	return true
}

// balancerNames are the names that load balancers are to have.
func (l *Loop) balancerNames() map[string]bool {
	names := map[string]bool{}
	for _, g := range *l.groups.Load() {
		if lb := ingress.Build(l.input(g)).LoadBalancer; lb != nil {
			names[lb.Name] = true
		}
	}
	return names
}

// showStanding shows the bindings of the target groups that stand.
func (l *Loop) showStanding(stacks func(name string) *stack) {
	standing := map[string]shown{}
	for id, g := range *l.groups.Load() {
		m, st := ingress.Build(l.input(g)), stacks(id.String())
		s := bindings(m, st, nil)
		if l.read.Load() {
			l.needs.Show(id.String(), l.needsOf(g, m, st))
		}
		if !l.read.Load() {
			s.missing, s.bindings = nil, called(m, s.bindings) // nobody knows yet
		}
		standing[id.String()] = s
	}
	l.board.showAll(standing)
}

// showKnown shows the bindings of the target groups that the directory knows, once it
// has looked up the urgent ones that it does not.
func (l *Loop) showKnown(ctx context.Context) {
	var urgent map[types.NamespacedName]bool
	if l.o.Urgent != nil {
		urgent = l.o.Urgent()
	}
	names := map[string]bool{}
	for _, g := range *l.groups.Load() {
		for _, tg := range ingress.Build(l.input(g)).TargetGroups {
			if urgent[tg.Service] && tg.Name != "" && !l.o.Directory.knows(tg.Name) {
				names[tg.Name] = true
			}
		}
	}
	if len(names) <= namesAtAll {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		if err := l.o.Directory.find(ctx, slices.Sorted(maps.Keys(names))); err != nil {
			l.o.Log.WarnContext(ctx, "cannot look up target groups by name; the inventory follows", slog.Any("error", err))
		}
	}
	l.showStanding(l.o.Directory.stack)
}

// regroup sorts the Ingresses into groups again and returns the groups that
// changes since the last time can concern.
func (l *Loop) regroup() []ingress.GroupID {
	l.mu.Lock()
	dirty := l.dirty
	l.dirty = map[string]bool{}
	l.mu.Unlock()

	l.services.forget()
	// Listers read from memory: they return no errors.
	ingresses, _ := l.o.Ingresses.List(labels.Everything())
	classes, _ := l.o.Classes.List(labels.Everything())
	now := map[ingress.GroupID]ingress.Group{}
	for _, g := range ingress.Groups(l.o.Settings, l.cluster(ingresses, classes)) {
		now[g.ID] = g
	}
	before := *l.groups.Swap(&now)

	var ids []ingress.GroupID
	for id, g := range now {
		if concerns(dirty, g) || concerns(dirty, before[id]) {
			ids = append(ids, id)
		}
	}
	for id := range before {
		if _, still := now[id]; !still {
			ids = append(ids, id)
		}
	}
	return ids
}

// cluster is what groups are made of.
func (l *Loop) cluster(ingresses []*networkingv1.Ingress, classes []*networkingv1.IngressClass) ingress.Cluster {
	c := ingress.Cluster{Ingresses: ingresses, Classes: classes}
	if l.o.Params != nil {
		c.Params, c.NamespaceLabels = l.o.Params.get, l.o.Params.labels
	}
	return c
}

// concerns reports whether a group has to do with one of the namespaces.
func concerns(dirty map[string]bool, g ingress.Group) bool {
	in := func(ing *networkingv1.Ingress) bool { return dirty[ing.Namespace] }
	return dirty[""] || slices.ContainsFunc(g.Members, in) || slices.ContainsFunc(g.Leaving, in)
}

// work serves the queue until it is shut down.
func (l *Loop) work(ctx context.Context, q queue) {
	for {
		id, shutdown := q.Get()
		if shutdown {
			return
		}
		if ctx.Err() == nil {
			l.serve(ctx, q, id)
		}
		q.Done(id)
	}
}

// serve makes one pass over a group and decides when the next is due.
func (l *Loop) serve(ctx context.Context, q queue, id ingress.GroupID) {
	g, ok := (*l.groups.Load())[id]
	if !ok {
		l.drop(ctx, id)
		return
	}
	p := l.newPass(g)
	begin := time.Now()
	err := p.run(ctx)
	s := p.state
	if !p.again.IsZero() {
		q.AddAfter(id, time.Until(p.again))
	}
	if errors.Is(err, errBackingOff) {
		// The queue keeps only the earlier of two dates, and that has just been used.
		q.AddAfter(id, time.Until(s.due))
		return
	}
	if ctx.Err() != nil {
		return
	}
	result := "ok"
	switch {
	case err == nil:
		s.failures, s.failure = 0, nil
		if l.o.AuditInterval > 0 {
			q.AddAfter(id, jitter(l.o.AuditInterval))
		}
	case isWaiting(err):
		result = "waiting"
		q.AddAfter(id, s.failed(p.hash, lastWait))
	default:
		result = classOf(err)
		p.tellFailure(ctx, err)
		q.AddAfter(id, s.failed(p.hash, lastBackoff))
	}
	p.note()
	if p.called || err != nil {
		l.o.Metrics.GroupPass(result, time.Since(begin))
	}
}

// state returns what is remembered of a group.
func (l *Loop) state(id ingress.GroupID) *state {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.states[id] == nil {
		l.states[id] = &state{timers: newTimers()}
	}
	return l.states[id]
}

// drop forgets a group that no Ingress names any more. If AWS still holds something
// then the finalizers were removed by hand; it stays, since it is not known to be
// unwanted.
func (l *Loop) drop(ctx context.Context, id ingress.GroupID) {
	l.forget(id)
	l.board.show(id.String(), shown{})
	l.needs.Show(id.String(), nil)
	if !l.inventory.drop(id.String()) {
		l.o.Log.WarnContext(ctx, "an Ingress group went without its finalizers; what AWS holds of it stays",
			slog.String("group", id.String()))
	}
}
