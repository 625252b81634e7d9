package opqueue

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkAddAndDispatch lets 1,000 keys that are always ready go round: one
// change and one run each. Tokens are taken and spent, and never lacking.
func BenchmarkAddAndDispatch(b *testing.B) {
	const keys = 1000
	budget := NewBudget(BudgetOptions{
		Shared:     Bucket{Name: "account", Size: 1e9, Refill: 1e9},
		Classes:    []Class{{Name: "class", Refill: 1e9}},
		Categories: []Bucket{{Name: "call", Size: 1e9, Refill: 1e9}},
	})
	ctx, cancel := context.WithCancel(b.Context())
	var q *Queue[int]
	left := b.N
	q = New(Options[int]{
		Take: func(ctx context.Context) (*Token, error) { return budget.Take(ctx, "call", "class") },
		Run: func(ctx context.Context, key int, _ time.Time) Result {
			if budget.Pay(ctx, "call", "") != nil {
				return Retry()
			}
			if left--; left == 0 {
				cancel()
			}
			q.Add(key, Change{Urgent: key%2 == 0})
			return Done()
		},
	})
	for key := range keys {
		q.Add(key, Change{Urgent: key%2 == 0})
	}
	b.ReportAllocs()
	b.ResetTimer()
	require.NoError(b, q.Run(ctx))
}

// BenchmarkAdd adds to a queue in which the key waits already.
func BenchmarkAdd(b *testing.B) {
	q := New(Options[int]{})
	b.ReportAllocs()
	for i := range b.N {
		q.Add(i%1000, Change{})
	}
}

// BenchmarkTake takes a token of tgsync's buckets and returns it.
func BenchmarkTake(b *testing.B) {
	budget := NewBudget(published())
	b.ReportAllocs()
	for range b.N {
		token, err := budget.Take(b.Context(), "register", "registration")
		require.NoError(b, err)
		token.Return()
	}
}
