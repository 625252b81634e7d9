package awssim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"
)

// authority signs what the listeners of a world show. There is one certificate for
// each ARN, made when a client first meets it.
type authority struct {
	mu     sync.Mutex // guards all below
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	issued map[string]*tls.Certificate // by ARN and names
}

// Certificates are valid at all times that a test can be in.
var (
	validFrom  = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	validUntil = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// RootCAs are what a client has to trust to talk to HTTPS listeners.
func (s *Sim) RootCAs() (*x509.CertPool, error) {
	a := &s.world.authority
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.foundLocked(); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool, nil
}

// foundLocked makes the authority's own certificate, once.
func (a *authority) foundLocked() error {
	if a.cert != nil {
		return nil
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "awssim"}, NotBefore: validFrom, NotAfter: validUntil,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.key, a.issued = key, map[string]*tls.Certificate{}
	return nil
}

// certificate is what a listener shows for an ARN.
func (a *authority) certificate(arn string, names []string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.foundLocked(); err != nil {
		return nil, err
	}
	id := arn + " " + strings.Join(names, " ")
	if c := a.issued[id]; c != nil {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(a.issued)) + 2), Subject: pkix.Name{CommonName: arn}, DNSNames: names,
		NotBefore: validFrom, NotAfter: validUntil,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", arn, err)
	}
	a.issued[id] = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return a.issued[id], nil
}

var tlsVersions = map[string]uint16{
	"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
}

// tlsConfig is how a listener talks to a client: by its policy's versions, with the
// certificate that fits the name that the client asks for. Of a policy's suites the
// simulator knows nothing, and it speaks HTTP/1.1 alone.
func (p *port) tlsConfig(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	p.sim.mu.Lock()
	arn, names := p.sim.choiceLocked(p.listener, strings.ToLower(hello.ServerName))
	policy := slices.IndexFunc(sslPolicies, func(known sslPolicy) bool { return known.Name == p.listener.sslPolicy })
	p.sim.mu.Unlock()
	config := &tls.Config{NextProtos: []string{"http/1.1"}}
	if policy >= 0 {
		versions := sslPolicies[policy].SslProtocols
		config.MinVersion, config.MaxVersion = tlsVersions[versions[0]], tlsVersions[versions[len(versions)-1]]
	}
	shown, err := p.sim.world.authority.certificate(arn, names)
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{*shown}
	return config, nil
}

// choiceLocked is the certificate for a name: one that has the very name, else one with
// a wildcard for it, else the default one. A certificate that the account was not given
// has the names of its load balancer and whatever its client asks for.
func (s *Sim) choiceLocked(l *listener, name string) (arn string, names []string) {
	_, parent, _ := strings.Cut(name, ".")
	for _, wanted := range []string{name, "*." + parent} {
		for _, arn := range l.certificates {
			if c, ok := s.certificates[arn]; ok && containsFold(c.Names, wanted) {
				return arn, c.Names
			}
		}
	}
	if len(l.certificates) == 0 {
		return "", nil // The listener was made one of HTTP a moment ago.
	}
	arn = l.certificates[0]
	if c, ok := s.certificates[arn]; ok {
		return arn, c.Names
	}
	names = []string{l.lb.dnsName}
	if name != "" && name != l.lb.dnsName {
		names = append(names, name)
	}
	return arn, names
}

func containsFold(list []string, text string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, text) })
}
