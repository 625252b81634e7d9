package bench

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/opqueue"
)

// keeper opens gates until ctx ends.
type keeper func(ctx context.Context, w *gated) error

// The keepers that play beside the product's.
const (
	everyName   = "a read per group every 15 s"
	knowingName = "a read at every healthy moment"
)

// everyInterval is LBC's rule: from the registration on, a group is read again after
// this time as long as a gate of it is closed.
const everyInterval = 15 * time.Second

// keepers are those who take part; none is an Engine, since they all share the product's
// Syncer.
func keepers() []entrant {
	return []entrant{{name: productName}, {name: everyName}, {name: knowingName}}
}

func keeperOf(name string) keeper {
	switch name {
	case everyName:
		return every
	case knowingName:
		return knowing
	}
	return func(ctx context.Context, w *gated) error {
		cache.WaitForCacheSync(ctx.Done(), w.pods.HasSynced)
		return w.gates.Run(ctx)
	}
}

// every reads each group when pods begin to wait for it and every 15 s from then on.
func every(ctx context.Context, w *gated) error {
	next := map[string]time.Time{}
	return w.keep(ctx, 100*time.Millisecond, func(now time.Time) []string {
		var due []string
		waiting := map[string]time.Time{}
		for _, g := range w.gates.Waiting() {
			at, known := next[g.GroupARN]
			if !known || !now.Before(at) {
				due = append(due, g.GroupARN)
				at = now.Add(everyInterval)
			}
			waiting[g.GroupARN] = at
		}
		next = waiting
		return due
	})
}

// knowing reads each group in the moment in which a target of it becomes healthy that
// pods wait for.
func knowing(ctx context.Context, w *gated) error {
	last := map[string]time.Time{}
	return w.keep(ctx, 20*time.Millisecond, func(now time.Time) []string {
		var due []string
		for _, g := range w.gates.Waiting() {
			for _, t := range w.sim.Targets(g.GroupARN) {
				if t.Healthy.After(last[g.GroupARN]) {
					due = append(due, g.GroupARN)
					last[g.GroupARN] = now
					break
				}
			}
		}
		return due
	})
}

// keep runs the product's reflector, and beside it a poller that decides at every tick
// which groups it reads. Reads wait for tokens as the product's do.
func (w *gated) keep(ctx context.Context, tick time.Duration, due func(now time.Time) []string) error {
	cache.WaitForCacheSync(ctx.Done(), w.pods.HasSynced)
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return w.gates.RunReflector(ctx) })
	running.Go(func() error {
		for sleep(ctx, tick) == nil {
			for _, arn := range due(time.Now()) {
				running.Go(func() error {
					began := time.Now()
					if health, err := w.reads.DescribeTargetHealth(opqueue.WithClass(ctx, awsapi.ClassReadiness), arn); err == nil {
						w.gates.Observed(arn, began, health)
					}
					return nil
				})
			}
		}
		return nil
	})
	return running.Wait()
}
