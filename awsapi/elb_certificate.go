package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// DescribeListenerCertificates returns the ARNs of the certificates that an HTTPS
// listener chooses from by the name that the client asks for, without the default one.
// It is NotFound if the listener is.
func (c *ELB) DescribeListenerCertificates(ctx context.Context, listenerARN string) ([]string, error) {
	p := elb.NewDescribeListenerCertificatesPaginator(c.read,
		&elb.DescribeListenerCertificatesInput{ListenerArn: &listenerARN, PageSize: aws.Int32(elbPageSize)})
	found, err := pages(ctx, p, func(out *elb.DescribeListenerCertificatesOutput) []types.Certificate { return out.Certificates })
	var arns []string
	for _, cert := range found {
		if !aws.ToBool(cert.IsDefault) {
			arns = append(arns, aws.ToString(cert.CertificateArn))
		}
	}
	return arns, wrap("DescribeListenerCertificates", "of "+listenerARN, err)
}

// AddListenerCertificate adds a certificate beside the default one. It can be
// repeated.
func (c *ELB) AddListenerCertificate(ctx context.Context, listenerARN, certificateARN string) error {
	_, err := c.write.AddListenerCertificates(ctx,
		&elb.AddListenerCertificatesInput{ListenerArn: &listenerARN, Certificates: elbCertificates(certificateARN)})
	return wrap("AddListenerCertificates", certificateARN+" to "+listenerARN, err)
}

// RemoveListenerCertificate removes a certificate that is not the default one, which
// is Denied.
func (c *ELB) RemoveListenerCertificate(ctx context.Context, listenerARN, certificateARN string) error {
	_, err := c.write.RemoveListenerCertificates(ctx,
		&elb.RemoveListenerCertificatesInput{ListenerArn: &listenerARN, Certificates: elbCertificates(certificateARN)})
	return wrap("RemoveListenerCertificates", certificateARN+" from "+listenerARN, err)
}
