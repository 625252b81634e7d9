package opqueue

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// ledger keeps when tokens were spent, by category and class.
type ledger struct {
	mu    sync.Mutex
	spent map[laneName][]time.Duration
}

func (l *ledger) add(name laneName, at time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent[name] = append(l.spent[name], at)
}

// of returns the times of all lanes that match, in order.
func (l *ledger) of(match func(laneName) bool) []time.Duration {
	var times []time.Duration
	for name, spent := range l.spent {
		if match(name) {
			times = append(times, spent...)
		}
	}
	slices.Sort(times)
	return times
}

// requireWithin checks that no interval holds more than size + refill x its length.
func requireWithin(t *rapid.T, times []time.Duration, bucket Bucket, share float64) {
	size, refill := max(1, bucket.Size*share), bucket.Refill*share
	for i := range times {
		for j := i; j < len(times); j++ {
			most := size + refill*(times[j]-times[i]).Seconds()
			if float64(j-i+1) > most+1e-6 {
				t.Fatalf("%s: %d tokens from %v to %v, but no more than %.3f can be", bucket.Name, j-i+1, times[i], times[j], most)
			}
		}
	}
}

// saturate keeps n callers busy with taking tokens until the end.
func saturate(ctx context.Context, all *sync.WaitGroup, b *Budget, n int, name laneName, l *ledger) {
	start := time.Now()
	for range n {
		all.Go(func() {
			for b.Pay(WithClass(ctx, name.class), name.category, "") == nil {
				l.add(name, time.Since(start))
			}
		})
	}
}

// TestBudgetKeepsToItsBuckets lets callers come, give up, give back and be
// throttled at random.
func TestBudgetKeepsToItsBuckets(t *testing.T) {
	o := published()
	checkInBubble(t, func(t *rapid.T) {
		o.Share = rapid.Float64Range(0.05, 1).Draw(t, "share")
		b := NewBudget(o)
		start := time.Now()
		l := &ledger{spent: map[laneName][]time.Duration{}}
		var all sync.WaitGroup
		for range rapid.IntRange(1, 150).Draw(t, "callers") {
			time.Sleep(time.Duration(rapid.IntRange(0, 400).Draw(t, "pause"))*time.Millisecond + time.Nanosecond)
			name := laneName{
				o.Categories[rapid.IntRange(0, 4).Draw(t, "category")].Name,
				o.Classes[rapid.IntRange(0, 3).Draw(t, "class")].Name,
			}
			patience := time.Duration(rapid.SampledFrom([]int{1, 1000, 1e9}).Draw(t, "patience")) * time.Millisecond
			ending := rapid.SampledFrom([]string{"spend", "spend", "return", "throttled"}).Draw(t, "ending")
			hold := time.Duration(rapid.SampledFrom([]int{0, 1, 10000}).Draw(t, "hold")) * time.Millisecond
			all.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				token, err := b.Take(ctx, name.category, name.class)
				if err != nil {
					return
				}
				time.Sleep(hold)
				if ending == "return" {
					token.Return()
					return
				}
				require.NoError(t, b.Pay(WithToken(context.Background(), token), name.category, ""))
				l.add(name, time.Since(start))
				if ending == "throttled" {
					b.Throttled(name.category)
				}
			})
			synctest.Wait()
		}
		// A wake-up that is lost leaves a caller waiting for 11 days.
		begun := time.Now()
		all.Wait()
		if waited := time.Since(begun); waited > 10*time.Hour {
			t.Fatalf("the last caller waited %v", waited)
		}
		for _, c := range o.Categories {
			requireWithin(t, l.of(func(n laneName) bool { return n.category == c.Name }), c, o.Share)
		}
		requireWithin(t, l.of(func(n laneName) bool { return n.category != "other" }), o.Shared, o.Share)
	})
}

