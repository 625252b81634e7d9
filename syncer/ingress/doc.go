// Package ingress computes what AWS should hold for the Ingresses of a cluster.
// It is pure: objects in, values out; inputs are never changed.
//
// In two stages:
//
//	Groups   all Ingresses and classes  -> who belongs to which load balancer
//	Build    one group and its Services -> Model, with the members' problems
//
// Within Build, each member is first read on its own; then the members settle, in
// group order, what only one of them can decide; then each listener gets the rules of
// its members: optimised, split where AWS takes no more conditions, and numbered.
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
//	Standing  what AWS holds today.
//	Problem   a member's fault, worded for its owner.
package ingress
