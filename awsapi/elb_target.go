package awsapi

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/tgsync/tgsync/syncer/target"
)

// ZoneAll is the Availability Zone of a target outside of the VPC that every zone of
// its load balancer may use.
const ZoneAll = "all"

// RegisterTargets registers addresses, in one call however many they are. What is
// registered already is left as it is, so it can be repeated. One bad target fails
// the whole call. An empty list costs no call.
//
// Zone returns the Availability Zone of an address outside of the VPC's subnets, and
// "" for one inside: AWS takes no other (see ZoneProblem). Nil: all are inside.
func (c *ELB) RegisterTargets(ctx context.Context, groupARN string, ts []target.Target, zone func(netip.Addr) string) error {
	if len(ts) == 0 {
		return nil
	}
	targets := each(ts, elbTarget)
	for i, t := range ts {
		if zone != nil && zone(t.IP) != "" {
			targets[i].AvailabilityZone = aws.String(zone(t.IP))
		}
	}
	_, err := c.write.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &groupARN, Targets: targets})
	return wrap("RegisterTargets", fmt.Sprintf("%d in %s", len(ts), groupARN), err)
}

// DeregisterTargets deregisters targets, in one call however many they are. They
// drain for the group's deregistration delay. What is not registered is passed
// over, so it can be repeated. An empty list costs no call.
func (c *ELB) DeregisterTargets(ctx context.Context, groupARN string, ts []target.Target) error {
	if len(ts) == 0 {
		return nil
	}
	_, err := c.write.DeregisterTargets(ctx,
		&elb.DeregisterTargetsInput{TargetGroupArn: &groupARN, Targets: each(ts, elbTarget)})
	return wrap("DeregisterTargets", fmt.Sprintf("%d in %s", len(ts), groupARN), err)
}

// DescribeTargetHealth returns every target of a group of addresses, draining
// ones included, in one call: AWS has no pages here. A group whose targets are
// not addresses is an error.
func (c *ELB) DescribeTargetHealth(ctx context.Context, groupARN string) ([]TargetHealth, error) {
	out, err := c.read.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &groupARN})
	var all []TargetHealth
	if err == nil {
		all, err = readTargets(out.TargetHealthDescriptions)
	}
	return all, wrap("DescribeTargetHealth", "of "+groupARN, err)
}

func readTargets(in []types.TargetHealthDescription) ([]TargetHealth, error) {
	all := make([]TargetHealth, 0, len(in))
	for _, d := range in {
		var t TargetHealth
		if d.Target != nil {
			ip, err := netip.ParseAddr(aws.ToString(d.Target.Id))
			if err != nil {
				return nil, fmt.Errorf("target: %w", err)
			}
			t.Target = target.Target{IP: ip, Port: aws.ToInt32(d.Target.Port)}
			t.Zone = aws.ToString(d.Target.AvailabilityZone)
		}
		if h := d.TargetHealth; h != nil {
			t.State, t.Reason, t.Description = string(h.State), string(h.Reason), aws.ToString(h.Description)
		}
		if o := d.AdministrativeOverride; o != nil {
			t.Override = Override{State: string(o.State), Reason: string(o.Reason), Description: aws.ToString(o.Description)}
		}
		all = append(all, t)
	}
	return all, nil
}

// elbTarget always names the port: without it, AWS deregisters nothing and
// says OK where the port differs from the group's.
func elbTarget(t target.Target) types.TargetDescription {
	return types.TargetDescription{Id: aws.String(t.IP.String()), Port: &t.Port}
}
