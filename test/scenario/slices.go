package scenario

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// family is one sync of a Service's slices of one address family.
type family struct {
	cluster *cluster
	service *corev1.Service
	pods    []*corev1.Pod
	typ     discoveryv1.AddressType
	trigger time.Time
}

// shape is the ports of a slice; pods whose ports differ stand in different slices.
type shape struct {
	ports     []discoveryv1.EndpointPort
	endpoints []discoveryv1.Endpoint
	// placeholder is for a Service without pods: a slice without endpoints.
	placeholder bool
}

// sync brings the slices up to date. A Service without endpoints has a slice without
// endpoints and ports.
func (f *family) sync(ctx context.Context) error {
	shapes, existing := f.shapes(), f.cluster.managed(f.service.Name, f.typ)
	if len(shapes) == 0 {
		shapes = []shape{{placeholder: true}}
	}
	for _, s := range shapes {
		if err := f.syncShape(ctx, s, existing); err != nil {
			return err
		}
	}
	for _, slice := range existing {
		if slices.ContainsFunc(shapes, func(s shape) bool { return samePorts(s.ports, slice.Ports) }) {
			continue
		}
		if err := f.cluster.deleteSlice(ctx, slice.Name); err != nil {
			return err
		}
	}
	return nil
}

// shapes are the endpoints that should be, by ports.
func (f *family) shapes() []shape {
	var all []shape
	for _, o := range f.pods {
		finished := o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed
		if finished || f.cluster.nodes[o.Spec.NodeName] == nil && !f.service.Spec.PublishNotReadyAddresses {
			continue
		}
		ep, ok := f.endpoint(o)
		if !ok {
			continue
		}
		ports := portsOf(f.service, o)
		i := slices.IndexFunc(all, func(s shape) bool { return samePorts(s.ports, ports) })
		if i < 0 {
			i = len(all)
			all = append(all, shape{ports: ports})
		}
		all[i].endpoints = append(all[i].endpoints, ep)
	}
	return all
}

// endpoint is a pod in a slice.
func (f *family) endpoint(o *corev1.Pod) (discoveryv1.Endpoint, bool) {
	serving, terminating := conditionIs(o, corev1.PodReady), o.DeletionTimestamp != nil
	ep := discoveryv1.Endpoint{
		Conditions: discoveryv1.EndpointConditions{
			Ready:   new(f.service.Spec.PublishNotReadyAddresses || serving && !terminating),
			Serving: &serving, Terminating: &terminating,
		},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: o.Namespace, Name: o.Name, UID: o.UID},
		NodeName:  &o.Spec.NodeName,
	}
	if node := f.cluster.nodes[o.Spec.NodeName]; node != nil {
		ep.Zone = new(node.Labels[corev1.LabelTopologyZone])
	}
	for _, ip := range o.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil && a.Is4() == (f.typ == discoveryv1.AddressTypeIPv4) {
			ep.Addresses = append(ep.Addresses, ip.IP)
		}
	}
	return ep, len(ep.Addresses) > 0
}

// portsOf resolves the ports of a Service for one pod. A name that the pod does not
// know is left out.
func portsOf(svc *corev1.Service, o *corev1.Pod) []discoveryv1.EndpointPort {
	ports := []discoveryv1.EndpointPort{}
	for _, p := range svc.Spec.Ports {
		number, known := p.TargetPort.IntVal, p.TargetPort.Type == intstr.Int
		for _, named := range o.Spec.Containers[0].Ports {
			if p.TargetPort.Type == intstr.String && named.Name == p.TargetPort.StrVal {
				number, known = named.ContainerPort, true
			}
		}
		if known {
			ports = append(ports, discoveryv1.EndpointPort{Name: new(p.Name), Protocol: new(p.Protocol), Port: new(number)})
		}
	}
	return ports
}

func samePorts(a, b []discoveryv1.EndpointPort) bool { return equality.Semantic.DeepEqual(a, b) }

// syncShape brings the slices of one shape up to date. What stands in a slice stays
// there.
func (f *family) syncShape(ctx context.Context, want shape, existing []*discoveryv1.EndpointSlice) error {
	var next []*discoveryv1.EndpointSlice
	left := want.endpoints
	for _, slice := range existing {
		if samePorts(slice.Ports, want.ports) {
			slice = slice.DeepCopy()
			slice.Endpoints, left = standing(slice.Endpoints, left)
			next = append(next, slice)
		}
	}
	for len(left) > 0 || want.placeholder && len(next) == 0 {
		i := slices.IndexFunc(next, func(s *discoveryv1.EndpointSlice) bool { return len(s.Endpoints) < endpointsPerSlice })
		if i < 0 {
			i = len(next)
			next = append(next, f.newSlice(want.ports))
		}
		n := min(len(left), endpointsPerSlice-len(next[i].Endpoints))
		next[i].Endpoints = append(next[i].Endpoints, left[:n]...)
		left = left[n:]
	}
	for _, slice := range next {
		if err := f.write(ctx, slice, want.placeholder); err != nil {
			return err
		}
	}
	return nil
}

// standing returns what of a slice's endpoints is still wanted, as it is now, and what
// is wanted beside it.
func standing(have, want []discoveryv1.Endpoint) (now, left []discoveryv1.Endpoint) {
	left = slices.Clone(want)
	for _, ep := range have {
		i := slices.IndexFunc(left, func(w discoveryv1.Endpoint) bool {
			return w.TargetRef.UID == ep.TargetRef.UID && slices.Equal(w.Addresses, ep.Addresses)
		})
		if i >= 0 {
			now = append(now, left[i])
			left = slices.Delete(left, i, i+1)
		}
	}
	return now, left
}

func (f *family) newSlice(ports []discoveryv1.EndpointPort) *discoveryv1.EndpointSlice {
	f.cluster.controller.made++
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name:   fmt.Sprintf("%s-%03d", f.service.Name, f.cluster.controller.made),
			Labels: map[string]string{discoveryv1.LabelServiceName: f.service.Name, discoveryv1.LabelManagedBy: managedBy},
		},
		AddressType: f.typ, Ports: ports, Endpoints: []discoveryv1.Endpoint{},
	}
}

// write writes a slice that differs, with its trigger time or without one if none is
// known. One that has become empty goes, unless it is the placeholder.
func (f *family) write(ctx context.Context, slice *discoveryv1.EndpointSlice, placeholder bool) error {
	if len(slice.Endpoints) == 0 && !placeholder {
		return f.cluster.deleteSlice(ctx, slice.Name)
	}
	if old := f.cluster.slices[slice.Name]; old != nil && equality.Semantic.DeepEqual(old.Endpoints, slice.Endpoints) {
		return nil
	}
	slice.Annotations = nil
	if !f.trigger.IsZero() {
		slice.Annotations = map[string]string{corev1.EndpointsLastChangeTriggerTime: f.trigger.UTC().Format(time.RFC3339Nano)}
	}
	return f.cluster.putSlice(ctx, slice)
}
