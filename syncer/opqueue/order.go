package opqueue

import "time"

// Order decides between two of the keys that are ready: the one whose first
// change has waited longest, and the one whose first urgent change has. It gets
// both times and reports whether the urgent one goes first. Often both are the
// same key; never is urgent longer than oldest.
type Order func(oldest, urgent time.Duration) bool

// The weight of urgent changes in ByAge. When more comes in than can go out (see
// TestDrain) the urgent ones wait half as long as with oldest first, 25 s instead of
// 49 s, and the others 62 s instead of 48 s; with urgent first it would be 94 s. On
// a usual day (see TestRollouts) there is next to no difference.
const (
	patience = 4 * time.Second // up to here an urgent change is one like any other
	weight   = 3               // what every second counts from there on
)

// ByAge lets the oldest change go first, and counts threefold what an urgent one
// has waited beyond 4 s. No key starves: whatever goes first has waited at least
// a third as long as anything else.
func ByAge(oldest, urgent time.Duration) bool {
	return urgent+(weight-1)*max(0, urgent-patience) >= oldest
}

// OldestFirst makes no difference between changes. It is there to compare with.
func OldestFirst(oldest, urgent time.Duration) bool { return urgent >= oldest }

// UrgentFirst lets others go only when nothing is urgent. It is there to compare
// with: under load the others starve.
func UrgentFirst(time.Duration, time.Duration) bool { return true }

var (
	_ Order = ByAge
	_ Order = OldestFirst
	_ Order = UrgentFirst
)
