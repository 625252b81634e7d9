package ingress

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	contentTypePlain   = "text/plain"
	protocolHTTP       = "HTTP"
	protocolHTTPS      = "HTTPS"
	targetTypeIP       = "ip"
	targetTypeInstance = "instance"
	addressTypeIPv4    = "ipv4"
	trafficPort        = "traffic-port"

	// namedTargetPort stands for a targetPort that has a different number in each
	// pod. Targets are registered with their own port, so it is never used.
	namedTargetPort = 1

	// useAnnotation as a port's name says that the backend is an annotation.
	useAnnotation = "use-annotation"
)

// Limits of a health check, from CreateTargetGroup.
const (
	maxHealthPath = 1024
	maxPort       = 65535
)

// AWS takes 200 to 499, alone, as a list, or as a range.
var successCodesPattern = regexp.MustCompile(`^[2-4]\d\d(-[2-4]\d\d)?(,[2-4]\d\d(-[2-4]\d\d)?)*$`)

// action turns a backend into what a rule does. A Service that does not exist is
// answered for by the load balancer: its Ingress is right and may be early.
func (b *builder) action(m *member, backend *networkingv1.IngressBackend, field string) (Action, bool) {
	if backend.Service == nil {
		m.block(ReasonUnsupportedBackend, field, "%s: only a Service can be a backend", field)
		return Action{}, false
	}
	name := types.NamespacedName{Namespace: m.key.Namespace, Name: backend.Service.Name}
	port := intstr.FromInt32(backend.Service.Port.Number)
	if backend.Service.Port.Name != "" {
		port = intstr.FromString(backend.Service.Port.Name)
	}
	if port == intstr.FromString(useAnnotation) {
		m.block(ReasonUnsupportedBackend, field+".service.port.name", "%s.service.port.name: %s is not supported yet", field, useAnnotation)
		return Action{}, false
	}
	svc, ok := b.in.Services(name)
	switch {
	case !ok && !b.in.Settings.TolerateMissingService:
		m.block(ReasonServiceNotFound, field+".service.name", "%s.service.name: Service %s does not exist", field, name)
		return Action{}, false
	case !ok:
		m.warn(ReasonServiceNotFound, field+".service.name",
			"%s.service.name: Service %s does not exist; its requests are answered with 503", field, name)
		return fixedResponse(503, "Backend service does not exist"), true
	}
	servicePort, ok := findPort(svc, port)
	if !ok {
		m.block(ReasonServicePortNotFound, field+".service.port", "%s.service.port: Service %s has no port %s", field, name, port.String())
		return Action{}, false
	}
	tg, ok := b.targetGroup(m, svc, servicePort, port)
	return forwardTo(tg), ok
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

// targetGroup adds the backend's target group to the member, once, and returns
// its ID.
func (b *builder) targetGroup(m *member, svc *corev1.Service, sp *corev1.ServicePort, port intstr.IntOrString) (string, bool) {
	service := types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}
	id := targetGroupID(m.key, service, port)
	if _, ok := m.groups[id]; ok {
		return id, true
	}
	m.warnOfAnnotations(svc.Annotations, service.String())
	s := settingsReader{member: m, service: svc, annotations: lookup{service: svc.Annotations, ingress: m.ing.Annotations}, ok: true}
	s.targetType(b.in.Settings.DefaultTargetType)
	check := s.healthCheck()
	if !s.ok {
		return "", false
	}
	tg := &TargetGroup{
		ID: id, Port: targetGroupPort(sp), Protocol: protocolHTTP, ProtocolVersion: "HTTP1",
		TargetType: targetTypeIP, IPAddressType: addressTypeIPv4, HealthCheck: check,
		Tags: b.tags(id), Service: service, ServicePort: port,
	}
	tg.Name = b.targetGroupName(m.key, svc, tg)
	m.groups[id] = tg
	return id, true
}

func targetGroupPort(sp *corev1.ServicePort) int32 {
	switch {
	case sp.TargetPort.Type == intstr.String:
		return namedTargetPort
	case sp.TargetPort.IntVal == 0:
		// The API server writes it; what did not pass through it may lack it.
		return sp.Port
	}
	return sp.TargetPort.IntVal
}

// settingsReader reads the settings of one target group. ok turns false with the
// first setting that cannot be used.
type settingsReader struct {
	member      *member
	service     *corev1.Service
	annotations lookup
	ok          bool
}

