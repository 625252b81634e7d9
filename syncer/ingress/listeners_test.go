package ingress

import (
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
)

const (
	listenHTTPS  = `[{"HTTPS":443}]`
	someCert     = "arn:aws:acm:eu-west-1:1:certificate/a"
	anotherCert  = "arn:aws:acm:eu-west-1:1:certificate/b"
	allListening = `[{"HTTP":80},{"HTTPS":443}]`
)

// shopOf builds the group shop of these members, in this order.
func shopOf(t *testing.T, members ...*networkingv1.Ingress) *Model {
	t.Helper()
	w := newWorld()
	for i, m := range members {
		m.Name = string(rune('a' + i))
	}
	w.ingresses = members
	m := w.build()[shop]
	require.NotNil(t, m)
	return m
}

func newcomer(annotations map[string]string) *networkingv1.Ingress {
	ing := shopMember("", annotations)
	ing.Finalizers = nil
	return ing
}

func withDefault(ing *networkingv1.Ingress) *networkingv1.Ingress {
	ing.Annotations[keyTargetType] = "ip"
	ing.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "nobody"}}
	return ing
}

// blockedNames are the names of the bad members, in the order of their problems.
func blockedNames(m *Model) []string {
	names := []string{}
	for _, p := range m.Problems {
		if p.Blocking {
			names = append(names, p.Ingress.Name)
		}
	}
	return names
}

// What shows only when all have spoken makes a member bad as if it had shown before:
// the word of a newcomer does not count then, and that of who was served does.
func TestLateFaults(t *testing.T) {
	tests := map[string]struct {
		members []*networkingv1.Ingress
		blocked []string
		scheme  string
	}{
		"a newcomer's word falls": {
			members: []*networkingv1.Ingress{
				newcomer(map[string]string{keySSLRedirect: "443", keyScheme: schemeInternetFacing}),
				shopMember("", map[string]string{keyScheme: schemeInternal}),
			},
			blocked: []string{"a"}, scheme: schemeInternal,
		},
		"a served one's stays": {
			members: []*networkingv1.Ingress{
				shopMember("", map[string]string{keySSLRedirect: "443", keyScheme: schemeInternetFacing}),
				shopMember("", map[string]string{keyScheme: schemeInternal}),
				shopMember("", nil),
			},
			blocked: []string{"a", "b"}, scheme: schemeInternetFacing,
		},
		"one fault leads to another": {
			members: []*networkingv1.Ingress{
				newcomer(map[string]string{keyListenPorts: listenHTTPS}),
				newcomer(map[string]string{keySSLRedirect: "443"}),
				newcomer(nil),
			},
			blocked: []string{"a", "b"}, scheme: schemeInternal,
		},
		"a certificate of a newcomer that is bad": {
			members: []*networkingv1.Ingress{
				newcomer(map[string]string{keyListenPorts: listenHTTPS}),
				newcomer(map[string]string{keyCertificates: someCert, keyScheme: "x"}),
				newcomer(nil),
			},
			blocked: []string{"a", "b"}, scheme: schemeInternal,
		},
		"two default backends, and no redirect after all": {
			members: []*networkingv1.Ingress{
				withDefault(newcomer(nil)), withDefault(newcomer(nil)), newcomer(map[string]string{keySSLRedirect: "443"}),
			},
			blocked: []string{"b", "c"}, scheme: schemeInternal,
		},
		"two default backends of which one is bad": {
			members: []*networkingv1.Ingress{
				withDefault(newcomer(map[string]string{keyScheme: "x"})), withDefault(newcomer(nil)),
			},
			blocked: []string{"a"}, scheme: schemeInternal,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := shopOf(t, tt.members...)
			require.ElementsMatch(t, tt.blocked, blockedNames(m))
			require.Equal(t, tt.scheme, m.LoadBalancer.Scheme)
		})
	}
}

func TestListenPorts(t *testing.T) {
	tests := map[string]struct {
		value string
		want  map[int32]string
		must  string
	}{
		"several in one": {value: `[{"HTTP":80,"HTTPS":65535}]`, want: map[int32]string{80: "HTTP", 65535: "HTTPS"}},
		"twice the same": {value: `[{"HTTP":80},{"HTTP":80}]`, want: map[int32]string{80: "HTTP"}},
		"empty":          {value: `[]`, must: "not empty"},
		"null":           {value: `null`, must: "not empty"},
		"two protocols":  {value: `[{"HTTP":80},{"HTTPS":80}]`, must: "one protocol for port 80"},
		"port 0":         {value: `[{"HTTP":0}]`, must: "ports from 1 to 65535"},
		"port too large": {value: `[{"HTTP":65536}]`, must: "ports from 1 to 65535"},
		"small letters":  {value: `[{"http":80}]`, must: "a list like"},
		"other protocol": {value: `[{"TCP":80}]`, must: "a list like"},
		"no list":        {value: `{"HTTP":80}`, must: "a list like"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := shopOf(t, newcomer(map[string]string{keyListenPorts: tt.value, keyCertificates: someCert}))
			if tt.must != "" {
				require.True(t, m.Hold)
				require.Equal(t, keyListenPorts, m.Problems[0].Field)
				require.Contains(t, m.Problems[0].Message, tt.must)
				return
			}
			got := map[int32]string{}
			for _, l := range m.LoadBalancer.Listeners {
				got[l.Port] = l.Protocol
			}
			require.Equal(t, tt.want, got)
		})
	}
}

