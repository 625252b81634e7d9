// Package securitygroup opens the way to pods: it keeps inbound rules of the security
// groups that guard them and their nodes, and the backend security group that load
// balancers reach them from.
//
//	need.go        what has to be reachable: from whom, which ports, of which Service's pods
//	board.go       needs, shown part by part by whoever has some
//	plan.go        needs and pods -> rules of each group, and what stays; pure
//	interfaces.go  pods -> network interfaces -> security groups, looked up and kept
//	groups.go      the security groups of the VPC, with their rules and tags
//	loop.go        one pass after another: look up, plan, open, close, tell
//	apply.go       opening and closing, and the end of the backend group
//	foresee.go     what all of that would come to, for tgsync plan
//	backend.go     the backend group, made by the first load balancer that needs it
//
// The backend group has no rules of its own. Rules of pods' groups name it, so that a new
// load balancer changes none of them. Package provision attaches it to load balancers.
//
// # Which group
//
// A pod on an EC2 instance is guarded by the groups of the instance's interfaces. If all
// of them have the same groups, it does not matter which one has the pod's address: pods
// that come and go on a node whose groups are known cost no call. Otherwise the address
// decides, or the prefix that it is out of. A pod with an interface of its own, and each
// one on Fargate, is found by its address. Machines outside of AWS have no groups.
//
// Of several groups of an interface the one with the tag kubernetes.io/cluster/NAME, and
// those of Options.TargetTags, gets the rules. If that is not one, it is the first by ID,
// and whoever has the need is told.
//
// # Which rules
//
// All ports of a protocol that one security group is to reach become one rule, from the
// lowest to the highest, as LBC does it, with LBC's description: a cluster that LBC leaves
// needs no write. Blocks of addresses have a rule for each port.
//
// # Opening and closing
//
// What is missing is opened at once, and before anything is closed. A rule is closed only
// if
//
//   - it has the description: everything else is somebody else's;
//   - its source is not a group of another cluster, nor, if it is a block, another
//     cluster's tag on the group: that cluster marks its rules alike;
//   - the group is ours: it has the cluster's tag, or pods of ours were behind it;
//   - all sources have said all that they need;
//   - nobody has needed it for a minute;
//   - the group has been read again, after everything that was written to it, and what is
//     needed has been decided after that.
//
// A need that is broken keeps all rules of the groups of its pods; pods whose group is not
// known keep, on every group, the rules that may be theirs; in the first five minutes they
// keep everything. Other groups are not concerned.
//
// # What it costs
//
// At the start and with every audit the groups of the VPC, a thousand a call, and the
// interfaces of the nodes that have pods with a need, a hundred a call; never more than
// one call of a kind a second. Between audits an unchanged world costs nothing. Targets
// and gates never wait for any of it.
//
// # Goroutines
//
//	goroutine  started by             ends when                       may block on
//	Loop.Run   cmd/tgsync, in a term  its context ends                AWS, tokens
//	 follow    Loop.Run, per source   its context ends; Run waits     nothing
package securitygroup
