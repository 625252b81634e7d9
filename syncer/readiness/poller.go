package readiness

import (
	"context"
	"log/slog"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/opqueue"
)

// readWorkers is how many groups are read at once. AWS grants 10 reads a second, and
// one takes a small part of a second.
const readWorkers = 4

// Poller reads the health of groups of one account, as its budget allows.
type Poller struct {
	reads *opqueue.Queue[string] // groups to be read, by ARN
}

// NewPoller returns a Poller of another account for those memberships that name it.
// Token is like Options.Token. Run does the work.
func (g *Gates) NewPoller(token func(context.Context) (*opqueue.Token, error)) *Poller {
	return &Poller{opqueue.New(opqueue.Options[string]{Run: g.poll, Take: token, Workers: readWorkers, Drain: g.o.Drain, Rank: g.rank})}
}

// Run works until ctx ends, and returns when its reads have.
func (p *Poller) Run(ctx context.Context) error { return p.reads.Run(ctx) }

// poller returns who reads a group.
func (g *Gates) poller(arn string) *Poller {
	g.book.mu.Lock()
	defer g.book.mu.Unlock()
	if known := g.book.groups[arn]; known != nil && known.poller != nil {
		return known.poller
	}
	return g.own
}

// poll reads the health of a group, if it is worth it now.
func (g *Gates) poll(ctx context.Context, arn string, _ time.Time) opqueue.Result {
	if !g.schedule(arn) {
		return opqueue.Done() // its token serves another one
	}
	began := time.Now()
	health, err := g.o.AWS.DescribeTargetHealth(ctx, arn)
	switch class := awsapi.ClassOf(err); class {
	case awsapi.OK:
		g.Observed(arn, began, health)
	case awsapi.Throttled:
		g.book.throttled(arn, time.Now())
	case awsapi.Canceled:
		return opqueue.Retry() // by whoever leads next
	default:
		g.o.Log.WarnContext(ctx, "cannot read the health of a target group that pods wait for",
			slog.String("target_group", arn), slog.Any("error", err))
		g.tell(g.book.failed(arn, class, time.Now()))
	}
	g.schedule(arn)
	return opqueue.Done()
}

// schedule reports whether a group is worth a read now, and sees to it that it is read
// when it will be.
func (g *Gates) schedule(arn string) bool {
	now := time.Now()
	due, waits := g.book.due(arn, now)
	if waits && due.After(now) {
		g.poller(arn).reads.Add(arn, opqueue.Change{Since: due})
	}
	return waits && !due.After(now)
}

// rank is how much a read of a group is worth now.
func (g *Gates) rank(arn string) float64 { return g.book.rank(arn, time.Now()) }

// due returns when a group is worth a read, and false if nobody waits for it.
func (b *book) due(arn string, now time.Time) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.groups[arn]; g != nil {
		return g.due(now)
	}
	return time.Time{}, false
}

func (b *book) rank(arn string, now time.Time) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.groups[arn]; g != nil {
		return g.rank(now)
	}
	return 0
}

func (b *book) waiting(now time.Time) []Waiting {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Waiting
	for arn, g := range b.groups {
		if len(g.waiting) == 0 {
			continue
		}
		w := Waiting{GroupARN: arn, Pods: len(g.waiting), Read: g.lastRead}
		w.Next, _ = g.due(now)
		for _, pod := range g.waiting {
			if w.Since.IsZero() || pod.since.Before(w.Since) {
				w.Since = pod.since
			}
		}
		all = append(all, w)
	}
	return all
}
