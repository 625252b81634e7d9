package provision

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/securitygroup"
)

// needsOf returns what has to be reachable from the load balancer of a group. What it
// reached before and rules still send requests to stays reachable, too.
func (l *Loop) needsOf(g ingress.Group, m *ingress.Model, st *stack) []securitygroup.Need {
	r := reach{group: g, backend: l.o.Backend.ID(), unrestricted: l.o.Settings.DisableRestrictedRules}
	var needs []securitygroup.Need
	if m.LoadBalancer != nil && m.LoadBalancer.SecurityGroups.Backend || r.has(st, r.backend) && (m.LoadBalancer != nil || m.Hold) {
		needs = append(needs, securitygroup.Need{Name: "Ingress group " + g.ID.String(), Backend: true})
	}
	if m.LoadBalancer != nil {
		r.from = r.source(m.LoadBalancer.SecurityGroups, st)
	}
	for _, id := range slices.Sorted(maps.Keys(m.TargetGroups)) {
		needs = append(needs, r.needs(m.TargetGroups[id], st)...)
	}
	bad := func(p ingress.Problem) bool { return p.Blocking }
	if !st.listenersRead && slices.ContainsFunc(m.Problems, bad) {
		// What a bad member has is in its rules, and nobody has read them yet: of nobody
		// knows which Service what stands stays.
		needs = append(needs, securitygroup.Need{
			Name: "Ingress group " + g.ID.String() + " as it stands", Held: true, Openings: r.standing(st),
		})
	}
	return needs
}

// reach says from where the targets of a group are reached.
type reach struct {
	group        ingress.Group
	backend      string // the backend group's ID; empty: it is not known
	from         string // the ID of the load balancer's group that rules name; empty: none does, or it is not known
	unrestricted bool
}

// source returns the group that the rules of targets name: the backend group, or without
// one the managed group.
func (r *reach) source(want ingress.SecurityGroups, st *stack) string {
	if want.Backend {
		return r.backend
	}
	if want.Managed != nil {
		if g := st.securityGroup(want.Managed.Name); g != nil {
			return g.ID
		}
	}
	return ""
}

// needs returns what one target group needs. Of a group that is kept nobody knows its
// ports, and one that it replaces may have others: for these, what stands stays.
func (r *reach) needs(tg *ingress.TargetGroup, st *stack) []securitygroup.Need {
	n := securitygroup.Need{
		Name: "Ingress group " + r.group.ID.String() + ": target group " + tg.ID, Owners: r.owners(tg.ID), Service: tg.Service,
	}
	var needs []securitygroup.Need
	if !tg.Kept && (tg.AllPorts || len(tg.Ports) > 0) && r.from != "" {
		opened := n
		opened.Openings = []securitygroup.Opening{{From: securitygroup.Peer{Group: r.from}, Ports: r.ports(tg)}}
		needs = append(needs, opened)
	}
	if !r.before(tg, st) {
		return needs
	}
	n.Name, n.Held, n.Openings = n.Name+" as it stands", true, r.standing(st)
	if slices.ContainsFunc(st.tagged(tg.ID), func(g *awsapi.TargetGroup) bool { return !takesPods(g) }) {
		n.Service = types.NamespacedName{} // it is not the pods that are reached
	}
	return append(needs, n)
}

// standing opens all ports to those groups of the load balancers that stand which rules of
// targets may name.
func (r *reach) standing(st *stack) (all []securitygroup.Opening) {
	ids := []string{r.backend}
	for _, g := range st.securityGroups {
		ids = append(ids, g.ID)
	}
	for _, id := range ids {
		if r.has(st, id) {
			all = append(all, securitygroup.Opening{From: securitygroup.Peer{Group: id}})
		}
	}
	return all
}

// before reports whether rules send requests to a target group that stands and is not
// quite the model's.
func (r *reach) before(tg *ingress.TargetGroup, st *stack) bool {
	uses, current := st.uses(), st.group(tg)
	for _, g := range st.targetGroups {
		used := uses[g.ARN].balancer != nil || !st.listenersRead // nobody knows yet
		if g.Tags[ingress.TagResource] == tg.ID && used && (tg.Kept || g != current) {
			return true
		}
	}
	return false
}

// has reports whether a load balancer that stands has a security group.
func (r *reach) has(st *stack, id string) bool {
	return id != "" && slices.ContainsFunc(st.balancers, func(b *balancer) bool { return slices.Contains(b.SecurityGroups, id) })
}

// ports returns the ports of a target group; none: all.
func (r *reach) ports(tg *ingress.TargetGroup) []securitygroup.Port {
	if r.unrestricted {
		return nil
	}
	ports := make([]securitygroup.Port, 0, len(tg.Ports))
	for _, p := range tg.Ports {
		ports = append(ports, securitygroup.Port{Protocol: securitygroup.TCP, Number: p.IntVal, Name: p.StrVal})
	}
	return ports
}

// owners returns the Ingresses that a target group is of.
func (r *reach) owners(id string) []corev1.ObjectReference {
	owners := ingress.Owners(id, slices.Concat(r.group.Members, r.group.Leaving))
	slices.SortFunc(owners, func(a, b *networkingv1.Ingress) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	refs := make([]corev1.ObjectReference, 0, len(owners))
	for _, ing := range owners {
		refs = append(refs, corev1.ObjectReference{
			APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name, UID: ing.UID,
		})
	}
	return refs
}
