package syncer

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
)

// Times of the workers.
const (
	// secondLook is when a group is observed once more after a call whose outcome
	// is open: AWS may still carry it out.
	secondLook = 30 * time.Second
	// The first look comes at once; while calls keep failing it comes later and
	// later, from 500 ms doubling to a minute.
	firstLook = 250 * time.Millisecond
	lastLook  = time.Minute
	// throttlePause is how long a throttled key stays away. The budget keeps us
	// below AWS's rates: throttling means that somebody else uses them too.
	throttlePause = time.Second
)

// Reasons of events.
const (
	reasonRefused = "TargetRefused"       // AWS does not take a target
	reasonFull    = "TargetQuotaExceeded" // nor any more of them
	reasonMost    = "TargetsLeftOut"      // nor do we, of ourselves
)

// key is one unit of work: an operation on a target group.
type key struct {
	arn string
	op  operation
}

// program carries out one batch of one operation of a group. It runs with a token
// in the context, which goes back if there turns out to be nothing to do.
func (s *Syncer) program(ctx context.Context, k key, since time.Time) opqueue.Result {
	b, ok := s.index.Load().byARN[k.arn]
	g := s.group(k.arn)
	if !ok || g == nil {
		return opqueue.Done()
	}
	if next := g.nextTry(k.op); !next.IsZero() {
		s.add(k, opqueue.Change{Since: next})
	}
	c := call{binding: b, group: g, aws: g.lane.Load().aws, key: k, since: since}
	if next, ok := s.fill(ctx, &c); !ok {
		return next
	}
	c.err = s.send(ctx, c)
	return s.after(ctx, c)
}

// fill plans a call and takes its batch, and reports false if there is none to be made
// now.
func (s *Syncer) fill(ctx context.Context, c *call) (next opqueue.Result, ok bool) {
	b, g := c.binding, c.group
	if b.Shared {
		defer g.turn()()
	}
	v, err := s.look(b)
	if err != nil {
		s.o.Log.ErrorContext(ctx, "cannot read the caches", groupAttr(b), slog.Any("error", err))
		return opqueue.Retry(), false
	}
	if !g.known() && len(v.desired) > s.o.BatchSize {
		// To look costs one call, to register what is there for the most part costs more.
		s.add(key{g.arn, observe}, opqueue.Change{Urgent: true})
		return opqueue.Later(secondLook), false // the observation adds the key again
	}
	if !s.share(ctx, b, g, v.wanted) {
		return opqueue.Retry(), false
	}
	plan := g.plan(v.wanted)
	s.tellLeft(b, g)
	todo := c.key.op.of(plan)
	if c.key.op == deregister {
		todo = s.guard(ctx, removal{binding: b, group: g, view: v, targets: todo})
	}
	c.view = v
	c.batch, c.more = g.begin(c.key.op, todo, s.o.BatchSize)
	if len(c.batch) == 0 {
		s.addOther(c.key, plan, c.since)
	}
	c.zones = s.zones.of(b.VPC).of(c.batch)
	return opqueue.Done(), len(c.batch) > 0
}

// addOther adds the key of the operation that a change has made necessary, where its
// event seemed to ask for the opposite: when the last node that was heard goes silent,
// endpoints go in order to come.
func (s *Syncer) addOther(k key, plan target.Plan, since time.Time) {
	other := register
	if k.op == register {
		other = deregister
	}
	// One that waits already may do so for a reason, which a change would end.
	if len(k.op.of(plan)) == 0 && len(other.of(plan)) > 0 && !s.waits(key{k.arn, other}) {
		s.add(key{k.arn, other}, opqueue.Change{Since: since, Size: len(other.of(plan))})
	}
}

// call is one batch on its way to AWS and back.
type call struct {
	binding target.Binding
	group   *group
	aws     TargetAPI
	key     key
	view    view // what it was planned from
	batch   []target.Target
	more    bool // the plan had more than this batch
	since   time.Time
	zones   map[netip.Addr]string
	err     error
}

// send makes the call.
func (s *Syncer) send(ctx context.Context, c call) error {
	if c.key.op == register {
		return c.aws.RegisterTargets(ctx, c.key.arn, c.batch, func(ip netip.Addr) string { return c.zones[ip] })
	}
	return c.aws.DeregisterTargets(ctx, c.key.arn, c.batch)
}

// after takes in the answer to a call and decides what comes next.
func (s *Syncer) after(ctx context.Context, c call) opqueue.Result {
	log := s.o.Log.With(groupAttr(c.binding), slog.String("operation", string(c.key.op)), slog.Any("targets", c.batch))
	class := awsapi.ClassOf(c.err)
	c.group.called(c.key.op, len(c.batch), c.err)
	if class == awsapi.Invalid && s.zones.of(c.binding.VPC).learn(c.err, c.batch, c.zones, c.view.zone) {
		log.InfoContext(ctx, "zones of targets outside the VPC were learned", slog.Any("error", c.err))
		c.group.end(c.key.op, c.batch, awsapi.Throttled) // nothing was done, and none is to blame
		return opqueue.More()
	}
	o := c.group.end(c.key.op, c.batch, class)
	s.forgetUnbound(c.group)
	if o.look {
		s.add(key{c.key.arn, observe}, opqueue.Change{Since: time.Now().Add(c.group.lookAfter(class)), Urgent: true})
	}
	switch class {
	case awsapi.OK:
		latency := time.Since(c.since)
		log.InfoContext(ctx, "targets programmed", slog.Duration("latency", latency.Round(time.Millisecond)))
		s.o.Metrics.TargetsProgrammed(string(c.key.op), len(c.batch), latency)
		s.tellGates(c)
		if c.more {
			return opqueue.More()
		}
		if c.binding.Shared && c.key.op == deregister {
			s.shareAgain(ctx, c) // the addresses may be somebody else's from now on
		}
		// What changed while these targets were in flight could not be planned.
		s.addMissing(c.key.arn, time.Now())
		return opqueue.Done()
	case awsapi.Throttled, awsapi.Fenced: // nothing was done
		return opqueue.Later(jitter(throttlePause))
	case awsapi.Unavailable, awsapi.Canceled:
		log.WarnContext(ctx, "outcome of a call is open, the group is observed again", slog.Any("error", c.err))
		return opqueue.Later(secondLook) // the observation adds the key again
	case awsapi.Invalid, awsapi.Limit:
		return s.refused(ctx, c, o)
	default:
		log.ErrorContext(ctx, "call failed", slog.String("class", string(class)), slog.Any("error", c.err))
		return opqueue.Retry()
	}
}

