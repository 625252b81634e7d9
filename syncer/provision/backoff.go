package provision

import (
	"math/rand/v2"
	"time"
)

// backoff returns how long to wait after a number of failures: 1 s, doubling to
// last, spread by half.
func backoff(failures int, last time.Duration) time.Duration {
	d := last
	if failures < 6 {
		d = min(firstBackoff<<failures, last)
	}
	return jitter(d)
}

// jitter spreads d over [d, 1.5 d), so that what failed together does not come back
// together.
func jitter(d time.Duration) time.Duration {
	return d + rand.N(d/2) //nolint:gosec // spreads load, guards nothing
}
