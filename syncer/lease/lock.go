package lease

import (
	"bytes"
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
	over  []byte // the state of the Lease in which its holder's time passed; nil: none

	sent bool // a renewal was sent: the Lease may be ours, even if no answer came
	held bool // a renewal succeeded
	// previous is when the Lease had last been renewed, or given up, when it became
	// ours. It does not change while the Lease is held.
	previous time.Time
}

var _ resourcelock.Interface = (*lock)(nil)

// look returns the Lease as it is. The raw form tells two states apart. client-go's
// has whole seconds, which hides all but the first renewal of each second: a standby
// would count from that one and take over up to a second too early.
func (l *lock) look(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err != nil {
		return nil, nil, err
	}
	return record, record.RenewTime.AppendFormat(raw, time.RFC3339Nano), nil
}

// Get implements resourcelock.Interface. The elector shall take a Lease that is free,
// and renew ours; that of another ends the election. A holder whose time is over
// counts as none, if the Lease is still as it was when that was found out. Should it
// change until the elector's write arrives, the server refuses the write.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.look(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !l.held {
		l.previous = record.RenewTime.Time
		if bytes.Equal(raw, l.over) {
			record.HolderIdentity = ""
		}
	}
	if record.HolderIdentity != l.Identity() && (l.held || record.HolderIdentity != "") {
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
