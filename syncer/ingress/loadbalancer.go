package ingress

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	schemeInternal       = "internal"
	schemeInternetFacing = "internet-facing"

	addressTypeDualstack = "dualstack"
	// addressTypePrivate has IPv4 addresses of the VPC only.
	addressTypePrivate = "dualstack-without-public-ipv4"

	maxLoadBalancerName = 32

	// AWS takes no quotation marks here, and never lets a description change.
	securityGroupDescription = "[k8s] Managed SecurityGroup for LoadBalancer"

	anyIPv4 = "0.0.0.0/0"
	anyIPv6 = "::/0"
)

// A load balancer's DNS name begins with internal- when it is internal.
var loadBalancerNamePattern = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$`)

// readBalancer reads what the member says about the load balancer.
func (b *builder) readBalancer(m *member) {
	r := m.reader()
	standing := &b.in.Standing
	m.readName()
	m.sayOr(keyScheme, r.oneOf(keyScheme, schemeInternal, schemeInternetFacing), cmp.Or(standing.Scheme, schemeInternal))
	m.sayOr(keyAddressType, r.oneOf(keyAddressType, addressTypeIPv4, addressTypeDualstack, addressTypePrivate), standing.IPAddressType)
	m.readSubnets()
	if groups := r.list(keySecurityGroups); len(groups) > 0 {
		m.say(keySecurityGroups, strings.Join(groups, ","))
	}
	manage := ""
	if value, ok := r.boolean(keyManageBackend); ok {
		manage = strconv.FormatBool(value)
	}
	if manage == "true" && !b.in.Settings.BackendSecurityGroup && len(r.list(keySecurityGroups)) > 0 {
		m.invalid(keyManageBackend, manage, "false, since the backend security group is switched off")
	}
	// If it cannot be told, the backend security group stays: one more lets nobody in.
	m.sayOr(keyManageBackend, manage, "true")
	attributes := r.pairs(keyAttributes)
	for _, key := range sortedKeys(attributes) {
		m.sayOf(topic{key: keyAttributes, part: key}, attributes[key])
	}
}

func (m *member) readName() {
	name, ok := m.get(keyLoadBalancerName)
	switch {
	case !ok:
	case len(name) > maxLoadBalancerName, !loadBalancerNamePattern.MatchString(name), strings.HasPrefix(name, "internal-"):
		m.invalid(keyLoadBalancerName, name, "at most "+strconv.Itoa(maxLoadBalancerName)+
			" letters, digits and '-', without '-' at either end and without internal- in front")
	default:
		m.say(keyLoadBalancerName, name)
	}
}

// readSubnets reads where the load balancer is to stand. The order does not matter.
func (m *member) readSubnets() {
	if tags := m.params.subnetTags(); tags != nil {
		m.subnets.Tags = tags
		text, _ := json.Marshal(tags) // a map of strings can always be said
		m.say(keySubnets, string(text))
		return
	}
	if m.subnets.Named = m.reader().list(keySubnets); len(m.subnets.Named) > 0 {
		m.say(keySubnets, canonical(m.subnets.Named))
	}
}

// canonical is equal for lists of the same words.
func canonical(words []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(words))), ",")
}

// loadBalancer puts what the good members want and what is kept of the bad ones
// together.
func (b *builder) loadBalancer(kept map[int32]lastGood) *LoadBalancer {
	scheme := cmp.Or(b.word(keyScheme), b.in.Settings.DefaultScheme, schemeInternal)
	fixed := b.word(keyLoadBalancerName)
	lb := &LoadBalancer{
		Name: cmp.Or(fixed, loadBalancerName(b.in.Settings.ClusterName, b.in.Group.ID, scheme)), NameFixed: fixed != "",
		Scheme: scheme, IPAddressType: cmp.Or(b.word(keyAddressType), addressTypeIPv4),
		Tags:       b.tagged(ResourceLoadBalancer, b.groupTags(b.members)),
		Attributes: b.entries(keyAttributes, 0),
		Listeners:  b.listeners(kept),
	}
	if by := b.decided[topic{key: keySubnets}].by; by != nil {
		lb.Subnets = by.subnets
	}
	lb.SecurityGroups = b.securityGroups(lb)
	return lb
}

// entries returns the map of settings that members made together, nil if nobody made
// any.
func (b *builder) entries(key string, port int32) map[string]string {
	var out map[string]string
	for t, d := range b.decided {
		if t.key != key || t.port != port {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[t.part] = d.value
	}
	return out
}

// securityGroups are those that were named, or else the managed one.
func (b *builder) securityGroups(lb *LoadBalancer) SecurityGroups {
	settings := &b.in.Settings
	named := splitList(b.word(keySecurityGroups))
	if len(named) > 0 {
		manage := settings.ManageBackendRules
		if word := b.word(keyManageBackend); word != "" {
			manage = word == "true"
		}
		if d := b.decided[topic{key: keySecurityGroups}]; d.by.bad && b.in.Standing.Scheme != "" {
			return SecurityGroups{Named: named, Backend: b.in.Standing.Backend}
		}
		return SecurityGroups{Named: named, Backend: manage && settings.BackendSecurityGroup}
	}
	group := &SecurityGroup{
		Name:        securityGroupName(settings.ClusterName, b.in.Group.ID),
		Description: securityGroupDescription,
		Tags:        b.tagged(ResourceSecurityGroup, b.groupTags(b.members)),
	}
	for i := range lb.Listeners {
		group.Ingress = append(group.Ingress, b.permissions(lb.Listeners[i].Port, lb.IPAddressType)...)
	}
	return SecurityGroups{Managed: group, Backend: settings.BackendSecurityGroup}
}

// sources returns the networks and prefix lists that may reach a port: those that
// members named, or else all. Prefix lists alone leave no room for all.
func (b *builder) sources(port int32) (cidrs, lists []string) {
	cidrs = splitList(b.decided[topic{key: keyInboundCIDRs, port: port}].value)
	lists = splitList(b.decided[topic{key: keyPrefixLists, port: port}].value)
	keeps := b.keeps(port)
	if keeps {
		networks, ids := b.standingSources(port)
		isAll := !slices.ContainsFunc(networks, func(n string) bool { return n != anyIPv4 && n != anyIPv6 })
		if len(cidrs) == 0 && (len(lists) == 0 || !isAll) {
			cidrs = networks
		}
		if len(lists) == 0 {
			lists = ids
		}
	}
	if len(cidrs)+len(lists) == 0 && !keeps && !b.restricted(port) {
		cidrs = []string{anyIPv4, anyIPv6}
	}
	return cidrs, lists
}

// restricted reports whether somebody has said who may reach a port, though nothing of it
// can be read.
func (b *builder) restricted(port int32) bool {
	_, cidrs := b.decided[topic{key: keyInboundCIDRs, port: port}]
	_, lists := b.decided[topic{key: keyPrefixLists, port: port}]
	return cidrs || lists
}

// permissions are those of a port. An ipv4 load balancer cannot be reached over IPv6, so
// that IPv6 sources have no use.
func (b *builder) permissions(port int32, addressType string) []Permission {
	cidrs, lists := b.sources(port)
	var out []Permission
	for _, cidr := range cidrs {
		switch {
		case !strings.Contains(cidr, ":"):
			out = append(out, Permission{Port: port, CIDR: cidr})
		case addressType != addressTypeIPv4:
			out = append(out, Permission{Port: port, CIDRv6: cidr})
		}
	}
	for _, list := range lists {
		out = append(out, Permission{Port: port, PrefixList: list})
	}
	return out
}
