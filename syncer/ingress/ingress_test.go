package ingress

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The digests come from sha256sum, not from this package:
// printf %s PARTS | sha256sum | head -c 10.
func TestNames(t *testing.T) {
	require.Equal(t, "k8s-ingressdemo-876f7e5e50",
		loadBalancerName("demo", GroupID{Name: "ingress-demo"}, schemeInternetFacing))
	require.Equal(t, "k8s-demo0-x-b1d57e8a2e",
		loadBalancerName("demo", GroupID{Namespace: "demo0", Name: "x"}, schemeInternal))
	require.Equal(t, "k8s-demo0-ingressd-8b5845648e",
		securityGroupName("demo", GroupID{Namespace: "demo0", Name: "ingress-demo0"}))
	require.Len(t, loadBalancerName("demo", GroupID{Name: strings.Repeat("x", 63)}, schemeInternal), 32)
	require.Len(t, loadBalancerName("demo", GroupID{Namespace: strings.Repeat("x", 63), Name: "a-b-c-d-e-f-g-h-i"}, schemeInternal), 32)
}

func TestFinalizer(t *testing.T) {
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "web"}}
	for _, id := range []GroupID{{Name: "shop"}, {Namespace: "demo0", Name: "web"}} {
		ing.Finalizers = append(ing.Finalizers, Finalizer(id))
	}
	require.Equal(t, []string{"group.ingress.k8s.aws/shop", "ingress.k8s.aws/resources"}, ing.Finalizers)
	ing.Finalizers = append(ing.Finalizers, ing.Finalizers...)
	require.Equal(t, []GroupID{{Name: "shop"}, {Namespace: "demo0", Name: "web"}}, heldGroups(ing))
}

// TestDecidingAnnotations: whoever asks for something that matters is not served
// without it.
func TestDecidingAnnotations(t *testing.T) {
	tests := map[string]struct {
		key, value string
		onService  bool
		want       bool
	}{
		"authentication":                {key: "auth-type", value: "oidc", want: true},
		"no authentication":             {key: "auth-type", value: "none"},
		"authentication on the Service": {key: "auth-type", value: "oidc", onService: true, want: true},
		"a detail of authentication":    {key: "auth-scope", value: "openid"},
		"tokens":                        {key: "jwt-validation", value: "{}", want: true},
		"client certificates":           {key: "mutual-authentication", value: `[{"port":443,"mode":"verify"},{"port":80,"mode":"off"}]`, want: true},
		"no client certificates":        {key: "mutual-authentication", value: `[{"port":443,"mode":"off"}]`},
		"unreadable":                    {key: "mutual-authentication", value: `off`, want: true},
		"regular expressions":           {key: "use-regex-path-match", value: "true", want: true},
		"no regular expressions":        {key: "use-regex-path-match", value: "false"},
		"other requests":                {key: "transforms.web", value: "[]", want: true},
		"firewall":                      {key: "wafv2-acl-arn", value: "arn:aws:wafv2:x", want: true},
		"no firewall":                   {key: "wafv2-acl-arn", value: "none"},
		"another way in, beside":        {key: "enable-frontend-nlb", value: "true"},
		"no other way in":               {key: "enable-frontend-nlb", value: "false"},
		"a detail of another way in":    {key: "frontend-nlb-scheme", value: "internal"},
		"without meaning on a Service":  {key: "wafv2-acl-arn", value: "arn:aws:wafv2:x", onService: true},
		"a detail":                      {key: "minimum-load-balancer-capacity", value: "CapacityUnits=1"},
		"a detail on a Service":         {key: "target-control-port.web.80", value: "81", onService: true},
		"unknown":                       {key: "auth-typ", value: "oidc"},
		"supported":                     {key: "inbound-cidrs", value: "10.0.0.0/8"},
		"a family without a member":     {key: "transforms.", value: "[]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, decides(annotationPrefix+tt.key, tt.value, tt.onService))
		})
	}
	require.False(t, decides("auth-type", "oidc", false), "somebody else's")
}

