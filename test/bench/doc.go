// Package bench measures how fast changes of pods reach AWS, against what no
// algorithm could beat.
//
// A benchmark goes through these stages:
//
//	traces.go      a fixed history of changes, made from a seed
//	world.go       the simulated account with its published token buckets, in virtual time
//	engine.go      who brings the changes to AWS: the product, or a reference
//	product.go     the real Syncer and AWS clients, over a fake cluster, with the
//	               order of its queue or another
//	reference.go   two simple algorithms to compare with
//	measure.go     from AWS's record of calls to the wait of every change
//	bounds.go      the least that any algorithm needs, one that knows the future included
//	gated.go       a world of pods with gates, and load balancers that check them
//	rollouts.go    Deployments that wait for these gates; how long they do
//	keepers.go     who opens the gates: the product, or a reference
//	daemon.go      all that a leader runs, over a cluster of Ingresses
//	provisioned.go a world that it has provisioned before
//	ingressgroup.go one Ingress group, and what it does to the account
//	meter.go       calls by the part of the daemon that makes them
//	scenarios.go   which traces, which figures
//	report.go      rows, bars.json, the table
//
// TestBench plays all scenarios and writes the rows; it fails when a bar is missed.
// It runs with `make bench` alone, since a day of virtual time takes a while. All
// other tests are quick.
//
// Words:
//
//	change             a target of a group becomes wanted or unwanted, at an instant
//	key                a group and an operation: what one call carries changes of
//	wait               from a change to AWS's answer to the call that carries it
//	done               from the start of a trace to the answer to its last call
//	turn              a read of every group that pods wait for, with what registration leaves
//	completion bound   no algorithm is done earlier
//	waiting bound      no algorithm keeps its worst wait below this
package bench
