package ingress

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// shopMember returns a served member of the group shop with the given annotations.
func shopMember(name string, annotations map[string]string) *networkingv1.Ingress {
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{
		Namespace: "demo0", Name: name, Finalizers: []string{"group.ingress.k8s.aws/shop"},
		Annotations: map[string]string{keyGroupName: shop, legacyClassKey: "alb"},
	}}
	maps.Copy(ing.Annotations, annotations)
	return ing
}

func TestBadMembersSay(t *testing.T) {
	wildcard := []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
		Paths: []networkingv1.HTTPIngressPath{{Path: "/*", PathType: new(networkingv1.PathTypePrefix)}},
	}}}}
	tests := map[string]struct {
		change   func(bad *networkingv1.Ingress)
		standing string
		want     string
	}{
		"served, keeps its say":           {want: schemeInternetFacing},
		"newcomer, has none":              {change: func(bad *networkingv1.Ingress) { bad.Finalizers = nil }, want: schemeInternal},
		"served, unreadable, stands":      {change: func(bad *networkingv1.Ingress) { bad.Annotations[keyScheme] = "x" }, standing: schemeInternetFacing, want: schemeInternetFacing},
		"served, unreadable, not created": {change: func(bad *networkingv1.Ingress) { bad.Annotations[keyScheme] = "x" }, want: schemeInternal},
		"newcomer, unreadable": {change: func(bad *networkingv1.Ingress) {
			bad.Annotations[keyScheme], bad.Finalizers = "x", nil
		}, standing: schemeInternetFacing, want: schemeInternal},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bad := shopMember("bad", map[string]string{keyScheme: schemeInternetFacing})
			bad.Spec.Rules = wildcard
			if tt.change != nil {
				tt.change(bad)
			}
			w := newWorld()
			w.ingresses = []*networkingv1.Ingress{bad, shopMember("good", nil)}
			w.standing[shop] = standing{Standing: Standing{Scheme: tt.standing}}
			m := w.build()[shop]
			require.Equal(t, tt.want, m.LoadBalancer.Scheme)
		})
	}
}

// A rule that nothing tells the owner of stays behind the rule before it.
func TestRuleWithoutOwner(t *testing.T) {
	fixed := func(priority int32, path string) StandingRule {
		return StandingRule{
			Port: 80, Priority: priority, Conditions: []Condition{{Field: fieldPath, Values: []string{path}}},
			Action: Action{FixedResponse: &FixedResponse{StatusCode: 503, ContentType: contentTypePlain}},
		}
	}
	forward := func(priority int32, ing string) StandingRule {
		return StandingRule{
			Port: 80, Priority: priority, Conditions: []Condition{{Field: fieldPath, Values: []string{"/" + ing}}},
			Action: forwardTo("demo0/" + ing + "-web:80"),
		}
	}
	tests := map[string]struct {
		standing []StandingRule
		want     []string
	}{
		"before all":                 {standing: []StandingRule{fixed(1, "/x"), forward(2, "b"), forward(3, "d")}, want: []string{"/x", "/b", "/c", "/d"}},
		"behind a bad one's":         {standing: []StandingRule{forward(1, "b"), fixed(2, "/x"), forward(3, "d")}, want: []string{"/b", "/x", "/c", "/d"}},
		"behind a good one's":        {standing: []StandingRule{forward(1, "b"), forward(2, "c"), fixed(3, "/x"), forward(4, "d")}, want: []string{"/b", "/c", "/x", "/d"}},
		"behind a stranger's":        {standing: []StandingRule{forward(1, "e"), fixed(2, "/x")}, want: []string{"/x", "/c"}},
		"a good one, then a bad one": {standing: []StandingRule{forward(1, "c"), fixed(2, "/x")}, want: []string{"/c", "/x"}},
		"a good one's, reshaped":     {standing: []StandingRule{forward(1, "b"), fixed(2, "/c")}, want: []string{"/b", "/c"}},
		"of another port":            {standing: []StandingRule{{Port: 443, Priority: 1, Action: forwardTo("demo0/b-web:80")}}, want: []string{"/c"}},
		"nobody has words for it":    {standing: []StandingRule{{Port: 80, Priority: 1, Conditions: conditions("", []string{"/x"}, nil)}}, want: []string{"/x", "/c"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			good := shopMember("c", nil)
			good.Annotations[keyTargetType] = "ip"
			good.Spec.Rules = []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{Path: "/c", Backend: networkingv1.IngressBackend{
					Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}},
				}}},
			}}}}
			w.ingresses = []*networkingv1.Ingress{
				good, shopMember("b", map[string]string{keyScheme: "x"}), shopMember("d", map[string]string{keyScheme: "x"}),
			}
			w.services[types.NamespacedName{Namespace: "demo0", Name: "web"}] = &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "web"},
				Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
			}
			w.standing[shop] = standing{Standing: Standing{Rules: tt.standing}}
			var got []string
			for _, r := range w.build()[shop].LoadBalancer.Listeners[0].Rules {
				got = append(got, r.Conditions[0].Values[0])
			}
			require.Equal(t, tt.want, got)
		})
	}
}

