package awssim

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

type createListenerParams struct {
	LoadBalancerArn      string              `check:"required"`
	Protocol             string              `check:"required"`
	Port                 int                 `check:"required,min=1,max=65535"`
	DefaultActions       []actionParams      `check:"required"`
	Certificates         []certificateParams `check:"max=1"`
	SslPolicy            string
	Tags                 []tagParams
	AlpnPolicy           unsupported
	MutualAuthentication unsupported
}

type modifyListenerParams struct {
	ListenerArn          string `check:"required"`
	Protocol             string
	Port                 int `check:"min=1,max=65535"`
	DefaultActions       []actionParams
	Certificates         []certificateParams `check:"max=1"`
	SslPolicy            string
	AlpnPolicy           unsupported
	MutualAuthentication unsupported
}

type describeListenersParams struct {
	LoadBalancerArn string
	ListenerArns    []string `check:"max=20"`
	pageParams
}

type listenerParams struct {
	ListenerArn string `check:"required"`
}

func (l *listener) defaultRule() *rule { return l.rules[len(l.rules)-1] }

// checkSecurityLocked checks that a listener has certificates exactly if it encrypts,
// and that they exist.
func (s *Sim) checkSecurityLocked(l *listener) error {
	switch l.protocol {
	case "HTTP":
		if len(l.certificates) > 0 {
			return errValidation("A certificate cannot be specified for HTTP listeners")
		}
		if l.sslPolicy != "" {
			return errValidation("A SSL policy cannot be specified for HTTP listeners")
		}
		return nil
	case "HTTPS":
		if len(l.certificates) == 0 {
			return errValidation("A certificate must be specified for HTTPS listeners")
		}
		if !slices.ContainsFunc(sslPolicies, func(p sslPolicy) bool { return p.Name == l.sslPolicy }) {
			return errAPI("SSLPolicyNotFound", "SSL policy '%s' not found", l.sslPolicy)
		}
		return s.checkCertificateLocked(l.certificates[0])
	}
	return errAPI("UnsupportedProtocol", "Listeners of an application load balancer have protocol HTTP or HTTPS, not '%s'", l.protocol)
}

// secure sets what a listener encrypts with, keeping what is not given. Another
// default certificate leaves the list of the others as it is.
func (l *listener) secure(certificates []certificateParams, policy string) {
	for _, c := range certificates {
		l.certificates = slices.Concat([]string{c.CertificateArn}, l.certificates[min(1, len(l.certificates)):])
	}
	l.sslPolicy = orElse(policy, l.sslPolicy)
	if l.protocol == "HTTPS" {
		l.sslPolicy = orElse(l.sslPolicy, initialSSLPolicy)
	}
}

func (s *Sim) createListenerLocked(p *createListenerParams) (any, error) {
	lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	l := &listener{lb: lb, port: p.Port, protocol: p.Protocol, attributes: listenerAttributes.defaults()}
	l.secure(p.Certificates, p.SslPolicy)
	if err := s.checkSecurityLocked(l); err != nil {
		return nil, err
	}
	actions, err := s.newActionsLocked(l.protocol, p.DefaultActions)
	if err != nil {
		return nil, err
	}
	if l.tags, err = s.newTagsLocked(nil, p.Tags); err != nil {
		return nil, err
	}
	l.rules = []*rule{{listener: l, actions: actions}}
	if i := slices.IndexFunc(lb.listeners, func(old *listener) bool { return old.port == l.port }); i >= 0 {
		if !lb.listeners[i].sameSettings(l) {
			return nil, errAPI("DuplicateListener", "A listener already exists on this port for this load balancer '%s'", lb.arn)
		}
		return listenersResult{Listeners: []listenerResult{lb.listeners[i].result()}}, nil
	}
	if limit := s.quotas.ListenersPerLoadBalancer; len(lb.listeners) >= limit {
		return nil, errAPI("TooManyListeners", "The maximum number of listeners, %d, has been reached on load balancer '%s'", limit, lb.arn)
	}
	if err := s.checkForwardLocked(lb, nil, actions); err != nil {
		return nil, err
	}
	s.addListenerLocked(l)
	return listenersResult{Listeners: []listenerResult{l.result()}}, nil
}