// What a bad member keeps of a redirect is where it goes today.
func TestRedirectStays(t *testing.T) {
	for port, want := range map[string]bool{"443": true, "x": false} {
		t.Run(port, func(t *testing.T) {
			w := newWorld()
			w.ingresses = []*networkingv1.Ingress{shopMember("a", map[string]string{keySSLRedirect: "x"}), shopMember("b", nil)}
			w.standing[shop] = standing{Standing: Standing{Rules: []StandingRule{{
				Port: 80, Action: Action{Redirect: &Redirect{StatusCode: "HTTP_301", Protocol: protocolHTTPS, Port: port}},
			}}}}
			redirect := w.build()[shop].LoadBalancer.Listeners[0].DefaultAction.Redirect
			require.Equal(t, want, redirect != nil && redirect.Port == port && redirect.Path == "/#{path}")
		})
	}
}

// A switched-off backend security group cannot be asked for, and a group whose rules
// tgsync does not see to has no ports to open.
func TestBackendSecurityGroup(t *testing.T) {
	tests := map[string]struct {
		annotations map[string]string
		settings    func(*Settings)
		blocked     bool
		backend     bool
	}{
		"managed":                {backend: true},
		"managed, off":           {settings: func(s *Settings) { s.BackendSecurityGroup = false }},
		"managed, flag is moot":  {annotations: map[string]string{keyManageBackend: "false"}, backend: true},
		"named":                  {annotations: map[string]string{keySecurityGroups: "sg-1"}},
		"named, by setting":      {annotations: map[string]string{keySecurityGroups: "sg-1"}, settings: func(s *Settings) { s.ManageBackendRules = true }, backend: true},
		"named, flag wins":       {annotations: map[string]string{keySecurityGroups: "sg-1", keyManageBackend: "false"}, settings: func(s *Settings) { s.ManageBackendRules = true }},
		"named, flag":            {annotations: map[string]string{keySecurityGroups: "sg-1", keyManageBackend: "true"}, backend: true},
		"named, setting but off": {annotations: map[string]string{keySecurityGroups: "sg-1"}, settings: func(s *Settings) { s.ManageBackendRules, s.BackendSecurityGroup = true, false }},
		"named, flag but off": {
			annotations: map[string]string{keySecurityGroups: "sg-1", keyManageBackend: "true"},
			settings:    func(s *Settings) { s.BackendSecurityGroup = false }, blocked: true,
		},
		"empty list": {annotations: map[string]string{keySecurityGroups: " , "}, backend: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if tt.settings != nil {
				tt.settings(&w.settings)
			}
			w.ingresses = []*networkingv1.Ingress{newcomer(tt.annotations)}
			m := w.build()[shop]
			require.Equal(t, tt.blocked, m.Hold)
			if !tt.blocked {
				require.Equal(t, tt.backend, m.LoadBalancer.SecurityGroups.Backend)
			}
		})
	}
}

// The class of the first member whose word counts decides on attributes for all.
func TestClassOfFirstMember(t *testing.T) {
	w := newWorld()
	w.classes = []*networkingv1.IngressClass{{Spec: networkingv1.IngressClassSpec{
		Controller: Controller, Parameters: &networkingv1.IngressClassParametersReference{APIGroup: new(ClassParamsGroup), Kind: ClassParamsKind, Name: "p"},
	}}}
	w.classes[0].Name = "with"
	w.params["p"] = &ClassParams{Name: "p", Spec: ClassParamsSpec{Attributes: []ClassValue{{Key: "x", Value: "class"}}}}
	first, second := newcomer(nil), newcomer(map[string]string{keyAttributes: "x=own"})
	first.Name, second.Name = "a", "b"
	delete(first.Annotations, legacyClassKey)
	first.Spec.IngressClassName = new("with")
	w.ingresses = []*networkingv1.Ingress{first, second}
	m := w.build()[shop]
	require.Empty(t, m.Problems)
	require.Equal(t, map[string]string{"x": "class"}, m.LoadBalancer.Attributes)

	first.Annotations[keyScheme] = "x"
	m = w.build()[shop]
	require.Equal(t, []string{"a"}, blockedNames(m))
	require.Equal(t, map[string]string{"x": "own"}, m.LoadBalancer.Attributes)
}
