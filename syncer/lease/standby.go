package lease

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/leaderelection"
)

// standBy returns when the Lease is free, or when ctx ends.
func (c *Candidate) standBy(ctx context.Context, l *lock) {
	wake, end := c.watch(ctx)
	defer end()
	var seen sighting
	for ctx.Err() == nil && !c.free(ctx, l, &seen) {
		next := wait.Jitter(c.o.RetryPeriod, leaderelection.JitterFactor)
		if left := time.Until(seen.over); left > 0 {
			next = min(next, left)
		}
		// Whatever comes first leads to another look, and only a look decides.
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(next):
		}
	}
}

// free looks at the Lease. It is free if nobody has ever had it, if it was given up,
// if it is ours (a term may end without a word), or if its holder has not renewed it
// for as long as it lasts; then the lock is told.
func (c *Candidate) free(ctx context.Context, l *lock, seen *sighting) bool {
	record, raw, err := l.look(ctx)
	switch {
	case apierrors.IsNotFound(err):
		// A Lease that was deleted was not given up: its holder may be writing. It makes
		// a new one at its next renewal.
		return seen.state == nil || seen.again([]byte("deleted"), seen.lasts)
	case err != nil:
		return false
	case record.HolderIdentity == "", record.HolderIdentity == l.Identity():
		return true
	}
	// Whoever was started with other settings relies on its own.
	if !seen.again(raw, max(c.o.Duration, time.Duration(record.LeaseDurationSeconds)*time.Second)) {
		return false
	}
	l.over = raw
	return true
}

// sighting is a state of the Lease in which somebody may be writing. The zero value
// stands for none.
type sighting struct {
	state []byte
	lasts time.Duration
	over  time.Time // the end of it, if the state is still the same
}

// again sees a state and reports whether it is over. It counts from when the state
// was first seen, which is later than when the renewal was sent.
func (s *sighting) again(state []byte, lasts time.Duration) bool {
	if !bytes.Equal(state, s.state) {
		*s = sighting{state: state, lasts: lasts, over: time.Now().Add(lasts)}
	}
	return !time.Now().Before(s.over)
}

// watch wakes whoever stands by when something happens to the Lease, until end is
// called. What it was is for the next look to see: a watch may be late, or miss
// something while it is cut, and without any there is a look every now and then.
func (c *Candidate) watch(ctx context.Context) (wake <-chan struct{}, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	// One event that nobody has looked at yet stands for all since.
	events := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failing := false
		for ctx.Err() == nil {
			err := c.watchOnce(ctx, events)
			if err != nil && !failing && ctx.Err() == nil {
				c.o.Log.WarnContext(ctx, "the lease cannot be watched; another leader's end is noticed later", slog.Any("error", err))
			}
			failing = err != nil
			select {
			case <-ctx.Done():
			case <-time.After(wait.Jitter(c.o.RetryPeriod, leaderelection.JitterFactor)):
			}
		}
	}()
	return events, func() {
		cancel()
		<-ended
	}
}

// watchOnce passes events on until the watch is cut. The first one says what there is.
func (c *Candidate) watchOnce(ctx context.Context, events chan<- struct{}) error {
	w, err := c.o.Watcher.Leases(c.o.Namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, c.o.Name).String(),
	})
	if err != nil {
		return err
	}
	defer w.Stop()
	for range w.ResultChan() {
		select {
		case events <- struct{}{}:
		default:
		}
	}
	return nil
}
