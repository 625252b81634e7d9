package ingress

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	trafficPort = "traffic-port"

	grpcHealthPath = "/AWS.ALB/healthcheck"
	grpcCode       = "12" // unimplemented: nobody has to implement the path

	// Limits of a health check, from CreateTargetGroup.
	maxHealthPath = 1024
	maxPort       = 65535
)

var (
	// AWS takes 200 to 499, alone, as a list, or as a range.
	successCodesPattern = regexp.MustCompile(`^[2-4]\d\d(-[2-4]\d\d)?(,[2-4]\d\d(-[2-4]\d\d)?)*$`)
	// Of gRPC it takes 0 to 99.
	grpcCodesPattern = regexp.MustCompile(`^\d\d?(-\d\d?)?(,\d\d?(-\d\d?)?)*$`)
)

// healthCheck reads how the targets are asked. What they speak decides the defaults.
func (s *settingsReader) healthCheck(protocol, version string) HealthCheck {
	standard := HealthCheck{Path: "/", Matcher: "200", IntervalSeconds: 15, TimeoutSeconds: 5, HealthyThreshold: 2, UnhealthyThreshold: 2}
	if version == versionGRPC {
		standard.Path, standard.Matcher = grpcHealthPath, grpcCode
	}
	check := HealthCheck{
		Protocol:           cmp.Or(s.oneOf(keyHealthProtocol, protocolHTTP, protocolHTTPS), protocol),
		Port:               s.healthPort(),
		Path:               s.healthPath(standard.Path),
		IntervalSeconds:    s.numberOr(standard.IntervalSeconds, keyHealthInterval, 5, 300),
		TimeoutSeconds:     s.numberOr(standard.TimeoutSeconds, keyHealthTimeout, 2, 120),
		HealthyThreshold:   s.numberOr(standard.HealthyThreshold, keyHealthyThreshold, 2, 10),
		UnhealthyThreshold: s.numberOr(standard.UnhealthyThreshold, keyUnhealthyThreshold, 2, 10),
	}
	s.compare(check)
	check.Matcher = s.successCodes(standard.Matcher, version)
	return check
}

func (s *settingsReader) numberOr(standard int32, key string, least, most int32) int32 {
	if n, ok := s.number(key, least, most); ok {
		return n
	}
	return standard
}

func (s *settingsReader) successCodes(standard, version string) string {
	codes, ok := s.get(keySuccessCodes)
	switch {
	case !ok:
		return standard
	case version == versionGRPC && !grpcCodesPattern.MatchString(codes):
		s.invalidValue(keySuccessCodes, codes, `gRPC codes from 0 to 99 like "12", "0,12" or "0-99"`)
	case version != versionGRPC && !successCodesPattern.MatchString(codes):
		s.invalidValue(keySuccessCodes, codes, `codes from 200 to 499 like "200", "200,302" or "200-299"`)
	}
	return codes
}

// compare blames the setting that was made: either may stand against the other's
// default.
func (s *settingsReader) compare(check HealthCheck) {
	if !s.ok || check.TimeoutSeconds < check.IntervalSeconds {
		return
	}
	if value, ok := s.get(keyHealthTimeout); ok {
		s.invalidValue(keyHealthTimeout, value, fmt.Sprintf("less than the interval, which is %d s", check.IntervalSeconds))
		return
	}
	value, _ := s.get(keyHealthInterval)
	s.invalidValue(keyHealthInterval, value, fmt.Sprintf("more than the timeout, which is %d s", check.TimeoutSeconds))
}

func (s *settingsReader) healthPath(standard string) string {
	path, ok := s.get(keyHealthPath)
	if !ok {
		return standard
	}
	if !strings.HasPrefix(path, "/") || len(path) > maxHealthPath {
		s.invalidValue(keyHealthPath, path, fmt.Sprintf("a path that begins with / and has at most %d characters", maxHealthPath))
	}
	return path
}

// healthPort takes a number, traffic-port, or the name of a Service port whose
// targetPort is a number: AWS checks all targets of a group on one port.
func (s *settingsReader) healthPort() string {
	value, ok := s.get(keyHealthPort)
	if !ok || value == trafficPort {
		return trafficPort
	}
	if n, err := strconv.Atoi(value); err == nil && n >= 1 && n <= maxPort {
		return strconv.Itoa(n)
	}
	sp, ok := findPort(s.service, intstr.FromString(value))
	if value == "" || !ok || sp.TargetPort.Type == intstr.String {
		s.invalidValue(keyHealthPort, value, "a port number, "+trafficPort+
			", or the name of a port of the Service whose targetPort is a number")
		return trafficPort
	}
	return strconv.Itoa(int(targetGroupPort(sp)))
}
