package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// use says how rules use a target group.
type use struct {
	balancer *balancer // nil: no rule names the group
	weight   bool      // and requests come to it
}

// uses tells which target groups are used, by ARN. A target group serves one load
// balancer at most.
func (st *stack) uses() map[string]use {
	uses := map[string]use{}
	note := func(b *balancer, actions []awsapi.Action, parking bool) {
		for _, a := range actions {
			for _, f := range a.Forward {
				weight := !parking && (f.Weight > 0 || len(a.Forward) == 1)
				uses[f.ARN] = use{b, weight || uses[f.ARN].weight}
			}
		}
	}
	for _, b := range st.balancers {
		for _, l := range b.listeners {
			note(b, l.DefaultActions, false)
			for _, r := range l.rules {
				note(b, r.Actions, isParking(r))
			}
		}
	}
	return uses
}

// group returns what stands for a target group of the model and can serve the load
// balancer that the pass is about, or nil. It is called as the model says, or, where
// another load balancer has the group of that name or it takes addresses of the other
// family, by its salted name, or as it was found at the start (adopt.go). A kept group
// is known by its resource tag alone.
func (st *stack) group(want *ingress.TargetGroup) *awsapi.TargetGroup {
	if want == nil {
		return nil
	}
	candidates := st.tagged(want.ID)
	if !want.Kept {
		candidates = slices.DeleteFunc(
			[]*awsapi.TargetGroup{st.targetGroups[want.Name], st.targetGroups[salted(want.Name)], st.targetGroups[st.adopted[want.Name]]},
			func(g *awsapi.TargetGroup) bool {
				return g == nil || family(g.IPAddressType) != family(want.IPAddressType)
			},
		)
	}
	switch {
	case len(candidates) == 0:
		return nil
	case len(candidates) == 1 && !slices.ContainsFunc(st.balancers, st.isOther):
		return candidates[0] // the usual case, for which nothing has to be looked up
	}
	return st.choose(candidates)
}

// isOther reports whether a load balancer is another than the one that the pass is
// about.
func (st *stack) isOther(b *balancer) bool { return st.serves != "" && b.Scheme != st.serves }

// choose returns the group that counts of several that stand for one: one that gets
// requests, then one that is attached, then the first. One that serves a load balancer
// which is being replaced is out of reach.
func (st *stack) choose(candidates []*awsapi.TargetGroup) *awsapi.TargetGroup {
	uses := st.uses()
	var best *awsapi.TargetGroup
	rank := func(g *awsapi.TargetGroup) int {
		switch u := uses[g.ARN]; {
		case u.weight:
			return 2
		case u.balancer != nil:
			return 1
		}
		return 0
	}
	for _, g := range candidates {
		if b := uses[g.ARN].balancer; b != nil && st.isOther(b) {
			continue
		}
		if best == nil || rank(g) > rank(best) {
			best = g
		}
	}
	return best
}

// tagged returns the target groups with a resource ID, by name.
func (st *stack) tagged(id string) []*awsapi.TargetGroup {
	var found []*awsapi.TargetGroup
	for _, name := range sortedNames(st.targetGroups) {
		if g := st.targetGroups[name]; g.Tags[ingress.TagResource] == id {
			found = append(found, g)
		}
	}
	return found
}

// salted is the name of a target group whose own one is taken by its predecessor. It
// is its predecessor's own name, salted, so that two can take turns.
func salted(name string) string {
	const tail = 10 // of a hash, as in every name
	if len(name) < tail {
		return name + "-2"
	}
	sum := sha256.Sum256([]byte(name + " beside another load balancer"))
	return name[:len(name)-tail] + hex.EncodeToString(sum[:])[:tail]
}
