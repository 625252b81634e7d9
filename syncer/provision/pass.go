package provision

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
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
	reasonFailedDeploy    = "FailedDeployModel"
	reasonFailedFinalizer = "FailedAddFinalizer"
	reasonFailedRemoval   = "FailedRemoveFinalizer"
	reasonFailedStatus    = "FailedUpdateStatus"
	reasonReplaced        = "LoadBalancerReplaced"
)

// errBackingOff says that nothing was tried: the group failed with the same model a
// moment ago and is due later.
var errBackingOff = errors.New("backing off")

// state is what is remembered of a group between passes. It is a cache: losing it
// costs calls, never correctness. It belongs to the worker that has the group.
type state struct {
	failures int                             // since the last success or change
	input    string                          // what failed
	due      time.Time                       // when what failed is tried again
	failure  string                          // the last one told
	problems map[types.NamespacedName]string // those told
	shown    map[types.UID]string            // host name by Ingress, as last written
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
	input  string                  // hash of what was asked for
	reason string                  // of the event, should what is being done fail
	called bool                    // AWS was asked to change or show something
}

func (l *Loop) newPass(g ingress.Group) *pass {
	return &pass{Loop: l, group: g, state: l.state(g.ID), log: l.o.Log.With(slog.String("group", g.ID.String())), reason: reasonFailedDeploy}
}

// input is what a Model is built from.
func (l *Loop) input(g ingress.Group) ingress.Input {
	return ingress.Input{Settings: l.o.Settings, Group: g, Services: func(key types.NamespacedName) (*corev1.Service, bool) {
		svc, err := l.o.Services.Services(key.Namespace).Get(key.Name)
		return svc, err == nil
	}}
}

// run takes the group from its Ingresses to AWS and back to their status.
func (p *pass) run(ctx context.Context) error {
	if err := p.build(ctx); err != nil {
		return err
	}
	p.tellProblems()
	if p.model.Hold {
		st, err := p.stack(ctx)
		if err == nil {
			p.publish(st)
		}
		return err
	}
	p.reason = reasonFailedFinalizer
	if err := addFinalizers(ctx, p.o.Client, p.group.ID, p.good); err != nil {
		return err
	}
	p.reason = reasonFailedDeploy
	steps, err := p.apply(ctx)
	if err != nil {
		return err
	}
	return p.report(ctx, steps)
}

// build computes the model. Only if a member is bad does it have to know what
// stands.
func (p *pass) build(ctx context.Context) error {
	in := p.Loop.input(p.group)
	p.model = ingress.Build(in)
	p.input = hash(p.model)
	if p.state.failures > 0 && p.state.input == p.input && time.Now().Before(p.state.due) {
		return errBackingOff
	}
	bad := map[types.NamespacedName]bool{}
	for _, problem := range p.model.Problems {
		if problem.Blocking {
			bad[problem.Ingress] = true
		}
	}
	if len(bad) > 0 {
		st, err := p.stack(ctx)
		if err != nil {
			return err
		}
		in.Standing, in.StandingScheme = st.standing(), st.scheme()
		p.model = ingress.Build(in)
	}
	for _, ing := range p.group.Members {
		if !bad[types.NamespacedName{Namespace: ing.Namespace, Name: ing.Name}] {
			p.good = append(p.good, ing)
		}
	}
	return nil
}

// stack reads what AWS holds of the group, unless it is known.
func (p *pass) stack(ctx context.Context) (*stack, error) {
	name := p.group.ID.String()
	st := p.inventory.known(name)
	if p.o.AuditInterval > 0 && st != nil && time.Since(st.readAt) >= p.o.AuditInterval {
		p.inventory.forget(name)
		st = nil
	}
	p.called = p.called || st == nil || !st.listenersRead
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return p.inventory.stack(ctx, name)
}

