package syncer

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/target"
)

// Times of the workers.
const (
	// callTimeout bounds one call, waiting for tokens included: at 4 calls a second
	// it is what a queue of 240 calls takes.
	callTimeout = time.Minute
	// secondLook is when a group is observed once more after a call whose outcome
	// is open: AWS may still carry it out.
	secondLook = 30 * time.Second
	// throttlePause is how long a throttled key stays away. The limiter keeps us
	// below AWS's rates: throttling means that somebody else uses them too.
	throttlePause = time.Second
)

// key is one unit of work: an operation on a target group.
type key struct {
	arn string
	op  operation
}

// work serves one queue until it is shut down. Keys of one queue never run
// twice at the same time: the queue sees to that.
func (s *Syncer) work(ctx context.Context, q workqueue.TypedRateLimitingInterface[key]) {
	for {
		k, shutdown := q.Get()
		if shutdown {
			return
		}
		if g := s.group(k.arn); g != nil {
			call, cancel := context.WithTimeout(ctx, callTimeout)
			if k.op == observe {
				s.observe(call, g)
			} else {
				s.program(call, g, k.op)
			}
			cancel()
		}
		q.Done(k)
	}
}

// program carries out one batch of one operation of a group.
func (s *Syncer) program(ctx context.Context, g *group, op operation) {
	k := key{g.arn, op}
	if rest := g.rest(op, s.o.BatchInterval); rest > 0 {
		s.mutations.AddAfter(k, rest)
		return
	}
	b, ok := s.index.Load().byARN[g.arn]
	if !ok {
		return
	}
	desired, err := s.desired(b)
	if err != nil {
		// Not found is not zero: the targets stay until the Service is back, or
		// until the provisioner has taken the group away.
		s.o.Log.WarnContext(ctx, "targets are held", groupAttr(b), slog.Any("error", err))
		return
	}
	batch := g.begin(op, desired, s.o.BatchSize)
	if len(batch) == 0 {
		s.mutations.Forget(k)
		return
	}
	err = s.call(ctx, g.arn, op, batch)
	sent := g.end(op, batch, awsapi.ClassOf(err))
	s.after(ctx, b, k, result{batch: batch, sent: sent, err: err})
}

// call sends one batch.
func (s *Syncer) call(ctx context.Context, arn string, op operation, batch []target.Target) error {
	if op == register {
		return s.o.AWS.RegisterTargets(ctx, arn, batch)
	}
	return s.o.AWS.DeregisterTargets(ctx, arn, batch)
}

// result is how a call went.
type result struct {
	batch []target.Target
	sent  change
	err   error
}

// after decides what comes next once a call has returned.
func (s *Syncer) after(ctx context.Context, b target.Binding, k key, r result) {
	log := s.o.Log.With(groupAttr(b), slog.String("operation", string(k.op)), slog.Any("targets", r.batch))
	switch class := awsapi.ClassOf(r.err); class {
	case awsapi.OK:
		latency := r.sent.latency()
		if latency > 0 {
			log = log.With(slog.Duration("latency", latency.Round(time.Millisecond)))
		}
		log.InfoContext(ctx, "targets programmed")
		s.o.Metrics.TargetsProgrammed(string(k.op), len(r.batch), latency)
		s.mutations.Forget(k)
		// What changed while these targets were in flight could not be planned.
		s.addBoth(b.GroupARN)
	case awsapi.Throttled:
		s.mutations.AddAfter(k, jitter(throttlePause))
	case awsapi.Unavailable:
		log.WarnContext(ctx, "outcome of a call is open, the group is observed again", slog.Any("error", r.err))
		s.reads.Add(key{k.arn, observe})
		s.reads.AddAfter(key{k.arn, observe}, secondLook)
	default:
		log.ErrorContext(ctx, "call failed", slog.String("class", string(class)), slog.Any("error", r.err))
		s.mutations.AddRateLimited(k)
	}
}

// observe asks AWS what a group has.
func (s *Syncer) observe(ctx context.Context, g *group) {
	k := key{g.arn, observe}
	generation := g.currentGeneration()
	health, err := s.o.AWS.DescribeTargetHealth(ctx, g.arn)
	if err != nil {
		s.o.Log.WarnContext(ctx, "cannot observe a target group", slog.String("target_group", g.arn), slog.Any("error", err))
		s.reads.AddRateLimited(k)
		return
	}
	s.reads.Forget(k)
	if !g.observedAt(generation, health) {
		s.reads.Add(k)
		return
	}
	s.addBoth(g.arn)
}

// desired computes what a binding's group should have, from the caches.
func (s *Syncer) desired(b target.Binding) (target.Set, error) {
	svc, err := s.o.Informers.Services.Lister().Services(b.Service.Namespace).Get(b.Service.Name)
	if err != nil {
		return nil, err
	}
	slices, err := s.o.Informers.slicesOf(b.Service)
	if err != nil {
		return nil, err
	}
	return endpoints.Calculate(svc, b.ServicePort, slices)
}

// addBoth adds the keys of both operations of a group.
func (s *Syncer) addBoth(arn string) {
	s.mutations.Add(key{arn, deregister})
	s.mutations.Add(key{arn, register})
}

// jitter spreads d over [d, 1.5 d), so that keys which failed together do not
// come back together.
func jitter(d time.Duration) time.Duration {
	return d + rand.N(d/2) //nolint:gosec // spreads load, guards nothing
}

func groupAttr(b target.Binding) slog.Attr { return slog.String("target_group", b.GroupName) }
