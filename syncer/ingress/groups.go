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
	// Moving are those who leave and are members of another group.
	Moving []*networkingv1.Ingress
	// Problems of members that were found while grouping.
	Problems []Problem
	// Params are what the members' classes say, where they say anything.
	Params map[types.NamespacedName]*ClassParams
}

// Cluster is what Groups looks at. The order of the objects does not matter.
type Cluster struct {
	Ingresses []*networkingv1.Ingress
	Classes   []*networkingv1.IngressClass
	// Params returns an IngressClassParams, or nil if there is none of that name. Nil:
	// there are none.
	Params func(name string) *ClassParams
	// NamespaceLabels returns the labels of a namespace, nil if it does not exist. It is
	// asked only for classes with a namespaceSelector. Nil: no namespace has labels.
	NamespaceLabels func(name string) map[string]string
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
// ordered by ID.
//
// An Ingress whose annotations name no valid group stays a member, a bad one, of
// the groups whose finalizers it holds, as does one whose class is missing: a
// typing error must not tear anything down. One that is being deleted and protected
// against it is such a member, too.
func Groups(s Settings, cluster Cluster) []Group {
	g := grouping{settings: s, cluster: cluster, classes: map[string]*networkingv1.IngressClass{}, groups: map[GroupID]*Group{}}
	for _, c := range cluster.Classes {
		g.classes[c.Name] = c
	}
	// By name first: sorting members by group.order is stable, and equal orders go
	// by name.
	for _, ing := range slices.SortedFunc(slices.Values(cluster.Ingresses), compareNames) {
		if len(s.Namespaces) > 0 && !slices.Contains(s.Namespaces, ing.Namespace) {
			continue
		}
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
	cluster  Cluster
	classes  map[string]*networkingv1.IngressClass
	groups   map[GroupID]*Group
}

func (g *grouping) group(id GroupID) *Group {
	group, ok := g.groups[id]
	if !ok {
		group = &Group{ID: id, Params: map[types.NamespacedName]*ClassParams{}}
		g.groups[id] = group
	}
	return group
}

// add puts one Ingress into the group it is a member of and into those it leaves.
func (g *grouping) add(ing *networkingv1.Ingress) {
	held := heldGroups(ing)
	c := g.classOf(ing)
	switch {
	case ing.DeletionTimestamp != nil && c.protects(ing):
		g.join(ing, held, c.params, deletionProtected(ing))
		return
	case ing.DeletionTimestamp != nil || c.ownership == foreign:
		g.leave(ing, held)
		return
	case c.ownership == missing:
		g.join(ing, held, c.params, c.problem)
		return
	}
	id, fault := g.groupOf(ing, c.params)
	if c.problem != nil || fault != nil {
		if len(held) == 0 {
			// It belongs nowhere yet; under its own name the problem has a place.
			held = []GroupID{ownGroup(ing)}
		}
		g.join(ing, held, c.params, c.problem, fault)
		return
	}
	_, orderFault := groupOrder(ing)
	g.join(ing, []GroupID{id}, c.params, orderFault)
	others := slices.DeleteFunc(held, func(h GroupID) bool { return h == id })
	g.leave(ing, others)
	for _, other := range others {
		group := g.group(other)
		group.Moving = append(group.Moving, ing)
	}
}

func (g *grouping) join(ing *networkingv1.Ingress, ids []GroupID, params *ClassParams, problems ...*Problem) {
	for _, id := range ids {
		group := g.group(id)
		group.Members = append(group.Members, ing)
		if params != nil {
			group.Params[keyOf(ing)] = params
		}
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

// groupOf returns the group that the class or the annotations ask for.
func (g *grouping) groupOf(ing *networkingv1.Ingress, params *ClassParams) (GroupID, *Problem) {
	valid := func(name string) bool { return len(name) <= maxGroupNameLength && groupNamePattern.MatchString(name) }
	must := fmt.Sprintf("must be 1 to %d of %s", maxGroupNameLength, groupNameDescription)
	if name := params.group(); name != "" {
		if !valid(name) {
			const field = ClassParamsKind + ".spec.group.name"
			return GroupID{}, blocking(ing, ReasonInvalidAnnotation, field, fmt.Sprintf("%s of %q: %q %s", field, params.Name, name, must))
		}
		return GroupID{Name: name}, nil
	}
	name, ok := ing.Annotations[keyGroupName]
	switch id := (GroupID{Name: name}); {
	case !ok:
		return ownGroup(ing), nil
	case !valid(name):
		p := invalidAnnotation(ing, keyGroupName, must)
		return GroupID{}, &p
	case g.settings.DisableGroupNameAnnotation && !slices.Contains(ing.Finalizers, Finalizer(id)):
		return GroupID{}, blocking(ing, ReasonDisabledAnnotation, keyGroupName, fmt.Sprintf(
			"annotation %s cannot be taken up: the settings disable it; a class's %s can name a group", keyGroupName, ClassParamsKind))
	default:
		return id, nil
	}
}

func blocking(ing *networkingv1.Ingress, reason, field, message string) *Problem {
	return &Problem{Ingress: keyOf(ing), Reason: reason, Field: field, Message: message, Blocking: true}
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
