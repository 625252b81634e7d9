package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

const protocolHTTPS = "HTTPS"

// listen brings the listeners to the model, but for their rules. One that takes the
// place of another is there before that goes, see diffGone.
func (x *executor) listen(ctx context.Context, m *ingress.Model) error {
	for _, s := range diffListeners(m, x.stack) {
		do := func() error { return x.run(ctx, []step{s}) }
		if create, ok := s.(createListener); ok {
			do = func() error { return x.createListener(ctx, create) }
		}
		if err := do(); err != nil {
			return err
		}
	}
	if err := x.certify(ctx, m); err != nil {
		return err
	}
	return x.attribute(ctx, attributedListeners(m, x.stack))
}

// diffListeners makes listeners and brings protocols and default actions about. A
// port that begins to encrypt gets its certificate and policy in the same call; else
// they are certify's.
func diffListeners(m *ingress.Model, st *stack) []step {
	b := st.balancer(m.LoadBalancer.Scheme)
	var steps []step
	for i := range m.LoadBalancer.Listeners {
		want := &m.LoadBalancer.Listeners[i]
		if want.Kept {
			continue
		}
		actions, err := st.actions(m, want.DefaultAction)
		have := b.listeners[want.Port]
		if have == nil {
			steps = append(steps, createListener{b, want, defaultCertificate(want), actions, err})
			continue
		}
		if have.Protocol != want.Protocol {
			change := awsapi.Listener{Protocol: want.Protocol}
			if want.Protocol == protocolHTTPS {
				change.CertificateARN, change.SSLPolicy = defaultCertificate(want), want.SSLPolicy
			}
			steps = append(steps, secureListener{have, change})
		}
		if err != nil || actionsKey(have.DefaultActions) != actionsKey(actions) {
			steps = append(steps, modifyListener{have, actions, err})
		}
	}
	return steps
}

func defaultCertificate(l *ingress.Listener) string {
	if len(l.Certificates) == 0 {
		return ""
	}
	return l.Certificates[0]
}

type createListener struct {
	balancer    *balancer
	want        *ingress.Listener
	certificate string
	actions     []awsapi.Action
	unresolved  error // of the actions
}

func (s createListener) String() string {
	return fmt.Sprintf("create listener %d of load balancer %s", s.want.Port, s.balancer.Name)
}

func (s createListener) do(ctx context.Context, x *executor) error {
	want := awsapi.Listener{
		LoadBalancerARN: s.balancer.ARN, Port: s.want.Port, Protocol: s.want.Protocol,
		SSLPolicy: s.want.SSLPolicy, CertificateARN: s.certificate, DefaultActions: s.actions, Tags: s.want.Tags,
	}
	if s.unresolved != nil {
		return fmt.Errorf("listener %d: %w", s.want.Port, s.unresolved)
	}
	created, err := x.elb.CreateListener(ctx, want)
	if err != nil {
		return listenerError(want, err)
	}
	want.ARN = created.ARN
	s.balancer.listeners[want.Port] = &listener{Listener: want, listRead: true}
	x.stack.enterAttributes(want.ARN, nil)
	return nil
}

// createListener makes a listener. If the certificate that comes first is no good,
// the next one stands in for it: somebody else may have named it.
func (x *executor) createListener(ctx context.Context, s createListener) error {
	before := len(x.refused)
	for i := range max(1, len(s.want.Certificates)) {
		if i > 0 {
			s.certificate = s.want.Certificates[i]
		}
		refused := len(x.refused)
		if err := x.run(ctx, []step{s}); err != nil {
			return err
		}
		if len(x.refused) == refused {
			x.refused = x.refused[:before] // certify tries the others again
			return nil
		}
		if err := x.refused[refused]; !isOwn[certificateError](err) {
			// Where there is no room, what is not wanted has to go first.
			x.held = x.held || awsapi.ClassOf(err) != awsapi.Limit
			return nil
		}
	}
	x.held = true
	return nil
}

// modifyListener changes the default action.
type modifyListener struct {
	listener   *listener
	actions    []awsapi.Action
	unresolved error // of the actions
}

func (s modifyListener) String() string {
	return fmt.Sprintf("change default action of listener %d", s.listener.Port)
}

func (s modifyListener) do(ctx context.Context, x *executor) error {
	err := s.unresolved
	if err == nil {
		err = x.elb.ModifyListener(ctx, awsapi.Listener{ARN: s.listener.ARN, DefaultActions: s.actions})
	}
	if err != nil {
		return fmt.Errorf("listener %d: %w", s.listener.Port, err)
	}
	s.listener.DefaultActions = s.actions
	return nil
}

