package ingress

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	httpPort  = 80
	httpsPort = 443

	// defaultSSLPolicy is the AWS Load Balancer Controller's.
	defaultSSLPolicy = "ELBSecurityPolicy-2016-08"

	listenPortsForm = `a list like [{"HTTP":80},{"HTTPS":443}]`
)

var prefixListPattern = regexp.MustCompile(`^pl-[0-9a-f]+$`)

// listenerKey is the annotation with the attributes of a listener.
func listenerKey(protocol string, port int32) string {
	return fmt.Sprintf("%s%s-%d", keyListenerAttributes, protocol, port)
}

// readListeners reads what the member says about listeners.
func (b *builder) readListeners(m *member) {
	r := m.reader()
	b.readPorts(m)
	if port, ok := r.number(keySSLRedirect, 1, maxPort); ok {
		m.redirect = port
	}
	m.sayOr(keySSLRedirect, portText(m.redirect), portText(b.standingRedirect()))
	b.readSources(m)
	if policy, _ := m.get(keySSLPolicy); policy != "" {
		for _, port := range m.sortedPorts() {
			if m.ports[port] == protocolHTTPS {
				m.sayOf(topic{key: keySSLPolicy, port: port}, policy)
			}
		}
	}
	b.readCertificates(m)
	m.readListenerAttributes()
}

func portText(port int32) string {
	if port == 0 {
		return ""
	}
	return strconv.Itoa(int(port))
}

// readPorts reads on which ports the member listens. Where that cannot be read, it is
// those that stand.
func (b *builder) readPorts(m *member) {
	m.ports = map[int32]string{}
	raw, asked := m.get(keyListenPorts)
	switch {
	case !asked && len(m.reader().list(keyCertificates)) > 0:
		m.ports[httpsPort] = protocolHTTPS
	case !asked:
		m.ports[httpPort] = protocolHTTP
	default:
		m.parsePorts(raw)
	}
	standing := asked && len(m.ports) == 0
	if standing && m.served {
		for _, l := range b.in.Standing.Listeners {
			m.ports[l.Port] = l.Protocol
		}
	}
	for _, port := range m.sortedPorts() {
		m.opinions = append(m.opinions, opinion{topic: topic{key: keyListenPorts, port: port}, value: m.ports[port], standing: standing})
	}
}

// parsePorts fills in the ports; none if a part of the value cannot be used.
func (m *member) parsePorts(raw string) {
	var entries []map[string]int32
	if !m.reader().json(keyListenPorts, listenPortsForm, &entries) {
		return
	}
	ports := map[int32]string{}
	for _, entry := range entries {
		for _, protocol := range sortedKeys(entry) {
			port := entry[protocol]
			if protocol != protocolHTTP && protocol != protocolHTTPS || port < 1 || port > maxPort {
				m.invalid(keyListenPorts, raw, fmt.Sprintf("%s, with ports from 1 to %d", listenPortsForm, maxPort))
				return
			}
			if other, ok := ports[port]; ok && other != protocol {
				m.invalid(keyListenPorts, raw, fmt.Sprintf("%s, with one protocol for port %d", listenPortsForm, port))
				return
			}
			ports[port] = protocol
		}
	}
	if len(ports) == 0 {
		m.invalid(keyListenPorts, raw, listenPortsForm+" that is not empty")
	}
	m.ports = ports
}

func (m *member) sortedPorts() []int32 { return slices.Sorted(maps.Keys(m.ports)) }

// readSources reads who may reach the member's ports.
func (b *builder) readSources(m *member) {
	var cidrs []string
	faults := len(m.problems)
	for _, cidr := range m.reader().list(keyInboundCIDRs) {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			m.invalid(keyInboundCIDRs, cidr, "a network like 10.0.0.0/8 or 2001:db8::/32, or several with commas between them")
			continue
		}
		cidrs = append(cidrs, prefix.Masked().String())
	}
	var lists []string
	for _, list := range m.reader().list(keyPrefixLists) {
		if !prefixListPattern.MatchString(list) {
			m.invalid(keyPrefixLists, list, "the ID of a prefix list (pl-...), or several with commas between them")
			continue
		}
		lists = append(lists, list)
	}
	unread := len(m.problems) > faults
	for _, port := range m.sortedPorts() {
		b.sayReach(m, topic{key: keyInboundCIDRs, port: port}, cidrs, unread)
		b.sayReach(m, topic{key: keyPrefixLists, port: port}, lists, unread)
	}
}

// sayReach says who may reach a port. Where that cannot be read, it is who may today; of a
// new port, nobody but whom the rest of the words lets in.
func (b *builder) sayReach(m *member, t topic, words []string, unread bool) {
	value := canonical(words)
	standing := unread && m.served && b.stands(t.port)
	if standing {
		value = b.standingReach(t)
	}
	if value != "" || unread {
		m.opinions = append(m.opinions, opinion{topic: t, value: value, standing: standing})
	}
}

