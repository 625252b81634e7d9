package awsapi

import (
	"cmp"
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// DescribeTargetGroups returns the target groups of the account and Region that have
// one of the names, or without names every one, whatever its type. One page costs one
// call. That one of the names is not there is NotFound.
func (c *ELB) DescribeTargetGroups(ctx context.Context, names ...string) ([]TargetGroup, error) {
	p := elb.NewDescribeTargetGroupsPaginator(c.read,
		&elb.DescribeTargetGroupsInput{Names: names, PageSize: aws.Int32(elbPageSize)})
	all, err := pages(ctx, p, func(out *elb.DescribeTargetGroupsOutput) []TargetGroup {
		return each(out.TargetGroups, readTargetGroup)
	})
	return all, wrap("DescribeTargetGroups", "of the account", err)
}

// CreateTargetGroup creates a target group with its tags and returns it. It is
// idempotent for equal settings; another one of that name is Duplicate. Its
// targets are not checked before a listener or rule uses it.
func (c *ELB) CreateTargetGroup(ctx context.Context, g TargetGroup) (TargetGroup, error) {
	h := g.HealthCheck
	out, err := c.write.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name:                       &g.Name,
		Port:                       given(g.Port),
		Protocol:                   types.ProtocolEnum(g.Protocol),
		ProtocolVersion:            given(g.ProtocolVersion),
		TargetType:                 types.TargetTypeEnum(g.TargetType),
		IpAddressType:              types.TargetGroupIpAddressTypeEnum(g.IPAddressType),
		VpcId:                      given(g.VPCID),
		HealthCheckProtocol:        types.ProtocolEnum(h.Protocol),
		HealthCheckPort:            given(h.Port),
		HealthCheckPath:            given(h.Path),
		HealthCheckIntervalSeconds: given(h.IntervalSeconds),
		HealthCheckTimeoutSeconds:  given(h.TimeoutSeconds),
		HealthyThresholdCount:      given(h.HealthyThreshold),
		UnhealthyThresholdCount:    given(h.UnhealthyThreshold),
		Matcher:                    elbMatcher(h.Matcher),
		Tags:                       elbTags(g.Tags),
	})
	if err != nil {
		return TargetGroup{}, wrap("CreateTargetGroup", g.Name, err)
	}
	return only("CreateTargetGroup", g.Name, each(out.TargetGroups, readTargetGroup))
}

// ModifyTargetGroup changes the health check of a target group; what is zero
// stays as it is. Nothing else of a target group can be changed. It can be
// repeated.
func (c *ELB) ModifyTargetGroup(ctx context.Context, arn string, h HealthCheck) error {
	_, err := c.write.ModifyTargetGroup(ctx, &elb.ModifyTargetGroupInput{
		TargetGroupArn:             &arn,
		HealthCheckProtocol:        types.ProtocolEnum(h.Protocol),
		HealthCheckPort:            given(h.Port),
		HealthCheckPath:            given(h.Path),
		HealthCheckIntervalSeconds: given(h.IntervalSeconds),
		HealthCheckTimeoutSeconds:  given(h.TimeoutSeconds),
		HealthyThresholdCount:      given(h.HealthyThreshold),
		UnhealthyThresholdCount:    given(h.UnhealthyThreshold),
		Matcher:                    elbMatcher(h.Matcher),
	})
	return wrap("ModifyTargetGroup", arn, err)
}

// DeleteTargetGroup deletes a target group with its registrations. It is InUse
// while a listener or rule forwards to it, also for seconds after the last one
// went.
func (c *ELB) DeleteTargetGroup(ctx context.Context, arn string) error {
	_, err := c.write.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: &arn})
	return wrap("DeleteTargetGroup", arn, err)
}

func readTargetGroup(g types.TargetGroup) TargetGroup {
	out := TargetGroup{
		ARN:              aws.ToString(g.TargetGroupArn),
		Name:             aws.ToString(g.TargetGroupName),
		Port:             aws.ToInt32(g.Port),
		Protocol:         string(g.Protocol),
		ProtocolVersion:  aws.ToString(g.ProtocolVersion),
		TargetType:       string(g.TargetType),
		IPAddressType:    string(g.IpAddressType),
		VPCID:            aws.ToString(g.VpcId),
		LoadBalancerARNs: g.LoadBalancerArns,
		HealthCheck: HealthCheck{
			Protocol:           string(g.HealthCheckProtocol),
			Port:               aws.ToString(g.HealthCheckPort),
			Path:               aws.ToString(g.HealthCheckPath),
			IntervalSeconds:    aws.ToInt32(g.HealthCheckIntervalSeconds),
			TimeoutSeconds:     aws.ToInt32(g.HealthCheckTimeoutSeconds),
			HealthyThreshold:   aws.ToInt32(g.HealthyThresholdCount),
			UnhealthyThreshold: aws.ToInt32(g.UnhealthyThresholdCount),
		},
	}
	if g.Matcher != nil {
		out.HealthCheck.Matcher = cmp.Or(aws.ToString(g.Matcher.HttpCode), aws.ToString(g.Matcher.GrpcCode))
	}
	return out
}

// elbMatcher tells gRPC's codes from HTTP's: they have at most two digits.
func elbMatcher(codes string) *types.Matcher {
	first := codes
	if i := strings.IndexAny(codes, "-,"); i >= 0 {
		first = codes[:i]
	}
	switch {
	case codes == "":
		return nil
	case len(first) < len("100"):
		return &types.Matcher{GrpcCode: &codes}
	}
	return &types.Matcher{HttpCode: &codes}
}
