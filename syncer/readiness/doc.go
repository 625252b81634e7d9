// Package readiness tells Kubernetes when a pod really receives traffic: it opens the
// readiness gates of pods by the health of their targets.
//
//	gates.go       Gates: what is told from outside, and the two loops
//	membership.go  what a pod's target groups are, and what is known of its targets
//	book.go        what is known of all groups, and who waits for which
//	observe.go     reads, good and bad, into the book
//	delays.go      when a group is worth a read, and how much
//	poller.go      the first loop: reads health
//	rules.go       the rules, pure: what is known of a pod -> conditions, waits, a time to look again
//	verdict.go     the same for one target group
//	reflector.go   the second loop: decides about pods, writes their conditions
//
// # Which gates
//
// tgsync.io/targets-ready waits for all target groups that take the pod. LBC's
// target-health.elbv2.k8s.aws/NAME waits for the one whose TargetGroupBinding has that
// name. A group that gets no traffic does not count. Reasons and messages of conditions
// are ELB's where ELB has words, as LBC writes them.
//
// # A gate is a latch
//
// For one pod (one UID) a gate opens once. A target that turns unhealthy later is the
// load balancer's business: a pod that is not Ready would also be taken out of every
// other Service, and out of its PodDisruptionBudget. The gate closes only when we
// deregister the target of a living pod whose containers are not ready; it is not Ready
// then anyway. A target group that appears later never closes a gate. Without
// Options.Latch a gate follows the health of its targets whenever that is read.
//
// Nothing is decided before it is known which groups there are, nor before the pod's
// containers are ready: by then, what was applied together with the pod has been seen.
// A pod that no group takes does not wait. One whose group is missing, not used by a
// load balancer, or cannot be read, waits for Options.Timeout; then its gate opens with
// a warning event. So does one whose target is not registered for as long: AWS may
// refuse it. A rollout must not hang on what is not the pod's. How long that has been so
// is counted by this process; after a restart it is counted anew.
//
// # Whose health
//
// A target is an address, and another pod may have had it. `healthy` counts for a pod
// if it was read after the pod got the address (its containers are ready, or we
// registered it) and one of these holds:
//
//   - `initial` has been seen since then;
//   - the group had not had the address for a minute when we registered it, by reads
//     and calls of this process, so that it began as initial. This saves the read that
//     would have to come in time to see it;
//   - it was read so long after the containers became ready that checks of the new pod
//     must have decided: the unhealthy threshold times the interval, and the timeout.
//
// # When to read
//
// One read shows all targets of a group, and costs a token of a bucket that others need,
// too. So a group is read only while pods wait for it: first when the quickest of its
// latest targets would be healthy, then every second, and for targets that are late
// ever less often, down to every 5 s. Where there are fewer tokens than that asks for,
// rank decides when a token is there, and every group is read as often as tokens allow.
//
// Budgets belong to accounts: groups of another account have a Poller of their own, which
// is run by whoever made it.
//
// # Writes
//
// A patch carries the pod's UID, which cannot be changed, so it fails for another pod of
// that name. Patches go out in parallel, and only where the condition differs from the
// cache or, if that is behind, from what was written last.
//
// # Words
//
//	gate      a readinessGate of a pod that is ours; open: its condition is True
//	standing  a target group that takes a pod, with what is known of the pod's target
//	verdict   what one group means for a pod
//	trouble   a state in which no health check can come to a result
//	waiting   a pod whose gate is closed although its containers are ready
//
// # Goroutines
//
//	goroutine                 started by  ends when                    may block on
//	RunPoller, 4 reads        Run         its context ends and the     AWS, tokens
//	                                      reads have returned
//	RunReflector, 16 patches  Run         its context ends and the     the API server
//	                                      patches have returned
package readiness
