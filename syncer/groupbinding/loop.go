package groupbinding

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/syncer/webhook"
)

// How often the group of a name is looked up although all is well, and how often the
// loop looks at what it waits for.
const (
	// A name may get another group at any time, and nobody says so.
	lookByName = time.Minute
	// The group of a leftover that nobody binds is about to go, most likely.
	lookForLeftover = 30 * time.Second
	// A group may go while it is emptied.
	lookWhileDraining = 10 * time.Second
	// A pass that has nothing to look up costs microseconds.
	lookAtDraining = time.Second
	longestWait    = time.Minute
)

// Options configure a Loop.
type Options struct {
	Watch       *Watch
	Provisioned Source // the provisioner's bindings
	Services    corelisters.ServiceLister
	// Synced reports whether Services shows all that the cluster has.
	Synced func() bool
	Client dynamic.Interface // patches and deletes TargetGroupBindings
	// Webhooks tell which of them reject our patches.
	Webhooks webhook.Configurations
	Events   record.EventRecorder
	AWS      AWS // our own account
	// Roles returns the account of a role.
	Roles func(target.Role) AWS
	// Drained reports whether the group of a binding with Drain has been emptied.
	Drained func(groupARN string) bool
	// Cluster is the name of the cluster, as in the tags of what it provisions.
	Cluster string
	VPCID   string // of the cluster
	// AuditInterval is how often a group of an ARN is looked up although all is well.
	AuditInterval time.Duration
	Log           *slog.Logger
}

// Loop binds what TargetGroupBindings name, for one term of leading. It is the
// syncer's source: of the provisioner's bindings and of its own.
type Loop struct {
	o      Options
	board  *board
	needs  *securitygroup.Board
	groups *accounts
	begun  time.Time // when Run began
	said   map[types.UID]said
	// wake has a capacity of one: a change that nobody has looked at yet stands for
	// all changes since.
	wake chan struct{}
}

// New returns a Loop. Run does the work.
func New(o Options) *Loop {
	l := &Loop{
		o: o, board: newBoard(o.Provisioned), needs: securitygroup.NewBoard(), said: map[types.UID]said{}, wake: make(chan struct{}, 1),
	}
	l.groups = newAccounts(o, l.Wake)
	return l
}

// Bindings returns which Service ports feed which target groups now: the
// provisioner's, then those of TargetGroupBindings. The slice is never changed.
func (l *Loop) Bindings() []target.Binding { return l.board.all.Load().bindings }

// Missing returns the bindings of target groups that are wanted and not bound: which do
// not exist yet, or do not fit. It reports false as long as it is not known which those
// are, of the provisioner or of TargetGroupBindings.
func (l *Loop) Missing() ([]target.Binding, bool) {
	all := l.board.all.Load()
	return all.missing, all.complete
}

// Needs tells what has to be reachable by TargetGroupBindings.
func (l *Loop) Needs() securitygroup.Source { return l.needs }

// Changed signals that Bindings or Missing differ. One receiver is served.
func (l *Loop) Changed() <-chan struct{} { return l.board.changed }

// Wake says that a TargetGroupBinding or a Service may have changed. It never blocks.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends. What is not done then is found by whoever starts next.
func (l *Loop) Run(ctx context.Context) (err error) {
	stop, err := l.o.Watch.onChange(l.Wake)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	l.begun = time.Now()
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { l.merge(ctx); return nil })
	running.Go(func() error { l.work(ctx); return nil })
	return running.Wait()
}

// merge hands the provisioner's bindings on at once, whatever passes wait for.
func (l *Loop) merge(ctx context.Context) {
	l.board.merge()
	for {
		// Only one of these can happen at a time, and merging does not block.
		select {
		case <-ctx.Done():
			return
		case <-l.o.Provisioned.Changed():
			l.board.merge()
			l.Wake()
		}
	}
}

