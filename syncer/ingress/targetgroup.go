package ingress

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	protocolHTTP       = "HTTP"
	protocolHTTPS      = "HTTPS"
	versionHTTP1       = "HTTP1"
	versionHTTP2       = "HTTP2"
	versionGRPC        = "GRPC"
	targetTypeIP       = "ip"
	targetTypeInstance = "instance"
	addressTypeIPv4    = "ipv4"
	addressTypeIPv6    = "ipv6"

	// namedTargetPort stands for a targetPort that has a different number in each
	// pod. Targets are registered with their own port, so it is never used.
	namedTargetPort = 1
)

// targetGroup adds the backend's target group to the member, once, and returns
// its ID.
func (b *builder) targetGroup(m *member, svc *corev1.Service, sp *corev1.ServicePort, port intstr.IntOrString) (string, bool) {
	service := types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}
	id := targetGroupID(m.key, service, port)
	if _, ok := m.groups[id]; ok {
		return id, true
	}
	m.warnOfAnnotations(svc.Annotations, service.String())
	s := newSettingsReader(m, svc)
	s.targetType(b.in.Settings.DefaultTargetType)
	tg := &TargetGroup{
		ID: id, Port: targetGroupPort(sp), TargetType: targetTypeIP, IPAddressType: addressTypeIPv4,
		Protocol:        cmp.Or(s.oneOf(keyBackendProtocol, protocolHTTP, protocolHTTPS), protocolHTTP),
		ProtocolVersion: cmp.Or(s.oneOf(keyBackendProtocolVersion, versionHTTP1, versionHTTP2, versionGRPC), versionHTTP1),
		Tags:            b.targetGroupTags(s, id), Service: service, ServicePort: port,
	}
	tg.HealthCheck = s.healthCheck(tg.Protocol, tg.ProtocolVersion)
	tg.Attributes = s.attributes()
	tg.MultiCluster, _ = s.boolean(keyMultiCluster)
	if b.in.Settings.DisableRestrictedRules {
		tg.AllPorts = true
	} else {
		tg.Ports = openPorts(sp, tg.HealthCheck.Port)
	}
	if !s.ok {
		return "", false
	}
	tg.Name = b.targetGroupName(m.key, svc, tg)
	m.groups[id] = tg
	return id, true
}

func targetGroupPort(sp *corev1.ServicePort) int32 {
	if port := targetPort(sp); port.Type == intstr.Int {
		return port.IntVal
	}
	return namedTargetPort
}

func targetPort(sp *corev1.ServicePort) intstr.IntOrString {
	if sp.TargetPort == (intstr.IntOrString{}) {
		// The API server writes it; what did not pass through it may lack it.
		return intstr.FromInt32(sp.Port)
	}
	return sp.TargetPort
}

// openPorts are those that load balancers use: the targets' and, if it is another one,
// that of the health check.
func openPorts(sp *corev1.ServicePort, healthPort string) []intstr.IntOrString {
	ports := []intstr.IntOrString{targetPort(sp)}
	if check := intstr.Parse(healthPort); healthPort != trafficPort && check != ports[0] {
		ports = append(ports, check)
	}
	return ports
}

// targetGroupTags are those of the member and of the Service. The Service's win, but not
// over those of the class.
func (b *builder) targetGroupTags(s *settingsReader, id string) map[string]string {
	onService := reader{get: lookup{service: s.service.Annotations}.get, invalid: s.invalidValue}.pairs(keyTags)
	for _, key := range sortedKeys(onService) {
		if fault := tagFault(key, onService[key], b.in.Settings.ExternalManagedTags); fault != "" {
			s.block(ReasonInvalidAnnotation, keyTags, fmt.Sprintf("the tag %q %s", key, fault))
		}
	}
	return b.tagged(id, layered(s.member.params.tags(), onService, s.member.tags))
}

// settingsReader reads the settings of one target group. ok turns false with the
// first setting that cannot be used.
type settingsReader struct {
	reader
	member  *member
	service *corev1.Service
	ok      bool
}

func newSettingsReader(m *member, svc *corev1.Service) *settingsReader {
	s := &settingsReader{member: m, service: svc, ok: true}
	s.reader = reader{get: s.value, invalid: s.invalidValue}
	return s
}

// value is the class's word, else the Service's, else the Ingress's.
func (s *settingsReader) value(key string) (string, bool) {
	if _, ok := s.member.class[key]; ok {
		return s.member.get(key)
	}
	return lookup{service: s.service.Annotations, ingress: s.member.ing.Annotations}.get(key)
}

