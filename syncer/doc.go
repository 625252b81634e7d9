// Package syncer keeps target groups in AWS equal to the pods that should receive
// traffic. It is the heart of the daemon: events of EndpointSlices, pods and nodes go
// in, RegisterTargets and DeregisterTargets calls come out.
//
// # How a change becomes a call
//
//	informers.go  caches of Ingresses, classes, Services, EndpointSlices, pods and nodes
//	watches.go    whether those caches follow the cluster, or are only full
//	trim.go       what of each goes into its cache: 1,000 pods take about 0.7 MB, not 6
//	handlers.go   event -> keys {target group, operation}, with the time at which the change happened
//	pods.go       the same for pods, by an index from pod to slices, and for nodes
//	syncer.go     the bindings of today, and what is done when they change
//	lane.go       two queues for each account, one for each of AWS's token categories
//	worker.go     key -> desired set -> plan -> guards -> one call -> what comes next
//	group.go      what is known of one group: observed, in flight, in doubt
//	guard.go      deregistrations that a cluster in good health would not ask for are held
//	live.go       reads of EndpointSlices past the cache, for the guards
//	shared.go     which targets of a group are ours, where other clusters use it, too
//	parking.go    targets that AWS refuses, and those for which a quota leaves no room
//	unserved.go   tells the owners of Services that ask for a load balancer, and get none here
//	most.go       targets that are left out because a setting leaves no room
//	zones.go      the Availability Zones of targets outside of the VPC
//	gates.go      what readiness gates have to know of it (package readiness)
//	status.go     what is shown of all this
//	detail.go     the same at length, for people
//
// A queue (package opqueue) brings together a key that is ready, a worker and a token, in
// this order, and only then decides which key it is: the one whose change is oldest, where
// what a terminating pod's deregistration has waited counts more. The plan is made after
// that, from the caches as they are then. A token whose plan turns out empty goes back.
//
// The pure parts are packages of their own: target (sets and plans) and endpoints
// (EndpointSlices, pods and nodes to desired set). Which Service port feeds which group
// is decided by package provision, a loop of its own with a budget of its own: endpoints
// never wait for it. Package groupbinding adds the groups that people make themselves.
//
// # Other accounts
//
// A binding may name a role, which is assumed for the account of its group. AWS's budgets
// belong to accounts, and a queue takes its token before it knows for which group it is.
// So each role has a lane: queues, workers and a poller of health of its own. It is made
// when the first binding names the role and stopped when the last is gone. Roles of one
// account share its budget, and have lanes apart all the same: one may be denied while
// the other is not. Groups, bindings and gates are not divided: a pod's gate waits for
// groups of several accounts, each read by its own lane. (A whole Syncer for each account
// would have had to share out pods, guards and gates again behind a router.)
//
// A Syncer lives for one term of leading (package lease), or less if another controller
// comes back (package standaside): it is built on informers that are full, and everything
// that it believed ends with it. On a standby the informers run alone.
//
// # Rules
//
// Nothing is compared before all caches are full. A target with a call in flight is in
// no other plan, so calls of one group that overlap are disjoint in targets; one whose
// call has an open outcome is in none before the group has been observed, which happens
// at once, and once more when a late effect must have shown. What cannot be decided
// before a pod or a node arrives stays as it is. A pod is believed before its slice: it
// leaves when it is marked for deletion, and comes when its containers are ready.
// Registration and deregistration of a group are different keys: neither waits for the
// other, but where a quota leaves no room those who leave go first.
//
// A group is observed before it is trusted. Until then only what can be repeated is
// done, and only for changes that somebody has seen happen, or that nobody can have
// taken care of (Options.LiveSince): these go before any observation.
//
// A target that drains is not registered. Whether AWS takes it back then is not
// documented (it may refuse, or say OK and go on draining): it is registered again
// every 30 s until it is seen to be there.
//
// The guards hold what is missing for a while, what has become not ready all at once,
// and what would take more than half of a group although its pods live, until the API
// server itself agrees. What they hold counts as desired.
//
// # Words
//
//	trigger time  when a change happened, as the EndpointSlice controller noted it
//	observed      what AWS has, by its own account and by the calls it has accepted since
//	in flight     targets of calls that have not returned
//	in doubt      targets of a call of which AWS alone knows what became
//	held          wanted by no one we can see, but not safe to remove: by a guard
//	parked        refused by AWS, and tried again later and later
//	full          a quota leaves no room for more targets
//
// # Goroutines
//
//	goroutine             started by        ends when                    may block on
//	informers             Informers.Start   its stop channel closes      the API server
//	event handlers        client-go         the informers end            nothing
//	2 dispatchers for     Syncer.Run; of    its context ends, or no      AWS, tokens
//	each account, with    another account,  binding names the role; a
//	8 registration and 4  when a binding    call under way has 10 s,
//	read workers; of      names its role    none if the Lease is lost
//	another account a
//	poller of health
//	live reads            Syncer.Run        its context ends             the API server
//	readiness.Gates.Run   Syncer.Run        its context ends and its     AWS, tokens, the API server
//	                                        reads and patches have
//	                                        returned
//	Syncer.Run            cmd/tgsync, in    its context ends and the     nothing
//	                      a term            workers have returned
//	provision.Loop.Run    cmd/tgsync, in    its context ends             AWS, tokens, the API server
//	                      a term
//	provision.Directory   cmd/tgsync        its context ends             AWS, tokens
//	groupbinding.Watch    cmd/tgsync        its context ends             the API server
//	groupbinding.Loop     cmd/tgsync, in    its context ends             AWS, tokens, the API server
//	                      a term
//	standaside.Watch.Run  cmd/tgsync        its context ends             the API server
//	Candidate.Run         cmd/tgsync        its context ends and the     the API server
//	                                        term's work has returned
package syncer
