package ingress

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// echoWorld has the Ingress demo0/web with the default backend echo:80.
func echoWorld(annotations map[string]string) (*world, *corev1.Service) {
	w := annotatedWorld(annotations)
	w.ingresses[0].Spec.Rules = nil
	w.ingresses[0].Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: "echo", Port: networkingv1.ServiceBackendPort{Number: 80},
	}}
	svc := w.services[types.NamespacedName{Namespace: "demo0", Name: "echo"}]
	svc.Annotations = map[string]string{}
	return w, svc
}

const echoID = "demo0/web-echo:80"

func TestProtocols(t *testing.T) {
	const https = "arn:aws:acm:eu-west-1:123456789012:certificate/a"
	tests := map[string]struct {
		annotations map[string]string
		want        TargetGroup
	}{
		"HTTP": {want: TargetGroup{Protocol: "HTTP", ProtocolVersion: "HTTP1", HealthCheck: HealthCheck{Protocol: "HTTP", Path: "/", Matcher: "200"}}},
		"HTTPS is checked with HTTPS": {
			map[string]string{keyBackendProtocol: "HTTPS"},
			TargetGroup{Protocol: "HTTPS", ProtocolVersion: "HTTP1", HealthCheck: HealthCheck{Protocol: "HTTPS", Path: "/", Matcher: "200"}},
		},
		"HTTPS checked with HTTP": {
			map[string]string{keyBackendProtocol: "HTTPS", keyHealthProtocol: "HTTP"},
			TargetGroup{Protocol: "HTTPS", ProtocolVersion: "HTTP1", HealthCheck: HealthCheck{Protocol: "HTTP", Path: "/", Matcher: "200"}},
		},
		"HTTP/2": {
			map[string]string{keyBackendProtocolVersion: "HTTP2", keySuccessCodes: "204", keyCertificates: https},
			TargetGroup{Protocol: "HTTP", ProtocolVersion: "HTTP2", HealthCheck: HealthCheck{Protocol: "HTTP", Path: "/", Matcher: "204"}},
		},
		"gRPC": {
			map[string]string{keyBackendProtocolVersion: "GRPC", keyCertificates: https},
			TargetGroup{Protocol: "HTTP", ProtocolVersion: "GRPC", HealthCheck: HealthCheck{Protocol: "HTTP", Path: "/AWS.ALB/healthcheck", Matcher: "12"}},
		},
		"gRPC, told how": {
			map[string]string{keyBackendProtocolVersion: "GRPC", keyHealthPath: "/a.B/c", keySuccessCodes: "0,12-99", keyCertificates: https},
			TargetGroup{Protocol: "HTTP", ProtocolVersion: "GRPC", HealthCheck: HealthCheck{Protocol: "HTTP", Path: "/a.B/c", Matcher: "0,12-99"}},
		},
	}
	names := map[string]bool{}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, _ := echoWorld(tt.annotations)
			m := w.build()[shop]
			require.Empty(t, m.Problems)
			tg := m.TargetGroups[echoID]
			require.Equal(t, tt.want, TargetGroup{Protocol: tg.Protocol, ProtocolVersion: tg.ProtocolVersion, HealthCheck: HealthCheck{
				Protocol: tg.HealthCheck.Protocol, Path: tg.HealthCheck.Path, Matcher: tg.HealthCheck.Matcher,
			}})
			names[tg.Name] = true
		})
	}
	require.Len(t, names, 4, "protocol and version are in the name")
}

