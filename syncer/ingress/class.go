package ingress

import (
	"fmt"
	"strconv"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// ownership says whether an Ingress's class is ours.
type ownership int

const (
	foreign ownership = iota
	ours
	missing
)

// class is what an Ingress's class makes of it.
type class struct {
	ownership ownership
	params    *ClassParams // nil: it has none
	problem   *Problem     // nil: none
}

// classOf judges by class. The annotation wins over spec.ingressClassName.
func (g *grouping) classOf(ing *networkingv1.Ingress) class {
	if legacy, ok := ing.Annotations[legacyClassKey]; ok {
		return g.legacyClass(ing, legacy)
	}
	if ing.Spec.IngressClassName != nil {
		return g.namedClass(ing, *ing.Spec.IngressClassName)
	}
	// The API server has already written a default class into it, if there is one.
	if g.settings.IngressClass == "" {
		return class{ownership: ours}
	}
	return class{}
}

func (g *grouping) legacyClass(ing *networkingv1.Ingress, name string) class {
	switch {
	case name != g.settings.IngressClass:
		return class{}
	case name != "" && g.settings.DisableClassAnnotation && len(heldGroups(ing)) == 0:
		return class{ownership: ours, problem: blocking(ing, ReasonDisabledAnnotation, legacyClassKey, fmt.Sprintf(
			"annotation %s cannot be taken up: the settings disable it; set spec.ingressClassName", legacyClassKey))}
	}
	return class{ownership: ours}
}

func (g *grouping) namedClass(ing *networkingv1.Ingress, name string) class {
	const field = "spec.ingressClassName"
	c, ok := g.classes[name]
	switch {
	case !ok:
		return class{ownership: missing, problem: blocking(ing, ReasonClassNotFound, field, fmt.Sprintf(
			"%s: IngressClass %q does not exist; what stands is kept until it does", field, name))}
	case c.Spec.Controller != Controller:
		return class{}
	case c.Spec.Parameters == nil:
		return class{ownership: ours}
	}
	params, reason, fault := g.paramsOf(ing, c.Spec.Parameters)
	if fault == "" {
		return class{ownership: ours, params: params}
	}
	return class{ownership: ours, params: params, problem: blocking(ing, reason, field, fmt.Sprintf("%s: IngressClass %q: %s", field, name, fault))}
}

// paramsOf returns the parameters of a class, or what is wrong with them.
func (g *grouping) paramsOf(ing *networkingv1.Ingress, ref *networkingv1.IngressClassParametersReference) (params *ClassParams, reason, fault string) {
	if ref.APIGroup == nil || *ref.APIGroup != ClassParamsGroup || ref.Kind != ClassParamsKind {
		return nil, ReasonClassParamsNotFound, fmt.Sprintf("spec.parameters must refer to %s of %s", ClassParamsKind, ClassParamsGroup)
	}
	if g.cluster.Params != nil {
		params = g.cluster.Params(ref.Name)
	}
	switch {
	case params == nil:
		return nil, ReasonClassParamsNotFound, fmt.Sprintf("%s %q does not exist; what stands is kept until it does", ClassParamsKind, ref.Name)
	case params.Malformed != "":
		return nil, ReasonClassParamsNotFound, fmt.Sprintf("%s %q cannot be read: %s", ClassParamsKind, ref.Name, params.Malformed)
	case !g.selects(params, ing.Namespace):
		return params, ReasonNamespaceNotSelected, fmt.Sprintf("the namespaceSelector of %s %q does not select namespace %s", ClassParamsKind, ref.Name, ing.Namespace)
	}
	return params, "", ""
}

// selects reports whether the parameters are for Ingresses of a namespace.
func (g *grouping) selects(params *ClassParams, namespace string) bool {
	if params.Spec.Namespaces == nil {
		return true
	}
	var has labels.Set
	if g.cluster.NamespaceLabels != nil {
		has = g.cluster.NamespaceLabels(namespace)
	}
	selector, err := metav1.LabelSelectorAsSelector(params.Spec.Namespaces)
	return err == nil && selector.Matches(has)
}

// deletionProtection is the attribute that keeps a load balancer from being deleted.
const deletionProtection = "deletion_protection.enabled"

// protects reports whether an Ingress that is being deleted asks for deletion
// protection.
func (c class) protects(ing *networkingv1.Ingress) bool {
	attributes, _ := splitPairs(ing.Annotations[keyAttributes])
	value := attributes[deletionProtection]
	if word, ok := c.params.attributes()[topic{key: keyAttributes, part: deletionProtection}]; ok {
		value = word
	}
	on, err := strconv.ParseBool(value)
	return err == nil && on
}

func deletionProtected(ing *networkingv1.Ingress) *Problem {
	return blocking(ing, ReasonDeletionProtected, keyAttributes, fmt.Sprintf(
		"annotation %s: %s=true keeps what stands of the Ingress; set it to false to let it go", keyAttributes, deletionProtection))
}
