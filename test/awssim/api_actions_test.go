package awssim_test

import (
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func redirectTo(change func(*types.RedirectActionConfig)) types.Action {
	config := &types.RedirectActionConfig{StatusCode: types.RedirectActionStatusCodeEnumHttp301}
	change(config)
	return types.Action{Type: types.ActionTypeEnumRedirect, RedirectConfig: config}
}

func toHTTPS(c *types.RedirectActionConfig) { c.Protocol, c.Port = new("HTTPS"), new("443") }

func TestRedirectsAreShownInFull(t *testing.T) {
	a := open(t, awssim.Options{})
	listener := a.listener(t, a.balancer(t, "demo").LoadBalancerArn, 80, redirectTo(toHTTPS))
	shown := do(t, a.elb.DescribeListeners, &elb.DescribeListenersInput{ListenerArns: []string{*listener}}).Listeners[0].DefaultActions[0]
	require.Equal(t, &types.RedirectActionConfig{
		StatusCode: types.RedirectActionStatusCodeEnumHttp301, Protocol: new("HTTPS"), Port: new("443"),
		Host: new("#{host}"), Path: new("/#{path}"), Query: new("#{query}"),
	}, shown.RedirectConfig)
	do(t, a.elb.CreateRule, newRule(listener, 1, redirectTo(func(c *types.RedirectActionConfig) {
		c.Path, c.Query = new("/new/#{path}"), new("")
	})))
	rule := do(t, a.elb.DescribeRules, &elb.DescribeRulesInput{ListenerArn: listener}).Rules[0]
	require.Empty(t, *rule.Actions[0].RedirectConfig.Query, "no query is not any query")
}

func TestRedirectsRejected(t *testing.T) {
	a := open(t, awssim.Options{})
	lb := a.balancer(t, "demo").LoadBalancerArn
	plain, encrypted := a.listener(t, lb, 80), a.https(t, lb, 443, certARN("c"))
	for name, c := range map[string]struct {
		listener *string
		change   func(*types.RedirectActionConfig)
		code     string
	}{
		"loop":            {plain, func(*types.RedirectActionConfig) {}, "InvalidLoadBalancerAction"},
		"only a query":    {plain, func(c *types.RedirectActionConfig) { c.Query = new("a=b") }, "InvalidLoadBalancerAction"},
		"back to HTTP":    {encrypted, func(c *types.RedirectActionConfig) { c.Protocol = new("HTTP") }, "InvalidLoadBalancerAction"},
		"protocol":        {plain, func(c *types.RedirectActionConfig) { c.Protocol = new("http") }, "ValidationError"},
		"port 0":          {plain, func(c *types.RedirectActionConfig) { c.Port = new("0") }, "ValidationError"},
		"relative path":   {plain, func(c *types.RedirectActionConfig) { c.Path = new("x") }, "ValidationError"},
		"no host":         {plain, func(c *types.RedirectActionConfig) { c.Host = new("") }, "ValidationError"},
		"unknown keyword": {plain, func(c *types.RedirectActionConfig) { c.Path = new("/#{query}") }, "ValidationError"},
		"status":          {plain, func(c *types.RedirectActionConfig) { c.StatusCode, c.Port = "HTTP_308", new("1") }, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			requireCode(t, fails(t, a.elb.CreateRule, newRule(c.listener, 1, redirectTo(c.change))), c.code, "")
		})
	}
	both := redirectTo(toHTTPS)
	both.FixedResponseConfig = respond("200").FixedResponseConfig
	requireCode(t, fails(t, a.elb.CreateRule, newRule(plain, 1, both)), "ValidationError", "")
	in := newRule(plain, 1, respond("200"))
	in.Conditions = []types.RuleCondition{{
		Field: new("source-ip"), SourceIpConfig: &types.SourceIpConditionConfig{Values: []string{"255.255.255.255/32"}},
	}}
	requireCode(t, fails(t, a.elb.CreateRule, in), "ValidationError", "Condition value '255.255.255.255/32' is not a CIDR block")
}

func TestGRPCGroups(t *testing.T) {
	a := open(t, awssim.Options{})
	in := newGroup("rpc")
	in.ProtocolVersion = new("GRPC")
	group := do(t, a.elb.CreateTargetGroup, in).TargetGroups[0]
	require.Equal(t, "12", *group.Matcher.GrpcCode)
	require.Nil(t, group.Matcher.HttpCode)
	require.Equal(t, "/AWS.ALB/healthcheck", *group.HealthCheckPath)
	require.Equal(t, "GRPC", *group.ProtocolVersion)
	changed := do(t, a.elb.ModifyTargetGroup, &elb.ModifyTargetGroupInput{
		TargetGroupArn: group.TargetGroupArn, Matcher: &types.Matcher{GrpcCode: new("0-5")},
	}).TargetGroups[0]
	require.Equal(t, "0-5", *changed.Matcher.GrpcCode)
	in.ProtocolVersion = new("HTTP2")
	requireCode(t, fails(t, a.elb.CreateTargetGroup, in), "DuplicateTargetGroupName", "")
}

func TestAttributesThatDoNotGoTogether(t *testing.T) {
	a := open(t, awssim.Options{})
	lb, group := a.balancer(t, "demo").LoadBalancerArn, a.group(t, "g")
	ofGroup := func(pairs ...string) *elb.ModifyTargetGroupAttributesInput {
		in := &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: group}
		for i := 0; i < len(pairs); i += 2 {
			in.Attributes = append(in.Attributes, types.TargetGroupAttribute{Key: &pairs[i], Value: &pairs[i+1]})
		}
		return in
	}
	for _, in := range map[string]*elb.ModifyTargetGroupAttributesInput{
		"slow start": ofGroup("slow_start.duration_seconds", "30", "load_balancing.algorithm.type", "least_outstanding_requests"),
		"mitigation": ofGroup("load_balancing.algorithm.anomaly_mitigation", "on"),
		"no cookie":  ofGroup("stickiness.enabled", "true", "stickiness.type", "app_cookie"),
		"own cookie": ofGroup("stickiness.enabled", "true", "stickiness.type", "app_cookie", "stickiness.app_cookie.cookie_name", "AWSALBAPP"),
	} {
		requireCode(t, fails(t, a.elb.ModifyTargetGroupAttributes, in), "InvalidConfigurationRequest", "")
	}
	do(t, a.elb.ModifyTargetGroupAttributes, ofGroup("slow_start.duration_seconds", "30"))
	logs := func(pairs ...types.LoadBalancerAttribute) *elb.ModifyLoadBalancerAttributesInput {
		return &elb.ModifyLoadBalancerAttributesInput{LoadBalancerArn: lb, Attributes: pairs}
	}
	on := types.LoadBalancerAttribute{Key: new("access_logs.s3.enabled"), Value: new("true")}
	requireCode(t, fails(t, a.elb.ModifyLoadBalancerAttributes, logs(on)), "InvalidConfigurationRequest", "")
	do(t, a.elb.ModifyLoadBalancerAttributes, logs(on, types.LoadBalancerAttribute{Key: new("access_logs.s3.bucket"), Value: new("logs")}))
}
