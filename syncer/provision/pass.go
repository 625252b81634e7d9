package provision

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// Reasons of events, as the AWS Load Balancer Controller words them where it has
// the same one.
const (
	reasonReconciled      = "SuccessfullyReconciled"
	reasonFailedGroup     = "FailedLoadGroupID"
	reasonFailedBuild     = "FailedBuildModel"
	reasonFailedDeploy    = "FailedDeployModel"
	reasonFailedFinalizer = "FailedAddFinalizer"
	reasonFailedRemoval   = "FailedRemoveFinalizer"
	reasonFailedStatus    = "FailedUpdateStatus"
	reasonReplaced        = "LoadBalancerReplaced"
	reasonUnhealthy       = "TargetGroupNotHealthy"
	reasonInPlace         = "TargetGroupReplacedInPlace"
)

// errBackingOff says that nothing was tried: the group failed with the same model a
// moment ago and is due later.
var errBackingOff = errors.New("backing off")

// state is what is remembered of a group between passes. It is a cache: losing it
// costs calls, never correctness. It belongs to the worker that has the group.
type state struct {
	failures int                  // since the last success or change
	input    string               // what failed
	due      time.Time            // when what failed is tried again
	failure  map[warning]string   // the last ones told
	problems []ingress.Problem    // those told
	built    string               // the hash of the last model
	shown    map[types.UID]string // host name by Ingress, as last written
	timers   *timers
}

// failed notes a failure and returns when to try again.
func (s *state) failed(input string, last time.Duration) time.Duration {
	if s.input != input {
		s.failures = 0
	}
	d := backoff(s.failures, last)
	s.failures++
	s.input, s.due = input, time.Now().Add(d)
	return d
}

// pass is one pass over a group.
type pass struct {
	*Loop
	group ingress.Group
	state *state
	log   *slog.Logger

	model  *ingress.Model
	good   []*networkingv1.Ingress // the members that the model serves
	hash   string                  // of what was asked for
	called bool                    // AWS was asked to change or show something
	told   func(step string)       // see executor
	again  time.Time               // when something is due though nothing may change; zero: nothing is
	stay   []*networkingv1.Ingress // members of another group that this one still serves
	ready  map[string]bool         // UIDs of those that show another load balancer, and whether they may turn
}

func (l *Loop) newPass(g ingress.Group) *pass {
	return &pass{Loop: l, group: g, state: l.state(g.ID), log: l.o.Log.With(slog.String("group", g.ID.String()))}
}

// input is what a Model is built from of which only names and target groups count:
// it does not matter which certificates there are.
func (l *Loop) input(g ingress.Group) ingress.Input {
	return ingress.Input{
		Settings: l.o.Settings, Group: g, Certificates: anyCertificate(g),
		Services: func(key types.NamespacedName) (*corev1.Service, bool) {
			svc, _ := l.services.get(key)
			return svc, svc != nil
		},
	}
}

// input is what the pass's Model is built from. It notes when that has to be built
// again, though nothing may have changed.
func (p *pass) input() ingress.Input {
	in := p.Loop.input(p.group)
	in.Certificates = p.acm.forBuild
	in.Services = func(key types.NamespacedName) (*corev1.Service, bool) {
		svc, until := p.services.get(key)
		if !until.IsZero() {
			p.lookAgain(until)
		}
		return svc, svc != nil
	}
	in.Group = p.group.StillServing(p.stay)
	return in
}

// lookAgain makes the group's turn come at a time, if not before.
func (p *pass) lookAgain(at time.Time) {
	if p.again.IsZero() || at.Before(p.again) {
		p.again = at
	}
}

// run takes the group from its Ingresses to AWS and back to their status. What one
// Ingress does not take is returned in the end and keeps no other from being served.
func (p *pass) run(ctx context.Context) error {
	stay, err := p.staying(ctx)
	if err != nil {
		return err
	}
	p.stay = stay
	in := p.input()
	p.group.Leaving = slices.DeleteFunc(slices.Clone(p.group.Leaving), func(ing *networkingv1.Ingress) bool { return slices.Contains(stay, ing) })
	p.model = p.build(ctx, in)
	p.hash = hash(p.model)
	p.state.built = p.hash
	if p.state.failures > 0 && p.state.input == p.hash && time.Now().Before(p.state.due) {
		return errBackingOff
	}
	if err := p.settle(ctx, in); err != nil {
		return err
	}
	p.tellProblems()
	if p.model.Hold {
		return p.hold(ctx)
	}
	refused, patchErr := addFinalizers(ctx, p.o.Client, p.group.ID, p.good)
	patchErr = errors.Join(patchErr, p.comeBack(ctx))
	if len(refused) > 0 {
		if err := p.leaveOut(ctx, in, refused); err != nil {
			return errors.Join(patchErr, err)
		}
		if p.model.Hold {
			return errors.Join(patchErr, p.hold(ctx))
		}
	}
	steps, err := p.apply(ctx)
	if err != nil {
		// Whoever is served has an address, and of whom nothing is left may go, whatever
		// else was refused or has to wait.
		_, statusErr := p.showStatus(ctx)
		return errors.Join(patchErr, err, statusErr, p.letGo(ctx))
	}
	return errors.Join(patchErr, p.report(ctx, steps))
}

