package ingress

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FuzzAnnotation gives one Ingress and its Service one annotation.
func FuzzAnnotation(f *testing.F) {
	for name := range annotations {
		key := annotationPrefix + name
		for _, value := range []string{
			"", "ip", "1", "-1", "99999999999999999999", "/a", "200-299,404", "internal", "http", "shop",
			"a=b,c=d", "10.0.0.0/8,::/0", "pl-1", "sg-1", "dualstack", "true", `[{"HTTP":80},{"HTTPS":443}]`, "arn:aws:acm:r:1:certificate/c",
		} {
			f.Add(key, value, false)
			f.Add(key, value, true)
		}
	}
	f.Add(annotationPrefix+"healthcheck-pat", "/", false)
	f.Add(legacyClassKey, "alb", false)
	f.Add(listenerKey(protocolHTTP, httpPort), "a=b", false)
	f.Fuzz(func(t *testing.T, key, value string, onService bool) {
		w := newWorld()
		ing := &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "web", Annotations: map[string]string{keyTargetType: "ip"}},
			Spec: networkingv1.IngressSpec{
				IngressClassName: new("alb"),
				DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
					Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80},
				}},
			},
		}
		svc := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "web", Annotations: map[string]string{}},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}}},
		}
		if onService {
			svc.Annotations[key] = value
		} else {
			ing.Annotations[key] = value
		}
		w.ingresses = []*networkingv1.Ingress{ing}
		w.classes = []*networkingv1.IngressClass{{
			ObjectMeta: metav1.ObjectMeta{Name: "alb"}, Spec: networkingv1.IngressClassSpec{Controller: Controller},
		}}
		w.services[types.NamespacedName{Namespace: "demo0", Name: "web"}] = svc
		for _, m := range w.build() {
			requireSound(t, m)
		}
	})
}

// FuzzParse gives the parsers anything: what they take they take again as they word it.
func FuzzParse(f *testing.F) {
	for _, raw := range []string{"", "a=b", `a=b\,c,d=e`, ",,", "a,b", "=", `\`} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		require.Equal(t, splitList(raw), splitList(strings.Join(splitList(raw), ",")))
		pairs, ok := splitPairs(raw)
		require.Equal(t, ok, pairs != nil)
		require.NotContains(t, pairs, "")
	})
}

// FuzzClassParams gives a class any spec.
func FuzzClassParams(f *testing.F) {
	f.Add([]byte(`{"scheme":"internal","listeners":[{"protocol":"HTTP","port":80}]}`))
	f.Add([]byte(`{"namespaceSelector":{"matchExpressions":[{"operator":"x"}]}}`))
	f.Add([]byte(`{"subnets":{"tags":{"a":[]}},"group":{"name":"x"},"certificateArn":["x"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var spec any
		if json.Unmarshal(raw, &spec) != nil {
			t.Skip("no JSON")
		}
		w := newWorld()
		w.params["alb"] = ReadClassParams("alb", map[string]any{"spec": spec})
		w.classes = []*networkingv1.IngressClass{{
			ObjectMeta: metav1.ObjectMeta{Name: "alb"},
			Spec: networkingv1.IngressClassSpec{
				Controller: Controller, Parameters: &networkingv1.IngressClassParametersReference{APIGroup: new(ClassParamsGroup), Kind: ClassParamsKind, Name: "alb"},
			},
		}}
		w.ingresses = []*networkingv1.Ingress{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "web"}, Spec: networkingv1.IngressSpec{IngressClassName: new("alb")},
		}}
		for _, m := range w.build() {
			requireSound(t, m)
		}
	})
}

// FuzzBuild takes the documents of a golden test.
func FuzzBuild(f *testing.F) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	require.NoError(f, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := parse(raw)
		if err != nil {
			t.Skip("not what kubectl would take")
		}
		for _, m := range w.build() {
			requireSound(t, m)
		}
	})
}

var awsName = regexp.MustCompile(`^[A-Za-z0-9-]{1,32}$`)

// requireSound checks what is true of every model.
func requireSound(t *testing.T, m *Model) {
	t.Helper()
	for _, p := range m.Problems {
		require.NotEmpty(t, p.Reason)
		require.NotEmpty(t, p.Field, p.Reason)
		require.Contains(t, p.Message, p.Field)
		require.NotEqual(t, types.NamespacedName{}, p.Ingress, p.Message)
	}
	used := map[string]bool{}
	note := func(a Action) {
		for _, share := range a.Forward {
			used[share.TargetGroup] = true
		}
	}
	redirected := false // some requests, so that other rules may be unreachable
	if lb := m.LoadBalancer; lb != nil {
		require.False(t, m.Hold)
		require.Regexp(t, awsName, lb.Name)
		require.NotEqual(t, len(lb.SecurityGroups.Named) == 0, lb.SecurityGroups.Managed == nil)
		require.Contains(t, []string{schemeInternal, schemeInternetFacing}, lb.Scheme)
		for _, l := range lb.Listeners {
			requireListener(t, l)
			note(l.DefaultAction)
			if !l.Kept {
				requireAction(t, m, l.DefaultAction)
			}
			for i, r := range l.Rules {
				require.EqualValues(t, i+1, r.Priority)
				require.Equal(t, fmt.Sprintf("%d:%d", l.Port, i+1), r.Tags[TagResource])
				requireConditions(t, r)
				note(r.Action)
				redirected = redirected || r.Action.Redirect != nil
				if r.Standing == "" {
					parts, fault := splitConditions(r.Conditions)
					require.Empty(t, fault)
					require.Len(t, parts, 1, "more than AWS takes")
					requireAction(t, m, r.Action)
				}
			}
		}
	}
	requireGroups(t, m, func(id string) bool { return used[id] || m.Hold || redirected })
}

// requireGroups: each is needed, and is as AWS takes it.
func requireGroups(t *testing.T, m *Model, needed func(id string) bool) {
	t.Helper()
	for id, tg := range m.TargetGroups {
		require.Equal(t, id, tg.ID)
		require.NotEmpty(t, tg.Service.Name)
		require.True(t, needed(id), "target group %s has no rule", id)
		if !tg.Kept {
			require.Regexp(t, awsName, tg.Name)
			require.Equal(t, id, tg.Tags[TagResource])
		}
	}
}

// requireConditions: there are some, and no more than AWS takes.
func requireConditions(t *testing.T, r Rule) {
	t.Helper()
	require.NotEmpty(t, r.Conditions)
	if r.Standing != "" {
		return // AWS has taken them
	}
	parts, fault := splitConditions(r.Conditions)
	require.Empty(t, fault)
	require.Len(t, parts, 1)
}

func requireListener(t *testing.T, l Listener) {
	t.Helper()
	require.Contains(t, []string{protocolHTTP, protocolHTTPS}, l.Protocol)
	require.Equal(t, l.Protocol == protocolHTTPS && !l.Kept, len(l.Certificates) > 0)
	require.Equal(t, l.Protocol == protocolHTTPS && !l.Kept, l.SSLPolicy != "")
}

func requireAction(t *testing.T, m *Model, a Action) {
	t.Helper()
	if len(a.Forward) == 0 {
		require.NotEqual(t, a.FixedResponse == nil, a.Redirect == nil)
		return
	}
	require.Nil(t, a.FixedResponse)
	for _, share := range a.Forward {
		if share.TargetGroup == "" {
			require.NotEqual(t, share.ARN == "", share.Name == "")
			continue
		}
		require.Contains(t, m.TargetGroups, share.TargetGroup)
	}
}
