package awsapi

import (
	"maps"
	"slices"

	"github.com/tgsync/tgsync/syncer/opqueue"
)

// Services, as IAM names them.
const (
	serviceELB = "elasticloadbalancing"
	serviceEC2 = "ec2"
	serviceSTS = "sts"
	serviceACM = "acm"
)

// ELBv2's buckets, from "Request throttling for the Elastic Load Balancing API"
// in the Elastic Load Balancing user guide. Every attempt takes a token of its
// category and one of the account's.
var (
	elbAccount           = opqueue.Bucket{Name: "elb-account", Size: 40, Refill: 10}
	elbResourceIntensive = opqueue.Bucket{Name: "elb-resource-intensive", Size: 10, Refill: 0.2}
	elbRegistration      = opqueue.Bucket{Name: "elb-registration", Size: 20, Refill: 4}
	elbNonMutating       = opqueue.Bucket{Name: "elb-non-mutating", Size: 40, Refill: 10}
	elbMutating          = opqueue.Bucket{Name: "elb-mutating", Size: 20, Refill: 3}
)

// EC2 has a bucket per action, from "Request throttling for the Amazon EC2 API"
// in the EC2 developer guide. The sizes below are those of the kinds of actions.
// DescribeSecurityGroups counts as non-mutating only with a filter or MaxResults;
// this package sends both.
func ec2NonMutating(action string) opqueue.Bucket { return ec2Bucket(action, 100, 20) }

func ec2Mutating(action string) opqueue.Bucket { return ec2Bucket(action, 50, 5) }

func ec2ResourceIntensive(action string) opqueue.Bucket { return ec2Bucket(action, 50, 5) }

// ec2Tagging is a bucket of CreateTags and DeleteTags.
func ec2Tagging(action string) opqueue.Bucket { return ec2Bucket(action, 100, 10) }

func ec2Bucket(action string, size, refill float64) opqueue.Bucket {
	return opqueue.Bucket{Name: serviceEC2 + "-" + action, Size: size, Refill: refill, Alone: true}
}

// ACM has a rate per action, from "API rate quotas" in the ACM user guide.
func acmBucket(action string, refill float64) opqueue.Bucket {
	return opqueue.Bucket{Name: serviceACM + "-" + action, Size: refill, Refill: refill, Alone: true}
}

// actions holds every action that this package calls, with the bucket of its
// category.
var actions = map[string]opqueue.Bucket{
	"elasticloadbalancing:AddListenerCertificates":        elbMutating,
	"elasticloadbalancing:AddTags":                        elbMutating,
	"elasticloadbalancing:CreateListener":                 elbMutating,
	"elasticloadbalancing:CreateLoadBalancer":             elbResourceIntensive,
	"elasticloadbalancing:CreateRule":                     elbMutating,
	"elasticloadbalancing:CreateTargetGroup":              elbMutating,
	"elasticloadbalancing:DeleteListener":                 elbMutating,
	"elasticloadbalancing:DeleteLoadBalancer":             elbMutating,
	"elasticloadbalancing:DeleteRule":                     elbMutating,
	"elasticloadbalancing:DeleteTargetGroup":              elbMutating,
	"elasticloadbalancing:DeregisterTargets":              elbRegistration,
	"elasticloadbalancing:DescribeListenerAttributes":     elbNonMutating,
	"elasticloadbalancing:DescribeListenerCertificates":   elbNonMutating,
	"elasticloadbalancing:DescribeListeners":              elbNonMutating,
	"elasticloadbalancing:DescribeLoadBalancerAttributes": elbNonMutating,
	"elasticloadbalancing:DescribeLoadBalancers":          elbNonMutating,
	"elasticloadbalancing:DescribeRules":                  elbNonMutating,
	"elasticloadbalancing:DescribeTags":                   elbNonMutating,
	"elasticloadbalancing:DescribeTargetGroupAttributes":  elbNonMutating,
	"elasticloadbalancing:DescribeTargetGroups":           elbNonMutating,
	"elasticloadbalancing:DescribeTargetHealth":           elbNonMutating,
	"elasticloadbalancing:ModifyListener":                 elbMutating,
	"elasticloadbalancing:ModifyListenerAttributes":       elbMutating,
	"elasticloadbalancing:ModifyLoadBalancerAttributes":   elbMutating,
	"elasticloadbalancing:ModifyRule":                     elbMutating,
	"elasticloadbalancing:ModifyTargetGroup":              elbMutating,
	"elasticloadbalancing:ModifyTargetGroupAttributes":    elbMutating,
	"elasticloadbalancing:RegisterTargets":                elbRegistration,
	"elasticloadbalancing:RemoveListenerCertificates":     elbMutating,
	"elasticloadbalancing:RemoveTags":                     elbMutating,
	"elasticloadbalancing:SetIpAddressType":               elbMutating,
	"elasticloadbalancing:SetRulePriorities":              elbMutating,
	"elasticloadbalancing:SetSecurityGroups":              elbMutating,
	"elasticloadbalancing:SetSubnets":                     elbResourceIntensive,

	"ec2:AuthorizeSecurityGroupIngress": ec2ResourceIntensive("AuthorizeSecurityGroupIngress"),
	"ec2:CreateSecurityGroup":           ec2Mutating("CreateSecurityGroup"),
	"ec2:CreateTags":                    ec2Tagging("CreateTags"),
	"ec2:DeleteSecurityGroup":           ec2Mutating("DeleteSecurityGroup"),
	"ec2:DescribeNetworkInterfaces":     ec2NonMutating("DescribeNetworkInterfaces"),
	"ec2:DescribeRouteTables":           ec2NonMutating("DescribeRouteTables"),
	"ec2:DescribeSecurityGroups":        ec2NonMutating("DescribeSecurityGroups"),
	"ec2:DescribeSubnets":               ec2NonMutating("DescribeSubnets"),
	"ec2:RevokeSecurityGroupIngress":    ec2ResourceIntensive("RevokeSecurityGroupIngress"),

	"acm:DescribeCertificate": acmBucket("DescribeCertificate", 10),
	"acm:ListCertificates":    acmBucket("ListCertificates", 8),
}

// Actions returns the IAM name of every permission that this package needs,
// sorted.
func Actions() []string {
	return slices.Sorted(maps.Keys(actions))
}