// work makes passes: after every change, and when something is due.
func (l *Loop) work(ctx context.Context) {
	if !cache.WaitForCacheSync(ctx.Done(), l.o.Synced) {
		return
	}
	defer l.groups.wait()
	for {
		timer := time.NewTimer(time.Until(l.pass(ctx)))
		// Only one of these can happen at a time.
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// pass looks at all objects once, and returns when to look again although nothing has
// changed.
func (l *Loop) pass(ctx context.Context) (next time.Time) {
	next = time.Now().Add(longestWait)
	sooner := func(at time.Time) {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	if leftovers := l.begun.Add(lookForLeftover); leftovers.After(time.Now()) {
		sooner(leftovers)
	}
	objects, known := l.o.Watch.list()
	if !known {
		return time.Now().Add(lookAtDraining)
	}
	for i, o := range objects {
		if !o.finalized() && time.Since(l.said[o.UID].finalized) < cacheLag {
			objects[i] = o.withFinalizer() // the cache is behind
		}
	}
	in := input{
		cluster: l.o.Cluster, vpc: l.o.VPCID, now: time.Now(), objects: objects, provisioned: arnsOf(l.o.Provisioned.Bindings()),
		found: l.groups.found, service: l.service,
	}
	l.forget(objects)
	l.show(l.judge(in)) // what is known is not kept waiting for what is not
	sooner(l.groups.refresh(ctx, l.wanted(in)))
	if ctx.Err() != nil {
		return next
	}
	verdicts := l.judge(in)
	l.show(verdicts)
	sooner(l.act(ctx, verdicts))
	l.show(verdicts)
	l.needs.Complete()
	return next
}

// judge returns the verdicts on all objects. What was let go is left alone, although
// the cache may not show it yet.
func (l *Loop) judge(in input) []verdict {
	verdicts := judge(in)
	for i, o := range in.objects {
		if l.said[o.UID].released {
			verdicts[i] = verdict{object: o}
		}
	}
	return verdicts
}

// wanted returns the names of target groups that are to be known, in the account of each
// role, and how often each is looked up.
func (l *Loop) wanted(in input) map[target.Role]map[string]time.Duration {
	wanted := map[target.Role]map[string]time.Duration{}
	for _, o := range in.objects {
		name := o.groupName()
		every, needed := l.every(o, in.provisioned[o.Spec.TargetGroupARN])
		if name == "" || !needed || o.wrong().is() {
			continue
		}
		names := wanted[o.role()]
		if names == nil {
			names = map[string]time.Duration{}
			wanted[o.role()] = names
		}
		if had, ok := names[name]; !ok || every < had {
			names[name] = every
		}
	}
	return wanted
}

// every returns how often an object's group is looked up, and whether it is at all.
func (l *Loop) every(o *Object, provisioned bool) (time.Duration, bool) {
	switch {
	case o.leftover():
		// At the start the provisioner has not shown its bindings yet.
		return lookForLeftover, !o.deleting() && !provisioned && time.Since(l.begun) >= lookForLeftover
	case o.deleting():
		return lookWhileDraining, o.finalized()
	case o.Spec.TargetGroupARN == "":
		return lookByName, true
	}
	return l.o.AuditInterval, true
}

func (l *Loop) service(name types.NamespacedName) *corev1.Service {
	svc, _ := l.o.Services.Services(name.Namespace).Get(name.Name) // fails for what is not there alone
	return svc
}

// show shows what verdicts bind, and what they would. What has no finalizer yet is not
// bound.
func (l *Loop) show(verdicts []verdict) {
	s := shown{complete: true}
	for i := range verdicts {
		v := &verdicts[i]
		switch {
		case v.action == drain || v.action == bind && (v.object.finalized() || v.object.leftover()):
			s.bindings = append(s.bindings, v.binding)
		case v.waitedFor():
			s.missing = append(s.missing, v.object.binding(awsapi.TargetGroup{Name: v.object.groupName()}))
		}
	}
	l.board.show(s)
	l.needs.Show(kind, needs(verdicts))
}

// forget drops what was said of objects that are gone.
func (l *Loop) forget(objects []*Object) {
	stay := make(map[types.UID]bool, len(objects))
	for _, o := range objects {
		stay[o.UID] = true
	}
	for uid := range l.said {
		if !stay[uid] {
			delete(l.said, uid)
		}
	}
}
