package ingress

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	contentTypePlain = "text/plain"

	// useAnnotation as a port's name says that the backend is an annotation.
	useAnnotation = "use-annotation"

	// What the load balancer answers for a backend that is not there, as the AWS Load
	// Balancer Controller words it.
	missingServiceBody = "Backend service does not exist"
	missingActionBody  = "Backend action does not exist"
)

// serviceRef names a port of a Service, and where it does.
type serviceRef struct {
	name   types.NamespacedName
	port   intstr.IntOrString
	nameAt place
	portAt place
}

// action turns a backend into what a rule does. A Service that does not exist is
// answered for by the load balancer: its Ingress is right and may be early.
func (b *builder) action(m *member, backend *networkingv1.IngressBackend, field string) (Action, bool) {
	at := specPlace(field)
	if backend.Service == nil {
		m.blockAt(ReasonUnsupportedBackend, at, "only a Service can be a backend")
		return Action{}, false
	}
	if backend.Service.Port.Name == useAnnotation {
		return b.annotatedAction(m, backend.Service.Name, at.at(".service.name"))
	}
	port := intstr.FromInt32(backend.Service.Port.Number)
	if backend.Service.Port.Name != "" {
		port = intstr.FromString(backend.Service.Port.Name)
	}
	return b.forward(m, serviceRef{
		name: types.NamespacedName{Namespace: m.key.Namespace, Name: backend.Service.Name}, port: port,
		nameAt: at.at(".service.name"), portAt: at.at(".service.port"),
	})
}

// forward sends all requests to one Service.
func (b *builder) forward(m *member, ref serviceRef) (Action, bool) {
	svc, exists := b.in.Services(ref.name)
	if exists {
		id, ok := b.serviceGroup(m, svc, ref)
		return forwardTo(id), ok
	}
	if !b.in.Settings.TolerateMissingService {
		m.blockAt(ReasonServiceNotFound, ref.nameAt, "Service %s does not exist", ref.name)
		return Action{}, false
	}
	m.warnAt(ReasonServiceNotFound, ref.nameAt, "Service %s does not exist; its requests are answered with 503", ref.name)
	return fixedResponse(503, missingServiceBody), true
}

// serviceGroup returns the ID of the target group of a Service's port.
func (b *builder) serviceGroup(m *member, svc *corev1.Service, ref serviceRef) (string, bool) {
	servicePort, ok := findPort(svc, ref.port)
	if !ok {
		m.blockAt(ReasonServicePortNotFound, ref.portAt, "Service %s has no port %s", ref.name, ref.port.String())
		return "", false
	}
	return b.targetGroup(m, svc, servicePort, ref.port)
}

// forwardTo sends all requests to one target group.
func forwardTo(id string) Action {
	return Action{Forward: []Share{{TargetGroup: id, Weight: 1}}}
}

func fixedResponse(status int, body string) Action {
	return Action{FixedResponse: &FixedResponse{StatusCode: status, ContentType: contentTypePlain, MessageBody: body}}
}

func findPort(svc *corev1.Service, port intstr.IntOrString) (*corev1.ServicePort, bool) {
	for i := range svc.Spec.Ports {
		p := &svc.Spec.Ports[i]
		if port.Type == intstr.String && p.Name == port.StrVal || port.Type == intstr.Int && p.Port == port.IntVal {
			return p, true
		}
	}
	return nil, false
}
