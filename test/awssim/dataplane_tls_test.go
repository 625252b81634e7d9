package awssim

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// encrypt makes the first listener of a load balancer one of HTTPS.
func encrypt(s *Sim, lb *loadBalancer, policy string, certificates ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := lb.listeners[0]
	l.protocol, l.sslPolicy, l.certificates = "HTTPS", policy, certificates
	s.changed()
}

// shownTo is the certificate that a listener shows to who asks for a name, by its ARN.
func shownTo(t *testing.T, s *Sim, name string) string {
	t.Helper()
	raw, err := s.DialContext(t.Context(), "tcp", net.JoinHostPort(dns, "443"))
	require.NoError(t, err)
	roots, err := s.RootCAs()
	require.NoError(t, err)
	config := &tls.Config{ServerName: name, RootCAs: roots}
	if name == "" {
		config.InsecureSkipVerify = true
	}
	conn := tls.Client(raw, config)
	defer conn.Close()
	_ = conn.HandshakeContext(t.Context()) // The default certificate need not have the name.
	state := conn.ConnectionState()
	if len(state.PeerCertificates) == 0 {
		return "none valid"
	}
	return state.PeerCertificates[0].Subject.CommonName
}

func TestCertificateChoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := inBubble(t, Options{})
		arns := map[string]string{}
		for short, names := range map[string][]string{
			"default": {"example.com"}, "wild": {"*.example.com"}, "exact": {"shop.example.com", "Mixed.example.com"}, "other": {"example.org"},
		} {
			arn, err := s.AddCertificate(Certificate{Names: names})
			require.NoError(t, err)
			arns[short] = arn
		}
		lb := addBalancer(s, 443, fixedRule("200", "hello"))
		encrypt(s, lb, initialSSLPolicy, arns["default"], arns["wild"], arns["exact"])
		synctest.Wait()
		for name, want := range map[string]string{
			"example.com":       arns["default"],
			"shop.example.com":  arns["exact"],
			"MIXED.example.com": arns["exact"],
			"www.example.com":   arns["wild"],
			"a.b.example.com":   "none valid", // A wildcard stands for one label.
			"example.org":       "none valid", // Not a certificate of this listener.
			"":                  arns["default"],
		} {
			require.Equal(t, want, shownTo(t, s, name), name)
		}
		encrypt(s, lb, initialSSLPolicy, certARNOfNobody)
		require.Equal(t, certARNOfNobody, shownTo(t, s, "any.example.net"), "one that nobody described fits every name")
	})
}

const certARNOfNobody = "arn:aws:acm:ap-northeast-3:123456789012:certificate/x"

func TestHTTPSListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		startPod(t, n, "10.0.1.1:8080", func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Port", "X-Amzn-Tls-Version"} {
				_, _ = w.Write([]byte(r.Header.Get(name) + " "))
			}
		})
		lb := addBalancer(s, 443, always(g))
		lb.attributes["routing.http.x_amzn_tls_version_and_cipher_suite.enabled"] = "true"
		encrypt(s, lb, "ELBSecurityPolicy-TLS-1-2-2017-01", certARNOfNobody)
		register(t, s, g, "10.0.1.1")
		healthy(t)
		roots, err := s.RootCAs()
		require.NoError(t, err)
		client := clientOf(t, s)
		client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
		_, body := get(t, client, "https://"+dns+"/")
		require.Equal(t, "https 443 TLSv1.2 ", body, "the policy has no TLS 1.3")

		old := clientOf(t, s)
		old.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+dns+"/", http.NoBody)
		require.NoError(t, err)
		resp, err := old.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		require.ErrorContains(t, err, "protocol version")
	})
}