// "demo0/a-b-c:80" reads two ways; a Service that exists decides.
func TestOwnerOfAmbiguousTargetGroup(t *testing.T) {
	tests := map[string]struct {
		services []string
		want     types.NamespacedName
	}{
		"short name, Service b-c": {services: []string{"b-c"}, want: types.NamespacedName{Namespace: "demo0", Name: "b-c"}},
		"long name, Service c":    {services: []string{"c"}, want: types.NamespacedName{Namespace: "demo0", Name: "c"}},
		"neither exists":          {want: types.NamespacedName{Namespace: "demo0", Name: "c"}},
		"both exist":              {services: []string{"b-c", "c"}, want: types.NamespacedName{Namespace: "demo0", Name: "c"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			for _, s := range tt.services {
				w.services[types.NamespacedName{Namespace: "demo0", Name: s}] = &corev1.Service{}
			}
			bad := map[string]string{keyScheme: "x"}
			w.ingresses = []*networkingv1.Ingress{shopMember("a", bad), shopMember("a-b", bad)}
			const id = "demo0/a-b-c:http"
			w.standing[shop] = standing{Standing: Standing{Rules: []StandingRule{{Port: 80, Priority: 1, Action: forwardTo(id)}}}}
			m := w.build()[shop]
			require.True(t, m.Hold)
			require.Equal(t, map[string]*TargetGroup{
				id: {ID: id, Service: tt.want, ServicePort: intstr.FromString("http"), Kept: true},
			}, m.TargetGroups)
		})
	}
	_, _, ok := parseTargetGroupID("demo0/a-:80", types.NamespacedName{Namespace: "demo0", Name: "a"})
	require.False(t, ok)
	_, _, ok = parseTargetGroupID("demo0/a-web:", types.NamespacedName{Namespace: "demo0", Name: "a"})
	require.False(t, ok)
}

// With no bad member left to stand behind, a rule that nothing tells the owner of
// is kept all the same; and a good member's default backend is used.
func TestRuleWithoutOwnerBehindAll(t *testing.T) {
	w := newWorld()
	w.ingresses = []*networkingv1.Ingress{shopMember("a", map[string]string{keyScheme: "x"}), shopMember("b", nil)}
	nobody := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "nobody"}}
	w.ingresses[1].Spec.DefaultBackend = &nobody
	w.ingresses[1].Spec.Rules = []networkingv1.IngressRule{{Host: "b.host.com", IngressRuleValue: networkingv1.IngressRuleValue{
		HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Backend: nobody}}},
	}}}
	gone := &FixedResponse{StatusCode: 503}
	w.standing[shop] = standing{Standing: Standing{Rules: []StandingRule{
		{Port: 80, Priority: 0, Action: forwardTo("demo0/a-web:80")},
		{Port: 80, Priority: 6, Conditions: conditions("b.host.com", nil, nil), Action: Action{FixedResponse: gone}},
		{Port: 80, Priority: 7, Conditions: conditions("", nil, nil), Action: Action{FixedResponse: gone}},
	}}}
	m := w.build()[shop]
	l := m.LoadBalancer.Listeners[0]
	require.Len(t, l.Rules, 2)
	require.Equal(t, conditions("", nil, nil), l.Rules[0].Conditions)
	require.Equal(t, 503, l.DefaultAction.FixedResponse.StatusCode)
	require.Empty(t, m.TargetGroups)
}

