package endpoints

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What can be missing, beside a port of the Service.
var (
	ErrNoService = errors.New("the Service does not exist")
	ErrNoSlices  = errors.New("the Service has no EndpointSlice of the address family")
	ErrNoPort    = errors.New("no EndpointSlice of the Service has the port")
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

// findPort returns the Service port that an Ingress backend names by number or
// by name.
func findPort(svc *corev1.Service, port intstr.IntOrString) (*corev1.ServicePort, error) {
	for i := range svc.Spec.Ports {
		p := &svc.Spec.Ports[i]
		if port.Type == intstr.String && p.Name == port.StrVal || port.Type == intstr.Int && p.Port == port.IntVal {
			return p, nil
		}
	}
	return nil, &PortNotFoundError{Service: svc.Namespace + "/" + svc.Name, Port: port.String()}
}

// numberOf returns the number that a slice gives to a Service port.
func numberOf(slice *discoveryv1.EndpointSlice, port *corev1.ServicePort) (int32, bool) {
	for _, p := range slice.Ports {
		if p.Port != nil && deref(p.Name, "") == port.Name && deref(p.Protocol, corev1.ProtocolTCP) == corev1.ProtocolTCP {
			return *p.Port, true
		}
	}
	return 0, false
}

// deref returns what p points to, or what the API means by its absence.
func deref[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}