// settle decides who is good. Only if a member is bad does the model have to know
// what stands, and that may make another one bad.
func (p *pass) settle(ctx context.Context, in ingress.Input) error {
	if slices.ContainsFunc(p.model.Problems, func(problem ingress.Problem) bool { return problem.Blocking }) {
		st, err := p.stack(ctx)
		if err != nil {
			return err
		}
		if err := p.readLists(ctx, st); err != nil {
			return err
		}
		in.Standing = st.forBuild(p.o.Backend.ID())
		p.model = ingress.Build(in)
	}
	bad := map[types.NamespacedName]bool{}
	for _, problem := range p.model.Problems {
		if problem.Blocking {
			bad[problem.Ingress] = true
		}
	}
	p.good = slices.DeleteFunc(slices.Clone(p.group.Members), func(ing *networkingv1.Ingress) bool {
		return bad[types.NamespacedName{Namespace: ing.Namespace, Name: ing.Name}]
	})
	return nil
}

// leaveOut builds the model again without what members ask for that could not take
// the finalizer: nobody would delete it.
func (p *pass) leaveOut(ctx context.Context, in ingress.Input, refused []*networkingv1.Ingress) error {
	in.Group.Problems = slices.Clone(in.Group.Problems)
	for _, ing := range refused {
		in.Group.Problems = append(in.Group.Problems, ingress.Problem{
			Ingress: types.NamespacedName{Namespace: ing.Namespace, Name: ing.Name}, Blocking: true,
		})
	}
	p.model = ingress.Build(in)
	return p.settle(ctx, in)
}

// hold leaves what stands as it is.
func (p *pass) hold(ctx context.Context) error {
	st, err := p.stack(ctx)
	if err == nil {
		p.publish(st)
	}
	return err
}

// stack reads what AWS holds of the group, unless it is known.
func (p *pass) stack(ctx context.Context) (*stack, error) {
	name := p.group.ID.String()
	st := p.inventory.known(name)
	if st != nil && p.isStale(st) {
		p.inventory.forget(name)
		st = nil
	}
	p.called = p.called || st == nil || !st.listenersRead || p.inventory.mayHoldMore(st)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return p.inventory.stack(ctx, name)
}

// isStale reports whether it is time to compare with AWS again.
func (p *pass) isStale(st *stack) bool {
	return p.o.AuditInterval > 0 && time.Since(st.readAt) >= p.o.AuditInterval
}

// publish shows the bindings as they are now.
func (p *pass) publish(st *stack) {
	name := p.group.ID.String()
	p.board.show(name, bindings(p.model, st, p.board.of(name)))
	p.needs.Show(name, p.needsOf(p.group, p.model, st))
}

// apply brings AWS to the model and returns how many steps that took. If the stack
// in memory is as the model wants it, no call is made.
func (p *pass) apply(ctx context.Context) (int, error) {
	name := p.group.ID.String()
	st, err := p.stack(ctx)
	if err != nil {
		return 0, err
	}
	x := &executor{
		elb: p.o.ELB, ec2: p.o.EC2, vpcID: p.o.VPCID, subnets: p.o.Subnets, inventory: p.inventory, backend: p.o.Backend,
		stack: st, group: p.group, log: p.log,
		owned:    awsapi.Tags{ingress.TagCluster: p.o.Settings.ClusterName, ingress.TagStack: name},
		publish:  func() { p.publish(st) },
		told:     p.told,
		announce: func(reason, message string) { p.tell(p.group.Members, corev1.EventTypeNormal, reason, message) },
		announceTo: func(id, reason, message string) {
			p.tell(ingress.Owners(id, p.group.Members), corev1.EventTypeWarning, reason, message)
		},
		wakeAt: p.lookAgain, replaceTimeout: p.o.ReplaceTimeout, linger: p.o.LBLinger, timers: p.state.timers, staying: p.stay,
	}
	fatal := x.converge(ctx, p.model)
	if fatal == nil {
		fatal = p.takeOver(ctx, x)
	}
	failures := append([]error{fatal}, x.refused...)
	err = errors.Join(failures...)
	p.called = p.called || x.done > 0 || x.looked || err != nil
	x.publish()
	if slices.ContainsFunc(failures, func(err error) bool { return !keepsPicture(err) }) {
		p.inventory.forget(name)
	}
	switch {
	case err != nil:
		return x.done, err
	case len(x.waiting) > 0:
		return x.done, fmt.Errorf("%w: %s", errWaiting, strings.Join(x.waiting, ", "))
	}
	return x.done, nil
}

