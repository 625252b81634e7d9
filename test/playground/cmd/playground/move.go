package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/tgsync/tgsync/test/playground"
)

// linger is for how long a load balancer still answers here that an Ingress has left:
// long enough to show it. The daemon counts in whole seconds.
const linger = 3 * time.Second

// daemonEnv makes the daemon's patience fit for somebody who looks on.
func daemonEnv() []string {
	return []string{"TGSYNC_LB_LINGER=" + linger.String(), "TGSYNC_REPLACE_TIMEOUT=10s"}
}

// move waits until the Ingress ingress-demo0 shows another load balancer. Both answer,
// until the one that it has left goes.
func (d *demonstration) move(ctx context.Context, balancer string, before, after expectation) error {
	begin := time.Now()
	before.dnsName = d.dnsName
	if err := d.awaitAddress(ctx, "demo0", "ingress-demo0", balancer); err != nil {
		return err
	}
	d.say("clients may know the old address for a while: both answer")
	for _, want := range []expectation{before, after} {
		if err := d.expect(ctx, want); err != nil {
			return err
		}
	}
	err := await(ctx, "the end of "+before.dnsName, func(ctx context.Context) error {
		all, err := d.account.LoadBalancers(ctx)
		if err == nil && len(all) != 1 {
			err = fmt.Errorf("%d load balancers", len(all))
		}
		return err
	})
	if err != nil {
		return err
	}
	d.say("the old load balancer is gone %.1f s after the change: TGSYNC_LB_LINGER is %v here, and 10m by default",
		time.Since(begin).Seconds(), linger)
	return nil
}

// backendGroup is the name of the security group that all load balancers of the
// cluster have, so that pods know them: LBC's own name for it.
func (d *demonstration) backendGroup() string {
	sum := sha256.Sum256([]byte(d.stack.ClusterName()))
	return fmt.Sprintf("k8s-traffic-%s-%.5x", d.stack.ClusterName(), sum)
}

// inventory names what the daemon can make.
func (d *demonstration) inventory(ctx context.Context) ([]string, error) {
	balancers, err := d.account.LoadBalancers(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := d.account.TargetGroups(ctx)
	if err != nil {
		return nil, err
	}
	security, err := d.account.SecurityGroups(ctx)
	if err != nil {
		return nil, err
	}
	return []string{
		"load balancers: " + names(balancers, func(b playground.LoadBalancer) string { return b.LoadBalancerName }),
		"target groups: " + names(groups, func(g playground.TargetGroup) string { return g.TargetGroupName }),
		"security groups: " + names(security, func(g playground.SecurityGroup) string { return g.GroupName }),
	}, nil
}

func names[T any](all []T, name func(T) string) string {
	var list []string
	for _, one := range all {
		list = append(list, name(one))
	}
	return fmt.Sprint(list)
}
