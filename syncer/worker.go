package syncer

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
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

// reasonRefused is the reason of the event for a target that AWS does not take.
const reasonRefused = "TargetRefused"

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
		s.mutations.Add(k, opqueue.Change{Since: next})
	}
	if !g.known() {
		return opqueue.Later(secondLook) // the observation adds the key again
	}
	want, err := s.wanted(b)
	if err != nil {
		// Not found is not zero: the targets stay until the Service is back, or
		// until the provisioner has taken the group away.
		s.o.Log.WarnContext(ctx, "targets are held", groupAttr(b), slog.Any("error", err))
		return opqueue.Done()
	}
	batch, more := g.begin(k.op, want, s.o.BatchSize)
	if len(batch) == 0 {
		return opqueue.Done()
	}
	err = s.call(ctx, k, batch)
	parked := g.end(k.op, batch, awsapi.ClassOf(err))
	s.forgetUnbound(g)
	return s.after(ctx, b, k, result{group: g, batch: batch, more: more, since: since, err: err, parked: parked})
}

// call sends one batch.
func (s *Syncer) call(ctx context.Context, k key, batch []target.Target) error {
	if k.op == register {
		return s.o.AWS.RegisterTargets(ctx, k.arn, batch)
	}
	return s.o.AWS.DeregisterTargets(ctx, k.arn, batch)
}

// result is how a call went.
type result struct {
	group *group
	batch []target.Target
	more  bool
	since time.Time
	err   error
	// parked is set if the call was refused because of its only target.
	parked *parkedTarget
}

// after decides what comes next once a call has returned.
func (s *Syncer) after(ctx context.Context, b target.Binding, k key, r result) opqueue.Result {
	log := s.o.Log.With(groupAttr(b), slog.String("operation", string(k.op)), slog.Any("targets", r.batch))
	switch class := awsapi.ClassOf(r.err); class {
	case awsapi.OK:
		latency := time.Since(r.since)
		log.InfoContext(ctx, "targets programmed", slog.Duration("latency", latency.Round(time.Millisecond)))
		s.o.Metrics.TargetsProgrammed(string(k.op), len(r.batch), latency)
		if r.more {
			return opqueue.More()
		}
		// What changed while these targets were in flight could not be planned.
		s.addMissing(b, time.Now())
		return opqueue.Done()
	case awsapi.Throttled, awsapi.Fenced: // nothing was done
		return opqueue.Later(jitter(throttlePause))
	case awsapi.Unavailable, awsapi.Canceled:
		log.WarnContext(ctx, "outcome of a call is open, the group is observed again", slog.Any("error", r.err))
		s.reads.Add(key{k.arn, observe}, opqueue.Change{Since: time.Now().Add(r.group.failed())})
		return opqueue.Later(secondLook) // the observation adds the key again
	case awsapi.Invalid, awsapi.Limit:
		if r.parked == nil {
			return opqueue.More() // with half of the targets
		}
		log.ErrorContext(ctx, "target is refused and parked", slog.Time("until", r.parked.until), slog.Any("error", r.err))
		s.warnOfParking(b, r)
		return opqueue.More() // the others
	default:
		log.ErrorContext(ctx, "call failed", slog.String("class", string(class)), slog.Any("error", r.err))
		return opqueue.Retry()
	}
}

// warnOfParking tells the owner of a Service that AWS does not take one of its
// pods.
func (s *Syncer) warnOfParking(b target.Binding, r result) {
	svc, err := s.o.Informers.Services.Lister().Services(b.Service.Namespace).Get(b.Service.Name)
	if err != nil {
		return // nobody to tell
	}
	s.o.Events.Eventf(svc, corev1.EventTypeWarning, reasonRefused, "target %s of target group %s: %v", r.batch[0], b.GroupName, r.err)
}

// observe asks AWS what a group has.
func (s *Syncer) observe(ctx context.Context, k key, _ time.Time) opqueue.Result {
	g := s.group(k.arn)
	if g == nil {
		return opqueue.Done()
	}
	generation := g.currentGeneration()
	health, err := s.o.AWS.DescribeTargetHealth(ctx, k.arn)
	if err != nil {
		s.o.Log.WarnContext(ctx, "cannot observe a target group", slog.String("target_group", k.arn), slog.Any("error", err))
		return opqueue.Retry()
	}
	o := g.observedAt(generation, health)
	if o.stale {
		return opqueue.More()
	}
	if o.drift > 0 {
		s.o.Log.WarnContext(ctx, "a target group drifted", slog.String("target_group", k.arn), slog.Int("targets", o.drift))
		s.o.Metrics.DriftFound(o.drift)
	}
	s.reads.Add(k, opqueue.Change{Since: g.nextLook(s.o.AuditInterval)})
	s.addBoth(k.arn, opqueue.Change{})
	return opqueue.Done()
}

// wanted computes what a binding's group should have, from the caches.
func (s *Syncer) wanted(b target.Binding) (wanted, error) {
	found, err := s.o.Informers.endpoints(b)
	if err != nil {
		return wanted{}, err
	}
	// Without a slice nothing is wanted: a Service with a selector always has one, and
	// who makes slices by hand takes them away by hand.
	if found.Missing != nil && !errors.Is(found.Missing, endpoints.ErrNoSlices) {
		return wanted{}, found.Missing
	}
	w := wanted{desired: found.Desired, undecided: target.Set{}}
	for _, e := range found.Endpoints {
		if e.State == endpoints.Undecided {
			w.undecided[e.Target] = struct{}{}
		}
	}
	return w, nil
}

// addMissing adds the keys of the operations that a group needs now.
func (s *Syncer) addMissing(b target.Binding, since time.Time) {
	g := s.group(b.GroupARN)
	want, err := s.wanted(b)
	if g == nil || err != nil {
		return
	}
	plan := g.plan(want)
	for _, op := range []operation{deregister, register} {
		if len(op.of(plan)) > 0 {
			s.mutations.Add(key{b.GroupARN, op}, opqueue.Change{Since: since})
		}
	}
}

// addBoth adds the keys of both operations of a group.
func (s *Syncer) addBoth(arn string, c opqueue.Change) {
	s.mutations.Add(key{arn, deregister}, c)
	s.mutations.Add(key{arn, register}, c)
}

// jitter spreads d over [d, 1.5 d), so that keys which failed together do not
// come back together.
func jitter(d time.Duration) time.Duration {
	return d + rand.N(d/2) //nolint:gosec // spreads load, guards nothing
}

func groupAttr(b target.Binding) slog.Attr { return slog.String("target_group", b.GroupName) }