func (s *settingsReader) invalid(key, value, must string) {
	s.block(ReasonInvalidAnnotation, key, fmt.Sprintf("annotation %s: %q must be %s", key, value, must))
}

// block says whose annotation is at fault: a Service's serves several Ingresses.
func (s *settingsReader) block(reason, key, message string) {
	s.ok = false
	if _, ok := s.annotations.service[key]; ok {
		message = fmt.Sprintf("Service %s/%s: %s", s.service.Namespace, s.service.Name, message)
	}
	s.member.block(reason, key, "%s", message)
}

func (s *settingsReader) targetType(standard string) {
	value, ok := s.annotations.get(keyTargetType)
	if !ok {
		value = cmp.Or(standard, targetTypeInstance)
	}
	if value == targetTypeIP {
		return
	}
	word := strconv.Quote(value)
	if !ok {
		word = value + ", the default,"
	}
	s.block(ReasonUnsupportedTargetType, keyTargetType,
		fmt.Sprintf("target type %s is not supported, only ip is: set the annotation %s: ip", word, keyTargetType))
}

func (s *settingsReader) healthCheck() HealthCheck {
	check := HealthCheck{
		Protocol:           s.oneOf(keyHealthProtocol, protocolHTTP, protocolHTTPS),
		Port:               s.healthPort(),
		Path:               s.healthPath(),
		IntervalSeconds:    s.number(keyHealthInterval, 15, 5, 300),
		TimeoutSeconds:     s.number(keyHealthTimeout, 5, 2, 120),
		HealthyThreshold:   s.number(keyHealthyThreshold, 2, 2, 10),
		UnhealthyThreshold: s.number(keyUnhealthyThreshold, 2, 2, 10),
		Matcher:            "200",
	}
	s.compare(check)
	if codes, ok := s.annotations.get(keySuccessCodes); ok {
		check.Matcher = codes
		if !successCodesPattern.MatchString(codes) {
			s.invalid(keySuccessCodes, codes, `codes from 200 to 499 like "200", "200,302" or "200-299"`)
		}
	}
	return check
}

// compare blames the setting that was made: either may stand against the other's
// default.
func (s *settingsReader) compare(check HealthCheck) {
	if !s.ok || check.TimeoutSeconds < check.IntervalSeconds {
		return
	}
	if value, ok := s.annotations.get(keyHealthTimeout); ok {
		s.invalid(keyHealthTimeout, value, fmt.Sprintf("less than the interval, which is %d s", check.IntervalSeconds))
		return
	}
	value, _ := s.annotations.get(keyHealthInterval)
	s.invalid(keyHealthInterval, value, fmt.Sprintf("more than the timeout, which is %d s", check.TimeoutSeconds))
}

func (s *settingsReader) oneOf(key, standard, other string) string {
	value, ok := s.annotations.get(key)
	if !ok {
		return standard
	}
	if value != standard && value != other {
		s.invalid(key, value, standard+" or "+other)
	}
	return value
}

func (s *settingsReader) number(key string, standard, least, most int32) int32 {
	value, ok := s.annotations.get(key)
	if !ok {
		return standard
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || int32(n) < least || int32(n) > most {
		s.invalid(key, value, fmt.Sprintf("a whole number from %d to %d", least, most))
		return standard
	}
	return int32(n)
}

func (s *settingsReader) healthPath() string {
	path, ok := s.annotations.get(keyHealthPath)
	if !ok {
		return "/"
	}
	if !strings.HasPrefix(path, "/") || len(path) > maxHealthPath {
		s.invalid(keyHealthPath, path, fmt.Sprintf("a path that begins with / and has at most %d characters", maxHealthPath))
	}
	return path
}

// healthPort takes a number, traffic-port, or the name of a Service port whose
// targetPort is a number: AWS checks all targets of a group on one port.
func (s *settingsReader) healthPort() string {
	value, ok := s.annotations.get(keyHealthPort)
	if !ok || value == trafficPort {
		return trafficPort
	}
	if n, err := strconv.Atoi(value); err == nil && n >= 1 && n <= maxPort {
		return strconv.Itoa(n)
	}
	sp, ok := findPort(s.service, intstr.FromString(value))
	if value == "" || !ok || sp.TargetPort.Type == intstr.String {
		s.invalid(keyHealthPort, value, "a port number, "+trafficPort+
			", or the name of a port of the Service whose targetPort is a number")
		return trafficPort
	}
	return strconv.Itoa(int(targetGroupPort(sp)))
}
