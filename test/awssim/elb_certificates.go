package awssim

import (
	"regexp"
	"slices"
	"strings"
)

type certificateParams struct {
	CertificateArn string `check:"required"`
	IsDefault      unsupported
}

type listenerCertificatesParams struct {
	ListenerArn  string              `check:"required"`
	Certificates []certificateParams `check:"required,min=1,max=1"`
}

type describeListenerCertificatesParams struct {
	ListenerArn string `check:"required"`
	pageParams
}

type certificatesResult struct {
	Certificates []certificateResult
	NextMarker   string
}

// certificateARN is what a listener can have as its certificate: one of ACM or of IAM.
var certificateARN = regexp.MustCompile(`^arn:aws[a-z-]*:(acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+|iam::\d{12}:server-certificate/[\w+=,.@/-]+)$`)

// checkCertificateLocked refuses certificates that do not exist. An account that was
// given none is taken to have every one.
func (s *Sim) checkCertificateLocked(arn string) error {
	if !certificateARN.MatchString(arn) {
		return errValidation("Certificate ARN '%s' is not valid", arn)
	}
	if c, ok := s.certificates[arn]; len(s.certificates) > 0 && (!ok || !c.usable()) {
		return errNotFound("CertificateNotFound", "Certificate '%s' not found", arn)
	}
	return nil
}

// encryptedLocked finds a listener that can have a list of certificates.
func (s *Sim) encryptedLocked(arn string) (*listener, error) {
	l, err := s.findListenerLocked(arn)
	if err == nil && l.protocol != "HTTPS" {
		err = errAPI("OperationNotPermitted", "Listener '%s' does not have protocol HTTPS", arn)
	}
	return l, err
}

// addCertificatesLocked adds to the list of a listener. What is in it already stays.
func (s *Sim) addCertificatesLocked(p *listenerCertificatesParams) (any, error) {
	l, err := s.encryptedLocked(p.ListenerArn)
	if err != nil {
		return nil, err
	}
	arn := p.Certificates[0].CertificateArn
	if err := s.checkCertificateLocked(arn); err != nil {
		return nil, err
	}
	if !slices.Contains(l.certificates[1:], arn) {
		if limit := s.quotas.CertificatesPerLoadBalancer; countCertificates(l.lb) >= limit {
			return nil, errAPI("TooManyCertificates", "The maximum number of certificates, %d, has been reached on load balancer '%s'", limit, l.lb.arn)
		}
		l.certificates = append(l.certificates, arn)
	}
	return certificatesResult{Certificates: []certificateResult{{arn, new(false)}}}, nil
}

// countCertificates counts what the quota counts: default certificates are free.
func countCertificates(lb *loadBalancer) int {
	n := 0
	for _, l := range lb.listeners {
		n += max(0, len(l.certificates)-1)
	}
	return n
}

// removeCertificatesLocked takes from the list of a listener. What is not in it is no
// error: the action has none for it.
func (s *Sim) removeCertificatesLocked(p *listenerCertificatesParams) (any, error) {
	l, err := s.encryptedLocked(p.ListenerArn)
	if err != nil {
		return nil, err
	}
	arn := p.Certificates[0].CertificateArn
	listed := slices.Index(l.certificates[1:], arn)
	switch {
	case listed >= 0:
		l.certificates = slices.Delete(slices.Clone(l.certificates), listed+1, listed+2)
	case arn == l.certificates[0]:
		return nil, errAPI("OperationNotPermitted", "Certificate '%s' is the default certificate of listener '%s' and cannot be removed", arn, l.arn)
	}
	return struct{}{}, nil
}

// describeListenerCertificatesLocked shows the default certificate and the list, by
// ARN. A default one that is also in the list is shown twice, as AWS does.
func (s *Sim) describeListenerCertificatesLocked(p *describeListenerCertificatesParams) (any, error) {
	l, err := s.findListenerLocked(p.ListenerArn)
	if err != nil {
		return nil, err
	}
	var all []certificateResult
	for i, arn := range l.certificates {
		all = append(all, certificateResult{arn, new(i == 0)})
	}
	key := func(c certificateResult) string {
		if *c.IsDefault {
			return " " // Before every ARN.
		}
		return c.CertificateArn
	}
	slices.SortFunc(all, func(a, b certificateResult) int { return strings.Compare(key(a), key(b)) })
	shown, next, err := paginate(all, key, p.pageParams)
	if err != nil {
		return nil, err
	}
	return certificatesResult{shown, next}, nil
}
