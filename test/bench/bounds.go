package bench

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Bucket is the token bucket that every call takes a token of.
type Bucket struct {
	Size   float64 // tokens when full
	Refill float64 // tokens per second
}

// boundPrecision is how far above the true value WaitingBound may be.
const boundPrecision = time.Microsecond

// CompletionBound returns when any algorithm is done at the earliest, from the
// start of the trace, if the bucket is full then and a call takes d.
//
// Let t(1) >= t(2) >= ... be the last changes of all keys. The keys of the first i
// of them each need a call that is not older than t(i). The bucket gives away Size
// at most at t(i), and Refill a second from then on.
func CompletionBound(changes []Change, b Bucket, d time.Duration) time.Duration {
	var last []time.Duration
	for _, times := range byKey(changes) {
		last = append(last, times[len(times)-1])
	}
	slices.SortFunc(last, func(x, y time.Duration) int { return cmp.Compare(y, x) })
	var bound time.Duration
	for i, t := range last {
		calls := float64(i + 1)
		bound = max(bound, t+seconds(max(0, calls-b.Size)/b.Refill)+d)
	}
	return bound
}

// WaitingBound returns a time below which no algorithm keeps the wait of every
// change, if a call takes d.
//
// Suppose that every change waits for L at most. The first change of a key is then
// carried by a call within L - d, and so is the first change after that window, and
// so on: each whole window of a key holds a call of its own. In an interval [a, b]
// there are at most Size + Refill x (b - a) calls, and so many whole windows at
// most, over all keys. Where there are more, L is impossible.
//
// The bound is the place where bisection finds the impossible turn possible. A
// longer window may start later and meet more company, so that there can be several
// such places; just below each of them L is impossible, so each is a bound.
func WaitingBound(changes []Change, b Bucket, d time.Duration) time.Duration {
	keys := byKey(changes)
	if len(keys) == 0 {
		return 0
	}
	var end time.Duration
	for _, c := range changes {
		end = max(end, c.At)
	}
	// With one window per key, each as long as it takes to serve all keys, it fits.
	low, high := -boundPrecision, end+seconds(float64(len(keys))/b.Refill)
	for high-low > boundPrecision {
		middle := low + (high-low)/2
		if windowsFit(windows(keys, middle), middle, b) {
			high = middle
		} else {
			low = middle
		}
	}
	return high + d
}

// windows cuts the changes of every key greedily into windows of a width, and
// returns the starts of all of them in order.
func windows(keys map[key][]time.Duration, width time.Duration) []time.Duration {
	var starts []time.Duration
	for _, times := range keys {
		end := time.Duration(-1)
		for _, t := range times {
			if t > end {
				starts = append(starts, t)
				end = t + width
			}
		}
	}
	slices.Sort(starts)
	return starts
}

// windowsFit reports whether no interval holds more whole windows than the bucket
// gives tokens. Windows i to j, in order, lie in the interval from the start of i to
// the end of j: j - i + 1 <= Size + Refill x (start(j) + width - start(i)).
func windowsFit(starts []time.Duration, width time.Duration, b Bucket) bool {
	// slack forgives the rounding of sums.
	const slack = 1e-9
	room := b.Size + b.Refill*width.Seconds() + slack
	least := math.Inf(1) // of i - Refill x start(i), for i up to j
	for j, start := range starts {
		level := float64(j) - b.Refill*start.Seconds()
		least = min(least, level)
		if level-least+1 > room {
			return false
		}
	}
	return true
}

// byKey returns the times of the changes of every key, in order.
func byKey(changes []Change) map[key][]time.Duration {
	keys := map[key][]time.Duration{}
	for _, c := range changes {
		keys[c.key()] = append(keys[c.key()], c.At)
	}
	for _, times := range keys {
		slices.Sort(times)
	}
	return keys
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
