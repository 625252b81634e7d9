package lease

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrFenced says that a request was refused because this process does not know that
// it holds the Lease. It has not been sent.
var ErrFenced = errors.New("refused: this process does not hold the lease")

// marginShare is the part of a Lease's last moments in which nothing is sent any
// more: a tenth. It covers the time that a request takes to arrive and the
// difference between two machines' clock rates (NTP allows 0.5 in 1,000).
const marginShare = 10

// Margin is how long before the end of a Lease the fence closes.
func Margin(duration time.Duration) time.Duration { return duration / marginShare }

// Fence knows until when this process may change things. It is safe for concurrent
// use.
type Fence struct {
	open    time.Duration // after the start of a renewal
	renewed atomic.Pointer[moment]
}

// NewFence returns a closed fence for a Lease of the given duration.
func NewFence(duration time.Duration) *Fence { return &Fence{open: duration - Margin(duration)} }

// Check returns nil if something may be changed now, and an error that wraps
// ErrFenced otherwise. It is cheap, and belongs right before the request is sent.
func (f *Fence) Check() error {
	last := f.renewed.Load()
	if last == nil {
		return ErrFenced
	}
	if age := now().since(*last); age >= f.open {
		return fmt.Errorf("%w: it was last renewed %v ago", ErrFenced, age.Round(time.Millisecond))
	}
	return nil
}

// Open reports whether something may be changed now.
func (f *Fence) Open() bool { return f.Check() == nil }

// renew opens the fence for a renewal that was sent at start and succeeded.
func (f *Fence) renew(start moment) { f.renewed.Store(&start) }

// shut closes the fence until the next renewal.
func (f *Fence) shut() { f.renewed.Store(nil) }

// moment is a point in time by both of a machine's clocks.
type moment struct{ monotonic, wall time.Time }

func now() moment {
	t := time.Now()
	return moment{monotonic: t, wall: t.Round(0)}
}

// since is how long ago m was, by the clock that says more. The monotonic clock
// cannot be set, but stands still while the machine is suspended; the wall clock
// goes on then, but can be set. To be wrong about it in this direction costs no more
// than a pause until the next renewal.
func (m moment) since(earlier moment) time.Duration {
	return max(m.monotonic.Sub(earlier.monotonic), m.wall.Sub(earlier.wall))
}
