package lease

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lock is client-go's lock on the Lease, for one term. It tells the fence about
// renewals, and notices at once when somebody else has the Lease: client-go would
// try on until the renew deadline. The elector calls it from one goroutine.
type lock struct {
	resourcelock.Interface
	fence *Fence
	lost  func() // ends the election

	sent bool // a renewal was sent: the Lease may be ours, even if no answer came
	held bool // a renewal succeeded
	// previous is when the Lease had last been renewed, or given up, when it became
	// ours. It does not change while the Lease is held.
	previous time.Time
}

var _ resourcelock.Interface = (*lock)(nil)

// Get implements resourcelock.Interface. The raw form is what the elector compares
// with the last one to see renewals. client-go's has whole seconds, which hides all
// but the first renewal of each second: a standby would count from that one and take
// over up to a second too early.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err != nil {
		return nil, nil, err
	}
	raw = record.RenewTime.AppendFormat(raw, time.RFC3339Nano)
	switch {
	case !l.held:
		l.previous = record.RenewTime.Time
	case record.HolderIdentity != l.Identity():
		l.fence.shut()
		l.lost()
	}
	return record, raw, nil
}

// Create implements resourcelock.Interface.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.renew(func() error { return l.Interface.Create(ctx, record) })
}

// Update implements resourcelock.Interface.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.renew(func() error { return l.Interface.Update(ctx, record) })
}

// renew counts a renewal from when it was sent: others may count from then on.
func (l *lock) renew(send func() error) error {
	l.sent = true
	start := now()
	err := send()
	if err == nil {
		l.held = true
		l.fence.renew(start)
	}
	return err
}

// release gives the Lease up if it is ours. A Lease that changed after the look at
// it is somebody else's by now, or a last renewal of ours arrived late: one more
// look tells.
func (l *lock) release(ctx context.Context) error {
	if !l.sent {
		return nil
	}
	for {
		record, _, err := l.Interface.Get(ctx)
		if apierrors.IsNotFound(err) || err == nil && record.HolderIdentity != l.Identity() {
			return nil
		}
		if err != nil {
			return err
		}
		record.HolderIdentity = ""
		record.RenewTime.Time = time.Now()
		if err = l.Interface.Update(ctx, *record); !apierrors.IsConflict(err) {
			return err
		}
	}
}
