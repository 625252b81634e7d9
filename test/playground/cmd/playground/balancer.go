package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/playground"
)

// awaitAddress waits until an Ingress has the address of a load balancer of that
// name, and shows it. Requests go there from now on.
func (d *demonstration) awaitAddress(ctx context.Context, namespace, ingress, balancer string) error {
	err := await(ctx, "the address of "+ingress, func(ctx context.Context) error {
		object, err := d.stack.Clientset().NetworkingV1().Ingresses(namespace).Get(ctx, ingress, metav1.GetOptions{})
		if err != nil {
			return err
		}
		status := object.Status.LoadBalancer.Ingress
		all, err := d.account.LoadBalancers(ctx)
		if err != nil {
			return err
		}
		for _, b := range all {
			if b.LoadBalancerName == balancer && len(status) == 1 && status[0].Hostname == b.DNSName {
				d.dnsName = b.DNSName
				return nil
			}
		}
		return fmt.Errorf("the Ingress has %v, AWS has %+v", status, all)
	})
	if err != nil {
		return err
	}
	d.command("kubectl get ingress -A")
	return d.show(ctx, listing{path: "/apis/networking.k8s.io/v1/ingresses", namespace: true})
}

// rule is a rule in words.
type rule struct {
	conditions string // path-pattern is /echo0 or /echo0/*
	action     string // a Service's name, or a status code
}

func (r rule) String() string { return r.conditions + " -> " + r.action }

// pathRule is the rule of a Prefix path that is called like its Service.
func pathRule(service string) rule {
	return rule{fmt.Sprintf("path-pattern is /%s or /%[1]s/*", service), service}
}

// hostRule is the same for one host.
func hostRule(host, service string) rule {
	r := pathRule(service)
	return rule{"host-header is " + host + " and " + r.conditions, service}
}

// balancer returns the load balancer whose address the Ingresses have now.
func (d *demonstration) balancer(ctx context.Context) (playground.LoadBalancer, error) {
	all, err := d.account.LoadBalancers(ctx)
	if err != nil {
		return playground.LoadBalancer{}, err
	}
	for _, b := range all {
		if b.DNSName == d.dnsName {
			return b, nil
		}
	}
	return playground.LoadBalancer{}, fmt.Errorf("no load balancer is %s", d.dnsName)
}

// view is what AWS says about that load balancer.
type view struct {
	rules  []playground.Rule
	groups map[string]string // names of target groups by ARN
}

func (d *demonstration) look(ctx context.Context) (view, error) {
	balancer, err := d.balancer(ctx)
	if err != nil {
		return view{}, err
	}
	listeners, err := d.account.Listeners(ctx, balancer.LoadBalancerArn)
	if err != nil {
		return view{}, err
	}
	if len(listeners) != 1 || listeners[0].Port != httpPort {
		return view{}, fmt.Errorf("listeners: %+v", listeners)
	}
	rules, err := d.account.Rules(ctx, listeners[0].ListenerArn)
	if err != nil {
		return view{}, err
	}
	groups, err := d.account.TargetGroups(ctx)
	if err != nil {
		return view{}, err
	}
	v := view{rules: rules, groups: map[string]string{}}
	for _, g := range groups {
		v.groups[g.TargetGroupArn] = g.TargetGroupName
	}
	return v, nil
}

// inWords describes a rule by the Service that its target group is for.
func (v view) inWords(r playground.Rule) rule {
	conditions := make([]string, 0, len(r.Conditions))
	for _, c := range r.Conditions {
		conditions = append(conditions, c.String())
	}
	slices.Sort(conditions)
	return rule{conditions: strings.Join(conditions, " and "), action: v.service(r)}
}

// service returns the Service of the only target group that a rule forwards to, or
// else the status code with which it responds.
func (v view) service(r playground.Rule) string {
	if len(r.Actions) != 1 {
		return fmt.Sprintf("%d actions", len(r.Actions))
	}
	groups := r.Actions[0].TargetGroups
	if len(groups) != 1 {
		return r.Actions[0].StatusCode
	}
	// k8s-NAMESPACE-SERVICE-HASH
	parts := strings.Split(v.groups[groups[0]], "-")
	if len(parts) != 4 {
		return v.groups[groups[0]]
	}
	return parts[2]
}

