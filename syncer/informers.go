package syncer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	discoveryinformers "k8s.io/client-go/informers/discovery/v1"
	networkinginformers "k8s.io/client-go/informers/networking/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/target"
)

// Indexes of EndpointSlices, by namespace and name: of their Service, and of the
// pods that they refer to. And the index of pods by their addresses.
const (
	byService = "service"
	byPod     = "pod"
	byAddress = "address"
)

// Informers are the daemon's view of the cluster: one cache per kind, each
// holding only what is read.
type Informers struct {
	factory        informers.SharedInformerFactory
	Ingresses      networkinginformers.IngressInformer
	IngressClasses networkinginformers.IngressClassInformer
	Services       coreinformers.ServiceInformer
	EndpointSlices discoveryinformers.EndpointSliceInformer
	// pods holds *endpoints.Pod, not *corev1.Pod: a lister of pods would not work.
	pods  cache.SharedIndexInformer
	nodes cache.SharedIndexInformer
}

// NewInformers returns informers that Start starts. They see some namespaces only; none:
// all of them. Of kinds that have no namespace they see everything. Options are for what
// is not about their contents.
func NewInformers(some []string, client kubernetes.Interface, options ...informers.SharedInformerOption) (*Informers, error) {
	f := informers.NewSharedInformerFactoryWithOptions(client, 0, append(options, informers.WithTransform(trim))...)
	if len(some) > 0 {
		confine(f, some)
	}
	i := &Informers{
		factory:        f,
		Ingresses:      f.Networking().V1().Ingresses(),
		IngressClasses: f.Networking().V1().IngressClasses(),
		Services:       f.Core().V1().Services(),
		EndpointSlices: f.Discovery().V1().EndpointSlices(),
		pods:           f.Core().V1().Pods().Informer(),
		nodes:          f.Core().V1().Nodes().Informer(),
	}
	// Asking for an informer is what makes the factory start it.
	i.Ingresses.Informer()
	i.IngressClasses.Informer()
	i.Services.Informer()
	err := i.EndpointSlices.Informer().AddIndexers(cache.Indexers{byService: indexByService, byPod: indexByPod})
	if err != nil {
		return nil, fmt.Errorf("index EndpointSlices: %w", err)
	}
	if err := i.pods.AddIndexers(cache.Indexers{byAddress: indexByAddress}); err != nil {
		return nil, fmt.Errorf("index Pods: %w", err)
	}
	return i, nil
}

// indexByService returns the key of a slice's Service.
func indexByService(obj any) ([]string, error) {
	slice, ok := obj.(*discoveryv1.EndpointSlice)
	if !ok {
		return nil, nil
	}
	return []string{serviceOf(slice).String()}, nil
}

// indexByPod returns the keys of the pods that a slice refers to.
func indexByPod(obj any) ([]string, error) {
	slice, ok := obj.(*discoveryv1.EndpointSlice)
	if !ok {
		return nil, nil
	}
	keys := make([]string, 0, len(slice.Endpoints))
	for n := range slice.Endpoints {
		if ref := slice.Endpoints[n].TargetRef; ref != nil {
			keys = append(keys, slice.Namespace+"/"+ref.Name)
		}
	}
	return keys, nil
}

// indexByAddress returns the addresses of a pod that has not finished. What is being
// deleted is told apart when it is looked up.
func indexByAddress(obj any) ([]string, error) {
	pod, ok := obj.(*endpoints.Pod)
	if !ok {
		return nil, nil
	}
	keys := make([]string, 0, len(pod.IPs))
	for _, ip := range pod.IPs {
		if ip.IsValid() {
			keys = append(keys, ip.String())
		}
	}
	return keys, nil
}

// Start starts the informers; they end with stop. Shutdown waits for them.
func (i *Informers) Start(stop <-chan struct{}) { i.factory.Start(stop) }

// Shutdown returns when every informer has ended.
func (i *Informers) Shutdown() { i.factory.Shutdown() }

// HasSynced reports whether every cache holds what the cluster had at the start.
func (i *Informers) HasSynced() bool {
	return i.Ingresses.Informer().HasSynced() && i.IngressClasses.Informer().HasSynced() &&
		i.Services.Informer().HasSynced() && i.EndpointSlices.Informer().HasSynced() &&
		i.pods.HasSynced() && i.nodes.HasSynced()
}

