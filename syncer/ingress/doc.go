// Package ingress computes what AWS should hold for the Ingresses of a cluster.
// It is pure: objects in, values out; inputs are never changed.
//
// In two stages:
//
//	Groups   all Ingresses and classes  -> who belongs to which load balancer, and what its class says
//	Build    one group and its Services -> Model, with the members' problems
//
// Within Build, each member is first read on its own (parse.go: the forms of annotations;
// annotations.go: which there are; params.go: what a class says in their place;
// loadbalancer.go, listeners.go, certificates.go, tags.go). Then the members settle
// (settle.go), in group order and topic by topic, what only one of them can decide; then
// each listener gets the rules of its members: optimised, split where AWS takes no more
// conditions, and numbered. What stands of bad members is kept (standing.go).
//
// Names, hashes, tags, finalizers and the order of rules are those of the AWS
// Load Balancer Controller, so that a cluster which it provisioned needs no
// change.
//
// Words:
//
//	Group     the Ingresses that share a load balancer.
//	Member    an Ingress that is in a group now.
//	Leaving   an Ingress that holds a group's finalizer but is no member: it was
//	          deleted, or went to another group or class.
//	Served    a member that holds its group's finalizer: it was provisioned before.
//	Bad       a member with a blocking Problem. It never keeps the others from being
//	          served, and what stands of it is kept.
//	Say       what a member has while it is good or was served: its opinions count.
//	Standing  what AWS holds today.
//	Problem   a member's fault, worded for its owner.
package ingress
