package opqueue

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// owner is who the buckets really belong to, and who refuses what they do not hold.
type owner struct {
	mu                   sync.Mutex
	account, registering bucket
}

// admit takes a token of the account, and one of registration if asked to.
func (o *owner) admit(registering bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.account.fill(now)
	o.registering.fill(now)
	if !o.account.has(1) || registering && !o.registering.has(1) {
		return false
	}
	o.account.level--
	if registering {
		o.registering.level--
	}
	return true
}

// neighbour takes its part until ctx ends.
func (o *owner) neighbour(ctx context.Context) {
	for i := 1; ctx.Err() == nil; i++ {
		time.Sleep(500*time.Millisecond + time.Nanosecond)
		o.admit(i%5 < 2) // 2 a second, of which 0.8 register
		for range 10 {
			if i%60 == 0 {
				o.admit(true)
			}
		}
	}
}

func TestNeighbour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &owner{account: newBucket(40, 10, time.Now()), registering: newBucket(20, 4, time.Now())}
		budget := NewBudget(BudgetOptions{
			Shared:     Bucket{Name: "account", Size: 40, Refill: 10},
			Classes:    []Class{{Name: "registration", Refill: 4, Floor: 20}},
			Categories: []Bucket{{Name: "registration", Size: 20, Refill: 4}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { o.neighbour(ctx) })
		var calls, throttled int
		var mu sync.Mutex
		q := New(Options[int]{
			Workers: 8, Drain: func(error) time.Duration { return time.Second }, Gap: 200 * time.Millisecond,
			Take: func(ctx context.Context) (*Token, error) { return budget.Take(ctx, "registration", "registration") },
			Run: func(ctx context.Context, _ int, _ time.Time) Result {
				if budget.Pay(ctx, "registration", "") != nil {
					return Retry()
				}
				admitted := o.admit(true)
				time.Sleep(callTime)
				mu.Lock()
				defer mu.Unlock()
				calls++
				if !admitted {
					throttled++
					budget.Throttled("registration")
					return Later(time.Second)
				}
				return Done()
			},
		})
		all.Go(func() { _ = q.Run(ctx) })
		time.Sleep(time.Minute)
		start := time.Now()
		for i := range 400 {
			q.Add(i, Change{})
		}
		for keys, _ := q.Pending(nil); keys > 0; keys, _ = q.Pending(nil) {
			time.Sleep(time.Second)
		}
		took := time.Since(start)
		t.Logf("%d calls, %d of them throttled (%.1f %%), done after %v; without the neighbour after %v",
			calls, throttled, 100*float64(throttled)/float64(calls), took, 95*time.Second)
		cancel()
		all.Wait()
		require.Positive(t, throttled)
	})
}
