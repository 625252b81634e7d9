// Package standaside keeps this daemon from writing while another controller that
// would write the same renews its Lease: the AWS Load Balancer Controller (LBC).
//
//	watch.go      the other's Lease, seen by a watch and by looks
//	sighting.go   what a state of it means: does the other write, and until when
//	work.go       the leader's work, which begins when the other is gone and ends when it is back
//	transport.go  the last word before a request that changes something
//
// # The rule
//
// The other writes as long as its Lease changes at least once in the time that the
// Lease itself says, counted by our clock from when we saw the change. So two clocks
// need not agree. That is client-go's own rule for taking a Lease over, and LBC, which
// never gives its Lease up, follows it, too. A Lease whose holder is empty was given
// up, and one that never existed belongs to nobody: LBC may never have been here.
//
// At first sight nothing is known but the time of the last renewal, by the other's
// clock. If that is long past, longer than any two clocks differ, the other is gone.
// Otherwise the Lease is watched for as long as it lasts: a switch costs 15 seconds.
//
// # Safe sides
//
// A watch may be late, or dead without a word. So it can only say that the other
// lives. That the other is gone is said by a look alone, which the API server answers
// from its store; a look that fails says nothing, and the other counts as before. When
// the other is gone, a look every 15 seconds makes up for a watch that has died.
//
// A Lease that is deleted was not given up: its holder makes a new one at its next
// renewal. It counts for as long as it would have lasted.
//
// Whoever may not read the Lease at the start does not start: an error names the rule
// that is missing. Later the same is logged, and what was known last goes on to
// count; an API server that has just started forbids everything for a moment.
//
// # What is kept back
//
// All that goes to AWS, and all that goes to Kubernetes but for our own Lease and the
// events that say why. The leader keeps its Lease, so that one of the replicas speaks.
// When the other comes back, the fence closes first; then the work ends at once, as if
// our own Lease were lost, and is built anew when the other is gone again.
//
// An LBC that runs without leader election (one replica, enable-leader-election=false)
// has no Lease, and cannot be seen.
//
// # Words
//
//	the other  whoever renews the Lease that is watched
//	look       one read of the Lease, past all caches
//	free       the other does not write
package standaside
