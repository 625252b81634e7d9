// Package endpoints computes which targets a Service port should have, from the
// Service, its EndpointSlices, and the pods and nodes behind them. It is pure:
// objects in, a Result out. Nothing that goes in is changed.
//
// # Which slices and ports
//
// The rules are kube-proxy's (k8s.io/kubernetes pkg/proxy/endpointslicecache.go): a
// slice's port belongs to a Service port when both carry the same name, so a named
// target port may be another number in every slice; an endpoint's first address is the
// one that matters; an endpoint that moves stands in two slices and counts once. One
// address family is asked for, IPv4 unless said otherwise.
//
// "Not found" is not "zero". Without the Service, its port, a slice of the family, or
// the port in any slice that has endpoints (a Service port that was renamed a moment
// ago), Result.Missing says so. A Service without pods has a slice without endpoints,
// which the EndpointSlice controller keeps for that purpose: that is zero.
//
// # Which endpoints
//
// The first line that fits decides:
//
//	no pod behind it               as its slice says; nil means ready
//	terminating, not ready         Terminating
//	pod not in the cache           Undecided
//	pod has finished               Terminating
//	pod is being deleted           Terminating; unless the Service publishes addresses
//	                               that are not ready, or the slice says both ready and
//	                               terminating, which is how that looks in a slice
//	slice says ready               Ready
//	containers not ready           NotReady
//	node Ready                     Ready
//	node Ready Unknown             NodeUnknown: wanted if nothing is Ready, with FailOpen
//	node not in the cache          Undecided
//	node not Ready                 NotReady
//
// Ready is wanted. Undecided means: leave registered what is registered, register
// nothing, and look again when the pod or node arrives; Result names both. It covers a
// slice that is behind, too: its pod has gone, or was replaced by one with another UID,
// and must not be registered once more.
//
// Slices and pods come by different watches, and either may be ahead. Deletion never
// reverts for one UID, so whichever says it first is believed: a pod leaves when it is
// marked, not when the EndpointSlice controller has got round to it. Likewise containers
// that became ready are believed before the slice says so.
//
// # Readiness gates
//
// A pod that waits for its gates alone is wanted, whoever the gates belong to: gates
// are facts in the Result and decide nothing here. The AWS Load Balancer Controller
// (LBC) does the same, and leaving out a pod that waits for somebody else's gate would
// be worse than different. Two controllers that each wait for the other's gate would
// wait for ever; a gate may itself wait for the pod to be healthy in the target group
// (progressive delivery does); and a registered target gets no request before it passes
// the load balancer's health check, so a pod has another way to say that it is not
// ready. Ours are GateTargetsReady and what begins with GatePrefix.
//
// # Two pods, one address
//
// An address is given to a new pod while slices still show the old one. The pod in the
// better state wins the address; the other stands in Result.Shadowed.
package endpoints
