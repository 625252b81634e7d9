package opqueue

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"
)

// Token is the right to make one call. It is spent by Pay, or returned.
type Token struct {
	budget   *Budget
	lane     *lane
	class    string
	sequence uint64
	granted  chan struct{} // closed with the budget's lock held

	// Guarded by the budget's mutex.
	state  state
	credit bool // taken from what its class is guaranteed

	// How long it was waited for; before that, the lane's time when it joined.
	categoryTime, sharedTime time.Duration
}

// state is where a token is.
type state int

const (
	waiting state = iota
	held
	spent
	returned
)

// Return gives back a token that was not spent, to be had by whoever waits. It
// does nothing to one that is spent or returned, or nil.
func (t *Token) Return() {
	if t == nil {
		return
	}
	b := t.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	switch t.state {
	case waiting:
		t.lane.tick(time.Now())
		t.lane.leave(t)
		t.stopLocked(returned)
	case held:
		t.state = returned
		now := time.Now()
		t.each(func(b *bucket) { b.put(now) })
	default:
		return
	}
	b.serveLocked()
}

// each visits the buckets that the token is made of.
func (t *Token) each(visit func(*bucket)) {
	visit(&t.lane.category.bucket)
	if t.lane.class != nil {
		visit(&t.budget.shared)
	}
	if t.credit {
		visit(&t.lane.class.credit)
	}
}

// stopLocked ends the wait for the token.
func (t *Token) stopLocked(s state) {
	t.state = s
	t.categoryTime = t.lane.categoryTime - t.categoryTime
	t.sharedTime = t.lane.sharedTime - t.sharedTime
}

// leaves returns how long it takes until the bucket of its category has a part of
// what fits in, beside the token. The nil token is of a bucket that never
// lacks any.
func (t *Token) leaves(part float64) time.Duration {
	if t == nil || part <= 0 {
		return 0
	}
	b := t.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	c := t.lane.category
	c.fill(time.Now())
	return c.until(part * c.limit())
}

// spend uses the token up, if it is one of the budget and category and still held.
func (t *Token) spend(b *Budget, category string) bool {
	if t == nil || t.budget != b || t.lane.category.name != category {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.state != held {
		return false
	}
	t.state = spent
	now := time.Now()
	t.each(func(b *bucket) { b.spend(now) })
	return true
}

// purse is what a context brings along to pay with.
type purse struct {
	class string
	token *Token      // may be nil, spent or returned
	used  atomic.Bool // something was paid out of it
}

type purseKey struct{}

// WithClass returns a context in which tokens are taken for a class.
func WithClass(ctx context.Context, class string) context.Context {
	return withPurse(ctx, &purse{class: class})
}

// WithToken returns a context that brings a token along, for the first call made
// in it; nil stands for none. Further tokens are taken for the same class.
func WithToken(ctx context.Context, t *Token) context.Context {
	if t == nil {
		return ctx
	}
	return withPurse(ctx, &purse{class: t.class, token: t})
}

func withPurse(ctx context.Context, p *purse) context.Context {
	return context.WithValue(ctx, purseKey{}, p)
}

func purseOf(ctx context.Context) *purse {
	if p, ok := ctx.Value(purseKey{}).(*purse); ok {
		return p
	}
	return &purse{}
}

// GiveBack returns the token that the context brings along, if it was not spent:
// for a run that has something else to wait for first.
func GiveBack(ctx context.Context) { purseOf(ctx).token.Return() }

// Pay spends a token for one call of a category: the one that the context brings
// along, or else one that it waits for, of the context's class, or of the given one
// if the context names none. The errors are those of Take, and then nothing was
// spent.
func (b *Budget) Pay(ctx context.Context, category, class string) error {
	p := purseOf(ctx)
	if !p.token.spend(b, category) {
		t, err := b.Take(ctx, category, cmp.Or(p.class, class))
		if err != nil {
			return err
		}
		t.spend(b, category)
	}
	p.used.Store(true)
	return nil
}
