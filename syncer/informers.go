package syncer

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	discoveryinformers "k8s.io/client-go/informers/discovery/v1"
	networkinginformers "k8s.io/client-go/informers/networking/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// byService indexes EndpointSlices by the namespace and name of their Service.
const byService = "service"

// albAnnotations is the prefix of the annotations that tgsync reads.
const albAnnotations = "alb.ingress.kubernetes.io/"

// Informers are the daemon's view of the cluster: one cache per kind, each
// holding only what is read.
type Informers struct {
	factory        informers.SharedInformerFactory
	Ingresses      networkinginformers.IngressInformer
	IngressClasses networkinginformers.IngressClassInformer
	Services       coreinformers.ServiceInformer
	EndpointSlices discoveryinformers.EndpointSliceInformer
}

// NewInformers returns informers that Start starts.
func NewInformers(client kubernetes.Interface) (*Informers, error) {
	f := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(trim))
	i := &Informers{
		factory:        f,
		Ingresses:      f.Networking().V1().Ingresses(),
		IngressClasses: f.Networking().V1().IngressClasses(),
		Services:       f.Core().V1().Services(),
		EndpointSlices: f.Discovery().V1().EndpointSlices(),
	}
	// Asking for an informer is what makes the factory start it.
	i.Ingresses.Informer()
	i.IngressClasses.Informer()
	i.Services.Informer()
	err := i.EndpointSlices.Informer().AddIndexers(cache.Indexers{byService: func(obj any) ([]string, error) {
		slice, ok := obj.(*discoveryv1.EndpointSlice)
		if !ok {
			return nil, nil
		}
		return []string{serviceOf(slice).String()}, nil
	}})
	if err != nil {
		return nil, fmt.Errorf("index EndpointSlices: %w", err)
	}
	return i, nil
}

// Start starts the informers; they end with stop. Shutdown waits for them.
func (i *Informers) Start(stop <-chan struct{}) { i.factory.Start(stop) }

// Shutdown returns when every informer has ended.
func (i *Informers) Shutdown() { i.factory.Shutdown() }

// HasSynced reports whether every cache holds what the cluster had at the start.
func (i *Informers) HasSynced() bool {
	return i.Ingresses.Informer().HasSynced() && i.IngressClasses.Informer().HasSynced() &&
		i.Services.Informer().HasSynced() && i.EndpointSlices.Informer().HasSynced()
}

// slicesOf returns a Service's EndpointSlices.
func (i *Informers) slicesOf(svc types.NamespacedName) ([]*discoveryv1.EndpointSlice, error) {
	objs, err := i.EndpointSlices.Informer().GetIndexer().ByIndex(byService, svc.String())
	if err != nil {
		return nil, fmt.Errorf("look up EndpointSlices of %s: %w", svc, err)
	}
	slices := make([]*discoveryv1.EndpointSlice, 0, len(objs))
	for _, obj := range objs {
		if slice, ok := obj.(*discoveryv1.EndpointSlice); ok {
			slices = append(slices, slice)
		}
	}
	return slices, nil
}

// serviceOf returns the Service that a slice belongs to.
func serviceOf(slice *discoveryv1.EndpointSlice) types.NamespacedName {
	return types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
}

// trim drops from an object what nobody reads, before it goes into a cache. A
// trimmed object must never be written back whole: changes are patches.
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
	case *networkingv1.Ingress:
		delete(o.Annotations, corev1.LastAppliedConfigAnnotation)
	}
	return obj, nil
}

// trimSlice keeps a slice's addresses, ports and conditions.
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
		ep.Hints, ep.Hostname, ep.DeprecatedTopology, ep.NodeName, ep.TargetRef, ep.Zone = nil, nil, nil, nil, nil, nil
	}
}

// ours returns the annotations that tgsync reads.
func ours(all map[string]string) map[string]string {
	var kept map[string]string
	for k, v := range all {
		if strings.HasPrefix(k, albAnnotations) {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[k] = v
		}
	}
	return kept
}
