package ingress

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Controller is what an IngressClass names in spec.controller to be ours. It is
// the AWS Load Balancer Controller's: its classes work unchanged.
const Controller = "ingress.k8s.aws/alb"

const (
	implicitFinalizer       = "ingress.k8s.aws/resources"
	explicitFinalizerPrefix = "group.ingress.k8s.aws/"

	// legacyClassKey wins over spec.ingressClassName.
	legacyClassKey = "kubernetes.io/ingress.class"

	maxGroupNameLength         = 63
	minGroupOrder        int64 = -1000
	maxGroupOrder        int64 = 1000
	groupNameDescription       = "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
)

var groupNamePattern = regexp.MustCompile(`^([a-z0-9][-a-z0-9.]*)?[a-z0-9]$`)

// Group is one load balancer's Ingresses.
type Group struct {
	ID GroupID
	// Members in the order in which their rules are tried. A member may be bad
	// already: then Problems says why.
	Members []*networkingv1.Ingress
	// Leaving hold this group's finalizer and are no members, by namespace/name.
	Leaving []*networkingv1.Ingress
	// Problems of members that were found while grouping.
	Problems []Problem
}

// Finalizer returns the finalizer that a member of the group carries from before
// anything is provisioned for it until everything of it is gone.
func Finalizer(id GroupID) string {
	if id.Explicit() {
		return explicitFinalizerPrefix + id.Name
	}
	return implicitFinalizer
}

// Groups sorts the Ingresses that are ours, or were, into groups. The groups are
// ordered by ID; the order of the arguments does not matter.
//
// An Ingress whose annotations name no valid group stays a member, a bad one, of
// the groups whose finalizers it holds, as does one whose class is missing: a
// typing error must not tear anything down.
func Groups(s Settings, ingresses []*networkingv1.Ingress, classes []*networkingv1.IngressClass) []Group {
	g := grouping{settings: s, classes: map[string]*networkingv1.IngressClass{}, groups: map[GroupID]*Group{}}
	for _, c := range classes {
		g.classes[c.Name] = c
	}
	// By name first: sorting members by group.order is stable, and equal orders go
	// by name.
	for _, ing := range slices.SortedFunc(slices.Values(ingresses), compareNames) {
		g.add(ing)
	}
	out := make([]Group, 0, len(g.groups))
	for _, group := range g.groups {
		slices.SortStableFunc(group.Members, compareOrder)
		out = append(out, *group)
	}
	slices.SortFunc(out, func(a, b Group) int { return cmp.Compare(a.ID.String(), b.ID.String()) })
	return out
}

// grouping is the state of one call of Groups.
type grouping struct {
	settings Settings
	classes  map[string]*networkingv1.IngressClass
	groups   map[GroupID]*Group
}

func (g *grouping) group(id GroupID) *Group {
	group, ok := g.groups[id]
	if !ok {
		group = &Group{ID: id}
		g.groups[id] = group
	}
	return group
}

// add puts one Ingress into the group it is a member of and into those it leaves.
func (g *grouping) add(ing *networkingv1.Ingress) {
	held := heldGroups(ing)
	class, classProblem := g.classOf(ing)
	switch {
	case ing.DeletionTimestamp != nil || class == foreign:
		g.leave(ing, held)
		return
	case class == missing:
		g.join(ing, held, classProblem)
		return
	}
	id, fault := groupOf(ing)
	if fault != nil {
		if len(held) == 0 {
			// It belongs nowhere yet; under its own name the problem has a place.
			held = []GroupID{ownGroup(ing)}
		}
		g.join(ing, held, classProblem, fault)
		return
	}
	_, orderFault := groupOrder(ing)
	g.join(ing, []GroupID{id}, classProblem, orderFault)
	g.leave(ing, slices.DeleteFunc(held, func(h GroupID) bool { return h == id }))
}

func (g *grouping) join(ing *networkingv1.Ingress, ids []GroupID, problems ...*Problem) {
	for _, id := range ids {
		group := g.group(id)
		group.Members = append(group.Members, ing)
		for _, p := range problems {
			if p != nil {
				group.Problems = append(group.Problems, *p)
			}
		}
	}
}