func TestNearest(t *testing.T) {
	tests := map[string]string{
		"helthcheck-path":     "healthcheck-path",
		"target_type":         "target-type",
		"schema":              "scheme",
		"group-name":          "group.name",
		"healthcheck-timeout": "healthcheck-timeout-seconds",
		"inbound-cidr":        "inbound-cidrs",
		// As the post has it.
		"healthcheck-interval-second": "healthcheck-interval-seconds",
		"healthcheck-timeout-second":  "healthcheck-timeout-seconds",
		"healthy-threshold-coun":      "healthy-threshold-count",
		"unhealthy-threshold-coun":    "unhealthy-threshold-count",

		"x": "",
		"":  "",
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, want, nearest(name)) })
	}
	require.Equal(t, 3, distance("kitten", "sitting"))
	require.Equal(t, 4, distance("", "four"))
}

func TestPathPatterns(t *testing.T) {
	type kind = networkingv1.PathType
	tests := map[string]struct {
		path  string
		kind  kind
		want  []string
		fault string
	}{
		"exact":                 {path: "/a", kind: "Exact", want: []string{"/a"}},
		"exact with wildcard":   {path: "/a?", kind: "Exact", fault: "must not contain"},
		"prefix":                {path: "/a", kind: "Prefix", want: []string{"/a", "/a/*"}},
		"prefix with slash":     {path: "/a/", kind: "Prefix", want: []string{"/a", "/a/*"}},
		"prefix of all":         {path: "/", kind: "Prefix", want: []string{"/*"}},
		"prefix with wildcard":  {path: "/*", kind: "Prefix", fault: "must not contain"},
		"wildcard":              {path: "/a/*/b", kind: "ImplementationSpecific", want: []string{"/a/*/b"}},
		"longest exact":         {path: "/" + strings.Repeat("a", 127), kind: "Exact", want: []string{"/" + strings.Repeat("a", 127)}},
		"too long exact":        {path: "/" + strings.Repeat("a", 128), kind: "Exact", fault: "more than 128"},
		"too long once a /*":    {path: "/" + strings.Repeat("a", 126), kind: "Prefix", fault: "more than 128"},
		"character":             {path: "/a;b", kind: "Exact", fault: "contains a character"},
		"unknown type":          {path: "/a", kind: "Regex", fault: "unknown pathType"},
		"every path, any type":  {path: "", kind: "Prefix"},
		"all characters we can": {path: `/aZ09 -_.$/~"'@:+&`, kind: "Exact", want: []string{`/aZ09 -_.$/~"'@:+&`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, fault := pathPatterns(&networkingv1.HTTPIngressPath{Path: tt.path, PathType: &tt.kind})
			require.Equal(t, tt.want, got)
			require.Contains(t, fault, tt.fault)
			require.Equal(t, tt.fault == "", fault == "")
		})
	}
}

func TestHosts(t *testing.T) {
	tests := map[string]bool{
		"":                                true,
		"a.host.com":                      true,
		"*.host.com":                      true,
		"intranet":                        false,
		"a.host.c0m":                      false,
		"10.0.0.1":                        false,
		"a_b.com":                         false,
		strings.Repeat("a", 124) + ".com": true,
		strings.Repeat("a", 125) + ".com": false,
	}
	for host, ok := range tests {
		t.Run(host, func(t *testing.T) { require.Equal(t, ok, hostFault(host) == "", hostFault(host)) })
	}
}

// Wildcards are counted over all conditions of a rule.
func TestWildcards(t *testing.T) {
	tests := map[string]struct {
		host, path string
		blocked    bool
	}{
		"five":                {path: "/*a*b?c?d*"},
		"six":                 {path: "/*a*b?c?d*e*", blocked: true},
		"six with the host's": {host: "*.host.com", path: "/*a*b?c?d*", blocked: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ing := shopMember("web", map[string]string{keyTargetType: "ip"})
			ing.Spec.Rules = []networkingv1.IngressRule{{Host: tt.host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{Path: tt.path, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web"}}}},
			}}}}
			w := newWorld()
			w.ingresses = []*networkingv1.Ingress{ing}
			m := w.build()[shop]
			require.Equal(t, tt.blocked, m.Hold)
			if tt.blocked {
				require.Equal(t, ReasonInvalidPath, m.Problems[len(m.Problems)-1].Reason)
			}
		})
	}
}

