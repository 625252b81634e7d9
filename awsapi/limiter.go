package awsapi

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// bucket is one of AWS's token buckets as published, per account and Region.
type bucket struct {
	name   string
	size   int     // tokens
	refill float64 // tokens per second
}

// tokens hands out the tokens of one bucket.
type tokens interface {
	// Wait takes one token, or returns an error without one when ctx ends first
	// or would.
	Wait(ctx context.Context) error
}

var _ tokens = (*rate.Limiter)(nil)

// limiter keeps attempts inside AWS's budget, so that AWS hardly ever has to
// throttle. It is shared by all clients of the process.
type limiter struct {
	buckets  map[string]tokens // by name; written by newLimiter only
	observer Observer
}

// newLimiter returns a limiter with full buckets. Share scales size and refill:
// the rest is left to whoever else calls AWS from this account.
func newLimiter(share float64, observer Observer) *limiter {
	l := &limiter{buckets: map[string]tokens{}, observer: observer}
	for _, needed := range actions {
		for _, b := range needed {
			l.buckets[b.name] = b.tokens(share)
		}
	}
	return l
}

// tokens returns the bucket, full and scaled. A bucket of less than one token
// would never give any.
func (b bucket) tokens(share float64) tokens {
	return rate.NewLimiter(rate.Limit(b.refill*share), max(1, int(float64(b.size)*share)))
}

// take takes the tokens that one attempt of an action costs. The category's comes
// first, so that nobody who waits for it sits on a token of the account, which
// all actions need.
func (l *limiter) take(ctx context.Context, action string) error {
	needed, ok := actions[action]
	if !ok {
		return fmt.Errorf("no token bucket is known for %s", action)
	}
	for _, b := range needed {
		start := time.Now()
		err := l.buckets[b.name].Wait(ctx)
		l.observer.TokenWait(b.name, time.Since(start))
		if err != nil {
			return &tokenError{bucket: b.name, err: err}
		}
	}
	return nil
}

// tokenError says that the caller's context ended before the attempt had its
// tokens: nothing was sent.
type tokenError struct {
	bucket string
	err    error
}

func (e *tokenError) Error() string { return "wait for a token of " + e.bucket + ": " + e.err.Error() }

func (e *tokenError) Unwrap() error { return e.err }