func (g *grouping) leave(ing *networkingv1.Ingress, ids []GroupID) {
	for _, id := range ids {
		group := g.group(id)
		group.Leaving = append(group.Leaving, ing)
	}
}

// ownership says whether an Ingress's class is ours.
type ownership int

const (
	foreign ownership = iota
	ours
	missing
)

// classOf judges by class. An Ingress without any class is not ours: the API
// server has already written a default class into it, if there is one.
func (g *grouping) classOf(ing *networkingv1.Ingress) (ownership, *Problem) {
	if legacy, ok := ing.Annotations[legacyClassKey]; ok {
		if legacy != "" && legacy == g.settings.IngressClass {
			return ours, nil
		}
		return foreign, nil
	}
	if ing.Spec.IngressClassName == nil {
		return foreign, nil
	}
	const field = "spec.ingressClassName"
	name := *ing.Spec.IngressClassName
	class, ok := g.classes[name]
	switch {
	case !ok:
		return missing, &Problem{
			Ingress: keyOf(ing), Reason: ReasonClassNotFound, Field: field, Blocking: true,
			Message: fmt.Sprintf("%s: IngressClass %q does not exist; what stands is kept until it does", field, name),
		}
	case class.Spec.Controller != Controller:
		return foreign, nil
	case class.Spec.Parameters != nil:
		return ours, &Problem{
			Ingress: keyOf(ing), Reason: ReasonUnsupportedClassParameters, Field: field,
			Message: fmt.Sprintf("%s: spec.parameters of IngressClass %q are not read; use annotations on the Ingress", field, name),
		}
	}
	return ours, nil
}

// heldGroups returns the groups whose finalizer the Ingress holds.
func heldGroups(ing *networkingv1.Ingress) []GroupID {
	var ids []GroupID
	for _, f := range ing.Finalizers {
		id := GroupID{}
		if name, ok := strings.CutPrefix(f, explicitFinalizerPrefix); ok {
			id = GroupID{Name: name}
		} else if f == implicitFinalizer {
			id = ownGroup(ing)
		}
		if id.Name != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// groupOf returns the group that the annotations ask for.
func groupOf(ing *networkingv1.Ingress) (GroupID, *Problem) {
	name, ok := ing.Annotations[keyGroupName]
	switch {
	case !ok:
		return ownGroup(ing), nil
	case len(name) > maxGroupNameLength || !groupNamePattern.MatchString(name):
		p := invalidAnnotation(ing, keyGroupName, fmt.Sprintf("must be 1 to %d of %s", maxGroupNameLength, groupNameDescription))
		return GroupID{}, &p
	}
	return GroupID{Name: name}, nil
}

// groupOrder returns the member's place in its group; 0 if it names none or an
// invalid one.
func groupOrder(ing *networkingv1.Ingress) (int64, *Problem) {
	raw, ok := ing.Annotations[keyGroupOrder]
	if !ok {
		return 0, nil
	}
	order, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || order < minGroupOrder || order > maxGroupOrder {
		p := invalidAnnotation(ing, keyGroupOrder, fmt.Sprintf("must be a whole number from %d to %d", minGroupOrder, maxGroupOrder))
		return 0, &p
	}
	return order, nil
}

func invalidAnnotation(ing *networkingv1.Ingress, key, must string) Problem {
	return Problem{
		Ingress: keyOf(ing), Reason: ReasonInvalidAnnotation, Field: key, Blocking: true,
		Message: fmt.Sprintf("annotation %s: %q %s", key, ing.Annotations[key], must),
	}
}

func ownGroup(ing *networkingv1.Ingress) GroupID {
	return GroupID{Namespace: ing.Namespace, Name: ing.Name}
}

func keyOf(ing *networkingv1.Ingress) types.NamespacedName {
	return types.NamespacedName{Namespace: ing.Namespace, Name: ing.Name}
}

// compareNames compares "namespace/name" as one string, as the AWS Load Balancer
// Controller does: "a-b/x" comes before "a/x".
func compareNames(a, b *networkingv1.Ingress) int {
	return cmp.Compare(keyOf(a).String(), keyOf(b).String())
}

func compareOrder(a, b *networkingv1.Ingress) int {
	x, _ := groupOrder(a)
	y, _ := groupOrder(b)
	return cmp.Compare(x, y)
}