// secureListener changes the protocol, the default certificate or the TLS policy:
// what is not empty.
type secureListener struct {
	listener *listener
	change   awsapi.Listener
}

func (s secureListener) String() string {
	for _, change := range []struct{ what, value string }{
		{"protocol", s.change.Protocol}, {"default certificate", s.change.CertificateARN},
	} {
		if change.value != "" {
			return fmt.Sprintf("change %s of listener %d to %s", change.what, s.listener.Port, change.value)
		}
	}
	return fmt.Sprintf("change TLS policy of listener %d to %s", s.listener.Port, s.change.SSLPolicy)
}

func (s secureListener) do(ctx context.Context, x *executor) error {
	change := s.change
	change.ARN = s.listener.ARN
	if err := x.elb.ModifyListener(ctx, change); err != nil {
		change.Port = s.listener.Port
		return listenerError(change, err)
	}
	have := &s.listener.Listener
	if change.Protocol != "" {
		have.Protocol, have.CertificateARN, have.SSLPolicy = change.Protocol, "", ""
		// A list that was there before is not told to be gone, or to be back.
		s.listener.certificates, s.listener.listRead = nil, false
	}
	if change.CertificateARN != "" {
		have.CertificateARN = change.CertificateARN
	}
	if change.SSLPolicy != "" {
		have.SSLPolicy = change.SSLPolicy
	}
	return nil
}

// Codes that name what a listener cannot have. They end like those of resources
// that may be there in a moment, and are not meant so.
const (
	codeNoCertificate          = "CertificateNotFound"
	codeUnsupportedCertificate = "UnsupportedCertificate"
	codeNoPolicy               = "SSLPolicyNotFound"
)

// certificateError says that AWS refused a certificate, and not what was asked for
// beside it.
type certificateError struct{ err error }

func (e certificateError) Error() string { return e.err.Error() }
func (e certificateError) Unwrap() error { return e.err }

func aboutCertificate(arn string, err error) bool {
	switch awsapi.Code(err) {
	case codeNoCertificate, codeUnsupportedCertificate:
		return true
	case "ValidationError":
		return arn != "" && strings.Contains(err.Error(), arn)
	}
	return false
}

// listenerError says whose an error about a listener's port, certificate or policy
// is.
func listenerError(l awsapi.Listener, err error) error {
	asks := func(*ingress.Listener) bool { return true }
	what := fmt.Sprintf("listener %d", l.Port)
	switch {
	case aboutCertificate(l.CertificateARN, err):
		asks = func(want *ingress.Listener) bool { return slices.Contains(want.Certificates, l.CertificateARN) }
		err = certificateError{fmt.Errorf("%s, certificate %s: %w", what, l.CertificateARN, err)}
	case awsapi.Code(err) == codeNoPolicy:
		asks = func(want *ingress.Listener) bool { return want.SSLPolicy == l.SSLPolicy }
		err = fmt.Errorf("%s, TLS policy %s: %w", what, l.SSLPolicy, err)
	default:
		err = fmt.Errorf("%s: %w", what, err)
	}
	return askedFor(l.Port, asks, err)
}

// goneListeners are those that the model does not have.
func goneListeners(m *ingress.Model, b *balancer) []*listener {
	var gone []*listener
	for _, port := range sortedPorts(b.listeners) {
		if !slices.ContainsFunc(m.LoadBalancer.Listeners, func(l ingress.Listener) bool { return l.Port == port }) {
			gone = append(gone, b.listeners[port])
		}
	}
	return gone
}

// leavingRules deletes, of listeners that stay only because what should be in their
// place was refused, what is of Ingresses that leave.
func (x *executor) leavingRules(m *ingress.Model) []step {
	var steps []step
	for _, l := range goneListeners(m, x.stack.balancer(m.LoadBalancer.Scheme)) {
		for _, r := range l.rules {
			if x.isLeaving(r) {
				steps = append(steps, deleteRule{l, r})
			}
		}
	}
	return steps
}

type deleteListener struct {
	balancer *balancer
	listener *listener
}

func (s deleteListener) String() string {
	return fmt.Sprintf("delete listener %d of load balancer %s", s.listener.Port, s.balancer.Name)
}

func (s deleteListener) do(ctx context.Context, x *executor) error {
	if err := x.elb.DeleteListener(ctx, s.listener.ARN); err != nil {
		return fmt.Errorf("listener %d: %w", s.listener.Port, err)
	}
	delete(s.balancer.listeners, s.listener.Port)
	return nil
}
