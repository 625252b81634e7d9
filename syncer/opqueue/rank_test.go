package opqueue

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRankDecides lets the rank of the moment decide, whatever the age, and the age
// between equals.
func TestRankDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ranks := map[string]float64{"a": 1, "b": 1, "c": 3, "d": 2}
		b := newBench(t, 1, Options[string]{Workers: 1, Rank: func(key string) float64 { return ranks[key] }})
		b.Add("first", Change{})
		first := b.next(t)
		for _, key := range []string{"b", "a", "d", "c"} {
			time.Sleep(time.Millisecond)
			b.Add(key, Change{Urgent: key == "a"})
		}
		ranks["d"] = 4 // It counts what the rank is when a key is picked.
		first.finish <- Done()
		for _, want := range []string{"d", "c", "b", "a"} {
			time.Sleep(time.Second)
			run := b.next(t)
			require.Equal(t, want, run.key)
			run.finish <- Done()
		}
		b.end(t)
	})
}
