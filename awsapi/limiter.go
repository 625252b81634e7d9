package awsapi

import (
	"context"
	"fmt"
	"time"

	"github.com/tgsync/tgsync/syncer/opqueue"
)

// Classes of ELBv2 requests. Each is guaranteed a part of the account's refill;
// what one leaves is used by the others. A context names the class of the calls
// made in it (WithClass); else it goes by the action.
const (
	ClassRegistration = "registration"
	ClassReadiness    = "readiness"
	ClassProvisioning = "provisioning"
	ClassAudit        = "audit" // and first observation
)

// classes divide the account bucket's refill of 10 tokens a second. Registration
// has a floor: no other class takes the bucket below half of its size, so that a
// burst of changes always finds room.
var classes = []opqueue.Class{
	{Name: ClassRegistration, Refill: 4, Floor: 20},
	{Name: ClassReadiness, Refill: 3},
	{Name: ClassProvisioning, Refill: 2},
	{Name: ClassAudit, Refill: 1},
}

// limiter keeps attempts inside AWS's budget, so that AWS hardly ever has to
// throttle. It is shared by all clients of an account.
type limiter struct{ budget *opqueue.Budget }

// newLimiter returns a limiter with full buckets. Share scales size and refill:
// the rest is left to whoever else calls AWS from this account.
func newLimiter(share float64, observer Observer) *limiter {
	o := opqueue.BudgetOptions{
		Share:   share,
		Shared:  elbAccount,
		Classes: classes,
		Observe: func(bucket string, waited time.Duration) { observer.TokenWait(bucket, waited) },
	}
	known := map[string]bool{}
	for _, b := range actions {
		if !known[b.Name] {
			known[b.Name] = true
			o.Categories = append(o.Categories, b)
		}
	}
	return &limiter{opqueue.NewBudget(o)}
}

// take takes what one attempt of an action costs: a token of its category, and with
// it one of the account. A call that brings its token along does not pay twice. A nil
// limiter lets everything pass.
func (l *limiter) take(ctx context.Context, action string) error {
	if l == nil {
		return nil
	}
	category, ok := actions[action]
	if !ok {
		return fmt.Errorf("no token bucket is known for %s", action)
	}
	class := ClassProvisioning
	if category.Name == elbRegistration.Name {
		class = ClassRegistration
	}
	if err := l.budget.Pay(ctx, category.Name, class); err != nil {
		return &tokenError{err: err}
	}
	return nil
}

// throttled says that AWS refused an attempt of an action for its rate.
func (l *limiter) throttled(action string) {
	if l != nil {
		l.budget.Throttled(actions[action].Name)
	}
}

// RegistrationToken waits for a token for RegisterTargets or DeregisterTargets. A
// call made in opqueue.WithToken of it spends it.
func (c *Clients) RegistrationToken(ctx context.Context) (*opqueue.Token, error) {
	return c.limiter.budget.Take(ctx, elbRegistration.Name, ClassRegistration)
}

// ReadToken waits for a token for a Describe call of a class.
func (c *Clients) ReadToken(ctx context.Context, class string) (*opqueue.Token, error) {
	return c.limiter.budget.Take(ctx, elbNonMutating.Name, class)
}

// WithClass returns a context whose calls take their tokens as one of the classes.
func WithClass(ctx context.Context, class string) context.Context {
	return opqueue.WithClass(ctx, class)
}

// tokenError says that the caller's context ended before the attempt had its
// tokens: nothing was sent.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }

func (e *tokenError) Unwrap() error { return e.err }