// readListenerAttributes reads those of the member's listeners.
func (m *member) readListenerAttributes() {
	names := map[string]int32{}
	for port, protocol := range m.ports {
		names[listenerKey(protocol, port)] = port
	}
	for _, key := range sortedKeys(m.ing.Annotations) {
		if !strings.HasPrefix(key, keyListenerAttributes) {
			continue
		}
		attributes := m.reader().pairs(key)
		port, ok := names[key]
		if !ok {
			m.warn(ReasonNoEffect, key, "annotation %s has no effect: the Ingress has no such listener", key)
			continue
		}
		for _, attribute := range sortedKeys(attributes) {
			m.sayOf(topic{key: key, port: port, part: attribute}, attributes[attribute])
		}
	}
}

// listens reports whether a member's word counts on a port. What a bad one asks for and
// does not stand is not done.
func (b *builder) listens(m *member, port int32) bool {
	protocol, ok := m.ports[port]
	return ok && m.hasSay() && protocol == b.protocol(port) && (!m.bad || b.stands(port))
}

// protocol returns what was decided for a port, "" if nobody listens there.
func (b *builder) protocol(port int32) string {
	return b.decided[topic{key: keyListenPorts, port: port}].value
}

// redirects reports whether all requests on a port are sent to HTTPS.
func (b *builder) redirects(port int32) bool {
	return b.protocol(port) == protocolHTTP && b.word(keySSLRedirect) != ""
}

// listeners are those of the good members, and those that bad ones keep.
func (b *builder) listeners(kept map[int32]lastGood) []Listener {
	wanted := map[int32]bool{} // true: by a good member
	for port := range kept {
		wanted[port] = false
	}
	for _, m := range b.members {
		for port := range m.ports {
			if b.listens(m, port) {
				wanted[port] = wanted[port] || !m.bad
			}
		}
	}
	var out []Listener
	for _, port := range slices.Sorted(maps.Keys(wanted)) {
		switch standing := b.standingListener(port); {
		case wanted[port]:
			out = append(out, b.listener(port, kept[port]))
		case standing != nil:
			out = append(out, b.keptListener(standing, kept[port]))
		}
	}
	return out
}

// listener is one that a good member wants.
func (b *builder) listener(port int32, kept lastGood) Listener {
	var on []*member
	for _, m := range b.members {
		if b.listens(m, port) {
			on = append(on, m)
		}
	}
	l := Listener{
		Port: port, Protocol: b.protocol(port), Tags: b.listenerTags(portText(port), b.groupTags(on)),
		Attributes: b.entries(listenerKey(b.protocol(port), port), port), DefaultAction: b.defaultAction(port, kept),
	}
	if l.Protocol == protocolHTTPS {
		l.Certificates = b.certificatesOf(port)
		l.SSLPolicy = b.sslPolicy(port)
	}
	if !b.redirects(port) {
		l.Rules = b.rules(port, kept)
	}
	return l
}

func (b *builder) sslPolicy(port int32) string {
	policy := b.decided[topic{key: keySSLPolicy, port: port}].value
	if policy == "" && b.keeps(port) {
		policy = b.standingListener(port).SSLPolicy
	}
	return cmp.Or(policy, b.in.Settings.DefaultSSLPolicy, defaultSSLPolicy)
}

// keptListener is one that stands and that bad members alone know of.
func (b *builder) keptListener(standing *StandingListener, kept lastGood) Listener {
	l := Listener{
		Port: standing.Port, Protocol: standing.Protocol, Kept: true,
		Tags: b.listenerTags(portText(standing.Port), nil), Rules: b.rules(standing.Port, kept),
	}
	if kept.standingDefault != nil {
		l.DefaultAction = *kept.standingDefault
	}
	return l
}

func (b *builder) listenerTags(resource string, users map[string]string) map[string]string {
	if !b.in.Settings.ListenerRulesTagging {
		return nil
	}
	return b.tagged(resource, users)
}

// rules puts the members' rules on a port together, in their order.
func (b *builder) rules(port int32, kept lastGood) []Rule {
	var all []Rule
	for _, m := range b.members {
		rules := kept.rules[m]
		if !m.bad && b.listens(m, port) {
			rules = m.rules
		}
		for _, r := range rules {
			r.Tags = m.tags
			for _, share := range r.Action.Forward {
				b.shadowed[share.TargetGroup] = true
			}
			all = append(all, r)
		}
	}
	out := optimise(all, port, b.protocol(port))
	for i := range out {
		out[i].Priority = int32(i + 1)
		out[i].Tags = b.listenerTags(fmt.Sprintf("%d:%d", port, i+1), out[i].Tags)
	}
	return out
}

// defaultAction is a good member's, else what is kept of a bad one's, else 404. A
// redirect comes before all.
func (b *builder) defaultAction(port int32, kept lastGood) Action {
	owner := b.defaultOwners[port]
	switch {
	case b.redirects(port):
		return Action{Redirect: &Redirect{
			StatusCode: "HTTP_301", Protocol: protocolHTTPS, Host: "#{host}", Port: b.word(keySSLRedirect), Path: "/#{path}", Query: "#{query}",
		}}
	case owner != nil && !owner.bad:
		return *owner.defaultAction
	case kept.defaultAction != nil:
		return *kept.defaultAction
	}
	return fixedResponse(404, "")
}