func TestStandingDefaultAction(t *testing.T) {
	teapot := &FixedResponse{StatusCode: 418, ContentType: contentTypePlain}
	tests := map[string]struct {
		backend  bool
		ports    string
		standing StandingRule
		want     Action
	}{
		"forwards to the bad one":       {standing: StandingRule{Action: forwardTo("demo0/bad-web:80")}, want: forwardTo("demo0/bad-web:80")},
		"forwards to a stranger":        {standing: StandingRule{Action: forwardTo("demo0/gone-web:80")}, want: fixedResponse(404, "")},
		"fixed, and it has a backend":   {backend: true, standing: StandingRule{Action: Action{FixedResponse: teapot}}, want: Action{FixedResponse: teapot}},
		"fixed, and it moved away":      {backend: true, ports: `[{"HTTP":81}]`, standing: StandingRule{Action: Action{FixedResponse: teapot}}, want: Action{FixedResponse: teapot}},
		"fixed, and nobody has backend": {standing: StandingRule{Action: Action{FixedResponse: teapot}}, want: fixedResponse(404, "")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.ingresses = []*networkingv1.Ingress{shopMember("bad", map[string]string{keyScheme: "x"}), shopMember("good", nil)}
			if tt.ports != "" {
				w.ingresses[0].Annotations[keyListenPorts] = tt.ports
			}
			if tt.backend {
				w.ingresses[0].Spec.DefaultBackend = &networkingv1.IngressBackend{}
			}
			tt.standing.Port = 80
			w.standing[shop] = standing{Standing: Standing{Rules: []StandingRule{tt.standing}}}
			require.Equal(t, tt.want, w.build()[shop].LoadBalancer.Listeners[0].DefaultAction)
		})
	}
}

// A target group ID that only a bad member asks for is free.
func TestBadMemberOwnsNoTargetGroup(t *testing.T) {
	w := newWorld()
	backend := func(name string) *networkingv1.IngressBackend {
		return &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
			Name: name, Port: networkingv1.ServiceBackendPort{Number: 80},
		}}
	}
	for _, name := range []string{"b-c", "c"} {
		w.services[types.NamespacedName{Namespace: "demo0", Name: name}] = &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: name},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
		}
	}
	bad := shopMember("a", map[string]string{keyTargetType: "ip", keyScheme: "x"})
	bad.Spec.Rules = []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
		Paths: []networkingv1.HTTPIngressPath{{Backend: *backend("b-c")}},
	}}}}
	good := shopMember("a-b", map[string]string{keyTargetType: "ip"})
	good.Spec.DefaultBackend = backend("c")
	w.ingresses = []*networkingv1.Ingress{bad, good}
	m := w.build()[shop]
	require.Equal(t, "c", m.TargetGroups["demo0/a-b-c:80"].Service.Name)
	require.False(t, blocked(m, good))
}

// A 503 that a good member asked for goes with it, even if bad ones ask for the
// same.
func TestGoodMemberAccountsForRule(t *testing.T) {
	w := newWorld()
	for _, name := range []string{"a", "b", "c"} {
		ing := shopMember(name, map[string]string{keyTargetType: "ip"})
		ing.Spec.Rules = []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Backend: networkingv1.IngressBackend{
				Service: &networkingv1.IngressServiceBackend{Name: "nobody"},
			}}},
		}}}}
		if name != "b" {
			ing.Annotations[keyScheme] = "x"
		}
		w.ingresses = append(w.ingresses, ing)
	}
	w.standing[shop] = standing{Standing: Standing{Rules: []StandingRule{
		{Port: 80, Priority: 1, Conditions: conditions("", nil, nil), Action: Action{FixedResponse: &FixedResponse{StatusCode: 503}}},
	}}}
	require.Len(t, w.build()[shop].LoadBalancer.Listeners[0].Rules, 1)
}
