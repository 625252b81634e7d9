package securitygroup

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
)

// reasonFailed is LBC's reason of events about what is done here.
const reasonFailed = "FailedNetworkReconcile"

// Options configure a Loop.
type Options struct {
	EC2     EC2
	VPCID   string
	Cluster string
	// Sources tell what is needed. What none of them names is closed once all of them are
	// complete.
	Sources []Source
	// Pods returns the pods behind a need's Service that have addresses.
	Pods func(Need) []Pod
	// Node returns a node, and whether it is known.
	Node func(name string) (Node, bool)
	// Synced reports whether Pods and Node show all that the cluster has.
	Synced  func() bool
	Backend *Backend
	// TargetTags are, beside the cluster's, those of the security group that gets rules
	// where an interface has several.
	TargetTags map[string]string
	// Unrestricted opens the ports as they are asked for, and does not join them to a range.
	Unrestricted bool
	// AuditInterval is how often everything is read again though nothing has changed; 0:
	// never.
	AuditInterval time.Duration
	Events        record.EventRecorder
	Log           *slog.Logger
}

// Loop keeps the rules of the security groups of pods and nodes as the needs say.
type Loop struct {
	o          Options
	interfaces *interfaces
	groups     *groups
	begun      time.Time // when Run began
	told       map[string]string
	backend    struct {
		unneeded time.Time // since when; zero: it is needed
		due      time.Time
		failures int
	}
	failures int       // lookups in a row that failed
	lookDue  time.Time // when they are tried again
	next     time.Time // when the next pass is due, as far as this one knows
	// wake has a capacity of one: a change that nobody has looked at yet stands for
	// all changes since.
	wake chan struct{}
}

// New returns a Loop. Run does the work.
func New(o Options) *Loop {
	return &Loop{
		o: o, interfaces: newInterfaces(o.EC2, o.VPCID), groups: newGroups(o), told: map[string]string{}, wake: make(chan struct{}, 1),
	}
}

// Wake says that pods or nodes may have changed. It never blocks.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends. What is not done then is found by whoever starts next.
func (l *Loop) Run(ctx context.Context) error {
	if !cache.WaitForCacheSync(ctx.Done(), l.o.Synced) {
		return nil
	}
	// Registrations and their health go before all that is read here.
	ctx = awsapi.WithClass(ctx, awsapi.ClassAudit)
	l.begun = time.Now()
	var running sync.WaitGroup
	defer running.Wait()
	for _, s := range l.o.Sources {
		running.Go(func() { l.follow(ctx, s) })
	}
	l.pass(ctx)
	for l.wait(ctx) {
		l.pass(ctx)
	}
	return nil
}

