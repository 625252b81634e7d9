package awsapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// attemptTimeout ends an attempt that AWS does not answer. The SDK would wait
// for ever. The slowest call, CreateLoadBalancer, answers within a few seconds.
const attemptTimeout = 30 * time.Second

// attempts stands in the SDK's Finalize step right after Retry, and so meets
// every attempt and not just every call: tokens, fence, time limit, observation.
type attempts struct {
	service  string
	limiter  *limiter // nil: nothing limits
	fence    fence    // nil for reads
	observer Observer
}

var _ middleware.FinalizeMiddleware = (*attempts)(nil)

// insert puts a into the stack of one operation.
func (a *attempts) insert(stack *middleware.Stack) error {
	return stack.Finalize.Insert(a, "Retry", middleware.After)
}

// ID implements middleware.FinalizeMiddleware.
func (*attempts) ID() string { return "TgsyncAttempt" }

// HandleFinalize implements middleware.FinalizeMiddleware. The signature is made
// after it, so that a wait for tokens cannot make it stale.
func (a *attempts) HandleFinalize(
	ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
) (middleware.FinalizeOutput, middleware.Metadata, error) {
	operation := awsmiddleware.GetOperationName(ctx)
	action := a.service + ":" + operation
	if err := a.limiter.take(ctx, action); err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, err
	}
	// After the tokens, because the wait for them may outlast the permission.
	if err := a.fence.check(); err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, err
	}
	limited, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	start := time.Now()
	out, metadata, err := next.HandleFinalize(limited, in)
	if errors.Is(err, context.DeadlineExceeded) && limited.Err() != nil && ctx.Err() == nil {
		// The SDK takes every ended context for the caller's wish and would not
		// try again; this end was ours.
		err = fmt.Errorf("no answer within %v: %w", attemptTimeout, context.DeadlineExceeded)
	}
	if ClassOf(err) == Throttled {
		a.limiter.throttled(action)
	}
	a.observer.Request(a.service, operation, Code(err), time.Since(start))
	return out, metadata, err
}
