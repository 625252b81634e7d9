package awssim

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Certificate is a certificate of ACM.
type Certificate struct {
	ARN      string   // "": one is made from the first name
	Names    []string // the domain name, then the alternative ones: example.com, *.example.com
	Status   string   // "": ISSUED
	KeyType  string   // "": RSA_2048; another is EC_prime256v1
	Imported bool     // not issued by Amazon
	NotAfter time.Time
}

// usable tells whether a load balancer can have the certificate.
func (c Certificate) usable() bool { return c.Status == certificateIssued }

const certificateIssued = "ISSUED"

// AddCertificate gives the account a certificate, or replaces that with the same ARN,
// and returns its ARN. Once it has one, no other ARN is taken for a certificate.
func (s *Sim) AddCertificate(c Certificate) (arn string, err error) {
	if len(c.Names) == 0 {
		return "", errors.New("certificate without a name")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Status, c.KeyType = orElse(c.Status, certificateIssued), orElse(c.KeyType, initialKeyType)
	if c.ARN == "" {
		c.ARN = fmt.Sprintf("arn:aws:acm:%s:%s:certificate/%s", s.opts.Region, s.opts.AccountID, s.newUUIDLocked("certificate/"+c.Names[0]))
	}
	if !certificateARN.MatchString(c.ARN) || !strings.Contains(c.ARN, ":acm:") {
		return "", fmt.Errorf("certificate %q is not one of ACM", c.ARN)
	}
	s.certificates[c.ARN] = c
	s.rememberLocked()
	s.changed()
	return c.ARN, nil
}
