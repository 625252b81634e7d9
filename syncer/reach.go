package syncer

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/securitygroup"
)

// PodsBehind returns the pods behind a need's Service that have addresses, ready or not:
// the way to a pod is open when it becomes ready.
func (i *Informers) PodsBehind(n securitygroup.Need) []securitygroup.Pod {
	found, _ := i.slices(byService, n.Service) // fails for an unknown index alone
	svc, _ := i.Services.Lister().Services(n.Service.Namespace).Get(n.Service.Name)
	family := n.Family
	if family == "" {
		family = discoveryv1.AddressTypeIPv4
	}
	var pods []securitygroup.Pod
	for _, slice := range found {
		if slice.AddressType != family {
			continue
		}
		ports := portsByName(svc, slice)
		for n := range slice.Endpoints {
			if pod, ok := i.behind(slice.Namespace, &slice.Endpoints[n]); ok {
				pod.Ports = ports
				pods = append(pods, pod)
			}
		}
	}
	return pods
}

// behind returns the pod of an endpoint.
func (i *Informers) behind(namespace string, ep *discoveryv1.Endpoint) (securitygroup.Pod, bool) {
	if ep.TargetRef == nil || len(ep.Addresses) == 0 {
		return securitygroup.Pod{}, false
	}
	address, err := netip.ParseAddr(ep.Addresses[0])
	if err != nil {
		return securitygroup.Pod{}, false
	}
	pod := securitygroup.Pod{
		Name: types.NamespacedName{Namespace: namespace, Name: ep.TargetRef.Name}, UID: ep.TargetRef.UID, Address: address,
	}
	// Without the pod nobody knows whether it has an interface of its own.
	if known := i.pod(pod.Name); known != nil {
		pod.Node, pod.Own = known.Node, known.OwnInterface
	}
	return pod, true
}

// portsByName returns the numbers that a slice has for the ports of its pods which its
// Service names.
func portsByName(svc *corev1.Service, slice *discoveryv1.EndpointSlice) map[string]int32 {
	if svc == nil {
		return nil
	}
	var ports map[string]int32
	for _, p := range svc.Spec.Ports {
		if p.TargetPort.Type != intstr.String {
			continue
		}
		for _, has := range slice.Ports {
			if has.Port != nil && has.Name != nil && *has.Name == p.Name {
				if ports == nil {
					ports = map[string]int32{}
				}
				ports[p.TargetPort.StrVal] = *has.Port
			}
		}
	}
	return ports
}

// NodeBehind returns what guards the pods of a node, and whether the node is known.
func (i *Informers) NodeBehind(name string) (securitygroup.Node, bool) {
	obj, ok, _ := i.nodes.GetStore().GetByKey(name)
	node, is := obj.(*corev1.Node)
	if !ok || !is {
		return securitygroup.Node{}, false
	}
	return nodeOf(node.Spec.ProviderID), true
}

// nodeOf reads a provider ID: aws:///ZONE/i-INSTANCE of an instance, eks-hybrid://... of
// a machine outside of AWS, another one of aws:// on Fargate.
func nodeOf(providerID string) securitygroup.Node {
	if strings.HasPrefix(providerID, "eks-hybrid://") {
		return securitygroup.Node{Outside: true}
	}
	last := providerID[strings.LastIndex(providerID, "/")+1:]
	if !strings.HasPrefix(last, "i-") {
		return securitygroup.Node{}
	}
	return securitygroup.Node{Instance: last}
}

// OnReachChange calls wake for every event that can change which security groups guard
// the pods behind Services, until the function that it returns is called.
func (i *Informers) OnReachChange(wake func()) (stop func() error, err error) {
	var h handlers
	err = errors.Join(
		h.add(i.EndpointSlices.Informer(), cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { wake() }, DeleteFunc: func(any) { wake() }, UpdateFunc: func(any, any) { wake() },
		}),
		h.add(i.nodes, cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { wake() },
			UpdateFunc: func(old, obj any) {
				before, _ := old.(*corev1.Node)
				if after, _ := obj.(*corev1.Node); before == nil || after == nil || before.Spec.ProviderID != after.Spec.ProviderID {
					wake()
				}
			},
		}),
		h.add(i.pods, cache.ResourceEventHandlerFuncs{
			AddFunc: func(obj any) {
				if pod, ok := obj.(*endpoints.Pod); ok && pod.OwnInterface {
					wake()
				}
			},
			UpdateFunc: func(old, obj any) {
				before, _ := old.(*endpoints.Pod)
				if after, _ := obj.(*endpoints.Pod); before != nil && after != nil && before.OwnInterface != after.OwnInterface {
					wake()
				}
			},
		}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("handle changes of what is to be reached: %w", err), h.remove())
	}
	return h.remove, nil
}
