package opqueue

import "time"

// Order decides which of the keys that are ready goes first, and how much of the
// bucket a key leaves to others. Nothing else in this package has a say in it.
type Order interface {
	// Urgent decides between two of the keys: the one whose first change has waited
	// longest, and the one whose first urgent change has. It gets both times and
	// reports whether the urgent one goes first. Often both are the same key; never
	// is urgent longer than oldest.
	Urgent(oldest, urgent time.Duration) bool
	// Leaves returns what part of its bucket a key that ran a moment ago has to leave,
	// by the number of its changes, of which more never leave more. A key whose first
	// change has waited for the patience, or that has not run for a while, may take
	// the last token.
	Leaves(changes int) (part float64, patience time.Duration)
}

// The weight of urgent changes in ByAge. When more comes in than can go out (see
// TestDrain) the urgent ones wait half as long as with oldest first, 25 s instead of
// 49 s, and the others 62 s instead of 48 s; with urgent first it would be 94 s. On
// a usual day (see TestRollouts) there is next to no difference.
const (
	patience = 4 * time.Second // up to here an urgent change is one like any other
	weight   = 3               // what every second counts from there on
)

// What ByAge keeps in reserve, and for whom. Keys that change again and again need
// more calls than there are tokens. They are served best just when a change has
// come and several wait: the last then does not wait at all, and the call serves
// them all. Without a reserve each token goes to whoever is oldest in the moment in
// which it comes, and in a busy moment there is none for those who have waited long.
//
// Of 10 groups that replace 50 pods each in 100 s, with 20 tokens and 4 a second (see
// make bench), half of the changes wait for 1.7 s instead of 2.4 s, and none longer
// than 3.8 s instead of 4.5 s. By what an algorithm needs that knows the future, over
// the seeds 1 to 100 of a simulation: p50 0.59 (at most 0.69) instead of 0.82 (0.88),
// worst 1.36 (1.45) instead of 1.54 (1.77). The bars, 0.7 and 1.45, are met for all
// 100; for 97 with a reserve of 0.4, for 96 with a patience of 3.6 s, for 95 with a
// change counted as 0.125, and for none without a reserve.
const (
	reserve       = 0.5                     // the part of the bucket that a single change leaves
	reserveChange = 0.1                     // how much less it is for each further one
	ripe          = 3750 * time.Millisecond // after which nothing need be left; less than patience
)

// ByAge lets the oldest change go first, and counts threefold what an urgent one
// has waited beyond 4 s. Half of the bucket is kept for keys that have waited for
// 3.75 s, or carry several changes, or have not run for a while.
//
// No key starves: whatever goes first has waited at least a third as long as
// anything else that has waited for 3.75 s, and from there on nothing is kept from
// anyone.
type ByAge struct{}

// Urgent implements Order.
func (ByAge) Urgent(oldest, urgent time.Duration) bool {
	return urgent+(weight-1)*max(0, urgent-patience) >= oldest
}

// Leaves implements Order.
func (ByAge) Leaves(changes int) (float64, time.Duration) {
	return max(0, reserve-reserveChange*float64(changes-1)), ripe
}

// OldestFirst makes no difference between changes, and keeps nothing in reserve. It
// is there to compare with.
type OldestFirst struct{}

// Urgent implements Order.
func (OldestFirst) Urgent(oldest, urgent time.Duration) bool { return urgent >= oldest }

// Leaves implements Order.
func (OldestFirst) Leaves(int) (float64, time.Duration) { return 0, 0 }

// UrgentFirst lets others go only when nothing is urgent, and keeps nothing in
// reserve. Under load the others starve: it is for queues in which urgent changes
// are few.
type UrgentFirst struct{}

// Urgent implements Order.
func (UrgentFirst) Urgent(time.Duration, time.Duration) bool { return true }

// Leaves implements Order.
func (UrgentFirst) Leaves(int) (float64, time.Duration) { return 0, 0 }

var (
	_ Order = ByAge{}
	_ Order = OldestFirst{}
	_ Order = UrgentFirst{}
)
