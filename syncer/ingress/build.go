package ingress

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	httpPort = 80

	// AWS takes no quotation marks here, and never lets a description change.
	securityGroupDescription = "[k8s] Managed SecurityGroup for LoadBalancer"

	anyIPv4 = "0.0.0.0/0"
)

// Input is all that Build looks at.
type Input struct {
	Settings Settings
	Group    Group
	// Services returns a Service, or false if there is none of that name.
	Services func(types.NamespacedName) (*corev1.Service, bool)
	// Standing are the rules of the group's load balancer in AWS, in any order. They
	// are looked at only for bad members. A listener's default action is a rule with
	// priority 0.
	Standing []StandingRule
	// StandingScheme is the scheme of the load balancer in AWS, "" if there is none.
	// It is looked at only when a member's own scheme cannot be read.
	StandingScheme string
}

// Build computes the Model of one group. It does not change its input, and equal
// inputs give equal models.
//
// A member that was served keeps its say in what a group decides once (name,
// scheme, default backend) even while it is bad: a typing error in one of its
// paths must not replace the load balancer. A bad newcomer has no say.
func Build(in Input) *Model {
	b := &builder{in: in}
	model := &Model{Group: in.Group.ID, TargetGroups: map[string]*TargetGroup{}}
	for _, ing := range in.Group.Members {
		b.members = append(b.members, b.read(ing))
	}
	b.settle()

	model.Problems = append(model.Problems, in.Group.Problems...)
	good := 0
	for _, m := range b.members {
		model.Problems = append(model.Problems, m.problems...)
		if !m.bad {
			good++
			maps.Copy(model.TargetGroups, m.groups)
		}
	}
	switch served := func(m *member) bool { return m.served }; {
	case good == 0 && len(b.members) > 0 && len(in.Group.Leaving) == 0:
		model.Hold = true
		b.holdAll(model)
	case good == 0 && !slices.ContainsFunc(b.members, served):
		// What stands, if anything, is of those who leave.
	default:
		model.LoadBalancer = b.loadBalancer(b.keepLastGood(model))
	}
	return model
}

// builder is the state of one call of Build.
type builder struct {
	in      Input
	members []*member // in group order

	// What members settled, with who spoke first.
	name, scheme decision
	defaultOwner *member
	groupOwners  map[string]*member // of target group IDs
}

// decision is a setting of the load balancer that one member decides for all.
type decision struct {
	value string
	by    types.NamespacedName
}

// settle goes through the members in group order. Who comes first decides; who
// comes later and disagrees is bad.
func (b *builder) settle() {
	b.groupOwners = map[string]*member{}
	for _, m := range b.members {
		name := b.name.agree(m, m.name, keyLoadBalancerName)
		scheme := b.scheme.agree(m, m.scheme, keyScheme)
		isDefault := b.checkDefault(m)
		b.checkGroups(m)
		if m.bad && !m.served {
			continue
		}
		if m.schemeUnread && scheme.value == "" {
			// It wants something; until we know what, it wants what it has. Changing the
			// scheme replaces the load balancer.
			scheme = decision{value: b.in.StandingScheme, by: m.key}
		}
		b.name, b.scheme = name, scheme
		if isDefault {
			b.defaultOwner = m
		}
		if m.bad {
			continue
		}
		for id := range m.groups {
			b.groupOwners[id] = m
		}
	}
}

// agree returns the decision as it is once m has spoken.
func (d decision) agree(m *member, value, key string) decision {
	switch {
	case value == "":
		return d
	case d.value == "":
		return decision{value: value, by: m.key}
	case d.value != value:
		m.block(ReasonConflict, key, "annotation %s: %q contradicts %q of Ingress %s, which comes first in the group",
			key, value, d.value, d.by)
	}
	return d
}

// checkDefault reports whether m would be the one whose default backend is used.
func (b *builder) checkDefault(m *member) bool {
	if m.ing.Spec.DefaultBackend == nil {
		return false
	}
	if b.defaultOwner == nil {
		return true
	}
	const field = "spec.defaultBackend"
	m.block(ReasonConflict, field, "%s: Ingress %s, which comes first in the group, has one already", field, b.defaultOwner.key)
	return false
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

// loadBalancer puts what the good members want and what is kept of the bad ones
// together.
func (b *builder) loadBalancer(kept lastGood) *LoadBalancer {
	scheme := b.scheme.value
	if scheme == "" {
		scheme = schemeInternal
	}
	name := b.name.value
	if name == "" {
		name = loadBalancerName(b.in.Settings.ClusterName, b.in.Group.ID, scheme)
	}
	return &LoadBalancer{
		Name: name, NameFixed: b.name.value != "", Scheme: scheme, IPAddressType: addressTypeIPv4, Tags: b.tags(ResourceLoadBalancer),
		SecurityGroups: SecurityGroups{Managed: &SecurityGroup{
			Name:        securityGroupName(b.in.Settings.ClusterName, b.in.Group.ID),
			Description: securityGroupDescription,
			Tags:        b.tags(ResourceSecurityGroup),
			// An ipv4 load balancer cannot be reached over IPv6, so ::/0 has no use.
			Ingress: []Permission{{Port: httpPort, CIDR: anyIPv4}},
		}},
		Listeners: []Listener{b.listener(kept)},
	}
}

func (b *builder) listener(kept lastGood) Listener {
	l := Listener{
		Port: httpPort, Protocol: protocolHTTP, Tags: b.tags(strconv.Itoa(httpPort)),
		DefaultAction: b.defaultAction(kept),
	}
	for _, m := range b.members {
		rules := m.rules
		if m.bad {
			rules = kept.rules[m]
		}
		for _, r := range rules {
			r.Priority = int32(len(l.Rules) + 1) //nolint:gosec // An object of the API server holds a few ten thousand paths at most.
			r.Tags = b.tags(fmt.Sprintf("%d:%d", httpPort, r.Priority))
			l.Rules = append(l.Rules, r)
		}
	}
	return l
}

// defaultAction is a good member's, else what is kept of a bad one's, else 404.
func (b *builder) defaultAction(kept lastGood) Action {
	switch {
	case b.defaultOwner != nil && !b.defaultOwner.bad:
		return *b.defaultOwner.defaultAction
	case kept.defaultAction != nil:
		return *kept.defaultAction
	}
	return fixedResponse(404, "")
}
