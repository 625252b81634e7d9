package rehearsal

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

// Prefix begins the ARN or ID of what was made in a rehearsal.
const Prefix = "rehearsed-"

// made counts what was made, so that no two have one name.
var made atomic.Int64

func newID(kind string) string { return Prefix + kind + "-" + strconv.FormatInt(made.Add(1), 10) }

// isMade reports whether something exists in the rehearsal only.
func isMade(id string) bool { return strings.HasPrefix(id, Prefix) }

// ELB reads from AWS and changes nothing.
type ELB struct{ *awsapi.ELB }

// CreateLoadBalancer returns a load balancer that is active at once.
func (ELB) CreateLoadBalancer(_ context.Context, lb awsapi.LoadBalancer) (awsapi.LoadBalancer, error) {
	lb.ARN, lb.State = newID("load-balancer"), "active"
	lb.DNSName = lb.ARN + ".invalid" // the top-level domain that can never be (RFC 2606)
	return lb, nil
}

// DeleteLoadBalancer does nothing.
func (ELB) DeleteLoadBalancer(context.Context, string) error { return nil }

// SetSecurityGroups does nothing.
func (ELB) SetSecurityGroups(context.Context, string, []string) error { return nil }

// SetSubnets does nothing.
func (ELB) SetSubnets(context.Context, string, []string) error { return nil }

// SetIPAddressType does nothing.
func (ELB) SetIPAddressType(context.Context, string, string) error { return nil }

// ModifyLoadBalancerAttributes does nothing.
func (ELB) ModifyLoadBalancerAttributes(context.Context, string, awsapi.Attributes) error { return nil }

// DescribeLoadBalancerAttributes reads them, but for what was made.
func (e ELB) DescribeLoadBalancerAttributes(ctx context.Context, arn string) (awsapi.Attributes, error) {
	if isMade(arn) {
		return awsapi.Attributes{}, nil
	}
	return e.ELB.DescribeLoadBalancerAttributes(ctx, arn)
}

// CreateListener returns a listener.
func (ELB) CreateListener(_ context.Context, l awsapi.Listener) (awsapi.Listener, error) {
	l.ARN = newID("listener")
	return l, nil
}

// ModifyListener does nothing.
func (ELB) ModifyListener(context.Context, awsapi.Listener) error { return nil }

// DeleteListener does nothing.
func (ELB) DeleteListener(context.Context, string) error { return nil }

// DescribeListeners reads them, but for what was made.
func (e ELB) DescribeListeners(ctx context.Context, loadBalancerARN string) ([]awsapi.Listener, error) {
	if isMade(loadBalancerARN) {
		return nil, nil
	}
	return e.ELB.DescribeListeners(ctx, loadBalancerARN)
}

// ModifyListenerAttributes does nothing.
func (ELB) ModifyListenerAttributes(context.Context, string, awsapi.Attributes) error { return nil }

// DescribeListenerAttributes reads them, but for what was made.
func (e ELB) DescribeListenerAttributes(ctx context.Context, arn string) (awsapi.Attributes, error) {
	if isMade(arn) {
		return awsapi.Attributes{}, nil
	}
	return e.ELB.DescribeListenerAttributes(ctx, arn)
}

// AddListenerCertificate does nothing.
func (ELB) AddListenerCertificate(context.Context, string, string) error { return nil }

// RemoveListenerCertificate does nothing.
func (ELB) RemoveListenerCertificate(context.Context, string, string) error { return nil }

// DescribeListenerCertificates reads them, but for what was made.
func (e ELB) DescribeListenerCertificates(ctx context.Context, listenerARN string) ([]string, error) {
	if isMade(listenerARN) {
		return nil, nil
	}
	return e.ELB.DescribeListenerCertificates(ctx, listenerARN)
}

// CreateRule returns a rule.
func (ELB) CreateRule(_ context.Context, _ string, r awsapi.Rule) (awsapi.Rule, error) {
	r.ARN = newID("rule")
	return r, nil
}

// ModifyRule does nothing.
func (ELB) ModifyRule(context.Context, awsapi.Rule) error { return nil }

// SetRulePriorities does nothing.
func (ELB) SetRulePriorities(context.Context, []awsapi.RulePriority) error { return nil }

// DeleteRule does nothing.
func (ELB) DeleteRule(context.Context, string) error { return nil }

// DescribeRules reads them, but for what was made.
func (e ELB) DescribeRules(ctx context.Context, listenerARN string) ([]awsapi.Rule, error) {
	if isMade(listenerARN) {
		return nil, nil
	}
	return e.ELB.DescribeRules(ctx, listenerARN)
}

// CreateTargetGroup returns a target group.
func (ELB) CreateTargetGroup(_ context.Context, g awsapi.TargetGroup) (awsapi.TargetGroup, error) {
	g.ARN = newID("target-group")
	return g, nil
}

// ModifyTargetGroup does nothing.
func (ELB) ModifyTargetGroup(context.Context, string, awsapi.HealthCheck) error { return nil }

// ModifyTargetGroupAttributes does nothing.
func (ELB) ModifyTargetGroupAttributes(context.Context, string, awsapi.Attributes) error { return nil }

// DescribeTargetGroupAttributes reads them, but for what was made.
func (e ELB) DescribeTargetGroupAttributes(ctx context.Context, arn string) (awsapi.Attributes, error) {
	if isMade(arn) {
		return awsapi.Attributes{}, nil
	}
	return e.ELB.DescribeTargetGroupAttributes(ctx, arn)
}

// DeleteTargetGroup does nothing.
func (ELB) DeleteTargetGroup(context.Context, string) error { return nil }

// AddTags does nothing.
func (ELB) AddTags(context.Context, []string, awsapi.Tags) error { return nil }

// RemoveTags does nothing.
func (ELB) RemoveTags(context.Context, []string, []string) error { return nil }

// DescribeTags reads those of what was not made.
func (e ELB) DescribeTags(ctx context.Context, arns []string) (map[string]awsapi.Tags, error) {
	var standing []string
	for _, arn := range arns {
		if !isMade(arn) {
			standing = append(standing, arn)
		}
	}
	return e.ELB.DescribeTags(ctx, standing)
}

// RegisterTargets does nothing.
func (ELB) RegisterTargets(context.Context, string, []target.Target, func(netip.Addr) string) error {
	return nil
}

// DeregisterTargets does nothing.
func (ELB) DeregisterTargets(context.Context, string, []target.Target) error { return nil }

// DescribeTargetHealth reads it, but for what was made.
func (e ELB) DescribeTargetHealth(ctx context.Context, arn string) ([]awsapi.TargetHealth, error) {
	if isMade(arn) {
		return nil, nil
	}
	return e.ELB.DescribeTargetHealth(ctx, arn)
}

// EC2 reads from AWS and changes nothing.
type EC2 struct{ *awsapi.EC2 }

// CreateSecurityGroup returns an ID.
func (EC2) CreateSecurityGroup(context.Context, awsapi.SecurityGroup) (string, error) {
	return newID("security-group"), nil
}

// DeleteSecurityGroup does nothing.
func (EC2) DeleteSecurityGroup(context.Context, string) error { return nil }

// AuthorizeIngress does nothing.
func (EC2) AuthorizeIngress(context.Context, string, []awsapi.Permission) error { return nil }

// RevokeIngress does nothing.
func (EC2) RevokeIngress(context.Context, string, []awsapi.Permission) error { return nil }

// TagSecurityGroup does nothing.
func (EC2) TagSecurityGroup(context.Context, string, awsapi.Tags) error { return nil }
