package opqueue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Bucket is a token bucket as its owner publishes it.
type Bucket struct {
	Name   string
	Size   float64 // tokens
	Refill float64 // tokens per second
	// Alone says that its tokens are not taken together with one of the shared
	// bucket; classes mean nothing to it.
	Alone bool
}

// Class is a kind of caller of the shared bucket.
type Class struct {
	Name string
	// Refill is the tokens per second of the shared bucket that the class gets
	// whatever the others want. The sum over all classes is at most the bucket's.
	Refill float64
	// Floor is how many tokens of the shared bucket are kept for this class: it alone
	// takes them, and only out of its guarantee. Others may have to wait for them to
	// come in again, which is the one delay to their own guarantee.
	Floor float64
}

// BudgetOptions configure a Budget.
type BudgetOptions struct {
	// Share scales all sizes, refills and floors: the rest is left to whoever
	// else uses the buckets. Zero means 1.
	Share      float64
	Shared     Bucket // the one of which every call takes a token
	Classes    []Class
	Categories []Bucket // of which each kind of call has one
	// Observe is told how long a token was waited for, bucket by bucket, zero
	// included. It is called from many goroutines at once. Nil: nobody is told.
	Observe func(bucket string, waited time.Duration)
}

// Budget hands out tokens of a set of buckets. A token stands for one call: it is
// one of the call's category and one of the shared bucket, taken together or not
// at all.
//
// Callers of one category and class are served in the order in which they came.
// Of the others, those go first whose class has not had its guaranteed refill,
// and among equals whoever has waited longest.
type Budget struct {
	sharedName string
	observe    func(bucket string, waited time.Duration)
	lanes      map[laneName]*lane // written by NewBudget only

	// mu guards all below, and every bucket, lane and token.
	mu         sync.Mutex
	shared     bucket
	floors     float64 // of all classes
	classes    map[string]*class
	categories map[string]*category
	ordered    []*lane // lanes, for walking through
	sequence   uint64  // of the callers that have come
	timer      *time.Timer
}

type laneName struct{ category, class string }

// lane is the queue of the callers of one category and class.
type lane struct {
	category *category
	class    *class // nil: the category is alone
	waiting  []*Token

	// Time spent with nothing in the category, and with nothing in the shared
	// bucket: their growth while a token was waited for is what it waited.
	categoryTime, sharedTime time.Duration
	at                       time.Time // when both were right
	short                    time.Time // until when the category has nothing
}

type category struct {
	bucket
	name  string
	alone bool
}

// class holds the guarantee as a bucket of its own: a class that has something in
// there may insist.
type class struct {
	credit bucket
	floor  float64
}

// NewBudget returns a budget whose buckets are full.
func NewBudget(o BudgetOptions) *Budget {
	share := o.Share
	if share == 0 {
		share = 1
	}
	observe := o.Observe
	if observe == nil {
		observe = func(string, time.Duration) {}
	}
	now := time.Now()
	b := &Budget{
		sharedName: o.Shared.Name, observe: observe, lanes: map[laneName]*lane{},
		shared:  newBucket(o.Shared.Size*share, o.Shared.Refill*share, now),
		classes: map[string]*class{}, categories: map[string]*category{},
	}
	for _, c := range o.Classes {
		// A class keeps as much of what it did not use as it has of the bucket, and
		// never less than its own floor.
		b.floors += c.Floor * share
		size := max(o.Shared.Size*c.Refill/o.Shared.Refill, c.Floor)
		b.classes[c.Name] = &class{
			credit: newBucket(size*share, c.Refill*share, now),
			floor:  c.Floor * share,
		}
	}
	for _, c := range o.Categories {
		b.addCategory(c, &category{bucket: newBucket(c.Size*share, c.Refill*share, now), name: c.Name, alone: c.Alone})
	}
	return b
}

// addCategory makes the lanes of a category.
func (b *Budget) addCategory(o Bucket, c *category) {
	b.categories[o.Name] = c
	if o.Alone {
		b.addLane(laneName{category: o.Name}, &lane{category: c})
		return
	}
	for name, class := range b.classes {
		b.addLane(laneName{o.Name, name}, &lane{category: c, class: class})
	}
}

func (b *Budget) addLane(name laneName, l *lane) {
	b.lanes[name] = l
	b.ordered = append(b.ordered, l)
}

// Take waits for a token of a category, for a class. It is to be spent with Pay or
// returned. On an error, which is the context's or says that a name is unknown,
// there is none.
func (b *Budget) Take(ctx context.Context, category, class string) (*Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait for a token of %s: %w", category, err)
	}
	t, err := b.join(category, class)
	if err != nil {
		return nil, err
	}
	select {
	case <-t.granted:
		b.report(t)
		return t, nil
	case <-ctx.Done():
		// It may have come at the same moment; then it goes back.
		t.Return()
		b.report(t)
		return nil, fmt.Errorf("wait for a token of %s: %w", category, ctx.Err())
	}
}