// sameSettings tells whether a second create would make the same listener.
func (l *listener) sameSettings(other *listener) bool {
	return l.protocol == other.protocol && l.sslPolicy == other.sslPolicy &&
		slices.Equal(l.certificates, other.certificates) && l.tags.equal(other.tags) &&
		sameActions(l.defaultRule().actions, other.defaultRule().actions)
}

func (s *Sim) addListenerLocked(l *listener) {
	path := resourceOf(l.lb.arn)
	l.arn = s.elbARN("listener/" + path + "/" + s.newSuffixLocked(fmt.Sprintf("listener/%s/%d", path, l.port)))
	l.created = time.Now()
	l.lb.listeners = append(l.lb.listeners, l)
	slices.SortFunc(l.lb.listeners, func(a, b *listener) int { return cmp.Compare(a.port, b.port) })
	s.listeners[l.arn] = l
	s.addRuleLocked(l.defaultRule())
}

// removeListenerLocked takes a listener and its rules out of the account.
func (s *Sim) removeListenerLocked(l *listener) {
	for _, r := range l.rules {
		s.forgetRuleLocked(r)
	}
	l.lb.listeners = slices.DeleteFunc(l.lb.listeners, func(x *listener) bool { return x == l })
	delete(s.listeners, l.arn)
}

func (s *Sim) describeListenersLocked(p *describeListenersParams) (any, error) {
	var found []*listener
	switch {
	case len(p.ListenerArns) > 0 && p.LoadBalancerArn != "":
		return nil, errValidation("Listener ARNs and a load balancer ARN cannot be specified at the same time")
	case len(p.ListenerArns) > 0:
		all, err := findAll(p.ListenerArns, s.findListenerLocked)
		if err != nil {
			return nil, errNotFound("ListenerNotFound", "One or more listeners not found")
		}
		found = all
	case p.LoadBalancerArn != "":
		lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(slices.Clone(lb.listeners), func(l *listener) bool { return !s.visible(l.created) })
	default:
		return nil, errValidation("You must specify either listener ARNs or a load balancer ARN")
	}
	slices.SortFunc(found, func(a, b *listener) int { return cmp.Compare(a.arn, b.arn) })
	shown, next, err := paginate(found, func(l *listener) string { return l.arn }, p.pageParams)
	if err != nil {
		return nil, err
	}
	result := listenersResult{Listeners: make([]listenerResult, 0, len(shown)), NextMarker: next}
	for _, l := range shown {
		result.Listeners = append(result.Listeners, l.result())
	}
	return result, nil
}

func (s *Sim) modifyListenerLocked(p *modifyListenerParams) (any, error) {
	l, err := s.findListenerLocked(p.ListenerArn)
	if err != nil {
		return nil, err
	}
	changed := *l
	changed.protocol = orElse(p.Protocol, l.protocol)
	if p.Port != 0 {
		changed.port = p.Port
	}
	if changed.protocol == "HTTP" {
		changed.certificates, changed.sslPolicy = nil, ""
	}
	changed.secure(p.Certificates, p.SslPolicy)
	if err := s.checkSecurityLocked(&changed); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(l.lb.listeners, func(x *listener) bool { return x != l && x.port == changed.port }) {
		return nil, errAPI("DuplicateListener", "A listener already exists on this port for this load balancer '%s'", l.lb.arn)
	}
	if len(p.DefaultActions) > 0 {
		if err := s.replaceActionsLocked(l.defaultRule(), p.DefaultActions); err != nil {
			return nil, err
		}
	}
	l.protocol, l.port, l.certificates, l.sslPolicy = changed.protocol, changed.port, changed.certificates, changed.sslPolicy
	slices.SortFunc(l.lb.listeners, func(a, b *listener) int { return cmp.Compare(a.port, b.port) })
	return listenersResult{Listeners: []listenerResult{l.result()}}, nil
}

func (s *Sim) deleteListenerLocked(p *listenerParams) (any, error) {
	l, err := s.findListenerLocked(p.ListenerArn)
	if err != nil {
		return nil, err
	}
	s.removeListenerLocked(l)
	return struct{}{}, nil
}
