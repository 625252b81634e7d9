package ingress

import (
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// ofRules are the annotations that say what rules an Ingress has. A key that ends in
// a dot begins a family.
var ofRules = []string{
	keyGroupOrder, keyTargetType, annotationPrefix + "actions.", annotationPrefix + "conditions.",
}

// notMine stands for a scheme that cannot be read: whoever has it keeps the load
// balancer that stands.
const notMine = "as it stands"

// StillServing returns the group as it is while it still serves Ingresses that move
// to other groups. Each is a member that cannot be read: what stands of it is kept
// in its place, and what its annotations say of the load balancer, they say to the
// group that it moves to.
func (g Group) StillServing(moving []*networkingv1.Ingress) Group {
	if len(moving) == 0 {
		return g
	}
	isMoving := func(ing *networkingv1.Ingress) bool { return slices.Contains(moving, ing) }
	alone := len(g.Members) == 0
	g.Members, g.Problems = slices.Clone(g.Members), slices.Clone(g.Problems)
	g.Leaving = slices.DeleteFunc(slices.Clone(g.Leaving), isMoving)
	for _, ing := range moving {
		g.Members = append(g.Members, standIn(ing, alone))
		g.Problems = append(g.Problems, Problem{Ingress: keyOf(ing), Blocking: true})
	}
	slices.SortStableFunc(g.Members, compareNames)
	slices.SortStableFunc(g.Members, compareOrder)
	return g
}

// standIn is an Ingress without what it asks of another group.
func standIn(ing *networkingv1.Ingress, alone bool) *networkingv1.Ingress {
	out := ing.DeepCopy()
	maps.DeleteFunc(out.Annotations, func(key, _ string) bool {
		return !slices.ContainsFunc(ofRules, func(of string) bool {
			return key == of || strings.HasSuffix(of, ".") && strings.HasPrefix(key, of)
		})
	})
	if alone { // nobody else says what the load balancer is like
		if out.Annotations == nil {
			out.Annotations = map[string]string{}
		}
		out.Annotations[keyScheme] = notMine
	}
	out.Spec.DefaultBackend = nil
	return out
}

// HoldsOther reports whether an Ingress holds the finalizer of another group.
func HoldsOther(ing *networkingv1.Ingress, id GroupID) bool {
	return slices.ContainsFunc(heldGroups(ing), func(held GroupID) bool { return held != id })
}

// WantedName returns the name that an Ingress asks for its load balancer to have, ""
// if it leaves that open.
func WantedName(ing *networkingv1.Ingress) string { return ing.Annotations[keyLoadBalancerName] }
