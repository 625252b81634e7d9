package takeover

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"
)

func tagList(tags map[string]string) (list []types.Tag) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: &key, Value: aws.String(tags[key])})
	}
	return list
}

// share is a part of a forward; a weight of 0 leaves it to AWS.
type share struct {
	arn    string
	weight int32
}

func forward(shares ...share) []types.Action {
	config := &types.ForwardActionConfig{}
	for _, s := range shares {
		tuple := types.TargetGroupTuple{TargetGroupArn: &s.arn}
		if s.weight > 0 {
			tuple.Weight = &s.weight
		}
		config.TargetGroups = append(config.TargetGroups, tuple)
	}
	return []types.Action{{Type: types.ActionTypeEnumForward, ForwardConfig: config}}
}

func fixed(status, contentType, body string) []types.Action {
	config := &types.FixedResponseActionConfig{StatusCode: &status, ContentType: &contentType}
	if body != "" {
		config.MessageBody = &body
	}
	return []types.Action{{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: config}}
}

func field(name string, values ...string) types.RuleCondition {
	c := types.RuleCondition{Field: &name}
	if name == "host-header" {
		c.HostHeaderConfig = &types.HostHeaderConditionConfig{Values: values}
	} else {
		c.PathPatternConfig = &types.PathPatternConditionConfig{Values: values}
	}
	return c
}

type rule struct {
	users      map[string]string // tags
	conditions []types.RuleCondition
	actions    []types.Action
}

// rules makes the rules of a listener, in order.
func (w *world) rules(listener string, s stack, port int32, rules ...rule) {
	w.t.Helper()
	for i, r := range rules {
		priority := int32(i + 1)
		_, err := w.elb.CreateRule(w.t.Context(), &elb.CreateRuleInput{
			ListenerArn: &listener, Priority: &priority, Conditions: r.conditions, Actions: r.actions,
			Tags: tagList(s.tags(fmt.Sprintf("%d:%d", port, priority), r.users)),
		})
		require.NoError(w.t, err)
	}
}

// securityGroup makes a security group.
func (w *world) securityGroup(name, description string, tags map[string]string) (id string) {
	w.t.Helper()
	spec := ec2types.TagSpecification{ResourceType: ec2types.ResourceTypeSecurityGroup}
	for key, value := range tags {
		spec.Tags = append(spec.Tags, ec2types.Tag{Key: &key, Value: &value})
	}
	out, err := w.ec2.CreateSecurityGroup(w.t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: &name, Description: &description, VpcId: aws.String(vpcID), TagSpecifications: []ec2types.TagSpecification{spec},
	})
	require.NoError(w.t, err)
	return *out.GroupId
}

// permission opens ports to one source.
type permission struct {
	from, to                  int32
	cidr, cidrV6, list, group string
	description               string
}

func (w *world) authorize(group string, p permission) {
	w.t.Helper()
	out := ec2types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: &p.from, ToPort: &p.to}
	switch {
	case p.cidr != "":
		out.IpRanges = []ec2types.IpRange{{CidrIp: &p.cidr}}
	case p.cidrV6 != "":
		out.Ipv6Ranges = []ec2types.Ipv6Range{{CidrIpv6: &p.cidrV6}}
	case p.list != "":
		out.PrefixListIds = []ec2types.PrefixListId{{PrefixListId: &p.list}}
	default:
		out.UserIdGroupPairs = []ec2types.UserIdGroupPair{{GroupId: &p.group, Description: &p.description}}
	}
	_, err := w.ec2.AuthorizeSecurityGroupIngress(w.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []ec2types.IpPermission{out}})
	require.NoError(w.t, err)
}

// tagsOf are the tags of each ELBv2 resource of the account, by ARN.
func (w *world) tagsOf() map[string]map[string]string {
	w.t.Helper()
	ctx, arns := w.t.Context(), []string(nil)
	groups, err := w.elb.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{})
	require.NoError(w.t, err)
	for _, g := range groups.TargetGroups {
		arns = append(arns, *g.TargetGroupArn)
	}
	balancers, err := w.elb.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{})
	require.NoError(w.t, err)
	for _, lb := range balancers.LoadBalancers {
		arns = append(arns, *lb.LoadBalancerArn)
		listeners, err := w.elb.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: lb.LoadBalancerArn})
		require.NoError(w.t, err)
		for _, l := range listeners.Listeners {
			arns = append(arns, *l.ListenerArn)
			rules, err := w.elb.DescribeRules(ctx, &elb.DescribeRulesInput{ListenerArn: l.ListenerArn})
			require.NoError(w.t, err)
			for _, r := range rules.Rules {
				if !*r.IsDefault {
					arns = append(arns, *r.RuleArn)
				}
			}
		}
	}
	tags := map[string]map[string]string{}
	for chunk := range slices.Chunk(arns, 20) {
		out, err := w.elb.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: chunk})
		require.NoError(w.t, err)
		for _, d := range out.TagDescriptions {
			tags[*d.ResourceArn] = map[string]string{}
			for _, t := range d.Tags {
				tags[*d.ResourceArn][*t.Key] = *t.Value
			}
		}
	}
	return tags
}

// kind is the kind of a resource in an ARN.
func kind(arn string) string { return strings.Split(arn[strings.LastIndexByte(arn, ':')+1:], "/")[0] }
