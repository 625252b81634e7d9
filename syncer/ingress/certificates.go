package ingress

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// Certificate is one that ACM holds, issued.
type Certificate struct {
	ARN     string
	Domains []string // those that it is for; *.x is for one more label
}

// NeedsCertificates reports whether a member of the group leaves it to us to find its
// certificates: only then Input.Certificates is looked at.
func NeedsCertificates(in Input) bool {
	b := &builder{in: in}
	return slices.ContainsFunc(in.Group.Members, func(ing *networkingv1.Ingress) bool {
		m := b.newMember(ing)
		b.readPorts(m)
		return m.discovers()
	})
}

// discovers reports whether certificates are to be found for the member.
func (m *member) discovers() bool {
	return m.listensHTTPS() && len(m.reader().list(keyCertificates)) == 0 && len(m.hosts()) > 0
}

func (m *member) listensHTTPS() bool {
	for _, protocol := range m.ports {
		if protocol == protocolHTTPS {
			return true
		}
	}
	return false
}

// hosts are all that the member has, sorted.
func (m *member) hosts() []string {
	var hosts []string
	for i := range m.ing.Spec.Rules {
		hosts = append(hosts, m.ing.Spec.Rules[i].Host)
	}
	for i := range m.ing.Spec.TLS {
		hosts = append(hosts, m.ing.Spec.TLS[i].Hosts...)
	}
	slices.Sort(hosts)
	return slices.DeleteFunc(slices.Compact(hosts), func(host string) bool { return host == "" })
}

// readCertificates reads the certificates of the member's HTTPS listeners: those it
// names, or those that ACM has for its hosts.
func (b *builder) readCertificates(m *member) {
	named := m.reader().list(keyCertificates)
	for _, arn := range named {
		if strings.Count(arn, ":") < 5 || !strings.HasPrefix(arn, "arn:") {
			m.invalid(keyCertificates, arn, "the ARN of a certificate, or several with commas between them")
			continue
		}
		m.certificates = append(m.certificates, arn)
	}
	if m.discovers() {
		b.discover(m)
	}
}

// discover finds the certificates for the member's hosts. All that match are used, in
// the order of their ARNs, as the AWS Load Balancer Controller does.
func (b *builder) discover(m *member) {
	const field = "spec.tls"
	var held []Certificate
	ok := b.in.Certificates != nil
	if ok {
		held, ok = b.in.Certificates()
	}
	if !ok {
		m.block(ReasonCertificateNotFound, field, "%s: the certificates of ACM could not be read; the annotation %s can name them", field, keyCertificates)
		return
	}
	for _, host := range m.hosts() {
		found := false
		for i := range held {
			if held[i].isFor(host) {
				found = true
				m.certificates = append(m.certificates, held[i].ARN)
			}
		}
		if !found {
			m.block(ReasonCertificateNotFound, field, "%s: no certificate found for host: %s", field, host)
		}
	}
	slices.Sort(m.certificates)
	m.certificates = slices.Compact(m.certificates)
}

// isFor reports whether one of the domains is the host. A wildcard stands for one
// label.
func (c *Certificate) isFor(host string) bool {
	return slices.ContainsFunc(c.Domains, func(domain string) bool {
		if strings.EqualFold(domain, host) {
			return true
		}
		_, tail, ok := strings.Cut(host, ".")
		return ok && strings.EqualFold(domain, "*."+tail)
	})
}

// certificatesOf returns those of an HTTPS listener: the first one of the first member
// that has any is the default one. What stands stays while a bad member may be who
// needs it, in the place of one that listens here, else behind.
func (b *builder) certificatesOf(port int32) []string {
	var standing, arns []string
	if l := b.standingListener(port); l != nil {
		standing = l.Certificates
	}
	behind := false
	for _, m := range b.members {
		switch listens := b.listens(m, port); {
		case listens && m.bad && len(standing) > 0:
			arns = append(arns, standing...)
		case listens:
			arns = append(arns, m.certificates...)
		case m.bad && m.served:
			behind = true
		}
	}
	if behind {
		arns = append(arns, standing...)
	}
	return distinct(arns)
}

// distinct drops what came before.
func distinct(words []string) []string {
	var out []string
	for _, word := range words {
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

// lateCertificates blames the members of HTTPS listeners for which nobody has a
// certificate.
func (b *builder) lateCertificates() []lateFault {
	var faults []lateFault
	for _, m := range b.members {
		for _, port := range m.sortedPorts() {
			if m.bad || m.ports[port] != protocolHTTPS || len(b.certificatesOf(port)) > 0 {
				continue
			}
			faults = append(faults, lateFault{m, ReasonCertificateNotFound, keyCertificates, fmt.Sprintf(
				"annotation %s: no certificate found for HTTPS port %d: name one here, or hosts in spec.rules or spec.tls for which ACM has one",
				keyCertificates, port)})
			break
		}
	}
	return faults
}
