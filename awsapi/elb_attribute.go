package awsapi

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// attributeBatch is the most attributes that ModifyLoadBalancerAttributes takes. The
// other two Modify calls name no limit; they are given the same.
const attributeBatch = 20

// DescribeLoadBalancerAttributes returns the attributes of a load balancer, all of
// them. It is NotFound if the load balancer is.
func (c *ELB) DescribeLoadBalancerAttributes(ctx context.Context, arn string) (Attributes, error) {
	out, err := c.read.DescribeLoadBalancerAttributes(ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: &arn})
	if err != nil {
		return nil, wrap("DescribeLoadBalancerAttributes", arn, err)
	}
	return readAttributes(out.Attributes, func(a types.LoadBalancerAttribute) (key, value *string) { return a.Key, a.Value }), nil
}

// ModifyLoadBalancerAttributes sets the attributes given, in calls of 20 each; others
// stay. It can be repeated, and after an error it may have been done in part. One that
// AWS does not know, or a value that it does not take, is Invalid.
func (c *ELB) ModifyLoadBalancerAttributes(ctx context.Context, arn string, attributes Attributes) error {
	list := elbAttributes(attributes, func(key, value *string) types.LoadBalancerAttribute {
		return types.LoadBalancerAttribute{Key: key, Value: value}
	})
	for batch := range slices.Chunk(list, attributeBatch) {
		_, err := c.write.ModifyLoadBalancerAttributes(ctx, &elb.ModifyLoadBalancerAttributesInput{LoadBalancerArn: &arn, Attributes: batch})
		if err != nil {
			return wrap("ModifyLoadBalancerAttributes", arn, err)
		}
	}
	return nil
}

// DescribeListenerAttributes returns the attributes of a listener, all of them. It is
// NotFound if the listener is.
func (c *ELB) DescribeListenerAttributes(ctx context.Context, arn string) (Attributes, error) {
	out, err := c.read.DescribeListenerAttributes(ctx, &elb.DescribeListenerAttributesInput{ListenerArn: &arn})
	if err != nil {
		return nil, wrap("DescribeListenerAttributes", arn, err)
	}
	return readAttributes(out.Attributes, func(a types.ListenerAttribute) (key, value *string) { return a.Key, a.Value }), nil
}

// ModifyListenerAttributes sets the attributes given; others stay. See
// ModifyLoadBalancerAttributes.
func (c *ELB) ModifyListenerAttributes(ctx context.Context, arn string, attributes Attributes) error {
	list := elbAttributes(attributes, func(key, value *string) types.ListenerAttribute {
		return types.ListenerAttribute{Key: key, Value: value}
	})
	for batch := range slices.Chunk(list, attributeBatch) {
		_, err := c.write.ModifyListenerAttributes(ctx, &elb.ModifyListenerAttributesInput{ListenerArn: &arn, Attributes: batch})
		if err != nil {
			return wrap("ModifyListenerAttributes", arn, err)
		}
	}
	return nil
}

// DescribeTargetGroupAttributes returns the attributes of a target group, all of them.
// It is NotFound if the group is.
func (c *ELB) DescribeTargetGroupAttributes(ctx context.Context, arn string) (Attributes, error) {
	out, err := c.read.DescribeTargetGroupAttributes(ctx, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: &arn})
	if err != nil {
		return nil, wrap("DescribeTargetGroupAttributes", arn, err)
	}
	return readAttributes(out.Attributes, func(a types.TargetGroupAttribute) (key, value *string) { return a.Key, a.Value }), nil
}

// ModifyTargetGroupAttributes sets the attributes given; others stay. See
// ModifyLoadBalancerAttributes.
func (c *ELB) ModifyTargetGroupAttributes(ctx context.Context, arn string, attributes Attributes) error {
	list := elbAttributes(attributes, func(key, value *string) types.TargetGroupAttribute {
		return types.TargetGroupAttribute{Key: key, Value: value}
	})
	for batch := range slices.Chunk(list, attributeBatch) {
		_, err := c.write.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &arn, Attributes: batch})
		if err != nil {
			return wrap("ModifyTargetGroupAttributes", arn, err)
		}
	}
	return nil
}

func readAttributes[T any](in []T, read func(T) (key, value *string)) Attributes {
	out := make(Attributes, len(in))
	for _, a := range in {
		key, value := read(a)
		out[aws.ToString(key)] = aws.ToString(value)
	}
	return out
}

// elbAttributes converts attributes in the order of their keys.
func elbAttributes[T any](attributes Attributes, convert func(key, value *string) T) []T {
	var list []T
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[key]
		list = append(list, convert(&key, &value))
	}
	return list
}
