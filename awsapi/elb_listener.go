package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// DescribeListeners returns the listeners of a load balancer. It is NotFound if
// the load balancer is.
func (c *ELB) DescribeListeners(ctx context.Context, lbARN string) ([]Listener, error) {
	p := elb.NewDescribeListenersPaginator(c.read,
		&elb.DescribeListenersInput{LoadBalancerArn: &lbARN, PageSize: aws.Int32(elbPageSize)})
	all, err := pages(ctx, p, func(out *elb.DescribeListenersOutput) []Listener {
		return each(out.Listeners, readListener)
	})
	return all, wrap("DescribeListeners", "of "+lbARN, err)
}

// CreateListener creates a listener with its tags and its default rule, and
// returns it. It is idempotent for equal settings; another listener on that port
// is Duplicate. Right after CreateLoadBalancer or CreateTargetGroup it can be
// NotFound: try again.
func (c *ELB) CreateListener(ctx context.Context, l Listener) (Listener, error) {
	out, err := c.write.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &l.LoadBalancerARN,
		Port:            given(l.Port),
		Protocol:        types.ProtocolEnum(l.Protocol),
		SslPolicy:       given(l.SSLPolicy),
		Certificates:    elbCertificates(l.CertificateARN),
		DefaultActions:  elbActions(l.DefaultActions),
		Tags:            elbTags(l.Tags),
	})
	if err != nil {
		return Listener{}, wrap("CreateListener", "of "+l.LoadBalancerARN, err)
	}
	return only("CreateListener", "of "+l.LoadBalancerARN, each(out.Listeners, readListener))
}

// ModifyListener changes port, protocol, TLS policy, default certificate and default
// actions of a listener; what is zero stays as it is. The actions are replaced as a
// whole. It can be repeated.
func (c *ELB) ModifyListener(ctx context.Context, l Listener) error {
	_, err := c.write.ModifyListener(ctx, &elb.ModifyListenerInput{
		ListenerArn:    &l.ARN,
		Port:           given(l.Port),
		Protocol:       types.ProtocolEnum(l.Protocol),
		SslPolicy:      given(l.SSLPolicy),
		Certificates:   elbCertificates(l.CertificateARN),
		DefaultActions: elbActions(l.DefaultActions),
	})
	return wrap("ModifyListener", l.ARN, err)
}

// DeleteListener deletes a listener with its rules. It is NotFound if the
// listener is gone already.
func (c *ELB) DeleteListener(ctx context.Context, arn string) error {
	_, err := c.write.DeleteListener(ctx, &elb.DeleteListenerInput{ListenerArn: &arn})
	return wrap("DeleteListener", arn, err)
}

func elbCertificates(arn string) []types.Certificate {
	if arn == "" {
		return nil
	}
	return []types.Certificate{{CertificateArn: &arn}}
}

func readListener(l types.Listener) Listener {
	out := Listener{
		ARN:             aws.ToString(l.ListenerArn),
		LoadBalancerARN: aws.ToString(l.LoadBalancerArn),
		Port:            aws.ToInt32(l.Port),
		Protocol:        string(l.Protocol),
		SSLPolicy:       aws.ToString(l.SslPolicy),
		DefaultActions:  readActions(l.DefaultActions),
	}
	if len(l.Certificates) > 0 {
		out.CertificateARN = aws.ToString(l.Certificates[0].CertificateArn)
	}
	return out
}
