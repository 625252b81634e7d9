package ingress

import (
	"slices"
	"strings"
)

// Who may reach a load balancer is not for a member to widen that is at fault, nor for one
// that comes later: where members disagree, who says what stands decides, whatever the
// order. A bad member that was served keeps what stands. A bad newcomer has no say on what
// stands; of what is new it is believed where it restricts.

// isReach reports whether a topic is about who may reach the load balancer.
func (t topic) isReach() bool {
	switch t.key {
	case keyScheme, keySecurityGroups, keyInboundCIDRs, keyPrefixLists:
		return true
	}
	return false
}

// incumbents lets those decide first that say what stands. Security groups can be called
// by names, which nobody can compare here: then those come next that may say it, and then
// who was served.
func (b *builder) incumbents() {
	groups := func(o opinion) bool { return o.key == keySecurityGroups }
	named := func(o opinion) bool {
		return groups(o) && slices.ContainsFunc(splitList(o.value), func(word string) bool { return !strings.HasPrefix(word, "sg-") })
	}
	for _, counts := range []func(opinion) bool{b.saysStanding, named, groups} {
		for _, m := range b.members {
			for _, o := range m.opinions {
				if _, decided := b.decided[o.topic]; !decided && m.served && o.isReach() && counts(o) {
					b.decided[o.topic] = decision{value: o.value, by: m}
				}
			}
		}
	}
}

// saysStanding reports whether an opinion is what stands already.
func (b *builder) saysStanding(o opinion) bool {
	standing := &b.in.Standing
	switch o.key {
	case keyScheme:
		return o.value == standing.Scheme
	case keySecurityGroups:
		return len(standing.SecurityGroups) > 0 && canonical(splitList(o.value)) == canonical(standing.SecurityGroups)
	}
	if !b.stands(o.port) {
		return false
	}
	said := splitList(o.value)
	if standing.IPAddressType == addressTypeIPv4 {
		said = slices.DeleteFunc(said, func(cidr string) bool { return strings.Contains(cidr, ":") })
	}
	return canonical(said) == b.standingReach(o.topic)
}

// standingReach is what stands of a topic about one port.
func (b *builder) standingReach(t topic) string {
	cidrs, lists := b.standingSources(t.port)
	if t.key == keyPrefixLists {
		return canonical(lists)
	}
	return canonical(cidrs)
}

// restrict lets a bad newcomer decide where nothing stands yet and it lets fewer in.
func (b *builder) restrict(m *member, opinions []opinion) {
	for _, o := range opinions {
		fresh := b.in.Standing.Scheme == ""
		if o.port != 0 {
			fresh = !b.stands(o.port)
		}
		if fresh && o.isReach() && (o.key != keyScheme || o.value == schemeInternal) {
			b.decided[o.topic] = decision{value: o.value, by: m}
		}
	}
}

// keepReach keeps an internal scheme and the security groups that stand while a member is bad that
// was served, unless a good one decides: it may be whose word made them so, and what it
// asks for now is not done.
func (b *builder) keepReach() {
	i := slices.IndexFunc(b.members, func(m *member) bool { return m.bad && m.served })
	standing := &b.in.Standing
	if i < 0 || standing.Scheme == "" {
		return
	}
	keep := func(key, value string) {
		d, said := b.decided[topic{key: key}]
		switch {
		case said && !d.by.bad:
		case value != "":
			b.decided[topic{key: key}] = decision{value: value, by: b.members[i]}
		default:
			delete(b.decided, topic{key: key})
		}
	}
	if standing.Scheme == schemeInternal {
		keep(keyScheme, standing.Scheme)
	}
	keep(keySecurityGroups, strings.Join(standing.SecurityGroups, ","))
}
