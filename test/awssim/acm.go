package awssim

import (
	"slices"
	"strings"
	"time"
)

// acmOperations are the simulated actions of ACM, with their published rates.
var acmOperations = map[string]operation{
	"DescribeCertificate": op(rate{size: 10, refill: 10}, (*Sim).describeCertificateLocked),
	"ListCertificates":    op(rate{size: 8, refill: 8}, (*Sim).listCertificatesLocked),
}

type listCertificatesParams struct {
	CertificateStatuses       []string
	Includes                  *certificateFilters
	MaxItems                  int `check:"min=1,max=1000"`
	NextToken                 string
	SortBy                    unsupported
	SortOrder                 unsupported
	CertificateKeyPairOrigins unsupported
}

type certificateFilters struct {
	KeyTypes         []string    `name:"keyTypes"`
	ExportOption     unsupported `name:"exportOption"`
	ExtendedKeyUsage unsupported `name:"extendedKeyUsage"`
	KeyUsage         unsupported `name:"keyUsage"`
	ManagedBy        unsupported `name:"managedBy"`
}

type describeCertificateParams struct {
	CertificateArn string `check:"required"`
}

type certificateSummary struct {
	CertificateArn                       string
	DomainName                           string
	SubjectAlternativeNameSummaries      []string
	HasAdditionalSubjectAlternativeNames bool
	Status                               string
	Type                                 string
	KeyAlgorithm                         string
	InUse                                bool
	NotAfter                             time.Time
}

type certificateDetail struct {
	CertificateArn          string
	DomainName              string
	SubjectAlternativeNames []string
	Status                  string
	Type                    string
	KeyAlgorithm            string
	InUseBy                 []string
	NotAfter                time.Time
}

// initialKeyTypes are those that are listed when a call asks for none.
var initialKeyTypes = []string{"RSA_1024", initialKeyType}

const (
	initialKeyType = "RSA_2048"

	// maxSummaryNames is how many names a summary has.
	maxSummaryNames = 100
	// maxCertificates is the largest page of ListCertificates.
	maxCertificates = 1000
)

func (c Certificate) kind() string {
	if c.Imported {
		return "IMPORTED"
	}
	return "AMAZON_ISSUED"
}

// keyAlgorithm is the key type as answers spell it: RSA-2048.
func (c Certificate) keyAlgorithm() string { return strings.ReplaceAll(c.KeyType, "_", "-") }

func (s *Sim) listCertificatesLocked(p *listCertificatesParams) (any, error) {
	keys := initialKeyTypes
	if p.Includes != nil && len(p.Includes.KeyTypes) > 0 {
		keys = p.Includes.KeyTypes
	}
	unwanted := func(c Certificate) bool {
		return len(p.CertificateStatuses) > 0 && !slices.Contains(p.CertificateStatuses, c.Status) || !slices.Contains(keys, c.KeyType)
	}
	found := slices.DeleteFunc(sorted(s.certificates), unwanted)
	page := pageParams{Marker: p.NextToken, PageSize: p.MaxItems}
	if page.PageSize == 0 {
		page.PageSize = maxCertificates
	}
	shown, next, err := paginate(found, func(c Certificate) string { return c.ARN }, page)
	if err != nil {
		return nil, errAPI("ValidationException", "The next token is not valid")
	}
	list := make([]certificateSummary, 0, len(shown))
	for _, c := range shown {
		list = append(list, certificateSummary{
			CertificateArn: c.ARN, DomainName: c.Names[0], Status: c.Status, Type: c.kind(), KeyAlgorithm: c.keyAlgorithm(), NotAfter: c.NotAfter,
			SubjectAlternativeNameSummaries:      c.Names[:min(len(c.Names), maxSummaryNames)],
			HasAdditionalSubjectAlternativeNames: len(c.Names) > maxSummaryNames,
			InUse:                                len(s.usersLocked(c.ARN)) > 0,
		})
	}
	return struct {
		CertificateSummaryList []certificateSummary
		NextToken              string
	}{list, next}, nil
}

func (s *Sim) describeCertificateLocked(p *describeCertificateParams) (any, error) {
	if !certificateARN.MatchString(p.CertificateArn) {
		return nil, errAPI("InvalidArnException", "The certificate ARN '%s' is not valid", p.CertificateArn)
	}
	c, ok := s.certificates[p.CertificateArn]
	if !ok {
		return nil, errNotFound("ResourceNotFoundException", "Could not find certificate %s.", p.CertificateArn)
	}
	return struct{ Certificate certificateDetail }{certificateDetail{
		CertificateArn: c.ARN, DomainName: c.Names[0], SubjectAlternativeNames: c.Names, Status: c.Status, Type: c.kind(),
		KeyAlgorithm: c.keyAlgorithm(), InUseBy: s.usersLocked(c.ARN), NotAfter: c.NotAfter,
	}}, nil
}

// usersLocked are the load balancers that have a certificate, by ARN.
func (s *Sim) usersLocked(certificate string) []string {
	users := []string{}
	for _, lb := range sorted(s.loadBalancers) {
		if slices.ContainsFunc(lb.listeners, func(l *listener) bool { return slices.Contains(l.certificates, certificate) }) {
			users = append(users, lb.arn)
		}
	}
	return users
}
