package bench

import (
	"context"
	"time"

	"github.com/tgsync/tgsync/syncer/opqueue"
)

// Engine brings the changes of a trace to AWS. What it gets to know and when is in
// its methods: none knows the future.
type Engine interface {
	// Run works until ctx ends, and returns when everything it started has ended.
	Run(ctx context.Context) error
	// Change tells of changes of one group, in the instant in which they happen.
	Change(ctx context.Context, changes []Change) error
}

// entrant is an engine that takes part.
type entrant struct {
	name string
	make func(ctx context.Context, w *world) (Engine, error)
}

// The engines, which all play the same traces. Bars are for the product. Two of the
// others are the product with another order of its queue.
const productName = "tgsync"

var entrants = []entrant{
	{productName, newProduct(nil)},
	{"oldest first", newProduct(opqueue.OldestFirst{})},
	{"deregister first", newProduct(opqueue.UrgentFirst{})},
	{"one call per change, FIFO", newPerChange},
	{"one call per key, oldest first, bound early", newPerKey},
}

// pacer is the token bucket of a reference.
type pacer struct {
	bucket Bucket
	full   time.Time // when the bucket would be full again
}

// take takes the next token and returns how long it takes until it is there.
func (p *pacer) take() time.Duration {
	now := time.Now()
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(seconds(1 / p.bucket.Refill))
	return p.full.Add(-seconds(p.bucket.Size / p.bucket.Refill)).Sub(now)
}

// sleep lets d pass. It returns the context's error if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
