package lease

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Holder is who leads, as far as this process has seen.
type Holder struct {
	Identity string    // empty: the Lease was given up
	Renewed  time.Time // when the holder last renewed the Lease, or gave it up, by its own clock
	Seen     time.Time // when this process last saw the Lease
}

// Holder returns who held the Lease when this process last saw it. The zero value
// says that it has not seen the Lease yet. It says who leads to people; whether this
// process may write is for the Fence to say.
func (c *Candidate) Holder() Holder {
	if h := c.holder.Load(); h != nil {
		return *h
	}
	return Holder{}
}

// Identity returns the name of this process.
func (c *Candidate) Identity() string { return c.o.Identity }

// witness is a lock that notes what is read from and written to the Lease.
type witness struct {
	resourcelock.Interface
	holder *atomic.Pointer[Holder]
}

var _ resourcelock.Interface = witness{}

// Get implements resourcelock.Interface.
func (w witness) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := w.Interface.Get(ctx)
	if err == nil {
		w.saw(*record)
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (w witness) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := w.Interface.Create(ctx, record)
	if err == nil {
		w.saw(record)
	}
	return err
}

// Update implements resourcelock.Interface.
func (w witness) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := w.Interface.Update(ctx, record)
	if err == nil {
		w.saw(record)
	}
	return err
}

func (w witness) saw(record resourcelock.LeaderElectionRecord) {
	w.holder.Store(&Holder{Identity: record.HolderIdentity, Renewed: record.RenewTime.Time, Seen: time.Now()})
}
