package ingress

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// lastGood is what stands of bad members on one port and stays until they are good
// again.
type lastGood struct {
	rules         map[*member][]Rule
	defaultAction *Action
	// standingDefault is the default action that stands, whosever it is.
	standingDefault *Action
}

// keepLastGood picks the standing rules that no good member accounts for, adds
// their target groups to the model, and gives each rule to a bad member, in whose
// place it stays. The result has an entry for each port of which something is kept: that
// is all that stands while a bad member was served, since what it asks for now need not
// be what it had.
func (b *builder) keepLastGood(model *Model) map[int32]lastGood {
	bad := slices.DeleteFunc(slices.Clone(b.members), func(m *member) bool { return !m.bad })
	if len(bad) == 0 {
		return nil
	}
	all := map[int32]lastGood{}
	served := slices.ContainsFunc(bad, func(m *member) bool { return m.served })
	for _, l := range b.in.Standing.Listeners {
		kept := b.keepPort(model, l.Port, bad)
		if len(kept.rules) == 0 && kept.defaultAction == nil && !served {
			continue
		}
		if kept.standingDefault != nil && !b.anyGoodListens(l.Port) {
			// The listener is not touched, so neither is what it forwards to.
			b.keepUnowned(model, *kept.standingDefault)
		}
		all[l.Port] = kept
	}
	return all
}

// anyGoodListens reports whether a good member wants a listener.
func (b *builder) anyGoodListens(port int32) bool {
	return slices.ContainsFunc(b.members, func(m *member) bool { return !m.bad && b.listens(m, port) })
}

// keepPort picks what is kept of one listener.
func (b *builder) keepPort(model *Model, port int32, bad []*member) lastGood {
	kept := lastGood{rules: map[*member][]Rule{}}
	wanted := b.wanted(port)
	var before *member // whose the rule before was
	for _, s := range b.sortedStanding(port) {
		if s.Priority == 0 {
			kept.standingDefault = new(standingRule(s).Action)
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
			b.keepGroups(model, s, owner)
		}
	}
	return kept
}

// keepUnowned keeps the target groups of an action that is not touched.
func (b *builder) keepUnowned(model *Model, action Action) {
	for _, id := range (StandingRule{Action: action}).groups() {
		if owner := b.ownerOf(id, b.members); owner != nil && model.TargetGroups[id] == nil {
			b.keepGroup(model, id, owner)
		}
	}
}

// wanted says which member asks for a rule with these conditions on a port, a good one
// rather than a bad one.
func (b *builder) wanted(port int32) map[string]*member {
	wanted := map[string]*member{}
	for _, m := range b.members {
		if m.ports[port] == "" {
			continue
		}
		for _, r := range splitRules(m.rules) {
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
	mine := b.defaultOwners[s.Port]
	if mine != nil && !mine.bad {
		return nil
	}
	owner := b.standingOwner(s, bad, nil)
	if owner == nil && len(s.groups()) == 0 {
		// Nothing tells whose it is; who has a default backend and is bad may miss it, on
		// whatever ports it asks to listen now.
		if i := slices.IndexFunc(bad, func(m *member) bool { return m.served && m.ing.Spec.DefaultBackend != nil }); i >= 0 {
			owner = bad[i]
		}
	}
	if owner == nil || !owner.bad {
		return nil
	}
	b.keepGroups(model, s, owner)
	return new(standingRule(s).Action)
}

// holdAll names every standing target group of the members, so that targets are
// still synced while nothing else is touched.
func (b *builder) holdAll(model *Model) {
	for _, s := range b.in.Standing.Rules {
		for _, id := range s.groups() {
			if owner := b.ownerOf(id, b.members); owner != nil {
				b.keepGroup(model, id, owner)
			}
		}
	}
}

// sortedStanding are the rules of one listener.
func (b *builder) sortedStanding(port int32) []StandingRule {
	standing := slices.DeleteFunc(slices.Clone(b.in.Standing.Rules), func(s StandingRule) bool { return s.Port != port })
	slices.SortStableFunc(standing, func(x, y StandingRule) int { return cmp.Compare(x.Priority, y.Priority) })
	return standing
}

// standingListener returns the listener that stands on a port, or nil.
func (b *builder) standingListener(port int32) *StandingListener {
	i := slices.IndexFunc(b.in.Standing.Listeners, func(l StandingListener) bool { return l.Port == port })
	if i < 0 {
		return nil
	}
	return &b.in.Standing.Listeners[i]
}

func (b *builder) stands(port int32) bool { return b.standingListener(port) != nil }

// standingRedirect returns the port to which a listener redirects all requests today, 0
// if none does.
func (b *builder) standingRedirect() int32 {
	for _, s := range b.in.Standing.Rules {
		r := s.Action.Redirect
		if s.Priority != 0 || r == nil || r.Protocol != protocolHTTPS {
			continue
		}
		if port, err := strconv.ParseInt(r.Port, 10, 32); err == nil {
			return int32(port)
		}
	}
	return 0
}

// standingSources returns who may reach a port today.
func (b *builder) standingSources(port int32) (cidrs, lists []string) {
	for _, p := range b.in.Standing.Permissions {
		switch {
		case p.Port != port:
		case p.PrefixList != "":
			lists = append(lists, p.PrefixList)
		default:
			cidrs = append(cidrs, p.CIDR+p.CIDRv6)
		}
	}
	return cidrs, lists
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

func (b *builder) keepGroups(model *Model, s StandingRule, owner *member) {
	for _, id := range s.groups() {
		b.keepGroup(model, id, owner)
	}
}

func (b *builder) keepGroup(model *Model, id string, owner *member) {
	service, port, ok := parseTargetGroupID(id, owner.key)
	if !ok {
		return // A rule without a target group.
	}
	model.TargetGroups[id] = &TargetGroup{ID: id, Service: service, ServicePort: port, Kept: true, MultiCluster: b.sharedBy(owner, service)}
}

// sharedBy reports whether other clusters have targets in a group of a bad member. A
// value that cannot be read may be meant so, and their targets must stay.
func (b *builder) sharedBy(m *member, service types.NamespacedName) bool {
	annotations := lookup{ingress: m.ing.Annotations}
	if svc, ok := b.in.Services(service); ok {
		annotations.service = svc.Annotations
	}
	value, ok := annotations.get(keyMultiCluster)
	shared, err := strconv.ParseBool(value)
	return ok && (shared || err != nil)
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
