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
package provision
