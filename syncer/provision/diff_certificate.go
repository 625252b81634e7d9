package provision

import (
	"context"
	"fmt"
	"slices"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// codeTooManyCertificates says that a load balancer has no room for one more
// certificate.
const codeTooManyCertificates = "TooManyCertificates"

// certify brings certificates and TLS policies of the listeners that encrypt to the
// model. What is new is there before what is old goes, so that every name that had a
// certificate and is to have one has it all the time: a default certificate that
// becomes one among others is added to the list first.
func (x *executor) certify(ctx context.Context, m *ingress.Model) error {
	for _, want := range m.LoadBalancer.Listeners {
		l := x.stack.balancer(m.LoadBalancer.Scheme).listeners[want.Port]
		if l == nil || want.Kept || l.Protocol != protocolHTTPS || len(want.Certificates) == 0 {
			continue // or nobody knows the certificates
		}
		if err := x.readCertificates(ctx, l); err != nil {
			return err
		}
		refused := len(x.refused)
		if err := x.addCertificates(ctx, l, &want); err != nil {
			return err
		}
		if err := x.run(ctx, diffSecurity(l, &want)); err != nil {
			return err
		}
		if len(x.refused) > refused {
			continue // what could not be had would have replaced something
		}
		if err := x.run(ctx, obsoleteCertificates(l, &want)); err != nil {
			return err
		}
	}
	return nil
}

// readCertificates reads the list of a listener. No model without certificates comes
// here, so every list is read: AWS may hold what nobody wants any more.
func (x *executor) readCertificates(ctx context.Context, l *listener) error {
	if l.listRead {
		return nil
	}
	return x.look(ctx, func(ctx context.Context) error { return l.readList(ctx, x.elb) })
}

// readList reads the list of a listener.
func (l *listener) readList(ctx context.Context, elb ELB) error {
	read, err := elb.DescribeListenerCertificates(ctx, l.ARN)
	if err != nil {
		return fmt.Errorf("listener %d: %w", l.Port, err)
	}
	l.certificates, l.listRead = read, true
	return nil
}

// readLists reads all lists of certificates, for a model that keeps what stands. What
// may not be read is not kept, nor taken away: a list that is not known is left alone.
func (p *pass) readLists(ctx context.Context, st *stack) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for _, b := range st.balancers {
		for _, port := range sortedPorts(b.listeners) {
			l := b.listeners[port]
			if l.Protocol != protocolHTTPS || l.listRead {
				continue
			}
			p.called = true
			if err := l.readList(ctx, p.o.ELB); err != nil && !isRefusal(err) {
				return err
			}
		}
	}
	return nil
}

// addCertificates adds what is missing from the list. If there is no room, what is
// not wanted makes some.
func (x *executor) addCertificates(ctx context.Context, l *listener, want *ingress.Listener) error {
	refused := len(x.refused)
	if err := x.run(ctx, missingCertificates(l, want)); err != nil {
		return err
	}
	old := obsoleteCertificates(l, want)
	full := slices.ContainsFunc(x.refused[refused:], func(err error) bool { return awsapi.Code(err) == codeTooManyCertificates })
	if !full || len(old) == 0 {
		return nil
	}
	x.refused = x.refused[:refused]
	if err := x.run(ctx, old); err != nil {
		return err
	}
	return x.run(ctx, missingCertificates(l, want))
}

// missingCertificates adds to a list what is to be in it. The default certificate may
// be in it, too, and need not.
func missingCertificates(l *listener, want *ingress.Listener) []step {
	var steps []step
	for i, arn := range want.Certificates {
		first := slices.Index(want.Certificates, arn) == i
		if i > 0 && first && l.listRead && !slices.Contains(l.certificates, arn) {
			steps = append(steps, addCertificate{l, arn})
		}
	}
	return steps
}

// obsoleteCertificates takes from a list what nobody wants, whoever put it there.
func obsoleteCertificates(l *listener, want *ingress.Listener) []step {
	var steps []step
	for _, arn := range l.certificates {
		if !slices.Contains(want.Certificates, arn) && arn != l.CertificateARN {
			steps = append(steps, removeCertificate{l, arn})
		}
	}
	return steps
}

// diffSecurity changes the default certificate and the TLS policy, each in a call of
// its own: one may be refused.
func diffSecurity(l *listener, want *ingress.Listener) []step {
	var steps []step
	if arn := defaultCertificate(want); l.CertificateARN != arn {
		steps = append(steps, secureListener{l, awsapi.Listener{CertificateARN: arn}})
	}
	if want.SSLPolicy != "" && l.SSLPolicy != want.SSLPolicy {
		steps = append(steps, secureListener{l, awsapi.Listener{SSLPolicy: want.SSLPolicy}})
	}
	return steps
}

type addCertificate struct {
	listener *listener
	arn      string
}

func (s addCertificate) String() string {
	return fmt.Sprintf("add certificate %s to listener %d", s.arn, s.listener.Port)
}

func (s addCertificate) do(ctx context.Context, x *executor) error {
	if err := x.elb.AddListenerCertificate(ctx, s.listener.ARN, s.arn); err != nil {
		asks := func(want *ingress.Listener) bool { return slices.Contains(want.Certificates, s.arn) }
		return askedFor(s.listener.Port, asks, fmt.Errorf("listener %d, certificate %s: %w", s.listener.Port, s.arn, err))
	}
	s.listener.certificates = append(slices.Clone(s.listener.certificates), s.arn)
	return nil
}

type removeCertificate struct {
	listener *listener
	arn      string
}

func (s removeCertificate) String() string {
	return fmt.Sprintf("remove certificate %s from listener %d", s.arn, s.listener.Port)
}

func (s removeCertificate) do(ctx context.Context, x *executor) error {
	if err := x.elb.RemoveListenerCertificate(ctx, s.listener.ARN, s.arn); err != nil {
		return fmt.Errorf("listener %d, certificate %s: %w", s.listener.Port, s.arn, err)
	}
	s.listener.certificates = slices.DeleteFunc(slices.Clone(s.listener.certificates), func(arn string) bool { return arn == s.arn })
	return nil
}
