package opqueue

import (
	"math"
	"time"
)

// How a bucket answers to being throttled, and how it recovers.
const (
	throttleFactor   = 0.7              // what is left of size and refill
	throttleLeast    = 0.1              // what is left however often
	throttleEvery    = time.Second      // answers to calls sent together count once
	throttleRecovery = 30 * time.Second // from the last throttle to full size and refill
)

// tokenSlack forgives the rounding of sums of fractions of tokens.
const tokenSlack = 1e-9

// bucket holds tokens. Its size and refill are those published times a scale,
// which is 1, or less after a throttle and rising evenly from there.
//
// For its owner a token leaves the bucket with the call, not when somebody here
// makes up his mind: those held take up room.
type bucket struct {
	size   float64
	refill float64   // tokens per second
	level  float64   // tokens to be had
	held   float64   // tokens that were taken and neither spent nor returned
	at     time.Time // when level was right

	low       float64 // the scale at throttled
	throttled time.Time
}

func newBucket(size, refill float64, now time.Time) bucket {
	// A bucket of less than one token would never give any.
	size = max(1, size)
	return bucket{size: size, refill: refill, level: size, at: now, low: 1}
}

// scale returns what part of size and refill counts at t.
func (b *bucket) scale(t time.Time) float64 {
	return min(1, b.low+(1-b.low)*t.Sub(b.throttled).Seconds()/throttleRecovery.Seconds())
}

// limit returns how many tokens fit in at the time of level.
func (b *bucket) limit() float64 { return max(1, b.size*b.scale(b.at)) }

// room returns how many of them are not held.
func (b *bucket) room() float64 { return max(0, b.limit()-b.held) }

// ramp returns for how many seconds after the time of level the scale still rises.
func (b *bucket) ramp() float64 {
	return max(0, b.throttled.Add(throttleRecovery).Sub(b.at).Seconds())
}

// fill adds what has come in since the time of level; what does not fit is lost.
func (b *bucket) fill(now time.Time) {
	passed := now.Sub(b.at).Seconds()
	rising := min(passed, b.ramp())
	from := b.scale(b.at)
	b.at = now
	to := b.scale(now)
	b.level = min(b.room(), b.level+b.refill*((from+to)/2*rising+(passed-rising)))
}

// has reports whether n tokens are there.
func (b *bucket) has(n float64) bool { return b.level >= n-tokenSlack }

// take takes a token, to be held until it is spent or put back.
func (b *bucket) take() {
	b.level--
	b.held++
}

// spend lets a held token go.
func (b *bucket) spend(now time.Time) {
	b.fill(now)
	b.held--
}

// put puts a held token back.
func (b *bucket) put(now time.Time) {
	b.fill(now)
	b.held--
	b.level++
}

// until returns how long after the time of level n tokens will be there.
func (b *bucket) until(n float64) time.Duration {
	if b.has(n) {
		return 0
	}
	// In seconds of full refill. While the scale s rises by a per second, t seconds
	// bring s*t + a*t*t/2 of them.
	missing := (n - b.level) / b.refill
	s, ramp := b.scale(b.at), b.ramp()
	seconds := ramp + missing - (s+1)/2*ramp
	if seconds < ramp {
		a := (1 - b.low) / throttleRecovery.Seconds()
		seconds = 2 * missing / (math.Sqrt(s*s+2*a*missing) + s)
	}
	return time.Duration(math.Ceil(seconds * float64(time.Second)))
}

// throttle lowers the scale and leaves a part of the tokens, unless it was lowered
// less than a second ago.
func (b *bucket) throttle(now time.Time, left float64) {
	if !b.throttled.IsZero() && now.Sub(b.throttled) < throttleEvery {
		return
	}
	b.fill(now)
	b.low = max(throttleLeast, throttleFactor*b.scale(now))
	b.throttled = now
	b.level = min(left*b.level, b.room())
}
