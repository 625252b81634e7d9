package ingress

import (
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
)

func TestCertificateIsFor(t *testing.T) {
	tests := map[string]struct {
		domain, host string
		want         bool
	}{
		"same":                    {domain: "host.com", host: "host.com", want: true},
		"in any case":             {domain: "Host.com", host: "hOst.com", want: true},
		"wildcard":                {domain: "*.host.com", host: "a.host.com", want: true},
		"wildcard, in any case":   {domain: "*.Host.com", host: "a.host.com", want: true},
		"wildcard, two labels":    {domain: "*.host.com", host: "a.b.host.com"},
		"wildcard, no label":      {domain: "*.host.com", host: "host.com"},
		"wildcard for a wildcard": {domain: "*.host.com", host: "*.host.com", want: true},
		"host for a wildcard":     {domain: "a.host.com", host: "*.host.com"},
		"no dot":                  {domain: "*.", host: "host"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Certificate{Domains: []string{"x.org", tt.domain}}
			require.Equal(t, tt.want, c.isFor(tt.host))
		})
	}
}

// ACM is read only where a certificate has to be found.
func TestNeedsCertificates(t *testing.T) {
	host := []networkingv1.IngressRule{{Host: "host.com"}}
	tests := map[string]struct {
		annotations map[string]string
		rules       []networkingv1.IngressRule
		tls         []networkingv1.IngressTLS
		want        bool
	}{
		"HTTP":                    {rules: host},
		"HTTPS":                   {annotations: map[string]string{keyListenPorts: listenHTTPS}, rules: host, want: true},
		"HTTPS with spec.tls":     {annotations: map[string]string{keyListenPorts: listenHTTPS}, tls: []networkingv1.IngressTLS{{Hosts: []string{"host.com"}}}, want: true},
		"HTTPS without a host":    {annotations: map[string]string{keyListenPorts: listenHTTPS}, rules: []networkingv1.IngressRule{{}}},
		"named":                   {annotations: map[string]string{keyListenPorts: listenHTTPS, keyCertificates: someCert}, rules: host},
		"named, without ports":    {annotations: map[string]string{keyCertificates: someCert}, rules: host},
		"ports cannot be read":    {annotations: map[string]string{keyListenPorts: "x"}, rules: host},
		"HTTP beside HTTPS, both": {annotations: map[string]string{keyListenPorts: allListening}, rules: host, want: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ing := newcomer(tt.annotations)
			ing.Name, ing.Spec.Rules, ing.Spec.TLS = "a", tt.rules, tt.tls
			w := newWorld()
			w.ingresses = []*networkingv1.Ingress{ing}
			in := w.input(w.groups()[0])
			asked := false
			in.Certificates = func() ([]Certificate, bool) { asked = true; return nil, true }
			require.Equal(t, tt.want, NeedsCertificates(in))
			Build(in)
			require.Equal(t, tt.want, asked)
		})
	}
}

// While ACM does not answer, who was served keeps what stands, and the others go on.
func TestUnreadableCertificates(t *testing.T) {
	w := newWorld()
	found := shopMember("a", map[string]string{keyListenPorts: listenHTTPS})
	found.Spec.Rules = []networkingv1.IngressRule{{Host: "host.com"}}
	w.ingresses = []*networkingv1.Ingress{found, shopMember("b", map[string]string{keyCertificates: anotherCert})}
	w.standing[shop] = standing{Standing: Standing{Listeners: []StandingListener{{Port: 443, Protocol: protocolHTTPS, Certificates: []string{someCert}}}}}
	w.unreadable = true
	m := w.build()[shop]
	require.Equal(t, []string{"a"}, blockedNames(m))
	require.Equal(t, ReasonCertificateNotFound, m.Problems[0].Reason)
	require.Equal(t, []string{someCert, anotherCert}, m.LoadBalancer.Listeners[0].Certificates)

	in := w.input(w.groups()[0])
	in.Certificates = nil
	require.Equal(t, m, Build(in))
}
