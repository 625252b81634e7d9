package standaside

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tgsync/tgsync/syncer/lease"
)

// Reasons of the events that the leader tells.
const (
	reasonAside = "StandingAside"
	reasonGoes  = "TakingOver"
)

// Work makes the leader's work wait until the other is gone. If the other comes back,
// the work's context ends with lease.ErrLost: there is nothing to be finished. The work
// begins again when the other is gone again.
func (w *Watch) Work(work lease.Work) lease.Work {
	return func(ctx context.Context, t lease.Term) error {
		for {
			if last, waited := w.wait(ctx); waited {
				t.Previous = last
			}
			back, err := w.work(ctx, t, work)
			if !back {
				return err
			}
			if err != nil {
				w.o.Log.ErrorContext(ctx, "the work failed that ended for another controller", slog.Any("error", err))
			}
		}
	}
}

// wait returns when the other is gone or ctx ends, and, if it had to wait, when the
// other last renewed its Lease.
func (w *Watch) wait(ctx context.Context) (last time.Time, waited bool) {
	for s := w.status.Load(); ; s = w.status.Load() {
		switch {
		case s.free && waited:
			w.o.Tell(ctx, reasonGoes, fmt.Sprintf("Lease %s of another controller has run out or was given up: this one writes from now on", w.lease()))
			return s.renewed, true
		case s.free:
			return last, false
		case s.holder != "" && !waited:
			waited = true
			w.o.Tell(ctx, reasonAside, fmt.Sprintf("nothing is written to AWS or Kubernetes while %s renews Lease %s: "+
				"two controllers would undo each other's work. To switch, scale the AWS Load Balancer Controller to 0", s.holder, w.lease()))
		}
		select {
		case <-ctx.Done():
			return last, false
		case <-s.over:
		}
	}
}

// work works until the other is back, or the work or ctx ends, and reports which.
func (w *Watch) work(ctx context.Context, t lease.Term, work lease.Work) (back bool, err error) {
	if ctx.Err() != nil {
		return false, nil //nolint:nilerr // a stop is no failure
	}
	working, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := w.status.Load(); s.free; s = w.status.Load() {
			select {
			case <-working.Done():
				return
			case <-s.over:
			}
		}
		back = true
		cancel(lease.ErrLost)
	}()
	err = work(working, t)
	cancel(nil)
	<-ended
	return back && ctx.Err() == nil, err
}
