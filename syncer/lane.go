package syncer

import (
	"context"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/readiness"
	"github.com/tgsync/tgsync/syncer/target"
)

// lane is the way to the target groups of one role's account. AWS's budgets belong to
// accounts, and a queue takes its token before it knows for which group: so each account
// has queues of its own, and one that denies us or hangs keeps no other waiting.
type lane struct {
	aws       TargetAPI
	mutations *opqueue.Queue[key] // takes registration tokens
	reads     *opqueue.Queue[key] // takes those of Describe calls
	poller    *readiness.Poller   // nil: our own account's, which package readiness runs
	stop      context.CancelFunc  // nil: it ends with Run
}

// newLane returns a lane that run runs.
func (s *Syncer) newLane(aws TargetAPI, tokens Tokens) *lane {
	return &lane{
		aws: aws,
		mutations: opqueue.New(opqueue.Options[key]{
			Run: s.program, Take: tokens.RegistrationToken,
			Workers: mutationWorkers, Gap: s.o.BatchInterval, Drain: drain, Order: s.o.Order,
		}),
		reads: opqueue.New(opqueue.Options[key]{
			Run:     s.observe,
			Take:    func(ctx context.Context) (*opqueue.Token, error) { return tokens.ReadToken(ctx, awsapi.ClassAudit) },
			Workers: readWorkers, Drain: drain,
			// What is urgent is to be seen after a call whose outcome is open, and there is
			// never much of that.
			Order: opqueue.UrgentFirst{},
		}),
	}
}

// newRoleLane returns the lane of a role of another account.
func (s *Syncer) newRoleLane(role target.Role) *lane {
	aws, tokens := s.o.Roles(role)
	l := s.newLane(aws, tokens)
	l.poller = s.gates.NewPoller(func(ctx context.Context) (*opqueue.Token, error) {
		return tokens.ReadToken(ctx, awsapi.ClassReadiness)
	})
	return l
}

// run works until ctx ends, and returns when the calls under way have.
func (l *lane) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.mutations.Run(ctx) })
	g.Go(func() error { return l.reads.Run(ctx) })
	if l.poller != nil {
		g.Go(func() error { return l.poller.Run(ctx) })
	}
	return g.Wait()
}

// queue returns the one that an operation goes through.
func (l *lane) queue(op operation) *opqueue.Queue[key] {
	if op == observe {
		return l.reads
	}
	return l.mutations
}

// forget drops what waits for a group.
func (l *lane) forget(arn string) {
	for _, op := range []operation{register, deregister, observe} {
		l.queue(op).Remove(key{arn, op})
	}
}

// lane returns the lane of a group, nil if it is not bound.
func (s *Syncer) lane(arn string) *lane {
	if g := s.group(arn); g != nil {
		return g.lane.Load()
	}
	return nil
}

// add adds a key to the lane of its group. Of a group that is not bound, nothing is to
// be done.
func (s *Syncer) add(k key, c opqueue.Change) {
	if l := s.lane(k.arn); l != nil {
		l.queue(k.op).Add(k, c)
	}
}

// waits reports whether a key has something to do.
func (s *Syncer) waits(k key) bool {
	l := s.lane(k.arn)
	return l != nil && l.queue(k.op).Waits(k)
}

// allLanes returns the lanes of today.
func (s *Syncer) allLanes() []*lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*lane, 0, len(s.lanes))
	for _, l := range s.lanes {
		all = append(all, l)
	}
	return all
}

// laneLocked returns the lane of a role. The first binding of a role makes it, and start
// starts it.
func (s *Syncer) laneLocked(role target.Role, start func(*lane)) *lane {
	l := s.lanes[role]
	if l == nil {
		l = s.newRoleLane(role)
		s.lanes[role] = l
		start(l)
	}
	return l
}

// endLanesLocked stops the lanes of roles that no binding names any more. Their calls
// under way are finished.
func (s *Syncer) endLanesLocked(bound map[string]target.Binding) {
	used := map[target.Role]bool{{}: true}
	for _, b := range bound {
		used[b.Role] = true
	}
	for role, l := range s.lanes {
		if !used[role] {
			l.stop()
			delete(s.lanes, role)
		}
	}
}

// liveRead adds what a live read of a Service's slices was for.
func (s *Syncer) liveRead(service types.NamespacedName) {
	for _, b := range s.index.Load().byService[service] {
		s.add(key{b.GroupARN, deregister}, opqueue.Change{})
	}
}
