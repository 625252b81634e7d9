package provision

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

const (
	// certificatesAge is how old what is known of ACM may be when a group is built anew.
	certificatesAge = 5 * time.Minute
	// certificatesRetry is how soon ACM is asked again after it did not answer.
	certificatesRetry = 15 * time.Second
)

// certificates are those that ACM holds, read when a group has to find its own.
// They are safe for concurrent use.
type certificates struct {
	acm ACM
	log *slog.Logger
	// reading has a capacity of one: who comes while another one reads waits for what
	// that one finds.
	reading chan struct{}

	mu     sync.Mutex // guards all below; not held across calls
	held   []ingress.Certificate
	known  bool      // held has been read, once
	readAt time.Time // the last try
	soon   bool      // that one failed in a way that may be over in a moment
}

func newCertificates(acm ACM, log *slog.Logger) *certificates {
	return &certificates{acm: acm, log: log, reading: make(chan struct{}, 1)}
}

// forBuild returns what was read last. It reports false if nothing was.
func (c *certificates) forBuild() ([]ingress.Certificate, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held, c.known
}

// due returns when it makes sense to read again.
func (c *certificates) due() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.readAt.IsZero():
		return time.Time{}
	case c.soon:
		return c.readAt.Add(certificatesRetry)
	}
	return c.readAt.Add(certificatesAge)
}

// refresh reads what ACM holds, if that is due. If it cannot be read, what was known
// stays: whoever needs certificates that were never read is told so by the model.
func (c *certificates) refresh(ctx context.Context) (read bool) {
	if c.acm == nil {
		return false
	}
	select {
	case c.reading <- struct{}{}:
		defer func() { <-c.reading }()
	case <-ctx.Done():
		return false
	}
	if time.Now().Before(c.due()) {
		return false // another one has read it meanwhile
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	found, err := c.acm.ListCertificates(ctx)
	if err != nil {
		c.log.WarnContext(ctx, "cannot read the certificates of ACM", slog.Any("error", err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readAt, c.soon = time.Now(), err != nil && awsapi.ClassOf(err) != awsapi.Denied
	if err == nil {
		c.known, c.held = true, make([]ingress.Certificate, 0, len(found))
		for _, cert := range found {
			c.held = append(c.held, ingress.Certificate(cert))
		}
	}
	return true
}

// build builds the model, and once more if ACM was asked. It is asked if the group
// needs to know what it holds, what is known is some minutes old, and the group asks
// for something new, is compared with AWS, or lacks a certificate: that may be issued
// any time, and nothing in the cluster will tell.
func (p *pass) build(ctx context.Context, in ingress.Input) *ingress.Model {
	m := ingress.Build(in)
	if p.acm.acm == nil || !ingress.NeedsCertificates(in) {
		return m
	}
	st := p.inventory.known(p.group.ID.String())
	moved := p.state.built != hash(m) || st == nil || p.isStale(st)
	if (moved || lacksCertificate(m)) && p.acm.refresh(ctx) {
		p.called = true
		m = ingress.Build(in)
	}
	if lacksCertificate(m) {
		p.lookAgain(p.acm.due())
	}
	return m
}

func lacksCertificate(m *ingress.Model) bool {
	return slices.ContainsFunc(m.Problems, func(problem ingress.Problem) bool { return problem.Reason == ingress.ReasonCertificateNotFound })
}

// anyCertificate pretends that there is one for all hosts of a group.
func anyCertificate(g ingress.Group) func() ([]ingress.Certificate, bool) {
	return func() ([]ingress.Certificate, bool) {
		all := ingress.Certificate{ARN: "arn:aws:acm:::certificate/any"}
		for _, ing := range g.Members {
			all.Domains = append(all.Domains, hosts(ing)...)
		}
		return []ingress.Certificate{all}, true
	}
}

func hosts(ing *networkingv1.Ingress) []string {
	var out []string
	for i := range ing.Spec.Rules {
		out = append(out, ing.Spec.Rules[i].Host)
	}
	for i := range ing.Spec.TLS {
		out = append(out, ing.Spec.TLS[i].Hosts...)
	}
	return out
}
