package ingress

import (
	"cmp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// lastGood is what stands of bad members and stays until they are good again.
type lastGood struct {
	rules         map[*member][]Rule
	defaultAction *Action
}

// keepLastGood picks the standing rules that no good member accounts for, adds
// their target groups to the model, and gives each rule to a bad member, in whose
// place it stays.
func (b *builder) keepLastGood(model *Model) lastGood {
	kept := lastGood{rules: map[*member][]Rule{}}
	bad := slices.DeleteFunc(slices.Clone(b.members), func(m *member) bool { return !m.bad })
	if len(bad) == 0 {
		return kept
	}
	wanted := b.wanted()
	var before *member // whose the rule before was
	for _, s := range b.sortedStanding() {
		if s.Priority == 0 {
			kept.defaultAction = b.keepDefault(model, s, bad)
			continue
		}
		owner := b.standingOwner(s, bad, wanted)
		if owner == nil && len(s.groups()) == 0 {
			owner = b.badBeside(before, bad)
		}
		if owner == nil {
			continue
		}
		before = owner
		if owner.bad {
			kept.rules[owner] = append(kept.rules[owner], standingRule(s))
			keepGroups(model, s, owner)
		}
	}
	return kept
}

// wanted says which member asks for a rule with these conditions, a good one
// rather than a bad one.
func (b *builder) wanted() map[string]*member {
	wanted := map[string]*member{}
	for _, m := range b.members {
		for _, r := range m.rules {
			key := conditionsKey(r.Conditions)
			if other := wanted[key]; other == nil || other.bad && !m.bad {
				wanted[key] = m
			}
		}
	}
	return wanted
}

// standingOwner returns the member whose rule s is: its target group tells, or,
// without one, its conditions. It is nil if nothing tells.
func (b *builder) standingOwner(s StandingRule, bad []*member, wanted map[string]*member) *member {
	groups := s.groups()
	if len(groups) == 0 {
		return wanted[conditionsKey(s.Conditions)]
	}
	for _, id := range groups {
		if good, ok := b.groupOwners[id]; ok {
			return good
		}
	}
	return b.ownerOf(groups[0], bad)
}

// badBeside returns the bad member that keeps a rule of which nothing tells whose
// it is, so that it stays behind the rule before it: that rule's owner, or who
// comes next in the group, or else the last.
func (b *builder) badBeside(before *member, bad []*member) *member {
	if before != nil && before.bad {
		return before
	}
	next := b.members[slices.Index(b.members, before)+1:]
	for _, m := range next {
		if m.bad {
			return m
		}
	}
	return bad[len(bad)-1]
}

// keepDefault returns the standing default action if it is a bad member's and no
// good one has a default backend.
func (b *builder) keepDefault(model *Model, s StandingRule, bad []*member) *Action {
	if b.defaultOwner != nil && !b.defaultOwner.bad {
		return nil
	}
	owner := b.standingOwner(s, bad, nil)
	if owner == nil && len(s.groups()) == 0 {
		// Nothing tells whose it is; who has a default backend and is bad may miss it.
		owner = b.defaultOwner
	}
	if owner == nil || !owner.bad {
		return nil
	}
	keepGroups(model, s, owner)
	return new(standingRule(s).Action)
}

// holdAll names every standing target group of the members, so that targets are
// still synced while nothing else is touched.
func (b *builder) holdAll(model *Model) {
	for _, s := range b.sortedStanding() {
		for _, id := range s.groups() {
			if owner := b.ownerOf(id, b.members); owner != nil {
				keepGroup(model, id, owner)
			}
		}
	}
}

// sortedStanding are the rules of the listener that a model can have.
func (b *builder) sortedStanding() []StandingRule {
	standing := slices.DeleteFunc(slices.Clone(b.in.Standing), func(s StandingRule) bool { return s.Port != httpPort })
	slices.SortStableFunc(standing, func(x, y StandingRule) int { return cmp.Compare(x.Priority, y.Priority) })
	return standing
}

// ownerOf reads the owner from a target group's ID. "ns/a-b-c:80" may be Ingress
// "a" with Service "b-c" or "a-b" with "c": a Service that exists decides, then
// the longer name.
func (b *builder) ownerOf(id string, candidates []*member) *member {
	var best *member
	bestExists := false
	for _, m := range candidates {
		service, _, ok := parseTargetGroupID(id, m.key)
		if !ok {
			continue
		}
		_, exists := b.in.Services(service)
		longer := best != nil && len(m.key.Name) > len(best.key.Name)
		if best == nil || exists && !bestExists || exists == bestExists && longer {
			best, bestExists = m, exists
		}
	}
	return best
}

// Owners returns the Ingresses whose target group it may be by its ID: more than
// one if the name of one is the beginning of another's.
func Owners(id string, candidates []*networkingv1.Ingress) []*networkingv1.Ingress {
	return slices.DeleteFunc(slices.Clone(candidates), func(ing *networkingv1.Ingress) bool {
		_, _, ok := parseTargetGroupID(id, keyOf(ing))
		return !ok
	})
}

// parseTargetGroupID undoes targetGroupID for an Ingress that is known.
func parseTargetGroupID(id string, ing types.NamespacedName) (types.NamespacedName, intstr.IntOrString, bool) {
	rest, ok := strings.CutPrefix(id, ing.String()+"-")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 1 || colon == len(rest)-1 {
		return types.NamespacedName{}, intstr.IntOrString{}, false
	}
	return types.NamespacedName{Namespace: ing.Namespace, Name: rest[:colon]}, intstr.Parse(rest[colon+1:]), true
}

// groups returns the resource IDs of the target groups of the stack that a rule
// forwards to.
func (s StandingRule) groups() []string {
	var ids []string
	for _, share := range s.Action.Forward {
		if share.TargetGroup != "" {
			ids = append(ids, share.TargetGroup)
		}
	}
	return ids
}

func keepGroups(model *Model, s StandingRule, owner *member) {
	for _, id := range s.groups() {
		keepGroup(model, id, owner)
	}
}

func keepGroup(model *Model, id string, owner *member) {
	service, port, ok := parseTargetGroupID(id, owner.key)
	if !ok {
		return // A rule without a target group.
	}
	model.TargetGroups[id] = &TargetGroup{ID: id, Service: service, ServicePort: port, Kept: true}
}

// standingRule copies: the model shares nothing with its input.
func standingRule(s StandingRule) Rule {
	r := Rule{Standing: s.ARN, Action: s.Action}
	r.Action.Forward = slices.Clone(s.Action.Forward)
	for _, c := range s.Conditions {
		c.Values, c.Queries = slices.Clone(c.Values), slices.Clone(c.Queries)
		r.Conditions = append(r.Conditions, c)
	}
	if f := s.Action.FixedResponse; f != nil {
		r.Action.FixedResponse = new(*f)
	}
	if redirect := s.Action.Redirect; redirect != nil {
		r.Action.Redirect = new(*redirect)
	}
	return r
}
