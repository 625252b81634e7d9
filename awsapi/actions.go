package awsapi

import (
	"maps"
	"slices"
)

// Services, as IAM names them.
const (
	serviceELB = "elasticloadbalancing"
	serviceEC2 = "ec2"
)

// ELBv2's buckets, from "Request throttling for the Elastic Load Balancing API"
// in the Elastic Load Balancing user guide. Every attempt takes a token of its
// category and one of the account's.
var (
	elbAccount           = bucket{name: "elb-account", size: 40, refill: 10}
	elbResourceIntensive = bucket{name: "elb-resource-intensive", size: 10, refill: 0.2}
	elbRegistration      = bucket{name: "elb-registration", size: 20, refill: 4}
	elbNonMutating       = bucket{name: "elb-non-mutating", size: 40, refill: 10}
	elbMutating          = bucket{name: "elb-mutating", size: 20, refill: 3}
)

// EC2 has a bucket per action, from "Request throttling for the Amazon EC2 API"
// in the EC2 developer guide. The sizes below are those of the kinds of actions.
// DescribeSecurityGroups counts as non-mutating only with a filter or MaxResults;
// this package sends both.
func ec2NonMutating(action string) []bucket { return ec2Bucket(action, 100, 20) }

func ec2Mutating(action string) []bucket { return ec2Bucket(action, 50, 5) }

func ec2ResourceIntensive(action string) []bucket { return ec2Bucket(action, 50, 5) }

func ec2Bucket(action string, size int, refill float64) []bucket {
	return []bucket{{name: serviceEC2 + "-" + action, size: size, refill: refill}}
}

// actions holds every action that this package calls, with the buckets that an
// attempt takes a token from, in this order.
var actions = map[string][]bucket{
	"elasticloadbalancing:AddTags":               {elbMutating, elbAccount},
	"elasticloadbalancing:CreateListener":        {elbMutating, elbAccount},
	"elasticloadbalancing:CreateLoadBalancer":    {elbResourceIntensive, elbAccount},
	"elasticloadbalancing:CreateRule":            {elbMutating, elbAccount},
	"elasticloadbalancing:CreateTargetGroup":     {elbMutating, elbAccount},
	"elasticloadbalancing:DeleteListener":        {elbMutating, elbAccount},
	"elasticloadbalancing:DeleteLoadBalancer":    {elbMutating, elbAccount},
	"elasticloadbalancing:DeleteRule":            {elbMutating, elbAccount},
	"elasticloadbalancing:DeleteTargetGroup":     {elbMutating, elbAccount},
	"elasticloadbalancing:DeregisterTargets":     {elbRegistration, elbAccount},
	"elasticloadbalancing:DescribeListeners":     {elbNonMutating, elbAccount},
	"elasticloadbalancing:DescribeLoadBalancers": {elbNonMutating, elbAccount},
	"elasticloadbalancing:DescribeRules":         {elbNonMutating, elbAccount},
	"elasticloadbalancing:DescribeTags":          {elbNonMutating, elbAccount},
	"elasticloadbalancing:DescribeTargetGroups":  {elbNonMutating, elbAccount},
	"elasticloadbalancing:DescribeTargetHealth":  {elbNonMutating, elbAccount},
	"elasticloadbalancing:ModifyListener":        {elbMutating, elbAccount},
	"elasticloadbalancing:ModifyRule":            {elbMutating, elbAccount},
	"elasticloadbalancing:ModifyTargetGroup":     {elbMutating, elbAccount},
	"elasticloadbalancing:RegisterTargets":       {elbRegistration, elbAccount},
	"elasticloadbalancing:RemoveTags":            {elbMutating, elbAccount},
	"elasticloadbalancing:SetRulePriorities":     {elbMutating, elbAccount},
	"elasticloadbalancing:SetSecurityGroups":     {elbMutating, elbAccount},
	"elasticloadbalancing:SetSubnets":            {elbResourceIntensive, elbAccount},

	"ec2:AuthorizeSecurityGroupIngress": ec2ResourceIntensive("AuthorizeSecurityGroupIngress"),
	"ec2:CreateSecurityGroup":           ec2Mutating("CreateSecurityGroup"),
	"ec2:DeleteSecurityGroup":           ec2Mutating("DeleteSecurityGroup"),
	"ec2:DescribeSecurityGroups":        ec2NonMutating("DescribeSecurityGroups"),
	"ec2:DescribeSubnets":               ec2NonMutating("DescribeSubnets"),
	"ec2:RevokeSecurityGroupIngress":    ec2ResourceIntensive("RevokeSecurityGroupIngress"),
}

// permissionOnly holds what IAM checks beside the actions called: the tags in a
// CreateSecurityGroup call need EC2's permission to tag. (ELBv2 asks for AddTags
// likewise, which is called anyway.)
var permissionOnly = []string{"ec2:CreateTags"}

// Actions returns the IAM name of every permission that this package needs,
// sorted.
func Actions() []string {
	return slices.Sorted(slices.Values(slices.AppendSeq(slices.Clone(permissionOnly), maps.Keys(actions))))
}
