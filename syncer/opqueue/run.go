package opqueue

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Run runs keys until ctx ends, and returns when the runs under way have. It
// fails when a token cannot be had for another reason than the end of ctx. What
// has not been run stays in the queue.
func (q *Queue[K]) Run(ctx context.Context) error {
	runs, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var workers sync.WaitGroup
	err := q.dispatch(ctx, runs, &workers)
	wait := time.Duration(0)
	if q.o.Drain != nil {
		wait = q.o.Drain(context.Cause(ctx))
	}
	drain := time.AfterFunc(wait, cancel)
	defer drain.Stop()
	workers.Wait()
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// dispatch brings together, in this order: a key that is ready, a worker, a token;
// and only then decides which key it is. So nobody holds a token while idle, and
// the decision is as late as can be. If no key may go with what would be left in the
// bucket, the token goes back until one may.
func (q *Queue[K]) dispatch(ctx, runs context.Context, workers *sync.WaitGroup) error {
	slots := make(chan struct{}, max(1, q.o.Workers))
	wait := time.Duration(0)
	for q.waitReady(ctx, wait) {
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
		}
		token, err := q.take(ctx)
		if err != nil {
			return fmt.Errorf("dispatch: %w", err)
		}
		if ctx.Err() != nil { // The token came with the end.
			token.Return()
			break
		}
		var e *entry[K]
		var since time.Time
		if e, since, wait = q.pop(token); e == nil { // Or it was removed meanwhile.
			token.Return()
			<-slots
			continue
		}
		workers.Go(func() {
			q.run(WithToken(runs, token), e, since)
			<-slots
		})
	}
	return nil
}

// take waits for a token, if runs need any.
func (q *Queue[K]) take(ctx context.Context) (*Token, error) {
	if q.o.Take == nil {
		return nil, nil
	}
	return q.o.Take(ctx)
}

// run runs one key. The token of its purse goes back if it was not spent.
func (q *Queue[K]) run(ctx context.Context, e *entry[K], since time.Time) {
	result := q.o.Run(ctx, e.key, since)
	GiveBack(ctx)
	q.finish(e, result, q.o.Take == nil || purseOf(ctx).used.Load())
}

// waitReady waits until a key is ready, and for a while before that, unless
// something changes; false: ctx has ended.
func (q *Queue[K]) waitReady(ctx context.Context, wait time.Duration) bool {
	for {
		isReady, next := q.look()
		if isReady && wait <= 0 || ctx.Err() != nil {
			return ctx.Err() == nil
		}
		if isReady {
			next = min(next, wait)
		}
		timer := time.NewTimer(next)
		// Each of these is a reason to look again; which one came first is all the same.
		select {
		case <-ctx.Done():
		case <-q.wake:
		case <-timer.C:
		}
		timer.Stop()
		wait = 0
	}
}

// never is longer than any wait: there is nothing to wait for but a change.
const never = 24 * time.Hour

// look reports whether a key is ready, and when the next one will be.
func (q *Queue[K]) look() (isReady bool, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.promoteLocked(now)
	next = never
	if e := q.lists[asleep].head(); e != nil {
		next = e.by[asleep].time.Sub(now)
	}
	return q.lists[ready].Len() > 0, next
}
