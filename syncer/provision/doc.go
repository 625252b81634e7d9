// Package provision brings AWS to what the Ingresses ask for: the small loop
// beside the fast one that registers targets.
//
// # One pass over a group
//
//	directory.go at the start, and on a standby: ARNs of target groups, before the inventory
//	loop.go      a namespace changed -> groups whose turn it is -> two workers, never two on one group
//	pass.go      Build (pure) -> Model; a group that failed with the same one a moment ago waits
//	status.go    finalizers first: nothing is created that nobody would delete
//	services.go  a Service that is gone counts for a while as if it were there
//	classparams.go what IngressClasses refer to: IngressClassParams, labels of namespaces
//	standing.go  what stands, for a Model that keeps what bad members have
//	inventory.go what AWS holds of the group; read at the start, then kept in memory
//	diff_*.go    Model and stack -> steps (pure), one file per resource; no step, no call
//	diff_listener.go, diff_certificate.go, diff_settings.go, diff_attributes.go
//	             what can be changed of what stands, read only as far as it is asked for
//	subnets.go   where a load balancer stands
//	certificates.go
//	             what ACM holds, for those who leave it to us to find a certificate
//	rules.go     rules that stand and rules that are wanted -> plan (pure)
//	steps.go     steps in an order in which nothing refers to what is not there
//	route.go     the plan of a listener, carried out
//	protection.go which security groups the load balancer has: managed, named, shared
//	replace.go   which target groups take the place of another, and whether they are ready
//	use.go       which group stands for one of the model, and what rules do with it
//	linger.go    who may show a new load balancer, and for how long the old one answers
//	bindings.go  which Service port feeds which target group: published as soon as groups exist
//	needs.go     what has to be reachable from it: for package securitygroup, which no pass waits for
//	status.go    DNS name to the members, then finalizers of those who left
//	blame.go     what failed, told to those whom it concerns
//
// # Order
//
// Security group and what it opens; target groups and their attributes; bindings;
// load balancer, its addresses, place, tags and attributes; listeners, what their
// certificate lists lack, default certificates and policies, what is too much in the
// lists, attributes; rules; what the security group no longer opens. Then, and only
// what nothing refers to: listeners or the load balancer, target groups, the
// security group. A deletion that AWS is not ready for is put on the queue again: no
// worker waits.
//
// # Make before break
//
// A target group that takes the place of another one of the same resource ID is made,
// bound, and attached: with weight 0 in each action that sends requests to the old
// one, or, where an action has five groups already or AWS does not check a group
// without weight, by a parking rule for a host that nobody asks for. When as many of
// its targets are healthy as of the old one, or after Options.ReplaceTimeout, one
// ModifyRule (or ModifyListener) gives it the old one's share. The old one is in no
// rule from then on and is deleted after its deregistration delay: it may have
// requests under way. What does not fit beside the old ones waits until another one
// has turned; if nothing fits, the group is replaced in place, with an event.
//
// Health is read from ELBv2, two calls for each replacement and pass, at most eight
// replacements a pass, every 1 to 6 s, in the class of provisioning, and only while
// something is being replaced. The readiness loop polls only groups that pods wait
// for, and not at all where nobody uses gates; so it is not asked.
//
// A load balancer that takes the place of another (its scheme changes) is made beside
// it. Its target groups are new ones, because a group serves one load balancer only,
// and have salted names, because the old ones have the plain ones. Each member shows
// the new address when the new load balancer is active and as many targets are healthy
// behind it. When nobody shows the old one, it is marked with the moment
// (tgsync.io/replaced-at), answers for Options.LBLinger more, with its targets synced,
// and goes. Where both would have one name the old one goes first.
//
// An Ingress that moves to another group is served by both. The group that it leaves
// takes it for a member that cannot be read: what stands of it stays. When it shows
// the other address, it is marked with the moment (an annotation, since it may have
// nothing else in AWS), and after Options.LBLinger it is let go. Who is deleted, or
// changes its class, goes at once.
//
// What stands tells the phase, so all of this survives a restart at any point. Only
// how long a target group has waited, or has been out of use, is not written down: it
// begins anew.
//
// # Memory
//
// AWS and Kubernetes are the only memory that counts. The stack in ours saves
// calls: each step that AWS confirms is entered into it, and after an answer that
// it does not explain it is read again. So a pass may end anywhere, also with the
// process.
//
// What costs a call for each resource is read only where it can matter: attributes of
// those whose model names any, and the certificate lists of listeners that encrypt.
// An account with 100 other load balancers is read in 10 calls for a group of 10
// target groups and 2 listeners, one of them encrypted, with attributes of the load
// balancer and of one target group; attributes of one more target group are one more
// call. At the start tags are read of what looks like ours; of the rest before
// anything is made where nothing was found. The audit reads all of it again.
//
// # Errors
//
// What AWS refuses (invalid, over a quota) concerns one step; the others go on, and
// what the refused one would have replaced stays, but for what is of an Ingress that
// leaves. An Ingress that cannot be patched is left as it stands. Either is told to
// its owner alone. A permission that the credentials lack is the same: one action
// that they may not use keeps no other from being used; only credentials that nobody
// accepts end the pass. A setting of the load balancer is of those who would ask for
// it if they were alone in the group. Everything else ends the pass. A group that
// failed is tried again after 1 s, doubling to 1 min, and at once when what it asks
// for changes.
//
// Only what carries the tags of this cluster and of the group is ever changed or
// deleted. A name that somebody else has is reported, not adopted. Tags that
// somebody added stay; so do tags and attributes that are no longer asked for: nobody
// remembers who wrote them. The security groups of a load balancer are exactly those
// that its Ingresses ask for, as with LBC, and so are the certificates on a list: who
// presents what is for the Ingresses to say. Tags of listeners and rules are written
// when these are made and not compared later: that would cost a call per 20 rules on
// every start.
//
// # Start
//
// Whoever begins to lead shows the bindings of the target groups that its directory
// knows, or looks up by name those whose pods have changed meanwhile, before it reads
// the account: targets are synced first. The directory is only believed until the
// inventory has been read.
//
// # Words
//
//	stack     what AWS holds for one group.
//	step      one change of AWS: one mutating call and what its answer means.
//	refused   AWS will not do this step, now or later.
//	waiting   something that AWS is about to finish comes first.
//	obsolete  a rule that stands and is not wanted.
//	turn      a target group taking another one's place; also the moment of it.
//	waiting share, parking rule
//	          what attaches a group that waits for its turn.
//	linger    to answer, for those who know an address from before.
package provision
