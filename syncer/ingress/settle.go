package ingress

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// topic is something on which the members of a group must agree: a setting of the load
// balancer, of one of its ports, or one entry of a map of settings.
type topic struct {
	key  string // the annotation
	port int32  // 0: of the load balancer
	part string // the entry's key; "": it is no map
}

func (t topic) compare(o topic) int {
	return cmp.Or(cmp.Compare(t.key, o.key), cmp.Compare(t.port, o.port), cmp.Compare(t.part, o.part))
}

// opinion is what one member says about a topic. Two members agree if their values are
// equal.
type opinion struct {
	topic
	value string
	// standing: what the member says cannot be read, and this is what it has. It yields
	// to whoever says something.
	standing bool
}

// decision is what the first member with an opinion decided for all.
type decision struct {
	value string
	by    *member
}

// say adds an opinion about the load balancer.
func (m *member) say(key, value string) { m.sayOf(topic{key: key}, value) }

func (m *member) sayOf(t topic, value string) {
	m.opinions = append(m.opinions, opinion{topic: t, value: value})
}

// sayOr adds an opinion, if the member has any: where its value cannot be read, what
// stands. Until we know what it wants, it wants what it has.
func (m *member) sayOr(key, value, standing string) {
	_, asked := m.get(key)
	switch {
	case value != "":
		m.say(key, value)
	case asked && standing != "" && (m.served || key == keyScheme):
		m.opinions = append(m.opinions, opinion{topic: topic{key: key}, value: standing, standing: true})
	}
}

// hasSay reports whether a member's opinions count: a bad newcomer's do not.
func (m *member) hasSay() bool { return !m.bad || m.served }

// settle goes through the members in group order. Who comes first decides, but for what
// reach.go is about; who comes later and disagrees is bad. What only shows when all have spoken makes a member
// bad too, and then its word may not have counted: they settle once more.
func (b *builder) settle() {
	for _, m := range b.members {
		m.own = len(m.problems)
	}
	for {
		b.agree()
		late := b.late()
		if len(late) == 0 {
			return
		}
		for _, m := range b.members {
			m.rewind()
		}
		for _, f := range late {
			f.member.block(f.reason, f.field, "%s", f.message)
			f.member.own = len(f.member.problems)
		}
	}
}

// rewind forgets what came of the other members.
func (m *member) rewind() {
	m.problems = m.problems[:m.own]
	m.bad = m.badGroup || slices.ContainsFunc(m.problems, func(p Problem) bool { return p.Blocking })
}

// agree lets all members speak once.
func (b *builder) agree() {
	b.decided = map[topic]decision{}
	b.groupOwners = map[string]*member{}
	b.incumbents()
	var lead map[topic]string // what the class of the first member decides for all
	for _, m := range b.members {
		class := lead
		if class == nil {
			class = m.params.attributes()
		}
		mine := b.weigh(m, class)
		b.checkGroups(m)
		if !m.hasSay() {
			b.restrict(m, mine)
			continue
		}
		lead = class
		for _, o := range mine {
			if m.bad && o.port != 0 && (o.key != keyListenPorts || !b.stands(o.port)) {
				continue // what it asks for now is not done; see keeps
			}
			b.decided[o.topic] = decision{value: o.value, by: m}
		}
		if m.bad {
			continue
		}
		for id := range m.groups {
			b.groupOwners[id] = m
		}
	}
	b.keepReach()
}

// weigh returns the opinions of m that nobody had before, and blames it for those
// that contradict.
func (b *builder) weigh(m *member, class map[topic]string) []opinion {
	opinions := make([]opinion, 0, len(m.opinions)+len(class))
	for t, value := range class {
		if t.port == 0 || m.ports[t.port] != "" && t.key == listenerKey(m.ports[t.port], t.port) {
			opinions = append(opinions, opinion{topic: t, value: value})
		}
	}
	slices.SortFunc(opinions, func(x, y opinion) int { return x.compare(y.topic) })
	for _, o := range m.opinions {
		if _, settled := class[o.topic]; !settled {
			opinions = append(opinions, o)
		}
	}
	var fresh []opinion
	for _, o := range opinions {
		switch d, ok := b.decided[o.topic]; {
		case !ok:
			fresh = append(fresh, o)
		case d.value != o.value && !o.standing:
			m.contradict(o, d)
		}
	}
	return fresh
}