// input is what the caches say of a binding. With failOpen, pods on nodes that have
// stopped reporting count if there is no other: it is more likely that the nodes cannot
// be heard than that all of them are down.
func (i *Informers) input(b target.Binding, failOpen bool) (endpoints.Input, error) {
	found, err := i.slices(byService, b.Service)
	if err != nil {
		return endpoints.Input{}, err
	}
	// The only error of a lister is that there is no such object.
	svc, _ := i.Services.Lister().Services(b.Service.Namespace).Get(b.Service.Name)
	return endpoints.Input{
		Service: svc, Port: b.ServicePort, TargetPort: b.TargetPort, Slices: found, Family: b.Family, FailOpen: failOpen, Pod: i.pod, Node: i.nodeReady,
	}, nil
}

// hasLivingPod reports whether an address belongs to a pod that is neither being
// deleted nor finished.
func (i *Informers) hasLivingPod(ip netip.Addr) bool {
	pods, _ := i.pods.GetIndexer().ByIndex(byAddress, ip.String()) // fails for an unknown index alone
	return slices.ContainsFunc(pods, func(obj any) bool {
		pod, ok := obj.(*endpoints.Pod)
		return ok && pod.Living()
	})
}

// changedAt returns when the slices of a Service last changed, as the EndpointSlice
// controller noted it, and whether a pod behind them is terminating.
func (i *Informers) changedAt(service types.NamespacedName) (last time.Time, leaving bool) {
	all, _ := i.slices(byService, service) // fails for an unknown index alone
	for _, slice := range all {
		if t, err := time.Parse(time.RFC3339Nano, slice.Annotations[corev1.EndpointsLastChangeTriggerTime]); err == nil && t.After(last) {
			last = t
		}
		leaving = leaving || slices.ContainsFunc(slice.Endpoints, func(ep discoveryv1.Endpoint) bool {
			return ep.Conditions.Terminating != nil && *ep.Conditions.Terminating
		})
	}
	return last, leaving
}

// ChangedSince returns the Services whose EndpointSlices have changed since a moment.
func (i *Informers) ChangedSince(moment time.Time) map[types.NamespacedName]bool {
	changed := map[types.NamespacedName]bool{}
	for _, service := range i.EndpointSlices.Informer().GetIndexer().ListIndexFuncValues(byService) {
		namespace, name, _ := strings.Cut(service, "/")
		key := types.NamespacedName{Namespace: namespace, Name: name}
		if last, _ := i.changedAt(key); last.After(moment) {
			changed[key] = true
		}
	}
	return changed
}

// pod returns a pod, or nil if it is not in the cache.
func (i *Informers) pod(key types.NamespacedName) *endpoints.Pod {
	obj, _, _ := i.pods.GetStore().GetByKey(key.String()) // a cache in memory has no errors
	pod, _ := obj.(*endpoints.Pod)
	return pod
}

// nodeReady returns the status of a node's Ready condition; empty: no such node.
func (i *Informers) nodeReady(name string) corev1.ConditionStatus {
	obj, _, _ := i.nodes.GetStore().GetByKey(name)
	node, _ := obj.(*corev1.Node)
	return readyOf(node)
}

// slices returns the EndpointSlices that an index has for a Service or a pod.
func (i *Informers) slices(index string, of types.NamespacedName) ([]*discoveryv1.EndpointSlice, error) {
	objs, err := i.EndpointSlices.Informer().GetIndexer().ByIndex(index, of.String())
	if err != nil {
		return nil, fmt.Errorf("look up EndpointSlices of %s %s: %w", index, of, err)
	}
	found := make([]*discoveryv1.EndpointSlice, 0, len(objs))
	for _, obj := range objs {
		if slice, ok := obj.(*discoveryv1.EndpointSlice); ok {
			found = append(found, slice)
		}
	}
	return found, nil
}

// serviceOf returns the Service that a slice belongs to.
func serviceOf(slice *discoveryv1.EndpointSlice) types.NamespacedName {
	return types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
}
