package rehearsal

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/tgsync/tgsync/awsapi"
)

// Prefix begins the ARN or ID of what was made in a rehearsal.
const Prefix = "rehearsed-"

// SecurityGroup begins the ID of a security group that was made in a rehearsal. Its name
// follows.
const SecurityGroup = Prefix + "security-group-"

// made counts what was made and has no name, so that no two have one ARN.
var made atomic.Int64

// newID is the same for what is made again under the same name: who rehearses for long
// reads again what AWS holds, and finds once more that it is not there.
func newID(kind, name string) string { return Prefix + kind + "-" + name }

// isMade reports whether something exists in the rehearsal only.
func isMade(id string) bool { return strings.HasPrefix(id, Prefix) }

// ELB reads from AWS and changes nothing.
type ELB struct {
	*awsapi.ELB
	// Targets are what is believed of targets. Nil: nothing, and reads show what AWS has.
	Targets *Targets
}

// CreateLoadBalancer returns a load balancer that is active at once.
func (ELB) CreateLoadBalancer(_ context.Context, lb awsapi.LoadBalancer) (awsapi.LoadBalancer, error) {
	lb.ARN, lb.State = newID("load-balancer", lb.Name), "active"
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
	l.ARN = newID("listener", l.LoadBalancerARN+"-"+strconv.Itoa(int(l.Port)))
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
	r.ARN = newID("rule", strconv.FormatInt(made.Add(1), 10))
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
	g.ARN = newID("target-group", g.Name)
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

// EC2 reads from AWS and changes nothing.
type EC2 struct{ *awsapi.EC2 }

// CreateSecurityGroup returns an ID.
func (EC2) CreateSecurityGroup(_ context.Context, g awsapi.SecurityGroup) (string, error) {
	return SecurityGroup + g.Name, nil
}

// DeleteSecurityGroup does nothing.
func (EC2) DeleteSecurityGroup(context.Context, string) error { return nil }

// AuthorizeIngress does nothing.
func (EC2) AuthorizeIngress(context.Context, string, []awsapi.Permission) error { return nil }

// RevokeIngress does nothing.
func (EC2) RevokeIngress(context.Context, string, []awsapi.Permission) error { return nil }

// TagSecurityGroup does nothing.
func (EC2) TagSecurityGroup(context.Context, string, awsapi.Tags) error { return nil }