// report tells how long a token has been waited for.
func (b *Budget) report(t *Token) {
	b.observe(t.lane.category.name, t.categoryTime)
	if !t.lane.category.alone {
		b.observe(b.sharedName, t.sharedTime)
	}
}

// join puts a new token at the end of its lane.
func (b *Budget) join(categoryName, className string) (*Token, error) {
	c, ok := b.categories[categoryName]
	if !ok {
		return nil, fmt.Errorf("no token bucket has the name %q", categoryName)
	}
	name := laneName{categoryName, className}
	if c.alone {
		name.class = ""
	}
	l, ok := b.lanes[name]
	if !ok {
		return nil, fmt.Errorf("no class of tokens of %s has the name %q", categoryName, className)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l.tick(time.Now())
	b.sequence++
	t := &Token{
		budget: b, lane: l, class: className, sequence: b.sequence, granted: make(chan struct{}),
		categoryTime: l.categoryTime, sharedTime: l.sharedTime,
	}
	l.waiting = append(l.waiting, t)
	b.serveLocked()
	return t, nil
}

// Throttled says that a call of a category was refused for want of tokens: its
// bucket and the shared one go down to 0.7 of what they were, at most once a
// second and not below a tenth, and recover within 30 s.
//
// Which of the two was empty is not told. The category's is taken to be, which also
// ends a burst of its calls; the shared one, which every other category needs, only
// gets smaller.
func (b *Budget) Throttled(category string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.categories[category]
	if !ok {
		return
	}
	now := time.Now()
	c.throttle(now, 0)
	if !c.alone {
		b.shared.throttle(now, 1)
		for _, class := range b.classes {
			class.credit.throttle(now, 1)
		}
	}
	// Nobody is served sooner for it: the timer comes too early once, at most.
}

// serveLocked grants every token that can be granted now, and sees to it that the
// next is granted at the very moment it can be.
func (b *Budget) serveLocked() {
	now := time.Now()
	b.shared.fill(now)
	for _, c := range b.classes {
		c.credit.fill(now)
	}
	for _, c := range b.categories {
		c.fill(now)
	}
	for l := b.nextLocked(); l != nil; l = b.nextLocked() {
		l.tick(now)
		b.grantLocked(l)
	}
	b.armLocked(now)
}

// nextLocked returns the lane that gets a token now, or nil.
func (b *Budget) nextLocked() *lane {
	var insists, borrows *lane
	for _, l := range b.ordered {
		if len(l.waiting) == 0 || b.waitLocked(l) > 0 {
			continue
		}
		if l.class == nil || l.class.credit.has(1) {
			insists = older(insists, l)
		} else {
			borrows = older(borrows, l)
		}
	}
	if insists != nil {
		return insists
	}
	return borrows
}

// waitLocked returns for how long a lane cannot have a token whatever the others
// do. A class that borrows, its guarantee being used up, leaves its own floor
// alone, too: it would keep the bucket down for ever.
func (b *Budget) waitLocked(l *lane) time.Duration {
	wait := l.category.until(1)
	if l.class == nil {
		return wait
	}
	insist := max(l.class.credit.until(1), b.untilLocked(b.floors-l.class.floor))
	borrow := b.untilLocked(b.floors)
	return max(wait, min(insist, borrow))
}

// untilLocked returns how long it takes until the shared bucket has a token above
// a floor, which is lower in a throttled bucket.
func (b *Budget) untilLocked(floor float64) time.Duration {
	return b.shared.until(1 + min(floor*b.shared.scale(b.shared.at), b.shared.limit()-1))
}

// older returns the lane whose head has waited longer.
func older(a, b *lane) *lane {
	if a == nil || b.waiting[0].sequence < a.waiting[0].sequence {
		return b
	}
	return a
}

// grantLocked hands a token to the head of a lane.
func (b *Budget) grantLocked(l *lane) {
	t := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	t.credit = l.class != nil && l.class.credit.has(1)
	t.each((*bucket).take)
	t.stopLocked(held)
	close(t.granted)
}

// armLocked sets the timer to the moment at which the next token can be granted.
func (b *Budget) armLocked(now time.Time) {
	wait := time.Duration(-1)
	for _, l := range b.ordered {
		if len(l.waiting) == 0 {
			continue
		}
		l.short = now.Add(l.category.until(1))
		if d := b.waitLocked(l); wait < 0 || d < wait {
			wait = d
		}
	}
	switch {
	case b.timer == nil && wait >= 0:
		b.timer = time.AfterFunc(wait, b.serve)
	case wait >= 0:
		b.timer.Reset(wait)
	case b.timer != nil:
		b.timer.Stop()
	}
}

func (b *Budget) serve() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serveLocked()
}

// tick notes what has been waited for since the last time.
func (l *lane) tick(now time.Time) {
	passed := now.Sub(l.at)
	category := min(passed, max(0, l.short.Sub(l.at)))
	l.categoryTime += category
	l.sharedTime += passed - category
	l.at = now
}

// leave takes a token that is not waited for any more out of its lane.
func (l *lane) leave(t *Token) {
	l.waiting = slices.DeleteFunc(l.waiting, func(o *Token) bool { return o == t })
}
