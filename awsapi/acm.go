package awsapi

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
)

// acmPageSize is the most rows that ACM puts on a page.
const acmPageSize = 1000

// ACM calls AWS Certificate Manager for what a listener can present. It is safe for
// concurrent use. For its errors see ELB.
type ACM struct{ read *acm.Client }

// ListCertificates returns the certificates of the account and Region that are issued,
// of every kind of key, with all names they are for. A certificate of more than 100
// names costs a call of its own.
func (c *ACM) ListCertificates(ctx context.Context) ([]Certificate, error) {
	p := acm.NewListCertificatesPaginator(c.read, &acm.ListCertificatesInput{
		CertificateStatuses: []types.CertificateStatus{types.CertificateStatusIssued},
		// Without a filter ACM shows RSA keys of up to 2048 bits alone.
		Includes: &types.Filters{KeyTypes: types.KeyAlgorithm("").Values()},
		MaxItems: aws.Int32(acmPageSize),
	})
	found, err := pages(ctx, p, func(out *acm.ListCertificatesOutput) []types.CertificateSummary { return out.CertificateSummaryList })
	if err != nil {
		return nil, wrap("ListCertificates", "of the account", err)
	}
	all := make([]Certificate, 0, len(found))
	for _, s := range found {
		cert := Certificate{ARN: aws.ToString(s.CertificateArn), Domains: domains(s.DomainName, s.SubjectAlternativeNameSummaries)}
		if aws.ToBool(s.HasAdditionalSubjectAlternativeNames) {
			if cert, err = c.DescribeCertificate(ctx, cert.ARN); err != nil {
				return nil, err
			}
		}
		all = append(all, cert)
	}
	return all, nil
}

// DescribeCertificate returns a certificate with all the names that it is for. It is
// NotFound if the certificate is.
func (c *ACM) DescribeCertificate(ctx context.Context, arn string) (Certificate, error) {
	out, err := c.read.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: &arn})
	if err != nil {
		return Certificate{}, wrap("DescribeCertificate", arn, err)
	}
	cert := Certificate{ARN: arn}
	if d := out.Certificate; d != nil {
		cert.Domains = domains(d.DomainName, d.SubjectAlternativeNames)
	}
	return cert, nil
}

// domains puts the main name before the others, which usually have it among them.
func domains(main *string, others []string) []string {
	out := []string{aws.ToString(main)}
	for _, name := range others {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