// TestBudgetConservesTokens compares all levels with sums.
func TestBudgetConservesTokens(t *testing.T) {
	checkInBubble(t, func(t *rapid.T) {
		b := NewBudget(published())
		levels := map[*bucket]float64{&b.shared: 40, &b.categories["register"].bucket: 20, &b.classes["registration"].credit: 20}
		var kept []*Token
		add := func(n float64) {
			for bucket := range levels {
				levels[bucket] += n
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"sleep": func(t *rapid.T) {
				d := time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond
				time.Sleep(d)
				for bucket, level := range levels {
					levels[bucket] = min(bucket.size-float64(len(kept)), level+bucket.refill*d.Seconds())
				}
			},
			"take": func(t *rapid.T) {
				if !b.categories["register"].has(1) {
					t.Skip("it would wait")
				}
				token, err := b.Take(context.Background(), "register", "registration")
				require.NoError(t, err)
				kept = append(kept, token)
				add(-1)
			},
			"return": func(t *rapid.T) {
				if len(kept) == 0 {
					t.Skip("nothing to return")
				}
				kept[0].Return()
				kept = kept[1:]
				add(1)
			},
			"spend": func(t *rapid.T) {
				if len(kept) == 0 {
					t.Skip("nothing to spend")
				}
				require.NoError(t, b.Pay(WithToken(context.Background(), kept[0]), "register", ""))
				kept = kept[1:]
			},
			"": func(t *rapid.T) {
				b.serve()
				for bucket, level := range levels {
					require.InDelta(t, level, bucket.level, 1e-6)
				}
			},
		})
	})
}

// TestEveryClassGetsItsShare saturates any set of classes, through buckets that
// are no obstacle, with any number of callers each.
func TestEveryClassGetsItsShare(t *testing.T) {
	const minutes = 3
	o := published()
	o.Categories = []Bucket{{Name: "plenty", Size: 1e6, Refill: 1e6}}
	checkInBubble(t, func(t *rapid.T) {
		b := NewBudget(o)
		l := &ledger{spent: map[laneName][]time.Duration{}}
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		saturated := rapid.SliceOfNDistinct(rapid.IntRange(0, 3), 1, 4, rapid.ID[int]).Draw(t, "classes")
		for _, i := range saturated {
			time.Sleep(time.Duration(rapid.IntRange(0, 10000).Draw(t, "pause")) * time.Millisecond)
			saturate(ctx, &all, b, rapid.IntRange(1, 20).Draw(t, "callers"), laneName{"plenty", o.Classes[i].Name}, l)
		}
		begin := time.Now()
		before := map[string]int{}
		synctest.Wait()
		l.mu.Lock()
		for name, spent := range l.spent {
			before[name.class] = len(spent)
		}
		l.mu.Unlock()
		time.Sleep(minutes * time.Minute)
		cancel()
		all.Wait()
		var sum int
		seconds := time.Since(begin).Seconds()
		for _, i := range saturated {
			class := o.Classes[i]
			got := len(l.spent[laneName{"plenty", class.Name}]) - before[class.Name]
			sum += got
			// What the class with the floor takes from below it has to come in again
			// first, once.
			if float64(got) < class.Refill*seconds-20-2 {
				t.Fatalf("%s had %d tokens in %v s, of those saturated: %v", class.Name, got, seconds, saturated)
			}
		}
		if math.Abs(float64(sum)-10*seconds) > 41 {
			t.Fatalf("%d tokens in %v s: not all were used", sum, seconds)
		}
	})
}

// TestFloor has everyone else saturated; registration finds its floor at any time.
func TestFloor(t *testing.T) {
	checkInBubble(t, func(t *rapid.T) {
		o := published()
		o.Share = rapid.SampledFrom([]float64{0.2, 0.5, 0.8, 1}).Draw(t, "share")
		b := NewBudget(o)
		l := &ledger{spent: map[laneName][]time.Duration{}}
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for _, class := range []string{"readiness", "provisioning", "audit"} {
			saturate(ctx, &all, b, 5, laneName{"read", class}, l)
		}
		for range 3 {
			// Time for the last burst to come back.
			time.Sleep(20*time.Second + time.Duration(rapid.IntRange(0, 10000).Draw(t, "ms"))*time.Millisecond)
			start := time.Now()
			for range int(20 * o.Share) {
				require.NoError(t, b.Pay(WithClass(ctx, "registration"), "register", ""))
			}
			require.Zero(t, time.Since(start))
		}
		cancel()
		all.Wait()
	})
}
