// Package opqueue decides what is done next when far more is to be done than may
// be. It is mechanism: what a key stands for, and what a call does, is for those
// who use it.
//
// # How a change becomes a run
//
//	queue.go   Queue: keys that have changed, each once, with the time of the first change
//	entry.go   where a key stands: asleep until a time, or ready in lists by age and modesty
//	order.go   Order: which of the keys that are ready goes first, and what it leaves to
//	           others, unless Options.Rank decides
//	run.go     Run: waits for a ready key, a worker and a token, and only then picks the key
//	budget.go  Budget: token buckets, of which every call takes from two at once
//	bucket.go  one bucket: size, refill, what a throttle does to it
//	token.go   Token: taken ahead, brought along in a context, spent or returned
//	status.go  what waits for what, and what the buckets hold, for people to look at
//
// # Rules
//
// The key is bound late. Who waited for a token with a key in hand would spend it
// on what was urgent a while ago. A token whose run finds nothing to do goes back
// and serves the next key at once.
//
// Age, not ranks. The time of a key's first change that is not settled stays with
// it through failures, pauses and runs that did a part; changes that arrive during
// a run keep their own. Urgency is a weight on age, so nothing starves.
//
// A reserve, for those that need it. A key that changes once and once again is best
// served when several changes wait and one has just come. So the last half of the
// bucket is not for a key that ran less than 10 s ago and carries a single change:
// that waits until the bucket is fuller, more changes have come, or 3.75 s have
// passed. Keys that have waited, or serve many, find tokens in the reserve although
// more is to be done than may be. A key that is at rest never meets it: its first
// change leaves at once if there is a token at all. Nor does a token get lost to it:
// a bucket more than half full holds nobody up.
//
// It costs O(log n): the oldest key is the first that has waited long enough, and the
// most modest the first for which the bucket is full enough. If neither may go, no
// other may, and both say until when.
//
// A budget is exact: of each bucket never more is spent in any interval than its
// size and its refill in that time, whenever tokens were taken; and each is granted
// at the very moment it is there. Each class gets its refill of the shared bucket
// whatever the others want, and what it leaves goes to whoever waits longest. Only
// a class's own guarantee takes the bucket below its floor. Hence a class whose
// category is no larger than its floor, and refills no faster than its guarantee,
// never waits for the shared bucket.
//
// # Words
//
//	key       what is run: at most once at a time
//	age       time since the first change of a key that no run has settled
//	ready     not running, not within the gap after the last run, not pausing
//	ripe      ready, and waiting for so long that nothing need be left
//	at rest   when the first change came, the last run was 10 s ago, or more
//	modest    of two keys: the one that has to leave less of the bucket
//	reserve   the part of the bucket that a key has to leave which is neither ripe nor at rest
//	gap       least time from the end of a run to the next of the same key
//	pause     a back-off, or what Later asked for; a new change ends it
//	category  a bucket that a kind of call takes a token of
//	shared    the bucket that every kind takes another of, except those alone
//	class     a kind of caller, with a guaranteed refill of the shared bucket
//	credit    what a class has left of its guarantee
//	floor     tokens of the shared bucket that are there for one class
//
// # Goroutines
//
//	goroutine        started by  ends when                        may block on
//	Queue.Run        the caller  its context ends and the runs    a ready key, a worker, a token
//	                             have returned
//	a run            Queue.Run   Options.Run returns              whatever that does
//	a budget's timer package     at once                          nothing
//	                 time
package opqueue
