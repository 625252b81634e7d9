package bench

import (
	"context"
	"sync"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

// earlyWorkers is how many keys the second reference works on at once: as many as
// the product has calls under way.
const earlyWorkers = 8

// reference is what the two references have in common: changes go into a list of
// batches, workers take the first, wait for a token, and call.
type reference struct {
	elb     *awsapi.ELB
	arns    []string
	workers int
	perKey  bool // else every change is a batch of its own

	// wake has a place for every worker: a token in it says that there may be work.
	wake chan struct{}

	mu      sync.Mutex // guards below
	waiting []batch    // oldest first
	busy    map[key]bool
	pacer   pacer
}

var _ Engine = (*reference)(nil)

// batch is what one call carries.
type batch struct {
	key     key
	targets []target.Target
}

// newPerChange makes the engine that needs no thought: every change is a call, in
// the order in which they happen.
func newPerChange(ctx context.Context, w *world) (Engine, error) { return newReference(ctx, w, false) }

// newPerKey makes the engine of most controllers: a queue of keys, oldest first,
// and workers that decide what to send and then wait until they may.
func newPerKey(ctx context.Context, w *world) (Engine, error) { return newReference(ctx, w, true) }

func newReference(ctx context.Context, w *world, perKey bool) (Engine, error) {
	clients, err := w.clients(ctx)
	if err != nil {
		return nil, err
	}
	return &reference{
		elb: clients.ELB, arns: w.arns, workers: earlyWorkers, perKey: perKey,
		wake: make(chan struct{}, earlyWorkers), busy: map[key]bool{}, pacer: pacer{bucket: registration},
	}, nil
}

// Change implements Engine.
func (r *reference) Change(_ context.Context, changes []Change) error {
	r.mu.Lock()
	for _, c := range changes {
		r.addLocked(batch{c.key(), []target.Target{address(c.Target)}})
	}
	r.mu.Unlock()
	r.signal()
	return nil
}

// addLocked puts a batch at the end, or joins it to what waits for its key.
func (r *reference) addLocked(b batch) {
	for i := range r.waiting {
		if r.perKey && r.waiting[i].key == b.key {
			r.waiting[i].targets = append(r.waiting[i].targets, b.targets...)
			return
		}
	}
	r.waiting = append(r.waiting, b)
}

func (r *reference) signal() {
	for range r.workers {
		select {
		case r.wake <- struct{}{}:
		default:
			return
		}
	}
}

// Run implements Engine.
func (r *reference) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range r.workers {
		workers.Go(func() { r.work(ctx) })
	}
	workers.Wait()
	return nil
}

func (r *reference) work(ctx context.Context) {
	for {
		b, ok := r.next()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-r.wake:
				continue
			}
		}
		if r.token(ctx) != nil {
			return
		}
		err := r.send(ctx, b)
		r.mu.Lock()
		delete(r.busy, b.key)
		if err != nil {
			r.waiting = append([]batch{b}, r.waiting...)
		}
		r.mu.Unlock()
		r.signal()
		if err != nil && sleep(ctx, time.Second) != nil {
			return
		}
	}
}

// next takes the oldest batch. Of a key there is one call at a time.
func (r *reference) next() (batch, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, b := range r.waiting {
		if r.perKey && r.busy[b.key] {
			continue
		}
		r.busy[b.key] = true
		r.waiting = append(r.waiting[:i:i], r.waiting[i+1:]...)
		return b, true
	}
	return batch{}, false
}

// token waits for a token: those who ask first get theirs first.
func (r *reference) token(ctx context.Context) error {
	r.mu.Lock()
	wait := r.pacer.take()
	r.mu.Unlock()
	return sleep(ctx, wait)
}

func (r *reference) send(ctx context.Context, b batch) error {
	if b.key.operation == Register {
		return r.elb.RegisterTargets(ctx, r.arns[b.key.group], b.targets, nil)
	}
	return r.elb.DeregisterTargets(ctx, r.arns[b.key.group], b.targets)
}