func (s *settingsReader) invalidValue(key, value, must string) {
	s.block(ReasonInvalidAnnotation, key, fmt.Sprintf("%q must be %s", value, must))
}

// block says whose word is at fault: a Service's serves several Ingresses.
func (s *settingsReader) block(reason, key, message string) {
	s.ok = false
	field, words := s.member.source(key)
	if _, ok := s.service.Annotations[key]; ok && field == key {
		words = fmt.Sprintf("Service %s/%s: %s", s.service.Namespace, s.service.Name, words)
	}
	s.member.block(reason, field, "%s: %s", words, message)
}

func (s *settingsReader) targetType(standard string) {
	value, ok := s.get(keyTargetType)
	if !ok {
		value = cmp.Or(standard, targetTypeInstance)
	}
	if value == targetTypeIP {
		return
	}
	if ok {
		s.block(ReasonUnsupportedTargetType, keyTargetType, fmt.Sprintf("%q is not supported yet, only ip is", value))
		return
	}
	s.ok = false
	s.member.block(ReasonUnsupportedTargetType, keyTargetType,
		"target type %s, the default, is not supported yet, only ip is: set the annotation %s: ip", value, keyTargetType)
}

// attributes are those that somebody named.
func (s *settingsReader) attributes() map[string]string {
	attributes := s.pairs(keyTargetGroupAttributes)
	raw, _ := s.get(keyTargetGroupAttributes)
	for _, name := range sortedKeys(attributes) {
		if must := attributeRules[name].fault(attributes[name]); must != "" {
			s.invalidValue(keyTargetGroupAttributes, raw, "such that "+name+" is "+must)
		}
	}
	algorithm := attributes[attributeAlgorithm]
	if slow := attributes[attributeSlowStart]; slow != "" && slow != "0" && algorithm != "" && algorithm != "round_robin" {
		s.invalidValue(keyTargetGroupAttributes, raw, "such that "+attributeSlowStart+" is 0 unless "+attributeAlgorithm+" is round_robin")
	}
	return attributes
}

// attributeRule is what AWS takes as the value of an attribute: one of some words, or
// a whole number of a range. The zero rule takes anything.
type attributeRule struct {
	words       []string
	least, most int
}

// fault says what a value must be, "" if it is.
func (r attributeRule) fault(value string) string {
	if slices.Contains(r.words, value) || len(r.words) == 0 && r.most == 0 {
		return ""
	}
	if n, err := strconv.Atoi(value); err == nil && r.least <= n && n <= r.most {
		return ""
	}
	return r.String()
}

// String words what is taken.
func (r attributeRule) String() string {
	words := ""
	for i, word := range r.words {
		if i > 0 {
			words += " or "
		}
		words += word
	}
	switch {
	case r.most == 0:
		return words
	case words != "":
		words += " or "
	}
	return words + fmt.Sprintf("a whole number from %d to %d", r.least, r.most)
}

const (
	attributeSlowStart = "slow_start.duration_seconds"
	attributeAlgorithm = "load_balancing.algorithm.type"

	// maxStickySeconds is a week, for every kind of stickiness.
	maxStickySeconds = 7 * 24 * 60 * 60
	// maxTargets is how many targets a group can be given at most.
	maxTargets = 1000
)

// attributeRules are AWS's, of the attributes that groups of an Application Load
// Balancer have. Others are AWS's to judge.
var attributeRules = map[string]attributeRule{
	"deregistration_delay.timeout_seconds":                                           {most: 3600},
	attributeSlowStart:                                                               {words: []string{"0"}, least: 30, most: 900},
	attributeAlgorithm:                                                               {words: []string{"round_robin", "least_outstanding_requests", "weighted_random"}},
	"load_balancing.algorithm.anomaly_mitigation":                                    {words: []string{"on", "off"}},
	"load_balancing.cross_zone.enabled":                                              {words: []string{"true", "false", "use_load_balancer_configuration"}},
	"stickiness.enabled":                                                             {words: []string{"true", "false"}},
	"stickiness.type":                                                                {words: []string{"lb_cookie", "app_cookie"}},
	"stickiness.lb_cookie.duration_seconds":                                          {least: 1, most: maxStickySeconds},
	"stickiness.app_cookie.duration_seconds":                                         {least: 1, most: maxStickySeconds},
	"target_group_health.dns_failover.minimum_healthy_targets.count":                 {words: []string{"off"}, least: 1, most: maxTargets},
	"target_group_health.dns_failover.minimum_healthy_targets.percentage":            {words: []string{"off"}, least: 1, most: 100},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      {least: 1, most: maxTargets},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": {words: []string{"off"}, least: 1, most: 100},
}