// refused decides what comes next when AWS does not take a batch as it is.
func (s *Syncer) refused(ctx context.Context, c call, o outcome) opqueue.Result {
	switch {
	case o.parked != nil:
		s.tellOwner(ctx, c, o.parked.until, reasonRefused, fmt.Sprintf("target %s of target group %s: %v", c.batch[0], c.binding.GroupName, c.err))
		return opqueue.More() // the others
	case o.full != nil:
		s.tellOwner(ctx, c, o.full.until, reasonFull, fmt.Sprintf("target group %s has no room for more targets: %v", c.binding.GroupName, c.err))
		return opqueue.More() // which finds out when the next try is
	case awsapi.ClassOf(c.err) == awsapi.Limit && len(c.group.plan(c.view.wanted).Deregister) > 0:
		// Those who leave make room. How many would fit now is of no interest.
		c.group.fill()
		s.add(key{c.key.arn, deregister}, opqueue.Change{Since: c.since, Urgent: true})
		return opqueue.More()
	}
	return opqueue.More() // with half of the targets
}

// tellOwner tells the owner of a Service that AWS does not take all of its pods.
func (s *Syncer) tellOwner(ctx context.Context, c call, until time.Time, reason, message string) {
	s.o.Log.ErrorContext(ctx, "targets are refused and parked", groupAttr(c.binding), slog.String("reason", reason),
		slog.Any("targets", c.batch), slog.Time("until", until), slog.Any("error", c.err))
	svc, err := s.o.Informers.Services.Lister().Services(c.binding.Service.Namespace).Get(c.binding.Service.Name)
	if err != nil {
		return // nobody to tell
	}
	s.o.Events.Event(svc, corev1.EventTypeWarning, reason, message)
}

// observe asks AWS what a group has.
func (s *Syncer) observe(ctx context.Context, k key, _ time.Time) opqueue.Result {
	g := s.group(k.arn)
	if g == nil {
		return opqueue.Done()
	}
	began := time.Now()
	health, o, err := s.read(ctx, g)
	if err != nil {
		s.o.Log.WarnContext(ctx, "cannot observe a target group", slog.String("target_group", k.arn), slog.Any("error", err))
		return opqueue.Retry()
	}
	s.gates.Observed(k.arn, began, health)
	if o.stale {
		return opqueue.More()
	}
	s.add(k, opqueue.Change{Since: g.nextLook(s.o.AuditInterval)})
	if o.awaited {
		s.addBoth(k.arn)
	} else {
		s.addIdle(k.arn)
	}
	return opqueue.Done()
}

// read asks AWS what a group has, and takes the answer in.
func (s *Syncer) read(ctx context.Context, g *group) ([]awsapi.TargetHealth, observation, error) {
	generation := g.currentGeneration()
	health, err := g.lane.Load().aws.DescribeTargetHealth(ctx, g.arn)
	g.called(observe, len(health), err)
	if err != nil {
		return nil, observation{}, err
	}
	o := g.observedAt(generation, health)
	if o.drift > 0 {
		s.o.Log.WarnContext(ctx, "a target group drifted", slog.String("target_group", g.arn), slog.Int("targets", o.drift))
		s.o.Metrics.DriftFound(o.drift)
	}
	return health, o, nil
}

// addMissing adds the keys of the operations that a group needs now, by what is bound
// to it now.
func (s *Syncer) addMissing(arn string, since time.Time) {
	b, bound := s.index.Load().byARN[arn]
	g := s.group(arn)
	if !bound || g == nil {
		return
	}
	v, err := s.look(b)
	if err != nil {
		return
	}
	plan := g.plan(v.wanted)
	for _, op := range []operation{deregister, register} {
		if len(op.of(plan)) > 0 {
			s.add(key{arn, op}, opqueue.Change{Since: since})
		}
	}
}

// addIdle adds the keys of a group that do not wait for anything: a look that nobody
// waited for does not end the pause of one that does.
func (s *Syncer) addIdle(arn string) {
	for _, op := range []operation{deregister, register} {
		if k := (key{arn, op}); !s.waits(k) {
			s.add(k, opqueue.Change{})
		}
	}
}

// addBoth adds the keys of both operations of a group.
func (s *Syncer) addBoth(arn string) {
	s.add(key{arn, deregister}, opqueue.Change{})
	s.add(key{arn, register}, opqueue.Change{})
}

// jitter spreads d over [d, 1.5 d), so that keys which failed together do not
// come back together.
func jitter(d time.Duration) time.Duration {
	return d + rand.N(d/2) //nolint:gosec // spreads load, guards nothing
}

func groupAttr(b target.Binding) slog.Attr { return slog.String("target_group", b.GroupName) }