// contradict blames a member for an opinion that stands against a decision.
func (m *member) contradict(o opinion, d decision) {
	field, words := m.source(o.key)
	what := fmt.Sprintf("%q", o.value)
	switch {
	case o.part != "":
		what = fmt.Sprintf("%s=%q", o.part, o.value)
	case o.port != 0:
		what = fmt.Sprintf("%q on port %d", o.value, o.port)
	}
	m.block(ReasonConflict, field, "%s: %s contradicts %q of Ingress %s, which comes first in the group", words, what, d.value, d.by.key)
}

// lateFault is one that shows only when all have spoken.
type lateFault struct {
	member                 *member
	reason, field, message string
}

// keeps reports whether a port stays as it stands where no good member says otherwise: a
// bad one may be whose word made it so.
func (b *builder) keeps(port int32) bool {
	return b.stands(port) && slices.ContainsFunc(b.members, func(m *member) bool { return m.bad && m.served })
}

// late returns the faults that show when all have spoken.
func (b *builder) late() []lateFault {
	b.settleDefaults()
	return slices.Concat(b.lateRedirects(), b.lateDefaults(), b.lateCertificates(), b.lateFamilies(), b.lateBackends())
}

// settleDefaults finds whose default backend is used on each port.
func (b *builder) settleDefaults() {
	b.defaultOwners = map[int32]*member{}
	for _, m := range b.members {
		if m.ing.Spec.DefaultBackend == nil || !m.hasSay() {
			continue
		}
		for port := range m.ports {
			if b.defaultOwners[port] == nil && b.listens(m, port) {
				b.defaultOwners[port] = m
			}
		}
	}
}

// lateDefaults blames members whose default backend another has taken the place of on
// a port. A listener that redirects uses none.
func (b *builder) lateDefaults() []lateFault {
	var faults []lateFault
	const field = "spec.defaultBackend"
	for _, m := range b.members {
		if m.bad || m.ing.Spec.DefaultBackend == nil {
			continue
		}
		for _, port := range slices.Sorted(maps.Keys(m.ports)) {
			if owner := b.defaultOwners[port]; owner != m && !b.redirects(port) {
				faults = append(faults, lateFault{m, ReasonConflict, field, fmt.Sprintf(
					"%s: Ingress %s, which comes first in the group, has one already", field, owner.key)})
				break
			}
		}
	}
	return faults
}

// lateRedirects blames members that redirect to a port on which nobody listens with
// HTTPS.
func (b *builder) lateRedirects() []lateFault {
	var faults []lateFault
	for _, m := range b.members {
		if m.redirect != 0 && !m.bad && b.protocol(m.redirect) != protocolHTTPS {
			field, words := m.source(keySSLRedirect)
			faults = append(faults, lateFault{m, ReasonInvalidAnnotation, field, fmt.Sprintf(
				"%s: %d must be the port of an HTTPS listener of the group", words, m.redirect)})
		}
	}
	return faults
}

// checkGroups blames m if one of its target groups has the ID of another's: "a-b"
// with Service "c" reads like "a" with Service "b-c". AWS's tags cannot tell them
// apart, so the traffic of one would go to the other.
func (b *builder) checkGroups(m *member) {
	for _, id := range sortedKeys(m.groups) {
		if other, ok := b.groupOwners[id]; ok {
			m.block(ReasonConflict, "metadata.name", "metadata.name: target group ID %s is taken by Ingress %s; rename one of the Ingresses",
				id, other.key)
		}
	}
}

// word returns what was decided for the load balancer, "" if nobody has an opinion.
func (b *builder) word(key string) string { return b.decided[topic{key: key}].value }
