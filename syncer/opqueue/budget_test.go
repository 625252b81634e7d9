package opqueue

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// published are buckets and classes as tgsync uses them.
func published() BudgetOptions {
	return BudgetOptions{
		Shared: Bucket{Name: "account", Size: 40, Refill: 10},
		Classes: []Class{
			{Name: "registration", Refill: 4, Floor: 20},
			{Name: "readiness", Refill: 3},
			{Name: "provisioning", Refill: 2},
			{Name: "audit", Refill: 1},
		},
		Categories: []Bucket{
			{Name: "register", Size: 20, Refill: 4},
			{Name: "read", Size: 40, Refill: 10},
			{Name: "write", Size: 20, Refill: 3},
			{Name: "heavy", Size: 10, Refill: 0.2},
			{Name: "other", Size: 5, Refill: 1, Alone: true},
		},
	}
}

// take takes n tokens at once and returns when the last of them came.
func take(t *testing.T, b *Budget, n int, category, class string) time.Duration {
	t.Helper()
	start := time.Now()
	for range n {
		require.NoError(t, b.Pay(WithClass(t.Context(), class), category, ""))
	}
	return time.Since(start)
}

func TestTokensComeAtTheExactMoment(t *testing.T) {
	tests := map[string]struct {
		share    float64
		category string
		class    string
		before   int // taken by another class
		tokens   int
		took     time.Duration
	}{
		"a full bucket":                      {category: "register", class: "registration", tokens: 20},
		"the refill of a category":           {category: "register", class: "registration", tokens: 22, took: 500 * time.Millisecond},
		"half of it":                         {share: 0.5, category: "register", class: "registration", tokens: 12, took: time.Second},
		"the floor":                          {category: "read", class: "readiness", tokens: 21, took: 100 * time.Millisecond},
		"the floor scaled":                   {share: 0.5, category: "read", class: "readiness", tokens: 11, took: 200 * time.Millisecond},
		"what others leave":                  {category: "read", class: "audit", tokens: 40, took: 2 * time.Second},
		"no floor for whom it is for":        {category: "read", class: "registration", tokens: 20, before: 20},
		"but no more than that":              {category: "read", class: "registration", tokens: 21, before: 20, took: 250 * time.Millisecond},
		"a bucket alone":                     {category: "other", class: "any", tokens: 7, took: 2 * time.Second},
		"never less than a token in a share": {share: 0.05, category: "heavy", class: "provisioning", tokens: 2, took: 100 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := published()
				o.Share = test.share
				b := NewBudget(o)
				take(t, b, test.before, "read", "readiness")
				took := take(t, b, test.tokens, test.category, test.class)
				require.InDelta(t, test.took, took, float64(time.Microsecond))
			})
		})
	}
}

// TestTokensComeAtTheExactMomentBesideOthers: whoever waits for a token that comes
// later makes nobody late.
func TestTokensComeAtTheExactMomentBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(published())
		take(t, b, 10, "heavy", "provisioning")
		take(t, b, 20, "register", "registration")
		var heavy time.Duration
		var waiting sync.WaitGroup
		waiting.Go(func() { heavy = take(t, b, 1, "heavy", "provisioning") })
		synctest.Wait()
		require.InDelta(t, 250*time.Millisecond, take(t, b, 1, "register", "registration"), float64(time.Microsecond))
		waiting.Wait()
		require.InDelta(t, 5*time.Second, heavy, float64(time.Microsecond))
	})
}

func TestUnknownNames(t *testing.T) {
	b := NewBudget(published())
	_, err := b.Take(t.Context(), "nothing", "audit")
	require.ErrorContains(t, err, `no token bucket has the name "nothing"`)
	require.ErrorContains(t, b.Pay(t.Context(), "read", ""), `no class of tokens of read has the name ""`)
	b.Throttled("nothing")
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(published())
		take(t, b, 20, "register", "registration")
		var mu sync.Mutex
		var order []int
		for i := range 10 {
			go func() {
				if b.Pay(WithClass(t.Context(), "registration"), "register", "") == nil {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i)
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
	})
}

func TestWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(published())
		take(t, b, 20, "register", "registration")
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			_, err := b.Take(short, "register", "registration")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "wait for a token of register")
		})
		synctest.Wait()
		// The token of who gave up is the next one's.
		require.InDelta(t, 250*time.Millisecond, take(t, b, 1, "register", "registration"), float64(time.Microsecond))
		all.Wait()
		_, err := b.Take(short, "register", "registration")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestReturnedTokenWakesWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(published())
		token, err := b.Take(t.Context(), "heavy", "provisioning")
		require.NoError(t, err)
		take(t, b, 9, "heavy", "provisioning")
		ctx := WithToken(t.Context(), token)
		go func() {
			time.Sleep(time.Second)
			GiveBack(ctx)
			GiveBack(ctx) // counts once
		}()
		require.Equal(t, time.Second, take(t, b, 1, "heavy", "provisioning"))
		require.InDelta(t, 4*time.Second, take(t, b, 1, "heavy", "provisioning"), float64(time.Microsecond))
	})
}

func TestContextPaysOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(published())
		token, err := b.Take(t.Context(), "heavy", "provisioning")
		require.NoError(t, err)
		ctx := WithToken(t.Context(), token)
		require.NoError(t, b.Pay(ctx, "write", ""), "another category is paid for with a token of the same class")
		require.InDelta(t, 9, b.categories["heavy"].level, tokenSlack)
		require.InDelta(t, 19, b.categories["write"].level, tokenSlack)
		require.NoError(t, b.Pay(ctx, "heavy", ""))
		require.InDelta(t, 9, b.categories["heavy"].level, tokenSlack, "the token was brought along")
		require.NoError(t, b.Pay(ctx, "heavy", ""))
		require.InDelta(t, 8, b.categories["heavy"].level, tokenSlack, "but pays only once")
		token.Return()
		require.InDelta(t, 8, b.categories["heavy"].level, tokenSlack, "and cannot be returned then")
		(*Token)(nil).Return()
		require.Equal(t, t.Context(), WithToken(t.Context(), nil))
	})
}

func TestEmptyCategoryBlocksNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(published())
		take(t, b, 10, "heavy", "provisioning")
		done := make(chan error, 1)
		go func() { done <- b.Pay(WithClass(t.Context(), "provisioning"), "heavy", "") }()
		synctest.Wait()
		require.Zero(t, take(t, b, 5, "write", "provisioning"))
		start := time.Now()
		require.NoError(t, <-done)
		require.InDelta(t, 5*time.Second, time.Since(start), float64(time.Microsecond))
	})
}

func TestObserveNamesWhatWasLacking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited := map[string]time.Duration{}
		o := published()
		o.Observe = func(bucket string, d time.Duration) { waited[bucket] += d.Round(time.Microsecond) }
		b := NewBudget(o)
		take(t, b, 22, "register", "registration")
		require.Equal(t, map[string]time.Duration{"register": 500 * time.Millisecond, "account": 0}, waited)
		clear(waited)
		time.Sleep(time.Minute)
		take(t, b, 22, "read", "audit")
		require.Equal(t, map[string]time.Duration{"read": 0, "account": 200 * time.Millisecond}, waited)
		clear(waited)
		take(t, b, 6, "other", "")
		require.Equal(t, map[string]time.Duration{"other": time.Second}, waited)
	})
}

func TestThrottledBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(published())
		register, heavy := b.categories["register"], b.categories["heavy"]
		b.Throttled("register")
		b.Throttled("register") // answers to calls sent together count once
		now := time.Now()
		require.InDelta(t, 0.7, register.scale(now), 1e-9)
		require.InDelta(t, 0.7, b.shared.scale(now), 1e-9)
		require.InDelta(t, 1.0, heavy.scale(now), 1e-9)
		require.InDelta(t, 0.85, register.scale(now.Add(15*time.Second)), 1e-9)
		require.InDelta(t, 1.0, register.scale(now.Add(30*time.Second)), 1e-9)

		// 4/s at 0.7, rising by 0.01 a second: 2.8 t + 0.02 t^2 = 1.
		require.InDelta(t, 356.2*float64(time.Millisecond), take(t, b, 1, "register", "registration"), float64(100*time.Microsecond))

		for range 20 {
			time.Sleep(time.Second)
			b.Throttled("register")
		}
		require.InDelta(t, 0.1, register.scale(time.Now()), 1e-9, "never below a tenth")
		require.InDelta(t, 0.1, b.shared.scale(time.Now()), 1e-9)
		// The floor goes down with its bucket: nobody is locked out. 1/s, rising by 0.3/s every second.
		require.Less(t, take(t, b, 4, "read", "audit"), 4*time.Second)
		time.Sleep(30 * time.Second)
		require.InDelta(t, 1.0, register.scale(time.Now()), 1e-9)

		take(t, b, 20, "read", "registration")
		level := b.shared.level
		require.Positive(t, level)
		b.Throttled("read")
		require.InDelta(t, level, b.shared.level, 1e-9, "what others need is not taken away")
		require.Zero(t, b.categories["read"].level)

		b.Throttled("other")
		require.InDelta(t, 0.7, b.shared.scale(time.Now()), 1e-9, "a bucket alone stands alone")
	})
}

func TestThrottlesWithinASecondCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(published())
		register := b.categories["register"]
		b.Throttled("register")
		time.Sleep(time.Second - 1)
		b.Throttled("register")
		require.InDelta(t, 0.71, register.scale(time.Now()), 1e-6, "it recovers by 0.01 a second")
		time.Sleep(1)
		b.Throttled("register")
		require.InDelta(t, 0.7*0.71, register.scale(time.Now()), 1e-6)
	})
}

func TestThrottledBucketOfOneTokenStillGivesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(BudgetOptions{Categories: []Bucket{{Name: "one", Size: 1, Refill: 10, Alone: true}}})
		b.Throttled("one")
		require.Less(t, take(t, b, 1, "one", ""), 150*time.Millisecond)
	})
}

func TestLeftoversGoToWhoWaitsLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(published())
		take(t, b, 20, "read", "audit") // down to the floor, and both without credit
		b.classes["readiness"].credit.level = 0
		b.classes["readiness"].credit.refill = 0.01
		b.classes["audit"].credit.refill = 0.01
		var mu sync.Mutex
		var order []int
		for i := range 8 {
			class := []string{"audit", "readiness"}[i/2%2]
			go func() {
				if b.Pay(WithClass(t.Context(), class), "read", "") == nil {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i)
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7}, order)
	})
}

// A throttled bucket is shared in the same proportions, a tenth of it at least,
// however many callers each class has.
func TestThrottledBucketKeepsTheShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := published()
		o.Categories = []Bucket{{Name: "plenty", Size: 1e6, Refill: 1e6}}
		b := NewBudget(o)
		l := &ledger{spent: map[laneName][]time.Duration{}}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for class, callers := range map[string]int{"registration": 1, "readiness": 1, "provisioning": 1, "audit": 20} {
			saturate(ctx, &all, b, callers, laneName{"plenty", class}, l)
		}
		for range 600 {
			time.Sleep(time.Second)
			b.Throttled("plenty")
		}
		cancel()
		all.Wait()
		for _, class := range o.Classes {
			// A bucket that small loses some of what comes in.
			require.Greater(t, float64(len(l.spent[laneName{"plenty", class.Name}])), 0.85*600*class.Refill/10, class.Name)
		}
	})
}

func TestObserveCountsWaitsInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited := map[string]time.Duration{}
		o := published()
		o.Observe = func(bucket string, d time.Duration) { waited[bucket] += d }
		b := NewBudget(o)
		take(t, b, 20, "register", "registration")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.Error(t, b.Pay(WithClass(ctx, "registration"), "register", ""))
		require.Equal(t, map[string]time.Duration{"register": 100 * time.Millisecond, "account": 0}, waited)
	})
}