func TestTargetGroupAttributes(t *testing.T) {
	tests := map[string]struct {
		value string
		fault string
	}{
		"some":                            {value: "deregistration_delay.timeout_seconds=0,stickiness.enabled=true"},
		"none":                            {value: ""},
		"longest delay":                   {value: "deregistration_delay.timeout_seconds=3600"},
		"longer delay":                    {value: "deregistration_delay.timeout_seconds=3601", fault: "deregistration_delay.timeout_seconds is a whole number from 0 to 3600"},
		"delay in words":                  {value: "deregistration_delay.timeout_seconds=1m", fault: "a whole number"},
		"no slow start":                   {value: "slow_start.duration_seconds=0"},
		"slow start":                      {value: "slow_start.duration_seconds=30"},
		"too fast a slow start":           {value: "slow_start.duration_seconds=29", fault: "0 or a whole number from 30 to 900"},
		"slow start of another algorithm": {value: "slow_start.duration_seconds=30,load_balancing.algorithm.type=weighted_random", fault: "slow_start.duration_seconds is 0 unless"},
		"another algorithm":               {value: "slow_start.duration_seconds=0,load_balancing.algorithm.type=weighted_random"},
		"unknown algorithm":               {value: "load_balancing.algorithm.type=fastest", fault: "round_robin or least_outstanding_requests or weighted_random"},
		"cookie for a week":               {value: "stickiness.lb_cookie.duration_seconds=604800"},
		"cookie of no time":               {value: "stickiness.app_cookie.duration_seconds=0", fault: "from 1 to 604800"},
		"yes":                             {value: "stickiness.enabled=yes", fault: "true or false"},
		"fail-over switched off":          {value: "target_group_health.dns_failover.minimum_healthy_targets.count=off"},
		"all targets":                     {value: "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage=101", fault: "off or a whole number from 1 to 100"},
		"new at AWS":                      {value: "quantum.enabled=maybe"},
		"no pairs":                        {value: "stickiness", fault: `pairs like "a=b,c=d"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, _ := echoWorld(map[string]string{keyTargetGroupAttributes: tt.value})
			m := w.build()[shop]
			require.Equal(t, tt.fault != "", m.Hold)
			if tt.fault != "" {
				require.Equal(t, keyTargetGroupAttributes, m.Problems[0].Field)
				require.Contains(t, m.Problems[0].Message, tt.fault)
				return
			}
			require.Empty(t, m.Problems)
			want, _ := splitPairs(tt.value)
			require.Equal(t, want, m.TargetGroups[echoID].Attributes)
		})
	}
	w, svc := echoWorld(map[string]string{keyTargetGroupAttributes: "stickiness.enabled=true,stickiness.type=lb_cookie"})
	svc.Annotations[keyTargetGroupAttributes] = "stickiness.enabled=false"
	require.Equal(t, map[string]string{"stickiness.enabled": "false"}, w.build()[shop].TargetGroups[echoID].Attributes, "as a whole")
}

func TestTargetGroupTags(t *testing.T) {
	w, svc := echoWorld(map[string]string{keyTags: "team=a,env=test"})
	svc.Annotations[keyTags] = "team=b,ingress.k8s.aws/stack=stolen"
	w.settings.DefaultTags = map[string]string{"owner": "us"}
	require.Equal(t, map[string]string{
		"team": "b", "env": "test", "owner": "us",
		TagCluster: "demo", TagStack: "shop", TagResource: echoID,
	}, w.build()[shop].TargetGroups[echoID].Tags)

	w.settings.ExternalManagedTags = []string{"team"}
	w.ingresses[0].Annotations[keyTags] = "env=test"
	m := w.build()[shop]
	require.True(t, m.Hold)
	require.Equal(t, keyTags, m.Problems[0].Field)
	require.Contains(t, m.Problems[0].Message, `Service demo0/echo: annotation `+keyTags+`: the tag "team" is managed by others`)
}

func TestTargetTypes(t *testing.T) {
	w, svc := echoWorld(nil)
	delete(w.ingresses[0].Annotations, keyTargetType)
	message := func() string {
		m := w.build()[shop]
		if !m.Hold {
			require.Empty(t, m.Problems)
			return ""
		}
		require.Equal(t, ReasonUnsupportedTargetType, m.Problems[0].Reason)
		require.Equal(t, keyTargetType, m.Problems[0].Field)
		return m.Problems[0].Message
	}
	require.Contains(t, message(), "target type instance, the default, is not supported yet, only ip is")
	w.settings.DefaultTargetType = ""
	require.Contains(t, message(), "target type instance, the default,")
	w.settings.DefaultTargetType = "ip"
	require.Empty(t, message())
	svc.Annotations[keyTargetType] = "instance"
	require.Contains(t, message(), `Service demo0/echo: annotation `+keyTargetType+`: "instance" is not supported yet`)
}

// The class wins over Service and Ingress.
func TestTargetTypeOfTheClass(t *testing.T) {
	w, svc := echoWorld(nil)
	svc.Annotations[keyTargetType] = "instance"
	g := w.groups()[0]
	g.Params = map[types.NamespacedName]*ClassParams{{Namespace: "demo0", Name: "web"}: {Name: "ours", Spec: ClassParamsSpec{TargetType: "ip"}}}
	require.Empty(t, Build(w.input(g)).Problems)
	g.Params[types.NamespacedName{Namespace: "demo0", Name: "web"}].Spec.TargetType = "instance"
	p := Build(w.input(g)).Problems[0]
	require.Equal(t, "IngressClassParams.spec.targetType", p.Field)
	require.Contains(t, p.Message, `IngressClassParams.spec.targetType of "ours": "instance" is not supported yet`)
}

func TestPorts(t *testing.T) {
	w, svc := echoWorld(nil)
	ports := func() []intstr.IntOrString { return w.build()[shop].TargetGroups[echoID].Ports }
	require.Equal(t, []intstr.IntOrString{intstr.FromInt32(80)}, ports())
	svc.Spec.Ports[0].TargetPort = intstr.FromString("web")
	require.Equal(t, []intstr.IntOrString{intstr.FromString("web")}, ports())
	svc.Annotations[keyHealthPort] = "9000"
	require.Equal(t, []intstr.IntOrString{intstr.FromString("web"), intstr.FromInt32(9000)}, ports())
	svc.Spec.Ports[0].TargetPort = intstr.FromInt32(9000)
	require.Equal(t, []intstr.IntOrString{intstr.FromInt32(9000)}, ports())

	w.settings.DisableRestrictedRules = true
	tg := w.build()[shop].TargetGroups[echoID]
	require.True(t, tg.AllPorts)
	require.Empty(t, tg.Ports)

	w.ingresses[0].Annotations[keySecurityGroups] = "sg-1"
	tg = w.build()[shop].TargetGroups[echoID]
	require.False(t, tg.AllPorts, "nobody asked us to see to the pods")
	w.settings.DisableRestrictedRules = false
	require.Empty(t, ports())
}

func TestFamilies(t *testing.T) {
	const v4, v6 = corev1.IPv4Protocol, corev1.IPv6Protocol
	tests := map[string]struct {
		families []corev1.IPFamily
		balancer string
		want     string // "": the member is bad
	}{
		"none told":                    {nil, "", "ipv4"},
		"IPv4":                         {[]corev1.IPFamily{v4}, "dualstack", "ipv4"},
		"both, LB of IPv4":             {[]corev1.IPFamily{v4, v6}, "", "ipv4"},
		"both, LB of both":             {[]corev1.IPFamily{v4, v6}, "dualstack", "ipv6"},
		"IPv6, LB of both":             {[]corev1.IPFamily{v6}, "dualstack-without-public-ipv4", "ipv6"},
		"IPv6, LB of IPv4":             {[]corev1.IPFamily{v6}, "", ""},
		"IPv6, LB of IPv4, in so many": {[]corev1.IPFamily{v6}, "ipv4", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, svc := echoWorld(nil)
			svc.Spec.IPFamilies = tt.families
			if tt.balancer != "" {
				w.ingresses[0].Annotations[keyAddressType] = tt.balancer
			}
			m := w.build()[shop]
			if tt.want == "" {
				require.True(t, m.Hold)
				require.Equal(t, keyAddressType, m.Problems[0].Field)
				require.Contains(t, m.Problems[0].Message, "must be dualstack for Service demo0/echo, which has IPv6 addresses alone")
				return
			}
			require.Empty(t, m.Problems)
			require.Equal(t, tt.want, m.TargetGroups[echoID].IPAddressType)
		})
	}
}

// Other clusters' targets stay, even while the member is bad, and while nobody can read
// whether there are any.
func TestMultiCluster(t *testing.T) {
	w, svc := echoWorld(nil)
	shared := func() bool { return w.build()[shop].TargetGroups[echoID].MultiCluster }
	require.False(t, shared())
	svc.Annotations[keyMultiCluster] = "true"
	require.True(t, shared())

	w.standing[shop] = standing{Standing: Standing{Rules: []StandingRule{{Port: 80, Action: forwardTo(echoID)}}}}
	svc.Annotations[keyHealthPath] = "health"
	require.True(t, w.build()[shop].TargetGroups[echoID].Kept)
	require.True(t, shared())
	svc.Annotations[keyMultiCluster] = "yes"
	require.True(t, shared())
	svc.Annotations[keyMultiCluster] = "false"
	require.False(t, shared())
	delete(svc.Annotations, keyMultiCluster)
	w.ingresses[0].Annotations[keyMultiCluster] = "true"
	require.True(t, shared())
	delete(w.services, types.NamespacedName{Namespace: "demo0", Name: "echo"})
	w.settings.TolerateMissingService = false
	require.True(t, shared())
}