// oneBackend builds an Ingress demo0/web with the default backend web:80.
func oneBackend(t *testing.T, onIngress, onService map[string]string) (*Model, *TargetGroup) {
	t.Helper()
	w := newWorld()
	w.ingresses = []*networkingv1.Ingress{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "web", Annotations: onIngress},
		Spec: networkingv1.IngressSpec{
			IngressClassName: new("alb"),
			DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80},
			}},
		},
	}}
	w.classes = []*networkingv1.IngressClass{{
		ObjectMeta: metav1.ObjectMeta{Name: "alb"}, Spec: networkingv1.IngressClassSpec{Controller: Controller},
	}}
	w.services[types.NamespacedName{Namespace: "demo0", Name: "web"}] = &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "web", Annotations: onService},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{
			{Name: "http", Port: 80},
			{Name: "admin", Port: 81, TargetPort: intstr.FromInt32(8081)},
			{Name: "odd", Port: 82, TargetPort: intstr.FromString("odd")},
		}},
	}
	m := w.build()["demo0/web"]
	require.NotNil(t, m)
	return m, m.TargetGroups["demo0/web-web:80"]
}

func TestTargetGroupSettings(t *testing.T) {
	tests := map[string]struct {
		key, value string
		blocked    bool
		got        func(*TargetGroup) any
		want       any
	}{
		"interval at least":       {key: keyHealthInterval, value: "6", got: func(g *TargetGroup) any { return g.HealthCheck.IntervalSeconds }, want: int32(6)},
		"interval at most":        {key: keyHealthInterval, value: "300", got: func(g *TargetGroup) any { return g.HealthCheck.IntervalSeconds }, want: int32(300)},
		"interval too long":       {key: keyHealthInterval, value: "301", blocked: true},
		"interval as timeout":     {key: keyHealthInterval, value: "5", blocked: true},
		"timeout below interval":  {key: keyHealthTimeout, value: "14", got: func(g *TargetGroup) any { return g.HealthCheck.TimeoutSeconds }, want: int32(14)},
		"timeout as interval":     {key: keyHealthTimeout, value: "15", blocked: true},
		"timeout too short":       {key: keyHealthTimeout, value: "1", blocked: true},
		"threshold":               {key: keyHealthyThreshold, value: "10", got: func(g *TargetGroup) any { return g.HealthCheck.HealthyThreshold }, want: int32(10)},
		"threshold too low":       {key: keyUnhealthyThreshold, value: "1", blocked: true},
		"threshold not a number":  {key: keyUnhealthyThreshold, value: "two", blocked: true},
		"check on a port":         {key: keyHealthPort, value: "65535", got: func(g *TargetGroup) any { return g.HealthCheck.Port }, want: "65535"},
		"check on a named port":   {key: keyHealthPort, value: "admin", got: func(g *TargetGroup) any { return g.HealthCheck.Port }, want: "8081"},
		"check on traffic port":   {key: keyHealthPort, value: "traffic-port", got: func(g *TargetGroup) any { return g.HealthCheck.Port }, want: "traffic-port"},
		"check port out of range": {key: keyHealthPort, value: "65536", blocked: true},
		"check port of no number": {key: keyHealthPort, value: "odd", blocked: true},
		"check port empty":        {key: keyHealthPort, value: "", blocked: true},
		"path":                    {key: keyHealthPath, value: "/a?b=c", got: func(g *TargetGroup) any { return g.HealthCheck.Path }, want: "/a?b=c"},
		"path too long":           {key: keyHealthPath, value: "/" + strings.Repeat("a", 1024), blocked: true},
		"protocol":                {key: keyHealthProtocol, value: "HTTPS", got: func(g *TargetGroup) any { return g.HealthCheck.Protocol }, want: "HTTPS"},
		"protocol in small":       {key: keyHealthProtocol, value: "https", blocked: true},
		"codes":                   {key: keySuccessCodes, value: "200,204-206", got: func(g *TargetGroup) any { return g.HealthCheck.Matcher }, want: "200,204-206"},
		"codes of the server":     {key: keySuccessCodes, value: "500", blocked: true},
		"target port unset":       {key: keyHealthPath, value: "/", got: func(g *TargetGroup) any { return g.Port }, want: int32(80)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, tg := oneBackend(t, map[string]string{keyTargetType: "ip", tt.key: tt.value}, nil)
			if tt.blocked {
				require.True(t, m.Hold)
				require.Equal(t, tt.key, m.Problems[0].Field)
				require.Contains(t, m.Problems[0].Message, tt.key)
				return
			}
			require.Empty(t, m.Problems)
			require.Equal(t, tt.want, tt.got(tg))
		})
	}
}

