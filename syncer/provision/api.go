package provision

import (
	"context"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/securitygroup"
)

// LoadBalancers is what provisioning needs of load balancers. Creating one that
// exists with the same settings returns it; deleting one that is gone succeeds.
type LoadBalancers interface {
	DescribeLoadBalancers(ctx context.Context) ([]awsapi.LoadBalancer, error)
	CreateLoadBalancer(ctx context.Context, lb awsapi.LoadBalancer) (awsapi.LoadBalancer, error)
	SetSecurityGroups(ctx context.Context, arn string, ids []string) error
	SetSubnets(ctx context.Context, arn string, ids []string) error
	SetIPAddressType(ctx context.Context, arn, ipAddressType string) error
	DeleteLoadBalancer(ctx context.Context, arn string) error
}

// Listeners is what provisioning needs of listeners.
type Listeners interface {
	Certificates
	DescribeListeners(ctx context.Context, loadBalancerARN string) ([]awsapi.Listener, error)
	CreateListener(ctx context.Context, l awsapi.Listener) (awsapi.Listener, error)
	ModifyListener(ctx context.Context, l awsapi.Listener) error
	DeleteListener(ctx context.Context, arn string) error
}

// Certificates is what provisioning needs of the list of an HTTPS listener, which
// its default certificate is not in. Adding what is in it succeeds.
type Certificates interface {
	DescribeListenerCertificates(ctx context.Context, listenerARN string) ([]string, error)
	AddListenerCertificate(ctx context.Context, listenerARN, certificateARN string) error
	RemoveListenerCertificate(ctx context.Context, listenerARN, certificateARN string) error
}

// Attributes reads and sets the attributes of load balancers, listeners and target
// groups. All of them are read, and those that are given are set.
type Attributes interface {
	DescribeLoadBalancerAttributes(ctx context.Context, arn string) (awsapi.Attributes, error)
	ModifyLoadBalancerAttributes(ctx context.Context, arn string, attributes awsapi.Attributes) error
	DescribeListenerAttributes(ctx context.Context, arn string) (awsapi.Attributes, error)
	ModifyListenerAttributes(ctx context.Context, arn string, attributes awsapi.Attributes) error
	DescribeTargetGroupAttributes(ctx context.Context, arn string) (awsapi.Attributes, error)
	ModifyTargetGroupAttributes(ctx context.Context, arn string, attributes awsapi.Attributes) error
}

// Rules is what provisioning needs of rules. CreateRule is not idempotent: the
// second of two equal calls finds its priority in use. SetRulePriorities moves
// all or nothing.
type Rules interface {
	DescribeRules(ctx context.Context, listenerARN string) ([]awsapi.Rule, error)
	CreateRule(ctx context.Context, listenerARN string, r awsapi.Rule) (awsapi.Rule, error)
	ModifyRule(ctx context.Context, r awsapi.Rule) error
	SetRulePriorities(ctx context.Context, moves []awsapi.RulePriority) error
	DeleteRule(ctx context.Context, arn string) error
}

// TargetGroups is what provisioning needs of target groups. DescribeTargetGroups
// without names returns all; a name that does not exist is NotFound. DeleteTargetGroup is
// InUse while a rule or listener refers to the group.
type TargetGroups interface {
	DescribeTargetGroups(ctx context.Context, names ...string) ([]awsapi.TargetGroup, error)
	CreateTargetGroup(ctx context.Context, g awsapi.TargetGroup) (awsapi.TargetGroup, error)
	ModifyTargetGroup(ctx context.Context, arn string, check awsapi.HealthCheck) error
	DeleteTargetGroup(ctx context.Context, arn string) error
	Health
}

// Health reads how the targets of a group are: while the group takes another one's
// place, and at no other time.
type Health interface {
	DescribeTargetHealth(ctx context.Context, arn string) ([]awsapi.TargetHealth, error)
}

// Tags reads, adds and removes tags of ELBv2 resources. AddTags overwrites values.
type Tags interface {
	DescribeTags(ctx context.Context, arns []string) (map[string]awsapi.Tags, error)
	AddTags(ctx context.Context, arns []string, tags awsapi.Tags) error
	RemoveTags(ctx context.Context, arns, keys []string) error
}

// ELB is the part of ELBv2 that provisioning uses.
type ELB interface {
	LoadBalancers
	Listeners
	Attributes
	Rules
	TargetGroups
	Tags
}

// SecurityGroups is what provisioning needs of security groups.
// DeleteSecurityGroup is InUse for as long as a load balancer's network
// interfaces outlive it.
type SecurityGroups interface {
	DescribeSecurityGroups(ctx context.Context, vpcID string, tags awsapi.Tags) ([]awsapi.SecurityGroup, error)
	CreateSecurityGroup(ctx context.Context, g awsapi.SecurityGroup) (id string, err error)
	DeleteSecurityGroup(ctx context.Context, id string) error
	// FindSecurityGroups returns those with one of the IDs or values of the tag Name. What
	// does not exist is left out.
	FindSecurityGroups(ctx context.Context, vpcID string, ids, names []string) ([]awsapi.SecurityGroup, error)
	TagSecurityGroup(ctx context.Context, id string, tags awsapi.Tags) error
}

// SecurityGroupRules is what provisioning needs of inbound rules: each call does all or
// nothing.
type SecurityGroupRules interface {
	AuthorizeIngress(ctx context.Context, id string, permissions []awsapi.Permission) error
	RevokeIngress(ctx context.Context, id string, permissions []awsapi.Permission) error
}

// Backend is the security group that the cluster's load balancers share. Get makes it if
// need be, and fails with securitygroup.ErrGoing while it is being deleted. Seen is told
// of groups that were read.
type Backend interface {
	ID() string // empty: there is none, or it is not known
	Get(ctx context.Context) (string, error)
	Seen(groups []awsapi.SecurityGroup)
}

// Subnets lists where a load balancer can stand.
type Subnets interface {
	DescribeSubnets(ctx context.Context, vpcID string) ([]awsapi.Subnet, error)
	DescribeRouteTables(ctx context.Context, vpcID string) (awsapi.Routes, error)
}

// EC2 is the part of EC2 that provisioning uses.
type EC2 interface {
	SecurityGroups
	SecurityGroupRules
	Subnets
}

// ACM lists the certificates that are issued. It is asked only if an Ingress leaves it
// to us to find one.
type ACM interface {
	ListCertificates(ctx context.Context) ([]awsapi.Certificate, error)
}

// Metrics is told about every pass over a group that called AWS or tried to.
type Metrics interface {
	// GroupPass gets "ok", "waiting" (for something that AWS has to finish first)
	// the awsapi.Class of the error, or webhook.Class.
	GroupPass(result string, took time.Duration)
}

var (
	_ ELB = (*awsapi.ELB)(nil)
	_ EC2 = (*awsapi.EC2)(nil)
	_ ACM = (*awsapi.ACM)(nil)

	_ Backend = (*securitygroup.Backend)(nil)
)
