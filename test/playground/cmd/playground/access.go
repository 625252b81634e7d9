package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tgsync/tgsync/test/playground"
)

// accessControl opens three ports to two networks.
func (d *demonstration) accessControl(ctx context.Context) error {
	if err := d.apply(ctx, "ingress-access-control.yaml", 1); err != nil {
		return err
	}
	want := []string{"443 1.2.3.4/32", "443 10.0.0.0/8", "80 1.2.3.4/32", "80 10.0.0.0/8", "8000 1.2.3.4/32", "8000 10.0.0.0/8"}
	var opened []string
	err := await(ctx, "the inbound rules", func(ctx context.Context) (err error) {
		if opened, err = d.opened(ctx); err != nil {
			return err
		}
		return differ("inbound rules", opened, want)
	})
	if err != nil {
		return err
	}
	d.command("aws ec2 describe-security-groups  # the inbound rules of the load balancer's")
	rows := [][]string{{"PORT", "SOURCE"}}
	for _, o := range opened {
		rows = append(rows, strings.Fields(o))
	}
	d.table(rows)
	for _, want := range []expectation{
		atHost("echo0.host.com", "echo0"),
		{host: "echo0.host.com", path: "/echo0", port: httpsPort, status: http.StatusOK, body: "echo0\n"},
		{host: "echo1.host.com", path: "/echo1", port: 8000, status: http.StatusOK, body: "echo1\n"},
	} {
		if err := d.expect(ctx, want); err != nil {
			return err
		}
	}
	return nil
}

// opened returns what the managed security group of the load balancer lets in.
func (d *demonstration) opened(ctx context.Context) ([]string, error) {
	balancer, err := d.balancer(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := d.account.SecurityGroups(ctx)
	if err != nil {
		return nil, err
	}
	var opened []string
	for _, g := range groups {
		if slices.Contains(balancer.SecurityGroups, g.GroupID) {
			opened = append(opened, inWords(g.Inbound)...)
		}
	}
	slices.Sort(opened)
	return opened, nil
}

func inWords(inbound []playground.Inbound) []string {
	var words []string
	for _, in := range inbound {
		for _, cidr := range in.CIDRs {
			words = append(words, fmt.Sprintf("%d %s", in.FromPort, cidr))
		}
	}
	return words
}

// logs turns access logs on and off again, and connection logs on: what no annotation
// names stays as it is.
func (d *demonstration) logs(ctx context.Context) error {
	access := func(on string) []playground.Attribute {
		return []playground.Attribute{
			{Key: "access_logs.s3.enabled", Value: on},
			{Key: "access_logs.s3.bucket", Value: "my-elb-access-logs"},
			{Key: "access_logs.s3.prefix", Value: "my-prefix"},
		}
	}
	for _, step := range []struct {
		manifest string
		want     []playground.Attribute
	}{
		{"ingress-access-logs.yaml", access("true")},
		{"ingress-access-control.yaml", access("true")},
		{"ingress-access-logs-off.yaml", access("false")},
		{"ingress-connection-logs.yaml", append(access("false"),
			playground.Attribute{Key: "connection_logs.s3.enabled", Value: "true"},
			playground.Attribute{Key: "connection_logs.s3.bucket", Value: "my-connection-log-bucket"},
			playground.Attribute{Key: "connection_logs.s3.prefix", Value: "my-prefix"})},
	} {
		if err := d.apply(ctx, step.manifest, 1); err != nil {
			return err
		}
		if err := d.attributes(ctx, step.want...); err != nil {
			return err
		}
	}
	return nil
}