// wait waits until another pass is due, and reports false if ctx has ended.
func (l *Loop) wait(ctx context.Context) bool {
	timer := time.NewTimer(gap)
	defer timer.Stop()
	select { // Either the gap is over, or everything is.
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	timer.Reset(max(0, time.Until(l.next)))
	// Only one of these can happen at a time, and each makes one pass.
	select {
	case <-ctx.Done():
		return false
	case <-l.wake:
	case <-timer.C:
	}
	return true
}

// follow wakes the loop when a source changes.
func (l *Loop) follow(ctx context.Context, s Source) {
	for {
		// Only one of these can happen at a time, and waking does not block.
		select {
		case <-ctx.Done():
			return
		case <-s.Changed():
			l.Wake()
		}
	}
}

// sooner notes when another pass is due.
func (l *Loop) sooner(at time.Time) {
	if at.Before(l.next) {
		l.next = at
	}
}

// pass brings the groups to what is needed now: what is missing is opened at once, and
// what nobody needs is closed when that has been so for a while.
func (l *Loop) pass(ctx context.Context) {
	l.next = time.Now().Add(24 * time.Hour)
	if !l.audit(ctx) {
		return
	}
	p := l.plan()
	if l.lookup(ctx, p.asks) {
		p = l.plan()
	}
	switch {
	case !p.asks.empty(): // more than one pass may look up
		l.sooner(cmp.Or(l.lookDue, time.Now()))
	case !p.known():
		l.sooner(time.Now().Add(firstPause))
	}
	for _, id := range sortedKeys(p.groups) {
		l.grant(ctx, p, id)
	}
	for _, id := range sortedKeys(l.groups.known) {
		l.revoke(ctx, p, l.groups.known[id])
	}
	l.release(ctx, p)
	l.report(p)
	l.interfaces.forget()
	if l.o.AuditInterval > 0 {
		l.sooner(latest(l.groups.at.Add(l.o.AuditInterval), l.lookDue))
	}
}

// audit reads all groups, at the start and when it is time again. It reports false if
// nothing is known of them.
func (l *Loop) audit(ctx context.Context) bool {
	first := l.groups.at.IsZero()
	if time.Now().Before(l.lookDue) || !first && (l.o.AuditInterval <= 0 || time.Since(l.groups.at) < l.o.AuditInterval) {
		return l.notYet(!first)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	all, began, err := l.groups.readAll(ctx)
	if l.failed(ctx, "security groups", err) {
		return l.notYet(!first)
	}
	l.o.Backend.listed(all, began)
	l.interfaces.stale = began
	return true
}

// notYet has the next pass come when lookups are tried again.
func (l *Loop) notYet(known bool) bool {
	if !known {
		l.sooner(l.lookDue)
	}
	return known
}

// failed notes how a lookup went, and returns whether it failed.
func (l *Loop) failed(ctx context.Context, what string, err error) bool {
	if err == nil {
		l.failures, l.lookDue = 0, time.Time{}
		return false
	}
	l.lookDue = time.Now().Add(pause(l.failures))
	l.failures++
	if ctx.Err() == nil || awsapi.ClassOf(err) != awsapi.Canceled {
		l.o.Log.WarnContext(ctx, "cannot look up "+what, slog.Any("error", err))
	}
	return true
}

// plan makes the plan of this moment.
func (l *Loop) plan() *plan {
	v := view{complete: true, pods: l.o.Pods, group: l.find, backend: l.o.Backend.ID(), unrestricted: l.o.Unrestricted}
	for _, s := range l.o.Sources {
		needs, complete := s.Needs()
		v.needs, v.complete = append(v.needs, needs...), v.complete && complete
	}
	p := makePlan(v)
	for id := range p.groups {
		if known := l.groups.known[id]; known != nil {
			known.ours = true
		} else if p.unread = true; time.Since(l.groups.missing[id]) >= firstPause {
			p.asks.groups[id] = true
		}
	}
	return p
}

// find returns the group that guards a pod.
func (l *Loop) find(pod Pod, a *asks) finding {
	node, ok := l.o.Node(pod.Node)
	switch {
	case ok && node.Outside:
		return finding{outside: true}
	case !ok:
		return finding{} // it is new, or just gone
	}
	ids, problem := l.interfaces.groups(pod, node, a)
	if problem != "" || len(ids) == 0 {
		return finding{problem: problem}
	}
	id, problem := l.groups.choose(ids, a)
	return finding{group: id, problem: problem}
}

// lookup reads what a plan asks for, and returns whether that may have changed the plan.
func (l *Loop) lookup(ctx context.Context, a asks) bool {
	if a.empty() || time.Now().Before(l.lookDue) {
		return false
	}
	err := l.interfaces.lookup(ctx, a)
	if ids := sortedKeys(a.groups); err == nil && len(ids) > 0 {
		err = l.groups.read(ctx, first(ids, addressesAtOnce))
	}
	return !l.failed(ctx, "network interfaces", err)
}

// report tells the owners of needs what is wrong, when it is something else than before.
func (l *Loop) report(p *plan) {
	now := map[string]string{}
	for _, name := range sortedKeys(p.problems) {
		now[name] = strings.Join(p.problems[name], "\n")
		if l.told[name] == now[name] {
			continue
		}
		l.o.Log.Warn("the way to some pods may be closed", slog.String("need", name), slog.String("problem", now[name]))
		for _, ref := range p.owners[name].Owners {
			l.o.Events.Event(&ref, corev1.EventTypeWarning, reasonFailed, now[name])
		}
	}
	l.told = now
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// first returns at most n of all.
func first(all []string, n int) []string { return all[:min(n, len(all))] }

// pause returns how long to wait after a number of failures, spread by half.
func pause(failures int) time.Duration {
	d := lastPause
	if failures < 6 { // 5 s << 6 is more than 5 minutes.
		d = min(lastPause, firstPause<<failures)
	}
	return d + rand.N(d/2) //nolint:gosec // spreads load, guards nothing
}
