package endpoints

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/syncer/target"
)

// State is what is known of one endpoint. The package comment says how it is found.
type State string

// The states, from the one that wins an address to the one that loses it.
const (
	Ready       State = "ready"
	NodeUnknown State = "node_unknown" // the pod was fine, and its node has stopped reporting
	Undecided   State = "undecided"
	NotReady    State = "not_ready"
	Terminating State = "terminating" // never to come back
)

// rank orders the states: the lower one wins an address.
var rank = map[State]int{Ready: 0, NodeUnknown: 1, Undecided: 2, NotReady: 3, Terminating: 4}

// Endpoint is what is known of one target.
type Endpoint struct {
	Target target.Target
	State  State
	Pod    types.NamespacedName // empty: no pod stands behind it
	UID    types.UID            // of the pod
	Gates  []string             // the pod's gates that are ours; read only
	Node   string               // empty: not known
	Zone   string               // empty: not known
}

// Result is what Calculate found.
type Result struct {
	// Missing says what was not found; then all else is empty. It is ErrNoService,
	// ErrNoSlices, ErrNoPort or a *PortNotFoundError.
	Missing error
	// Desired are the targets that should be registered.
	Desired target.Set
	// Endpoints has one entry for each target, in the order of target.Compare.
	Endpoints []Endpoint
	// Shadowed are pods whose address belongs to another one in Endpoints.
	Shadowed []Endpoint
	// WaitsForPods and WaitsForNodes are what was not in the caches. The result is
	// to be calculated again when one of them arrives: no slice needs to change then.
	WaitsForPods  []types.NamespacedName
	WaitsForNodes []string
}

// Find returns what is known of a target.
func (r Result) Find(t target.Target) (Endpoint, bool) {
	i, ok := slices.BinarySearchFunc(r.Endpoints, t, func(e Endpoint, t target.Target) int { return e.Target.Compare(t) })
	if !ok {
		return Endpoint{}, false
	}
	return r.Endpoints[i], true
}

// Has reports whether any pod is in the given state, those without an address of
// their own included.
func (r Result) Has(state State) bool {
	in := func(e Endpoint) bool { return e.State == state }
	return slices.ContainsFunc(r.Endpoints, in) || slices.ContainsFunc(r.Shadowed, in)
}

// settle makes of all endpoints found, in any order, one for each target.
func (r *Result) settle(all []Endpoint, failOpen bool) {
	slices.SortFunc(all, compare)
	r.Endpoints = make([]Endpoint, 0, len(all))
	for i, e := range all {
		switch n := len(r.Endpoints); {
		case n == 0 || r.Endpoints[n-1].Target != e.Target:
			r.Endpoints = append(r.Endpoints, e)
		case samePod(all[i-1], e):
			// The pod stands in two slices, and this is not the one that counts.
		case rank[e.State] < rank[r.Endpoints[n-1].State]:
			r.Shadowed = append(r.Shadowed, r.Endpoints[n-1])
			r.Endpoints[n-1] = e
		default:
			r.Shadowed = append(r.Shadowed, e)
		}
	}
	r.Desired = make(target.Set, len(r.Endpoints))
	r.want(Ready)
	if len(r.Desired) == 0 && failOpen {
		r.want(NodeUnknown)
	}
	slices.SortFunc(r.WaitsForPods, comparePods)
	r.WaitsForPods = slices.Compact(r.WaitsForPods)
	slices.Sort(r.WaitsForNodes)
	r.WaitsForNodes = slices.Compact(r.WaitsForNodes)
}

// want adds the endpoints of a state to what is desired.
func (r *Result) want(state State) {
	for _, e := range r.Endpoints {
		if e.State == state {
			r.Desired[e.Target] = struct{}{}
		}
	}
}

// compare orders by target and pod. Of one pod that stands in two slices, the entry
// that counts comes first: Terminating, since that never reverts and the other slice
// is behind, then the better state.
func compare(a, b Endpoint) int {
	if c := a.Target.Compare(b.Target); c != 0 {
		return c // all but always
	}
	if c := cmp.Or(comparePods(a.Pod, b.Pod), strings.Compare(string(a.UID), string(b.UID))); c != 0 {
		return c
	}
	counts := len(rank)
	return cmp.Compare((rank[a.State]+1)%counts, (rank[b.State]+1)%counts)
}

func comparePods(a, b types.NamespacedName) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

func samePod(a, b Endpoint) bool { return a.Pod == b.Pod && a.UID == b.UID }