func TestServiceAnnotationWins(t *testing.T) {
	m, tg := oneBackend(t,
		map[string]string{keyTargetType: "instance", keyHealthPath: "/ingress"},
		map[string]string{keyTargetType: "ip", keyHealthPath: "/service"})
	require.Empty(t, m.Problems)
	require.Equal(t, "/service", tg.HealthCheck.Path)

	m, _ = oneBackend(t, map[string]string{keyTargetType: "ip"}, map[string]string{keyTargetType: "instance"})
	require.True(t, m.Hold)
	require.Contains(t, m.Problems[0].Message, "Service demo0/web: ")
}

// "a-b/x" comes before "a/x": names are compared as one string.
func TestMembersOrder(t *testing.T) {
	w := newWorld()
	for _, key := range []string{"a/x", "a-b/x", "z/first", "a/last"} {
		ns, name, _ := strings.Cut(key, "/")
		ing := shopMember(name, nil)
		ing.Namespace = ns
		switch name {
		case "first":
			ing.Annotations[keyGroupOrder] = "-1000"
		case "last":
			ing.Annotations[keyGroupOrder] = "1000"
		}
		w.ingresses = append(w.ingresses, ing)
	}
	slices.Reverse(w.ingresses)
	groups := w.groups()
	require.Len(t, groups, 1)
	require.Empty(t, groups[0].Problems)
	require.Equal(t, []string{"z/first", "a-b/x", "a/x", "a/last"}, names(groups[0].Members))
}

func TestConditionsKey(t *testing.T) {
	a := []Condition{{Field: fieldHost, Values: []string{"a"}}, {Field: fieldPath, Values: []string{"/a", "/a/*"}}}
	b := []Condition{{Field: fieldPath, Values: []string{"/a/*", "/a"}}, {Field: fieldHost, Values: []string{"a"}}}
	c := []Condition{{Field: fieldHost, Values: []string{"a"}}, {Field: fieldPath, Values: []string{"/a"}}}
	require.Equal(t, conditionsKey(a), conditionsKey(b))
	require.NotEqual(t, conditionsKey(a), conditionsKey(c))
}

func TestNoLegacyClass(t *testing.T) {
	w := newWorld()
	w.ingresses = []*networkingv1.Ingress{shopMember("a", nil)}
	require.Len(t, w.groups()[0].Members, 1)
	w.settings.IngressClass = ""
	require.Empty(t, w.groups()[0].Members)
	w.ingresses[0].Annotations[legacyClassKey] = ""
	require.Len(t, w.groups()[0].Members, 1, "it has no class")
	delete(w.ingresses[0].Annotations, legacyClassKey)
	require.Len(t, w.groups()[0].Members, 1, "it has no class")
	w.ingresses[0].Spec.IngressClassName = new("foreign")
	w.classes = []*networkingv1.IngressClass{{ObjectMeta: metav1.ObjectMeta{Name: "foreign"}}}
	require.Empty(t, w.groups()[0].Members)
	w.settings.IngressClass = "alb"
	w.ingresses[0].Spec.IngressClassName = nil
	require.Empty(t, w.groups()[0].Members, "a class is asked for")
}
