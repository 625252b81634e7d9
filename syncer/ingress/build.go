package ingress

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Input is all that Build looks at.
type Input struct {
	Settings Settings
	Group    Group
	// Services returns a Service, or false if there is none of that name.
	Services func(types.NamespacedName) (*corev1.Service, bool)
	// Certificates returns the issued certificates that ACM holds. It reports false if
	// they could not be read, and so does nil. See NeedsCertificates.
	Certificates func() ([]Certificate, bool)
	// Standing is what AWS holds of the group. It is looked at only for bad members.
	Standing Standing
}

// Build computes the Model of one group. It does not change its input, and equal
// inputs give equal models.
//
// A member that was served keeps its say in what a group decides once (name,
// scheme, default backend) even while it is bad: a typing error in one of its
// paths must not replace the load balancer. A bad newcomer has no say.
func Build(in Input) *Model {
	b := &builder{in: in, shadowed: map[string]bool{}}
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
	case b.holds(good):
		model.Hold = true
		model.TargetGroups = map[string]*TargetGroup{}
		b.holdAll(model)
	case good == 0 && !slices.ContainsFunc(b.members, served):
		// What stands, if anything, is of those who leave.
	default:
		model.LoadBalancer = b.loadBalancer(b.keepLastGood(model))
		b.prune(model)
	}
	return model
}

// holds reports whether everything stays as it is: nobody is left to serve, or one bad
// member is enough.
func (b *builder) holds(good int) bool {
	if b.in.Settings.StrictGroups && good < len(b.members) {
		return true
	}
	return good == 0 && len(b.members) > 0 && len(b.in.Group.Leaving) == 0
}

// prune drops what the load balancer has no use for: target groups to which no rule of
// a listener forwards, not even one that cannot be reached, and the ports of their pods
// if nobody is to see to those.
func (b *builder) prune(m *Model) {
	used := maps.Clone(b.shadowed)
	note := func(a Action) {
		for _, share := range a.Forward {
			used[share.TargetGroup] = true
		}
	}
	for i := range m.LoadBalancer.Listeners {
		l := &m.LoadBalancer.Listeners[i]
		note(l.DefaultAction)
		for _, r := range l.Rules {
			note(r.Action)
		}
	}
	maps.DeleteFunc(m.TargetGroups, func(id string, _ *TargetGroup) bool { return !used[id] })
	if groups := m.LoadBalancer.SecurityGroups; groups.Managed == nil && !groups.Backend {
		for _, tg := range m.TargetGroups {
			tg.Ports, tg.AllPorts = nil, false
		}
	}
}

// builder is the state of one call of Build.
type builder struct {
	in      Input
	members []*member // in group order

	// What members settled.
	decided       map[topic]decision
	defaultOwners map[int32]*member  // by port
	groupOwners   map[string]*member // of target group IDs

	// shadowed are the target groups of rules that no request reaches.
	shadowed map[string]bool
}
