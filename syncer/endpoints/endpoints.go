// Package endpoints computes which targets a Service port should have, from the
// Service and its EndpointSlices. It is pure: objects in, a set out.
//
// The rules are kube-proxy's (k8s.io/kubernetes pkg/proxy/endpointslicecache.go),
// not our own: a slice's port belongs to a Service port when both carry the same
// name, an endpoint counts while it is ready, and its first address is the one
// that matters. A terminating pod is never ready, so it leaves at once; with
// publishNotReadyAddresses the EndpointSlice controller says ready whatever the
// pod says, so it stays. Endpoints without a pod (hand-made slices) are targets
// like any other.
package endpoints

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/syncer/target"
)

// PortNotFoundError says that a Service has no such port.
type PortNotFoundError struct {
	Service string // namespace/name
	Port    string
}

// Error names the Service and the port.
func (e *PortNotFoundError) Error() string {
	return fmt.Sprintf("service %s has no port %s", e.Service, e.Port)
}

// FindPort returns the Service port that an Ingress backend names by number or
// by name.
func FindPort(svc *corev1.Service, port intstr.IntOrString) (*corev1.ServicePort, error) {
	for i := range svc.Spec.Ports {
		p := &svc.Spec.Ports[i]
		if port.Type == intstr.String && p.Name == port.StrVal || port.Type == intstr.Int && p.Port == port.IntVal {
			return p, nil
		}
	}
	return nil, &PortNotFoundError{Service: svc.Namespace + "/" + svc.Name, Port: port.String()}
}

// Calculate returns the desired targets of one Service port: the union over all
// IPv4 slices, so that an endpoint which stands in two slices while it moves
// counts once.
func Calculate(svc *corev1.Service, port intstr.IntOrString, slices []*discoveryv1.EndpointSlice) (target.Set, error) {
	sp, err := FindPort(svc, port)
	if err != nil {
		return nil, err
	}
	desired := target.Set{}
	for _, slice := range slices {
		if slice.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		for _, p := range slice.Ports {
			if p.Port == nil || deref(p.Name, "") != sp.Name || deref(p.Protocol, corev1.ProtocolTCP) != corev1.ProtocolTCP {
				continue
			}
			addReady(desired, slice.Endpoints, *p.Port)
		}
	}
	return desired, nil
}

// addReady adds the endpoints that receive traffic now.
func addReady(desired target.Set, endpoints []discoveryv1.Endpoint, port int32) {
	for _, ep := range endpoints {
		if len(ep.Addresses) == 0 || !deref(ep.Conditions.Ready, true) {
			continue
		}
		// The API server validates addresses; one that does not parse cannot be a
		// target.
		if ip, err := netip.ParseAddr(ep.Addresses[0]); err == nil {
			desired[target.Target{IP: ip, Port: port}] = struct{}{}
		}
	}
}

// deref returns what p points to, or what the API means by its absence.
func deref[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}
