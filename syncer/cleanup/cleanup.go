// Package cleanup finds and deletes what a cluster has left in AWS. Load balancers do
// not go with their cluster: whoever would have deleted them went with it.
//
// A leftover is what carries the tag elbv2.k8s.aws/cluster with the cluster's name:
// load balancers of every type, target groups, security groups, whether tgsync made
// them or the AWS Load Balancer Controller did. And so are the rules that these have
// made for such a security group on others: nodes' groups may outlive the cluster, and
// a group that a rule names cannot be deleted.
package cleanup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/securitygroup"
)

// ELB is what cleaning up needs of ELBv2.
type ELB interface {
	DescribeLoadBalancers(ctx context.Context) ([]awsapi.LoadBalancer, error)
	DescribeTargetGroups(ctx context.Context, names ...string) ([]awsapi.TargetGroup, error)
	DescribeTags(ctx context.Context, arns []string) (map[string]awsapi.Tags, error)
	DeleteLoadBalancer(ctx context.Context, arn string) error
	DeleteTargetGroup(ctx context.Context, arn string) error
}

// EC2 is what cleaning up needs of EC2.
type EC2 interface {
	DescribeSecurityGroups(ctx context.Context, vpcID string, tags awsapi.Tags) ([]awsapi.SecurityGroup, error)
	RevokeIngress(ctx context.Context, id string, permissions []awsapi.Permission) error
	DeleteSecurityGroup(ctx context.Context, id string) error
}

// Kind is the kind of a leftover.
type Kind int

// Kinds, in the order in which they can be deleted: nothing goes before what uses it.
const (
	LoadBalancer Kind = iota
	TargetGroup
	Rules
	SecurityGroup
)

// String is the kind in words.
func (k Kind) String() string {
	return [...]string{"load balancer", "target group", "rules of security group", "security group"}[k]
}

// Leftover is one resource of the cluster.
type Leftover struct {
	Kind Kind
	Name string
	ID   string // ARN, or sg-...

	rules []awsapi.Permission // those that go, of Rules
}

// String names a leftover to a person.
func (l Leftover) String() string { return fmt.Sprintf("%v %s (%s)", l.Kind, l.Name, l.ID) }

// Find lists what a cluster has left, in the order in which it can be deleted.
func Find(ctx context.Context, elb ELB, ec2 EC2, cluster string) ([]Leftover, error) {
	balancers, err := elb.DescribeLoadBalancers(ctx)
	if err != nil {
		return nil, err
	}
	targetGroups, err := elb.DescribeTargetGroups(ctx)
	if err != nil {
		return nil, err
	}
	securityGroups, err := findSecurityGroups(ctx, ec2, cluster)
	if err != nil {
		return nil, err
	}
	var candidates []Leftover
	var arns []string
	for _, b := range balancers {
		candidates, arns = append(candidates, Leftover{Kind: LoadBalancer, Name: b.Name, ID: b.ARN}), append(arns, b.ARN)
	}
	for _, g := range targetGroups {
		candidates, arns = append(candidates, Leftover{Kind: TargetGroup, Name: g.Name, ID: g.ARN}), append(arns, g.ARN)
	}
	tags, err := elb.DescribeTags(ctx, arns)
	if err != nil {
		return nil, err
	}
	left := slices.DeleteFunc(candidates, func(l Leftover) bool { return tags[l.ID][ingress.TagCluster] != cluster })
	left = append(left, securityGroups...)
	slices.SortFunc(left, func(a, b Leftover) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return left, nil
}

// findSecurityGroups lists the security groups of a cluster, and the rules for them on
// others.
func findSecurityGroups(ctx context.Context, ec2 EC2, cluster string) (left []Leftover, err error) {
	all, err := ec2.DescribeSecurityGroups(ctx, "", nil)
	if err != nil {
		return nil, err
	}
	isLeft := map[string]bool{}
	for _, g := range all {
		if g.Tags[ingress.TagCluster] == cluster {
			isLeft[g.ID] = true
			left = append(left, Leftover{Kind: SecurityGroup, Name: g.Name, ID: g.ID})
		}
	}
	for _, g := range all {
		rules := slices.DeleteFunc(slices.Clone(g.Ingress), func(r awsapi.Permission) bool {
			return r.Description != securitygroup.Description || !isLeft[r.GroupID]
		})
		if len(rules) > 0 {
			left = append(left, Leftover{Kind: Rules, Name: g.Name, ID: g.ID, rules: rules})
		}
	}
	return left, nil
}

// How long to wait until what is in use is tried again. Network interfaces outlive
// their load balancer by seconds to minutes, and keep security groups in use.
const (
	firstPause = 2 * time.Second
	lastPause  = 15 * time.Second
)

// Delete deletes leftovers in their order and tells of each, once, how that went. What
// is still in use is tried again until ctx ends. It returns what could not be deleted.
func Delete(ctx context.Context, elb ELB, ec2 EC2, left []Leftover, tell func(Leftover, error)) error {
	var failed []error
	report := func(l Leftover, err error) {
		tell(l, err)
		if err != nil {
			failed = append(failed, fmt.Errorf("%v: %w", l, err))
		}
	}
	for pause := firstPause; len(left) > 0; pause = min(2*pause, lastPause) {
		var inUse []Leftover
		var last error
		for _, l := range left {
			err := remove(ctx, elb, ec2, l)
			if awsapi.ClassOf(err) == awsapi.InUse {
				inUse, last = append(inUse, l), err
				continue
			}
			report(l, err)
		}
		left = inUse
		if len(left) > 0 && !sleep(ctx, pause) {
			for _, l := range left {
				report(l, last)
			}
			break
		}
	}
	return errors.Join(failed...)
}

// remove deletes one leftover; one that is gone is deleted.
func remove(ctx context.Context, elb ELB, ec2 EC2, l Leftover) (err error) {
	switch l.Kind {
	case LoadBalancer:
		err = elb.DeleteLoadBalancer(ctx, l.ID)
	case TargetGroup:
		err = elb.DeleteTargetGroup(ctx, l.ID)
	case Rules:
		err = ec2.RevokeIngress(ctx, l.ID, l.rules)
	case SecurityGroup:
		err = ec2.DeleteSecurityGroup(ctx, l.ID)
	}
	if awsapi.ClassOf(err) == awsapi.NotFound {
		return nil
	}
	return err
}

// sleep reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
