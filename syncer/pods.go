package syncer

import (
	"fmt"
	"log/slog"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/opqueue"
)

// addPodHandlers makes changes of pods and nodes into keys. A pod that is gone makes
// none: its slice follows, and until then nothing is decided about it. Whoever opens
// gates is told of every change of a pod that has some.
func (s *Syncer) addPodHandlers() error {
	err := s.handlers.add(s.o.Informers.pods, cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if pod, ok := obj.(*endpoints.Pod); ok && !initial {
				s.podChanged(pod)
				s.gateChanged(pod)
			}
		},
		UpdateFunc: func(old, obj any) {
			before, had := old.(*endpoints.Pod)
			pod, ok := obj.(*endpoints.Pod)
			if !ok || !had {
				return
			}
			if !before.Alike(pod) {
				s.podChanged(pod)
			}
			// A pod that has finished is kept without its gates, and waits for them no more.
			s.gateChanged(before)
			s.gateChanged(pod)
		},
		DeleteFunc: func(obj any) {
			if pod, ok := object[*endpoints.Pod](obj); ok {
				s.gateChanged(pod)
				s.podWentUnseen(pod)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("handle Pods: %w", err)
	}
	err = s.handlers.add(s.o.Informers.nodes, cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if !initial {
				s.nodeEvent(nil, obj)
			}
		},
		UpdateFunc: func(old, obj any) {
			before, _ := old.(*corev1.Node)
			s.nodeEvent(before, obj)
		},
		DeleteFunc: func(obj any) { s.nodeEvent(nil, obj) },
	})
	if err != nil {
		return fmt.Errorf("handle Nodes: %w", err)
	}
	return nil
}

// podChanged notes that the targets of every Service whose slices show the pod may
// differ now.
func (s *Syncer) podChanged(pod *endpoints.Pod) {
	shown, err := s.o.Informers.slices(byPod, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name})
	if err != nil {
		s.o.Log.Error("a change of a pod is lost", slog.Any("error", err))
		return
	}
	for svc := range servicesOf(shown) {
		s.serviceChanged(svc)
	}
	if len(shown) == 0 && !pod.Living() {
		s.podWentUnseen(pod)
	}
}

// podWentUnseen notes that a pod is on its way out that no slice shows. Most pods of a
// cluster stand behind no Service; but a guard may hold the target of this one.
func (s *Syncer) podWentUnseen(pod *endpoints.Pod) {
	for _, b := range s.index.Load().byNamespace[pod.Namespace] {
		if g := s.group(b.GroupARN); g != nil && g.held() {
			s.add(key{b.GroupARN, deregister}, opqueue.Change{Urgent: true})
		}
	}
}

// gateChanged notes that the gates of a pod may differ now.
func (s *Syncer) gateChanged(pod *endpoints.Pod) {
	if len(pod.Gates) > 0 {
		s.gates.PodChanged(types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name})
	}
}

// gatesShown notes that a slice shows pods, or shows them no more.
func (s *Syncer) gatesShown(slice *discoveryv1.EndpointSlice) {
	for n := range slice.Endpoints {
		if ref := slice.Endpoints[n].TargetRef; ref != nil {
			if pod := s.o.Informers.pod(types.NamespacedName{Namespace: slice.Namespace, Name: ref.Name}); pod != nil {
				s.gateChanged(pod)
			}
		}
	}
}

// nodeEvent notes that the targets on a node may differ now, if its readiness does.
func (s *Syncer) nodeEvent(old *corev1.Node, obj any) {
	node, ok := object[*corev1.Node](obj)
	if !ok || !flipped(old, node) {
		return
	}
	// Nodes seldom change, and this runs on a goroutine of its own: a walk through all
	// slices is cheaper than an index that every change of a slice has to keep.
	var affected []*discoveryv1.EndpointSlice
	for _, obj := range s.o.Informers.EndpointSlices.Informer().GetStore().List() {
		if slice, ok := obj.(*discoveryv1.EndpointSlice); ok && refersToNode(slice, node.Name) {
			affected = append(affected, slice)
		}
	}
	for svc := range servicesOf(affected) {
		s.serviceChanged(svc)
	}
}

// flipped reports whether a node's readiness differs. Nodes report every few minutes
// at least, and hardly ever something else.
func flipped(old, node *corev1.Node) bool { return readyOf(old) != readyOf(node) }

// refersToNode reports whether a slice has an endpoint on the node.
func refersToNode(slice *discoveryv1.EndpointSlice, name string) bool {
	return slices.ContainsFunc(slice.Endpoints, func(ep discoveryv1.Endpoint) bool {
		return ep.NodeName != nil && *ep.NodeName == name
	})
}

// servicesOf returns the Services of slices, each once.
func servicesOf(all []*discoveryv1.EndpointSlice) map[types.NamespacedName]struct{} {
	services := map[types.NamespacedName]struct{}{}
	for _, slice := range all {
		services[serviceOf(slice)] = struct{}{}
	}
	return services
}