// publish shows the bindings as they are now.
func (p *pass) publish(st *stack) {
	name := p.group.ID.String()
	p.board.show(name, bindings(p.model, st, p.board.of(name)))
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
		elb: p.o.ELB, ec2: p.o.EC2, vpcID: p.o.VPCID, inventory: p.inventory, stack: st, log: p.log,
		owned:    awsapi.Tags{ingress.TagCluster: p.o.Settings.ClusterName, ingress.TagStack: name},
		publish:  func() { p.publish(st) },
		announce: func(reason, message string) { p.tell(p.group.Members, corev1.EventTypeNormal, reason, message) },
	}
	fatal := x.converge(ctx, p.model)
	failures := append([]error{fatal}, x.refused...)
	err = errors.Join(failures...)
	p.called = p.called || x.done > 0 || err != nil
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

// report tells Kubernetes what AWS has now.
func (p *pass) report(ctx context.Context, steps int) error {
	told := p.good
	if lb := p.model.LoadBalancer; lb != nil {
		p.reason = reasonFailedStatus
		changed, err := writeStatus(ctx, p.o.Client, p.inventory.known(p.group.ID.String()).balancer(lb.Scheme), p.good)
		if err != nil {
			return err
		}
		if fresh := p.freshlyShown(changed); steps == 0 {
			told = fresh
		}
	}
	p.tell(told, corev1.EventTypeNormal, reasonReconciled, "Successfully reconciled")
	p.reason = reasonFailedRemoval
	return removeFinalizers(ctx, p.o.Client, p.group.ID, p.group.Leaving)
}

// freshlyShown returns those of the Ingresses whose status was written that did not
// get the same one before. A cache that lags behind makes us write twice; that is
// harmless, but no news.
func (p *pass) freshlyShown(written []*networkingv1.Ingress) []*networkingv1.Ingress {
	host := p.inventory.known(p.group.ID.String()).balancer(p.model.LoadBalancer.Scheme).DNSName
	before := p.state.shown
	p.state.shown = map[types.UID]string{}
	for _, ing := range p.good {
		p.state.shown[ing.UID] = host
	}
	return slices.DeleteFunc(written, func(ing *networkingv1.Ingress) bool { return before[ing.UID] == host })
}

// tell records an event on Ingresses.
func (p *pass) tell(ingresses []*networkingv1.Ingress, kind, reason, message string) {
	for _, ing := range ingresses {
		p.o.Events.Event(ing, kind, reason, message)
	}
}

// tellProblems warns the owners of problems that they have not been told of.
func (p *pass) tellProblems() {
	now := map[types.NamespacedName]string{}
	for _, problem := range p.model.Problems {
		now[problem.Ingress] += problem.Reason + " " + problem.Message + "\n"
	}
	for _, ing := range p.group.Members {
		key := types.NamespacedName{Namespace: ing.Namespace, Name: ing.Name}
		if now[key] == p.state.problems[key] {
			continue
		}
		for _, problem := range p.model.Problems {
			if problem.Ingress == key {
				p.o.Events.Event(ing, corev1.EventTypeWarning, problem.Reason, problem.Message)
			}
		}
	}
	p.state.problems = now
}

// transport is what the SDK puts in front of AWS's own words. The request's ID in
// it makes every text a new one.
var transport = regexp.MustCompile(`https? response error StatusCode: \d+, RequestID: [^,]*, `)

// tellFailure warns the members, or if there are none those who are leaving. A
// failure that the next try usually mends is news only the second time.
func (p *pass) tellFailure(ctx context.Context, err error) {
	p.log.WarnContext(ctx, "a pass failed and is tried again", slog.Any("error", err), slog.Int("failures", p.state.failures+1))
	if p.state.failures == 0 && !lasts(err) {
		return
	}
	text := transport.ReplaceAllString(err.Error(), "")
	if p.state.failure == p.reason+text {
		return
	}
	p.state.failure = p.reason + text
	p.tell(slices.Concat(p.good, p.group.Leaving), corev1.EventTypeWarning, p.reason, text)
}

// lasts reports whether trying again is unlikely to mend a failure.
func lasts(err error) bool {
	return isRefusal(err) || isOwn[subnetsError](err) || awsapi.ClassOf(err) == awsapi.Denied
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