// group returns the ARN of the target group that some rule forwards to for a Service.
func (v view) group(service string) (string, error) {
	for _, r := range v.rules {
		if v.service(r) == service {
			return r.Actions[0].TargetGroups[0], nil
		}
	}
	return "", fmt.Errorf("no rule forwards to %s", service)
}

// awaitRules waits until the load balancer's listener has exactly these rules, in
// this order, and a default rule that answers 404, and shows them.
func (d *demonstration) awaitRules(ctx context.Context, want ...rule) error {
	return d.awaitAllRules(ctx, append(want, rule{"", "404"})...)
}

// awaitAllRules is the same with the default rule given, last.
func (d *demonstration) awaitAllRules(ctx context.Context, want ...rule) error {
	var seen view
	err := await(ctx, fmt.Sprintf("%d rules", len(want)), func(ctx context.Context) (err error) {
		if seen, err = d.look(ctx); err != nil {
			return err
		}
		got := make([]rule, 0, len(seen.rules))
		for _, r := range seen.rules {
			got = append(got, seen.inWords(r))
		}
		return differ("rules", got, want)
	})
	if err != nil {
		return err
	}
	d.command("aws elbv2 describe-rules  # of the listener HTTP:%d", httpPort)
	rows := [][]string{{"PRIORITY", "CONDITIONS", "ACTION"}}
	for _, r := range seen.rules {
		action := "respond with " + r.Actions[0].StatusCode
		if groups := r.Actions[0].TargetGroups; len(groups) > 0 {
			action = "forward to " + seen.groups[groups[0]]
		}
		rows = append(rows, []string{r.Priority, seen.inWords(r).conditions, action})
	}
	d.table(rows)
	return nil
}

// awaitTargets waits until the target group of a Service has as registered targets
// exactly these addresses, all healthy, and shows it. Draining targets may be there.
func (d *demonstration) awaitTargets(ctx context.Context, service string, want []string) error {
	var targets []playground.Target
	var group string
	err := await(ctx, "healthy targets of "+service, func(ctx context.Context) error {
		seen, err := d.look(ctx)
		if err != nil {
			return err
		}
		arn, err := seen.group(service)
		if err != nil {
			return err
		}
		group = seen.groups[arn]
		if targets, err = d.account.Targets(ctx, arn); err != nil {
			return err
		}
		return healthy(targets, want)
	})
	if err != nil {
		return err
	}
	d.command("aws elbv2 describe-target-health  # of %s", group)
	rows := [][]string{{"TARGET", "ZONE", "STATE", "REASON"}}
	for _, t := range targets {
		rows = append(rows, []string{t.String(), t.AvailabilityZone, t.State, t.Reason})
	}
	d.table(rows)
	return nil
}

// healthy compares the targets that are not draining with those that are wanted.
func healthy(targets []playground.Target, want []string) error {
	var registered []string
	for _, t := range targets {
		switch t.State {
		case "draining":
			continue
		case "healthy":
			registered = append(registered, t.String())
		default:
			return fmt.Errorf("%v is %s (%s)", t, t.State, t.Reason)
		}
	}
	slices.Sort(registered)
	return differ("targets", registered, want)
}

// deleteIngress deletes an Ingress and waits until its finalizer lets it go.
func (d *demonstration) deleteIngress(ctx context.Context, namespace, name string) error {
	d.command("kubectl delete ingress %s -n %s", name, namespace)
	client := d.stack.Clientset().NetworkingV1().Ingresses(namespace)
	if err := client.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	err := await(ctx, "the end of "+name, func(ctx context.Context) error {
		_, err := client.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is still there"), err)
	})
	if err == nil {
		d.print(fmt.Sprintf("ingress.networking.k8s.io %q deleted", name))
	}
	return err
}
