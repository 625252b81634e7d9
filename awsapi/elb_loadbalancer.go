package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// elbPageSize is the most rows that ELBv2 puts on a page.
const elbPageSize = 400

// DescribeLoadBalancers returns every load balancer of the account and Region,
// whatever its type. One page costs one call.
func (c *ELB) DescribeLoadBalancers(ctx context.Context) ([]LoadBalancer, error) {
	p := elb.NewDescribeLoadBalancersPaginator(c.read,
		&elb.DescribeLoadBalancersInput{PageSize: aws.Int32(elbPageSize)})
	all, err := pages(ctx, p, func(out *elb.DescribeLoadBalancersOutput) []LoadBalancer {
		return each(out.LoadBalancers, readLoadBalancer)
	})
	return all, wrap("DescribeLoadBalancers", "of the account", err)
}

// CreateLoadBalancer creates a load balancer with its tags and returns it,
// usually in state provisioning; listeners and rules can be created meanwhile. It
// is idempotent for equal settings; another one of that name is Duplicate.
func (c *ELB) CreateLoadBalancer(ctx context.Context, lb LoadBalancer) (LoadBalancer, error) {
	out, err := c.write.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
		Name:           &lb.Name,
		Type:           types.LoadBalancerTypeEnum(lb.Type),
		Scheme:         types.LoadBalancerSchemeEnum(lb.Scheme),
		IpAddressType:  types.IpAddressType(lb.IPAddressType),
		Subnets:        lb.SubnetIDs,
		SecurityGroups: lb.SecurityGroups,
		Tags:           elbTags(lb.Tags),
	})
	if err != nil {
		return LoadBalancer{}, wrap("CreateLoadBalancer", lb.Name, err)
	}
	return only("CreateLoadBalancer", lb.Name, each(out.LoadBalancers, readLoadBalancer))
}

// DeleteLoadBalancer deletes a load balancer with its listeners and rules. Its
// target groups stay. It succeeds if the load balancer is gone already, and is
// Denied while deletion protection is on. Network interfaces linger for a while
// and keep security groups in use.
func (c *ELB) DeleteLoadBalancer(ctx context.Context, arn string) error {
	_, err := c.write.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: &arn})
	return wrap("DeleteLoadBalancer", arn, err)
}

// SetSecurityGroups replaces the security groups of a load balancer. It can be
// repeated.
func (c *ELB) SetSecurityGroups(ctx context.Context, arn string, ids []string) error {
	_, err := c.write.SetSecurityGroups(ctx,
		&elb.SetSecurityGroupsInput{LoadBalancerArn: &arn, SecurityGroups: ids})
	return wrap("SetSecurityGroups", arn, err)
}

// SetSubnets replaces the subnets of a load balancer, and with them its zones. It
// can be repeated, but its bucket refills by one token in 5 s only.
func (c *ELB) SetSubnets(ctx context.Context, arn string, ids []string) error {
	_, err := c.write.SetSubnets(ctx, &elb.SetSubnetsInput{LoadBalancerArn: &arn, Subnets: ids})
	return wrap("SetSubnets", arn, err)
}

// SetIPAddressType says over which kinds of addresses clients reach a load balancer. It
// can be repeated. It is Invalid if a subnet lacks the kind.
func (c *ELB) SetIPAddressType(ctx context.Context, arn, ipAddressType string) error {
	_, err := c.write.SetIpAddressType(ctx,
		&elb.SetIpAddressTypeInput{LoadBalancerArn: &arn, IpAddressType: types.IpAddressType(ipAddressType)})
	return wrap("SetIpAddressType", arn, err)
}

func readLoadBalancer(lb types.LoadBalancer) LoadBalancer {
	out := LoadBalancer{
		ARN:            aws.ToString(lb.LoadBalancerArn),
		Name:           aws.ToString(lb.LoadBalancerName),
		DNSName:        aws.ToString(lb.DNSName),
		Scheme:         string(lb.Scheme),
		Type:           string(lb.Type),
		IPAddressType:  string(lb.IpAddressType),
		VPCID:          aws.ToString(lb.VpcId),
		SecurityGroups: lb.SecurityGroups,
		SubnetIDs: each(lb.AvailabilityZones, func(z types.AvailabilityZone) string {
			return aws.ToString(z.SubnetId)
		}),
	}
	if lb.State != nil {
		out.State = string(lb.State.Code)
	}
	return out
}
