// Package scenario plays behaviours of the daemon in virtual time: the real Syncer, its
// informers, Lease and AWS clients, between an API server in process (test/kubesim) and
// a simulated account (test/awssim). Nothing in between is replaced but sockets.
//
// # Scenarios
//
// A scenario is a file in testdata that can be read aloud. Its first lines say the
// rule; then come sentences, one a line, each with its effect before the next:
//
//	# A terminating pod leaves at once, and nothing registers it again.
//	service web port 80 -> 8080
//	group web of service web port 80
//	pod web-1 of web at 10.0.0.1 ready
//	start
//	wait 5s
//	forget calls
//	terminate web-1
//	calls within 0s:
//	    deregister web 10.0.0.1
//	no calls within 1h
//
// The sentences stand in one table (language.go), in which words in capitals stand for
// others; those that begin with "given" come before anything happens (given.go). What
// is not understood fails with its line. Files of the archive hold Kubernetes objects
// for "apply".
//
//	world.go              a cluster, an account, daemons; how time passes
//	cluster.go            what users, kubelets and the node controller write
//	controller.go, slices.go
//	                      the EndpointSlice controller, in short
//	account.go            what a provisioner, or somebody else, does to AWS
//	daemon.go             a process, put together as cmd/tgsync does
//	tap.go                every call of every daemon, as the daemon sees it
//	desired.go, blindness.go
//	                      what each group should have had in a daemon's eyes, at any time
//	invariants.go         what is true in every scenario
//	script.go             from a file to sentences, and from a sentence to its meaning
//	say_*.go, expect.go   the meanings
//	history.go            random scenarios
//
// # What is always true
//
// Without being asked, after every sentence:
//
//   - Two calls of one group that overlap in time name different targets.
//   - A call has 1 to 200 targets.
//   - Nothing changes before all caches of its daemon are full.
//   - Nothing is deregistered that was desired, and nothing registered that was not. What
//     is desired is computed from what stands in the API server, and held to what the
//     daemon can have seen: where watches are late or cut, any mixture of what its caches
//     may have held since they were last fresh.
//
// # Histories
//
// TestHistories draws scenarios at random, in the same language: pods that come, flip,
// terminate and are replaced with their address, slices that lag, Services that vanish,
// daemons and leaders that stop or are killed, errors, throttles, lost answers, late
// effects, reads of the past, late and broken watches. At the end everything recovers;
// then AWS has what Kubernetes wants, and nothing is called any more. Most run without
// an audit: what needs one to come to rest is drawn in histories of a kind of its own.
// A history that fails is printed as a scenario; it can be saved in testdata. The
// number of histories and their seed are rapid's (RAPID_CHECKS, RAPID_SEED).
//
// The world is a function of the history: played twice, everything that the driver
// does happens at the same instants (TestReplay), unless it has to wait for the daemon to
// stop. The daemon is not: its jitter, client-go's and the SDK's are drawn from sources
// that cannot be seeded, and goroutines that wake together run in any order. Of 200
// histories that were played twice, 64 had the same calls at the same times, and 106 the
// same calls in the same order. So a failure is shown with its calls, and rapid may call
// it flaky when it tries again.
//
// # Words
//
// A *replica* is a daemon with a name, and stands for election; one without a name
// leads as long as it runs. *Silent* is a node whose Ready condition is Unknown. A
// target without a port has its group's own. Calls of one instant are listed in
// alphabetical order: which of them comes first is chance.
//
// # Time
//
// The driver lets everything come to rest (synctest.Wait) before it goes on. Every
// stretch of time that it lets pass is a nanosecond longer than the one before, so that
// no two events of the world share an instant by accident.
package scenario