// served are the members that the load balancer serves: the good ones, and the bad
// ones of which something stands.
func (p *pass) served() []*networkingv1.Ingress {
	return slices.DeleteFunc(slices.Clone(p.group.Members), func(ing *networkingv1.Ingress) bool {
		return !slices.Contains(p.good, ing) && !slices.Contains(ing.Finalizers, ingress.Finalizer(p.group.ID))
	})
}

// showStatus writes the load balancer's name on those it serves, if it stands, and
// returns those that did not show it.
func (p *pass) showStatus(ctx context.Context) (changed []*networkingv1.Ingress, err error) {
	b := p.balancer()
	if b == nil {
		return nil, nil
	}
	return writeStatus(ctx, p.o.Client, b, p.turned(b))
}

// turned are those served that may show b: of those that show another one, those that
// it can take over.
func (p *pass) turned(b *balancer) []*networkingv1.Ingress {
	st := p.inventory.known(p.group.ID.String())
	return slices.DeleteFunc(p.served(), func(ing *networkingv1.Ingress) bool {
		return p.isElsewhere(st, b, ing) && !p.ready[string(ing.UID)]
	})
}

// balancer returns the load balancer that the model asks for, nil if it does not
// stand or is not known to.
func (p *pass) balancer() *balancer {
	st := p.inventory.known(p.group.ID.String())
	if p.model.LoadBalancer == nil || st == nil {
		return nil
	}
	return st.balancer(p.model.LoadBalancer.Scheme)
}

// report tells Kubernetes what AWS has now.
func (p *pass) report(ctx context.Context, steps int) error {
	changed, err := p.showStatus(ctx)
	told := p.good
	if fresh := p.freshlyShown(changed); p.balancer() != nil && (steps == 0 || err != nil) {
		told = fresh
	}
	p.tell(told, corev1.EventTypeNormal, reasonReconciled, "Successfully reconciled")
	return errors.Join(err, removeFinalizers(ctx, p.o.Client, p.group.ID, p.released()))
}

// released are those who leave and of whom nothing is left. A load balancer that
// lingers may still have something of theirs.
func (p *pass) released() []*networkingv1.Ingress {
	st := p.inventory.known(p.group.ID.String())
	if st == nil || len(st.balancers) < 2 {
		return p.group.Leaving
	}
	return slices.DeleteFunc(slices.Clone(p.group.Leaving), st.holds)
}

// letGo lets go of those who leave and of whom nothing is left, although the pass
// failed. The last ones of a group wait: what is the group's goes with them.
func (p *pass) letGo(ctx context.Context) error {
	st := p.inventory.known(p.group.ID.String())
	if p.model.LoadBalancer == nil || st == nil {
		return nil
	}
	gone := slices.DeleteFunc(slices.Clone(p.group.Leaving), st.holds)
	return removeFinalizers(ctx, p.o.Client, p.group.ID, gone)
}

// freshlyShown returns those good Ingresses whose status was written that did not
// get the same one before. A cache that lags behind makes us write twice; that is
// harmless, but no news.
func (p *pass) freshlyShown(written []*networkingv1.Ingress) []*networkingv1.Ingress {
	b := p.balancer()
	if b == nil {
		return nil
	}
	before := p.state.shown
	p.state.shown = map[types.UID]string{}
	for _, ing := range p.good {
		p.state.shown[ing.UID] = b.DNSName
	}
	return slices.DeleteFunc(written, func(ing *networkingv1.Ingress) bool {
		return before[ing.UID] == b.DNSName || !slices.Contains(p.good, ing)
	})
}

// tell records an event on Ingresses.
func (p *pass) tell(ingresses []*networkingv1.Ingress, kind, reason, message string) {
	for _, ing := range ingresses {
		p.o.Events.Event(ing, kind, reason, message)
	}
}

// hash is equal for two models if they ask for the same.
func hash(m *ingress.Model) string {
	plain := *m
	plain.Problems = nil
	data, err := json.Marshal(plain)
	if err != nil {
		return "" // not reached: a Model holds only what JSON can say
	}
	sum := sha256.Sum256(data)
	return string(sum[:])
}
