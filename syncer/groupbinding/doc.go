// Package groupbinding brings the target groups that people make themselves to the
// syncer: a TargetGroupBinding, a kind that the AWS Load Balancer Controller (LBC) has
// defined, names a target group and the Service that feeds it.
//
//	object.go  what is read of a TargetGroupBinding
//	watch.go   the cache of them, of a kind that may be absent, appear and vanish
//	finder.go  names -> target groups of an account, looked up now and then
//	accounts.go the finder of our own account, and of each role's beside the passes
//	judge.go   objects and groups -> verdicts, pure: bind, empty, let go, remove, and what to say
//	loop.go    one pass after another: look up, judge, show bindings, act
//	once.go    one look at all objects, for tgsync plan
//	act.go     finalizers, conditions, events
//	ledger.go  which targets of a shared group are this cluster's
//	board.go   these bindings and the provisioner's, as one source for the syncer
//
// # Who gets a target group
//
// A target group has one binding. One that the provisioner made (it carries the tags
// of an Ingress group of this cluster) is the provisioner's, else it goes to the oldest
// TargetGroupBinding, and of two of the same second to the first by namespace and
// name. The others are told. Nothing is bound before the group has been looked up and
// fits: a wrong one would lose the targets that it has.
//
// # What LBC left
//
// LBC wrote a TargetGroupBinding for each target group that it made. Those for
// Ingresses are told by their labels. Where the provisioner binds the group, such an
// object is nothing but the name of the group's readiness gates, which is the group's own.
// Where it does not, because the Ingress is at fault, say, the targets are still synced
// by it. When its group is gone it is deleted. It gets no status and no events, and is
// never a reason to empty a group. Those for Services and Gateways are like a user's.
//
// # Finalizer and deletion
//
// Nothing is bound before the object carries the finalizer. When it is deleted, the
// syncer empties the group, and then the finalizer goes. It goes at once if the group
// does not exist, was never bound, or is somebody else's by now. While AWS cannot be
// asked it stays, with a condition that says why.
//
// A group of another account that cannot be emptied is given up 10 minutes after the
// deletion, with an event: whoever holds that account may have cut us off, and the
// object's namespace waits for it. In our own account it is ours to put right.
//
// # Groups of other accounts
//
// With iamRoleArnToAssume, a group is looked up, read and changed by way of that role.
// That it cannot be assumed is told in the condition, and tried again ever less often. A
// group that is bound already stays bound meanwhile. Lookups there run beside the passes,
// so that an account that does not answer keeps no other binding waiting.
//
// # Groups that clusters share
//
// With multiClusterTargetGroup, a group has targets of other clusters, which stay. Ours
// are in a ConfigMap, LBC's, written before a target is registered; only what stands
// there is deregistered. Where there is none, it begins with the targets of today, and
// nothing is deregistered. A group that the provisioner shares has one, too, under the
// group's own name, which LBC's TargetGroupBinding had.
//
// Two objects of one cluster do not share a group, although LBC lets them if both are
// multi-cluster: the second is told that the group is taken. What a group should have is
// one Service's answer: the guards ask whether that Service, its port and its slices are
// there, a live read is of its slices, "half of the group" and "no pod is ready" are about
// its pods. Of a union of Services each of these would have to be decided anew, and a
// guard that holds for one Service would hold, or let go, the other's targets. Two
// Services behind one group are one Service with a wider selector.
//
// # The kind may be absent
//
// A list that is answered "not found" is tried again after at most a minute, silently.
// If the kind vanishes, its objects count for another minute, since not found is not
// zero; then their groups are let go, with the targets that they have.
//
// # Readiness gates
//
// LBC's gates are named after TargetGroupBindings, and so a binding carries the name of
// its object. A group that is missing or does not fit is in Missing: gates wait for it.
// One that is being emptied is waited for no more.
//
// # Words
//
//	leftover  a TargetGroupBinding that LBC wrote for an Ingress
//	alias     a leftover whose group the provisioner binds
//	finding   what is known of the target group of a name
//	verdict   what is to be done about one object, and what is to be said
//
// # Goroutines
//
//	goroutine  started by             ends when                   may block on
//	Watch.Run  cmd/tgsync             its context ends            the API server
//	Loop.Run   cmd/tgsync, in a term  its context ends and both   AWS, tokens, the API server
//	                                  of its parts have returned
//	 passes    Loop.Run               its context ends and the    the same
//	                                  lookups have returned
//	 lookups   a pass, one for each   15 s, or its context ends   AWS, tokens
//	           other account
//	 merging   Loop.Run               its context ends            nothing
package groupbinding
