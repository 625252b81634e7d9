package syncer

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

// albAnnotations is the prefix of the annotations that tgsync reads.
const albAnnotations = "alb.ingress.kubernetes.io/"

// trim drops from an object what nobody reads, before it goes into a cache. A
// trimmed object must never be written back whole: changes are patches. client-go
// may trim an object twice, so what has been trimmed stays as it is.
func trim(obj any) (any, error) {
	if m, ok := obj.(metav1.Object); ok {
		m.SetManagedFields(nil)
	}
	switch o := obj.(type) {
	case *discoveryv1.EndpointSlice:
		trimSlice(o)
	case *corev1.Service:
		o.Labels, o.Annotations, o.OwnerReferences = nil, ours(o.Annotations), nil
		o.Status = corev1.ServiceStatus{}
	case *corev1.Pod:
		return endpoints.PodOf(o), nil
	case *corev1.Node:
		return trimNode(o), nil
	case *networkingv1.Ingress:
		delete(o.Annotations, corev1.LastAppliedConfigAnnotation)
	}
	return obj, nil
}

// trimSlice keeps a slice's addresses, ports, conditions, and what is behind them.
func trimSlice(o *discoveryv1.EndpointSlice) {
	o.Labels = map[string]string{discoveryv1.LabelServiceName: o.Labels[discoveryv1.LabelServiceName]}
	if t, ok := o.Annotations[corev1.EndpointsLastChangeTriggerTime]; ok {
		o.Annotations = map[string]string{corev1.EndpointsLastChangeTriggerTime: t}
	} else {
		o.Annotations = nil
	}
	o.OwnerReferences = nil
	for n := range o.Endpoints {
		ep := &o.Endpoints[n]
		ep.Hints, ep.Hostname, ep.DeprecatedTopology = nil, nil, nil
		if ref := ep.TargetRef; ref != nil && ref.Kind == "Pod" {
			ep.TargetRef = &corev1.ObjectReference{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name, UID: ref.UID}
		} else {
			ep.TargetRef = nil
		}
	}
}

// trimNode keeps whether a node is ready, and what machine it is.
func trimNode(o *corev1.Node) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: o.Name, UID: o.UID, ResourceVersion: o.ResourceVersion}}
	node.Spec.ProviderID = o.Spec.ProviderID
	if status := readyOf(o); status != corev1.ConditionUnknown {
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}
	}
	return node
}

// readyOf returns the status of a node's Ready condition. A node that has never
// reported is Unknown; nil has no status.
func readyOf(node *corev1.Node) corev1.ConditionStatus {
	if node == nil {
		return ""
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// ours returns the annotations that tgsync reads.
func ours(all map[string]string) map[string]string {
	var kept map[string]string
	for k, v := range all {
		if strings.HasPrefix(k, albAnnotations) || k == balancerType {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[k] = v
		}
	}
	return kept
}
