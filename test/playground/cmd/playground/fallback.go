package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tgsync/tgsync/test/playground"
)

// byPath are the rules of the first Ingress, with a default action. Of a Service's name,
// that of a target group has the first eight letters.
func byPath(fallback string) []rule {
	return []rule{pathRule("echo0"), pathRule("echo1"), {"", fallback}}
}

// defaultBackend takes the Ingress back to a load balancer of its own, too: it names
// no group any more.
func (d *demonstration) defaultBackend(ctx context.Context) error {
	if err := d.apply(ctx, "default-backend.yaml", 2); err != nil {
		return err
	}
	if err := d.awaitPods(ctx, "demo0", "default-backend", 1); err != nil {
		return err
	}
	if err := d.apply(ctx, "ingress-default-backend.yaml", 1); err != nil {
		return err
	}
	if err := d.move(ctx, "ingress-demo0", atHost("echo0.host.com", "echo0"), echoes("/echo0", "echo0")); err != nil {
		return err
	}
	if err := d.awaitAllRules(ctx, byPath("defaultb")...); err != nil {
		return err
	}
	if err := d.expect(ctx, echoes("/echo0", "echo0")); err != nil {
		return err
	}
	return d.expect(ctx, expectation{path: "/", status: http.StatusOK, body: "This is the default server.\n"})
}

func (d *demonstration) wrongBackend(ctx context.Context) error {
	if err := d.apply(ctx, "ingress-wrong-backend.yaml", 1); err != nil {
		return err
	}
	if err := d.awaitAllRules(ctx, byPath("503")...); err != nil {
		return err
	}
	return d.expect(ctx, expectation{path: "/", status: http.StatusServiceUnavailable, body: "Backend service does not exist"})
}

// healthChecks changes every setting of the health checks of target groups that are
// in use.
func (d *demonstration) healthChecks(ctx context.Context) error {
	if err := d.apply(ctx, "ingress-healthcheck.yaml", 1); err != nil {
		return err
	}
	if err := d.awaitAllRules(ctx, byPath("defaultb")...); err != nil {
		return err
	}
	want := playground.TargetGroup{
		HealthCheckPath: "/healthcheck", HealthCheckPort: "traffic-port", HealthCheckProtocol: "HTTP",
		HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2, HealthyThresholdCount: 3, UnhealthyThresholdCount: 4,
		HTTPCode: "200-299",
	}
	var groups []playground.TargetGroup
	err := await(ctx, "the health checks", func(ctx context.Context) (err error) {
		if groups, err = d.account.TargetGroups(ctx); err != nil {
			return err
		}
		for _, g := range groups {
			g.TargetGroupArn, g.TargetGroupName = "", ""
			if g != want {
				return fmt.Errorf("a target group has %+v", g)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.command("aws elbv2 describe-target-groups")
	rows := [][]string{strings.Fields("NAME PROTOCOL PORT PATH INTERVAL TIMEOUT HEALTHY UNHEALTHY CODES")}
	for _, g := range groups {
		rows = append(rows, strings.Fields(fmt.Sprintf("%s %s %s %s %ds %ds %d %d %s", g.TargetGroupName, g.HealthCheckProtocol,
			g.HealthCheckPort, g.HealthCheckPath, g.HealthCheckIntervalSeconds, g.HealthCheckTimeoutSeconds,
			g.HealthyThresholdCount, g.UnhealthyThresholdCount, g.HTTPCode)))
	}
	d.table(rows)
	return d.expect(ctx, echoes("/echo0", "echo0"))
}

// attributes waits until the load balancer has these attributes, and
// shows them.
func (d *demonstration) attributes(ctx context.Context, want ...playground.Attribute) error {
	err := await(ctx, "the attributes of the load balancer", func(ctx context.Context) error {
		balancer, err := d.balancer(ctx)
		if err != nil {
			return err
		}
		have, err := d.account.Attributes(ctx, balancer.LoadBalancerArn)
		if err != nil {
			return err
		}
		all := map[playground.Attribute]bool{}
		for _, a := range have {
			all[a] = true
		}
		for _, a := range want {
			if !all[a] {
				return fmt.Errorf("no %s=%s among %v", a.Key, a.Value, have)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.command("aws elbv2 describe-load-balancer-attributes")
	rows := [][]string{{"ATTRIBUTE", "VALUE"}}
	for _, a := range want {
		rows = append(rows, []string{a.Key, a.Value})
	}
	d.table(rows)
	return nil
}
