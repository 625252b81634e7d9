package awssim_test

import (
	"fmt"
	"strings"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func TestListenerLifeCycle(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{ListenersPerLoadBalancer: 3}})
	lb := a.balancer(t, "demo").LoadBalancerArn
	input := &elb.CreateListenerInput{
		LoadBalancerArn: lb, Port: new(int32(80)), Protocol: types.ProtocolEnumHttp,
		DefaultActions: []types.Action{respond("404")}, Tags: tags("k", "v"),
	}
	created := do(t, a.elb.CreateListener, input).Listeners[0]
	require.Equal(t, strings.Replace(*lb, ":loadbalancer/", ":listener/", 1)+"/", (*created.ListenerArn)[:len(*created.ListenerArn)-16])
	require.Equal(t, *created.ListenerArn, *do(t, a.elb.CreateListener, input).Listeners[0].ListenerArn, "idempotent")
	input.DefaultActions = []types.Action{respond("503")}
	requireCode(t, fails(t, a.elb.CreateListener, input), "DuplicateListener",
		"A listener already exists on this port for this load balancer '"+*lb+"'")

	https := do(t, a.elb.CreateListener, &elb.CreateListenerInput{
		LoadBalancerArn: lb, Port: new(int32(443)), Protocol: types.ProtocolEnumHttps, DefaultActions: []types.Action{respond("404")},
		Certificates: []types.Certificate{{CertificateArn: new("arn:aws:acm:ap-northeast-3:123456789012:certificate/c")}},
	}).Listeners[0]
	require.Equal(t, "ELBSecurityPolicy-2016-08", *https.SslPolicy)
	certificates := do(t, a.elb.DescribeListenerCertificates, &elb.DescribeListenerCertificatesInput{ListenerArn: https.ListenerArn}).Certificates
	require.True(t, *certificates[0].IsDefault)
	requireCode(t, fails(t, a.elb.ModifyListener, &elb.ModifyListenerInput{ListenerArn: https.ListenerArn, Port: new(int32(80))}),
		"DuplicateListener", "")

	a.listener(t, lb, 81)
	requireCode(t, fails(t, a.elb.CreateListener, &elb.CreateListenerInput{
		LoadBalancerArn: lb, Port: new(int32(82)), Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{respond("404")},
	}), "TooManyListeners", "")

	changed := do(t, a.elb.ModifyListener, &elb.ModifyListenerInput{
		ListenerArn: created.ListenerArn, Port: new(int32(8080)), DefaultActions: []types.Action{respond("503")},
	}).Listeners[0]
	require.Equal(t, int32(8080), *changed.Port)
	listeners := do(t, a.elb.DescribeListeners, &elb.DescribeListenersInput{LoadBalancerArn: lb}).Listeners
	require.Len(t, listeners, 3)
	require.NotEmpty(t, do(t, a.elb.DescribeListenerAttributes, &elb.DescribeListenerAttributesInput{ListenerArn: created.ListenerArn}).Attributes)

	do(t, a.elb.DeleteListener, &elb.DeleteListenerInput{ListenerArn: created.ListenerArn})
	requireCode(t, fails(t, a.elb.DeleteListener, &elb.DeleteListenerInput{ListenerArn: created.ListenerArn}), "ListenerNotFound", "")
	requireCode(t, fails(t, a.elb.DescribeListeners, &elb.DescribeListenersInput{ListenerArns: []string{*created.ListenerArn}}),
		"ListenerNotFound", "One or more listeners not found")
	requireCode(t, fails(t, a.elb.DescribeListeners, &elb.DescribeListenersInput{}), "ValidationError", "")
}

func TestCreateListenerRejects(t *testing.T) {
	a := open(t, awssim.Options{})
	lb := a.balancer(t, "demo").LoadBalancerArn
	tests := map[string]struct {
		change func(*elb.CreateListenerInput)
		code   string
	}{
		"port 0":               {func(i *elb.CreateListenerInput) { i.Port = new(int32(0)) }, "ValidationError"},
		"TCP":                  {func(i *elb.CreateListenerInput) { i.Protocol = types.ProtocolEnumTcp }, "UnsupportedProtocol"},
		"no certificate":       {func(i *elb.CreateListenerInput) { i.Protocol = types.ProtocolEnumHttps }, "ValidationError"},
		"no action":            {func(i *elb.CreateListenerInput) { i.DefaultActions = []types.Action{} }, "ValidationError"},
		"two actions":          {func(i *elb.CreateListenerInput) { i.DefaultActions = []types.Action{respond("404"), respond("404")} }, "ValidationError"},
		"unknown group":        {func(i *elb.CreateListenerInput) { i.DefaultActions = []types.Action{forward(new(noGroup))} }, "TargetGroupNotFound"},
		"unknown balancer":     {func(i *elb.CreateListenerInput) { i.LoadBalancerArn = new(lbARN) }, "LoadBalancerNotFound"},
		"policy without HTTPS": {func(i *elb.CreateListenerInput) { i.SslPolicy = new("ELBSecurityPolicy-2016-08") }, "ValidationError"},
		"what is not simulated": {func(i *elb.CreateListenerInput) {
			i.MutualAuthentication = &types.MutualAuthenticationAttributes{Mode: new("off")}
		}, "ValidationError"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			in := &elb.CreateListenerInput{
				LoadBalancerArn: lb, Port: new(int32(80)), Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{respond("404")},
			}
			c.change(in)
			requireCode(t, fails(t, a.elb.CreateListener, in), c.code, "")
		})
	}
}

func TestRulesAreShownAsAWSShowsThem(t *testing.T) {
	a := open(t, awssim.Options{})
	lb := a.balancer(t, "demo").LoadBalancerArn
	blue, green := a.group(t, "blue"), a.group(t, "green")
	listener := a.listener(t, lb, 80)
	weighted := types.Action{Type: types.ActionTypeEnumForward, Order: new(int32(1)), ForwardConfig: &types.ForwardActionConfig{
		TargetGroups:                []types.TargetGroupTuple{{TargetGroupArn: blue, Weight: new(int32(0))}, {TargetGroupArn: green}},
		TargetGroupStickinessConfig: &types.TargetGroupStickinessConfig{Enabled: new(true), DurationSeconds: new(int32(60))},
	}}
	do(t, a.elb.CreateRule, &elb.CreateRuleInput{
		ListenerArn: listener, Priority: new(int32(20)), Actions: []types.Action{weighted},
		Conditions: []types.RuleCondition{host("*.example.com"), path("/a", "/a/*"), {
			Field:            new("http-header"),
			HttpHeaderConfig: &types.HttpHeaderConditionConfig{HttpHeaderName: new("X-Canary"), Values: []string{"yes"}},
		}, {
			Field: new("query-string"),
			QueryStringConfig: &types.QueryStringConditionConfig{
				Values: []types.QueryStringKeyValuePair{{Key: new("v"), Value: new("2")}},
			},
		}},
	})
	do(t, a.elb.CreateRule, &elb.CreateRuleInput{
		ListenerArn: listener, Priority: new(int32(3)), Actions: []types.Action{forward(blue)},
		Conditions: []types.RuleCondition{{
			Field:                   new("http-request-method"),
			HttpRequestMethodConfig: &types.HttpRequestMethodConditionConfig{Values: []string{"GET"}},
		}, {
			Field:          new("source-ip"),
			SourceIpConfig: &types.SourceIpConditionConfig{Values: []string{"192.0.2.0/24"}},
		}},
	})

	rules := do(t, a.elb.DescribeRules, &elb.DescribeRulesInput{ListenerArn: listener}).Rules
	require.Equal(t, []string{"3", "20", "default"}, priorities(rules))
	require.True(t, *rules[2].IsDefault)
	require.Empty(t, rules[2].Conditions)
	require.Equal(t, "404", *rules[2].Actions[0].FixedResponseConfig.StatusCode)

	method, source := rules[0].Conditions[0], rules[0].Conditions[1]
	require.Empty(t, method.Values)
	require.Equal(t, []string{"GET"}, method.HttpRequestMethodConfig.Values)
	require.Equal(t, []string{"192.0.2.0/24"}, source.SourceIpConfig.Values)
	require.Equal(t, *blue, *rules[0].Actions[0].TargetGroupArn)
	require.Equal(t, *blue, *rules[0].Actions[0].ForwardConfig.TargetGroups[0].TargetGroupArn)
	require.Equal(t, int32(1), *rules[0].Actions[0].ForwardConfig.TargetGroups[0].Weight)
	require.False(t, *rules[0].Actions[0].ForwardConfig.TargetGroupStickinessConfig.Enabled)
	require.Nil(t, rules[0].Actions[0].Order)

	hosts, paths := rules[1].Conditions[0], rules[1].Conditions[1]
	require.Equal(t, []string{"*.example.com"}, hosts.Values)
	require.Equal(t, []string{"*.example.com"}, hosts.HostHeaderConfig.Values)
	require.Equal(t, []string{"/a", "/a/*"}, paths.Values)
	require.Equal(t, []string{"/a", "/a/*"}, paths.PathPatternConfig.Values)
	require.Equal(t, "X-Canary", *rules[1].Conditions[2].HttpHeaderConfig.HttpHeaderName)
	require.Equal(t, "2", *rules[1].Conditions[3].QueryStringConfig.Values[0].Value)
	action := rules[1].Actions[0]
	require.Nil(t, action.TargetGroupArn)
	require.Equal(t, int32(1), *action.Order)
	require.Zero(t, *action.ForwardConfig.TargetGroups[0].Weight)
	require.Equal(t, int32(60), *action.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds)

	var paged []types.Rule
	pages := elb.NewDescribeRulesPaginator(a.elb, &elb.DescribeRulesInput{ListenerArn: listener, PageSize: new(int32(1))})
	for page := range pagesOf(t, pages) {
		paged = append(paged, page.Rules...)
	}
	require.Equal(t, priorities(rules), priorities(paged))
}

func priorities(rules []types.Rule) []string {
	var list []string
	for _, r := range rules {
		list = append(list, *r.Priority)
	}
	return list
}

func TestRulePriorities(t *testing.T) {
	a := open(t, awssim.Options{})
	listener := a.listener(t, a.balancer(t, "demo").LoadBalancerArn, 80)
	one, two := a.rule(t, listener, 1, respond("201")), a.rule(t, listener, 2, respond("202"))
	a.rule(t, listener, 3, respond("203"))
	requireCode(t, fails(t, a.elb.DescribeRules, &elb.DescribeRulesInput{}), "ValidationError", "")
	requireCode(t, fails(t, a.elb.DescribeRules, &elb.DescribeRulesInput{ListenerArn: listener, RuleArns: []string{*one}}), "ValidationError", "")
	requireCode(t, fails(t, a.elb.CreateRule, newRule(listener, 2, respond("200"))), "PriorityInUse", "Priority '2' is currently in use")
	requireCode(t, fails(t, a.elb.CreateRule, newRule(listener, 0, respond("200"))), "ValidationError",
		"1 validation error detected: Value '0' at 'priority' failed to satisfy constraint: Member must have value greater than or equal to 1")

	set := func(pairs ...types.RulePriorityPair) *elb.SetRulePrioritiesInput {
		return &elb.SetRulePrioritiesInput{RulePriorities: pairs}
	}
	pair := func(rule *string, priority int32) types.RulePriorityPair {
		return types.RulePriorityPair{RuleArn: rule, Priority: &priority}
	}
	order := func() []string {
		var codes []string
		for _, r := range do(t, a.elb.DescribeRules, &elb.DescribeRulesInput{ListenerArn: listener}).Rules {
			codes = append(codes, *r.Priority+":"+*r.Actions[0].FixedResponseConfig.StatusCode)
		}
		return codes
	}
	require.Len(t, do(t, a.elb.SetRulePriorities, set(pair(one, 2), pair(two, 1))).Rules, 2)
	require.Equal(t, []string{"1:202", "2:201", "3:203", "default:404"}, order())
	requireCode(t, fails(t, a.elb.SetRulePriorities, set(pair(two, 9), pair(one, 3))), "PriorityInUse", "Priority '3' is currently in use")
	requireCode(t, fails(t, a.elb.SetRulePriorities, set(pair(two, 9), pair(new(*one+"0"), 4))), "RuleNotFound", "")
	requireCode(t, fails(t, a.elb.SetRulePriorities, set(pair(two, 9), pair(two, 8))), "ValidationError", "")
	fallback := do(t, a.elb.DescribeRules, &elb.DescribeRulesInput{ListenerArn: listener}).Rules[3].RuleArn
	requireCode(t, fails(t, a.elb.SetRulePriorities, set(pair(two, 9), pair(fallback, 4))), "OperationNotPermitted", "")
	require.Equal(t, []string{"1:202", "2:201", "3:203", "default:404"}, order(), "all or nothing")

	requireCode(t, fails(t, a.elb.DeleteRule, &elb.DeleteRuleInput{RuleArn: fallback}), "OperationNotPermitted",
		"Default rule '"+*fallback+"' cannot be deleted")
	requireCode(t, fails(t, a.elb.ModifyRule, &elb.ModifyRuleInput{RuleArn: fallback, Actions: []types.Action{respond("200")}}),
		"OperationNotPermitted", "Default rule '"+*fallback+"' cannot be modified")
	do(t, a.elb.ModifyRule, &elb.ModifyRuleInput{RuleArn: two, Conditions: []types.RuleCondition{path("/new")}})
	changed := do(t, a.elb.DescribeRules, &elb.DescribeRulesInput{RuleArns: []string{*two}}).Rules[0]
	require.Equal(t, []string{"/new"}, changed.Conditions[0].Values)
	require.Equal(t, "202", *changed.Actions[0].FixedResponseConfig.StatusCode)
	do(t, a.elb.DeleteRule, &elb.DeleteRuleInput{RuleArn: two})
	requireCode(t, fails(t, a.elb.DeleteRule, &elb.DeleteRuleInput{RuleArn: two}), "RuleNotFound", "")
	require.Equal(t, []string{"2:201", "3:203", "default:404"}, order())
}

func TestCreateRuleRejects(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{GroupsPerAction: 2}})
	listener := a.listener(t, a.balancer(t, "demo").LoadBalancerArn, 80)
	var groups []*string
	for i := range 3 {
		groups = append(groups, a.group(t, fmt.Sprintf("g%d", i)))
	}
	header := func(name string) types.RuleCondition {
		return types.RuleCondition{
			Field: new("http-header"), HttpHeaderConfig: &types.HttpHeaderConditionConfig{HttpHeaderName: &name, Values: []string{"x"}},
		}
	}
	fixed := func(status, contentType, body string) types.Action {
		return types.Action{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{
			StatusCode: &status, ContentType: &contentType, MessageBody: &body,
		}}
	}
	weights := func(w int32, groups ...*string) types.Action {
		config := &types.ForwardActionConfig{}
		for _, g := range groups {
			config.TargetGroups = append(config.TargetGroups, types.TargetGroupTuple{TargetGroupArn: g, Weight: &w})
		}
		return types.Action{Type: types.ActionTypeEnumForward, ForwardConfig: config}
	}
	conditions := map[string]struct {
		conditions []types.RuleCondition
		message    string
	}{
		"none":                  {[]types.RuleCondition{}, ""},
		"six values":            {[]types.RuleCondition{path("/1", "/2", "/3"), host("a.b", "c.d", "e.f")}, "A rule can only have '5' condition values"},
		"seven wildcards":       {[]types.RuleCondition{path("/*****", "/??")}, "A rule can only have '6' condition wildcards"},
		"two paths":             {[]types.RuleCondition{path("/1"), path("/2")}, "A rule can only have one condition of type 'path-pattern'"},
		"no value":              {[]types.RuleCondition{path()}, "A condition value must be specified for the condition field 'path-pattern'"},
		"unknown field":         {[]types.RuleCondition{{Field: new("cookie"), Values: []string{"x"}}}, ""},
		"space in a path":       {[]types.RuleCondition{path("/a b")}, "Condition value '/a b' contains a character that is not valid"},
		"long path":             {[]types.RuleCondition{path("/" + strings.Repeat("a", 128))}, ""},
		"host without dot":      {[]types.RuleCondition{host("localhost")}, ""},
		"number after last dot": {[]types.RuleCondition{host("example.c0m")}, ""},
		"header Host":           {[]types.RuleCondition{header("host")}, "The header name 'host' is not valid for a condition"},
		"config of another":     {[]types.RuleCondition{{Field: new("path-pattern"), HostHeaderConfig: host("a.b").HostHeaderConfig}}, ""},
		"header without config": {[]types.RuleCondition{{Field: new("http-header"), Values: []string{"x"}}}, ""},
		"two sets of values": {[]types.RuleCondition{{
			Field: new("host-header"), Values: []string{"a.b"}, HostHeaderConfig: host("c.d").HostHeaderConfig,
		}}, ""},
		"regular expression": {[]types.RuleCondition{{
			Field: new("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{RegexValues: []string{"x"}},
		}}, "The parameter Conditions.1.PathPatternConfig.RegexValues is not supported by this simulator"},
	}
	for name, c := range conditions {
		t.Run("condition "+name, func(t *testing.T) {
			in := newRule(listener, 1, respond("200"))
			in.Conditions = c.conditions
			requireCode(t, fails(t, a.elb.CreateRule, in), "ValidationError", c.message)
		})
	}
	for name, action := range map[string]types.Action{
		"redirect to nothing": {Type: types.ActionTypeEnumRedirect},
		"status 302":          fixed("302", "text/plain", ""),
		"content type":        fixed("200", "text/xml", ""),
		"long body":           fixed("200", "text/plain", strings.Repeat("a", 1025)),
		"fixed without one":   {Type: types.ActionTypeEnumFixedResponse},
		"forward to nothing":  {Type: types.ActionTypeEnumForward},
		"weight 1000":         weights(1000, groups[0]),
		"three groups":        weights(1, groups...),
		"same group twice":    weights(1, groups[0], groups[0]),
		"two different":       {Type: types.ActionTypeEnumForward, TargetGroupArn: groups[1], ForwardConfig: weights(1, groups[0]).ForwardConfig},
		"forward with a body": {Type: types.ActionTypeEnumForward, TargetGroupArn: groups[1], FixedResponseConfig: respond("200").FixedResponseConfig},
	} {
		t.Run("action "+name, func(t *testing.T) {
			requireCode(t, fails(t, a.elb.CreateRule, newRule(listener, 1, action)), "ValidationError", "")
		})
	}
	in := newRule(listener, 1, weights(0, groups[0], groups[1]))
	in.Conditions = []types.RuleCondition{path("/x"), host("*.example.com", "example.com"), header("X-Y"), header("X-Z")}
	do(t, a.elb.CreateRule, in)
}

func TestQuotasOfLoadBalancers(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{RulesPerLoadBalancer: 3, GroupsPerLoadBalancer: 2, TargetsPerLoadBalancer: 3}})
	lb := a.balancer(t, "demo").LoadBalancerArn
	groups := []*string{a.group(t, "g0"), a.group(t, "g1"), a.group(t, "g2")}
	first := a.listener(t, lb, 80, forward(groups[0]))
	second := a.listener(t, lb, 81, forward(groups[0]))
	rule := a.rule(t, first, 1, forward(groups[1]))
	tooMany := "You have reached the maximum number of unique target groups that you can associate with a load balancer of type 'application': [2]"
	requireCode(t, fails(t, a.elb.CreateRule, newRule(second, 1, forward(groups[2]))), "TooManyUniqueTargetGroupsPerLoadBalancer", tooMany)
	// A group that leaves makes room for one that comes in the same call.
	do(t, a.elb.ModifyRule, &elb.ModifyRuleInput{RuleArn: rule, Actions: []types.Action{forward(groups[2])}})
	requireCode(t, fails(t, a.elb.ModifyListener, &elb.ModifyListenerInput{ListenerArn: first, DefaultActions: []types.Action{forward(groups[1])}}),
		"TooManyUniqueTargetGroupsPerLoadBalancer", tooMany)

	a.rule(t, first, 2, respond("200"))
	a.rule(t, second, 1, respond("200"))
	requireCode(t, fails(t, a.elb.CreateRule, newRule(second, 2, respond("200"))), "TooManyRules", "")

	// Targets are counted per registration, over all groups of the load balancer.
	a.register(t, groups[0], "10.0.1.1", "10.0.1.2")
	a.register(t, groups[1], "10.0.1.1", "10.0.1.2")
	requireCode(t, fails(t, a.elb.ModifyRule, &elb.ModifyRuleInput{RuleArn: rule, Actions: []types.Action{forward(groups[1])}}), "TooManyTargets",
		"The maximum number of targets per load balancer '3' has been reached on load balancer '"+*lb+"'")
	a.register(t, groups[2], "10.0.1.1")
	requireCode(t, fails(t, a.elb.RegisterTargets, targets(groups[2], "10.0.1.2")), "TooManyTargets", "")
}

func TestOneLoadBalancerPerTargetGroup(t *testing.T) {
	a := open(t, awssim.Options{})
	first, second := a.balancer(t, "first").LoadBalancerArn, a.balancer(t, "second").LoadBalancerArn
	group := a.group(t, "echo")
	held := a.listener(t, first, 80, forward(group))
	in := &elb.CreateListenerInput{
		LoadBalancerArn: second, Port: new(int32(80)), Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{forward(group)},
	}
	requireCode(t, fails(t, a.elb.CreateListener, in), "TargetGroupAssociationLimit",
		"The following target groups cannot be associated with more than one load balancer: "+*group)
	require.Equal(t, []string{*first}, do(t, a.elb.DescribeTargetGroups, nil).TargetGroups[0].LoadBalancerArns)
	requireCode(t, fails(t, a.elb.DeleteTargetGroup, &elb.DeleteTargetGroupInput{TargetGroupArn: group}), "ResourceInUse",
		"Target group '"+*group+"' is currently in use by a listener or a rule")
	do(t, a.elb.ModifyListener, &elb.ModifyListenerInput{ListenerArn: held, DefaultActions: []types.Action{respond("404")}})
	do(t, a.elb.CreateListener, in)
	require.Equal(t, *group, *do(t, a.elb.DescribeTargetGroups,
		&elb.DescribeTargetGroupsInput{LoadBalancerArn: second}).TargetGroups[0].TargetGroupArn)
	require.Empty(t, do(t, a.elb.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{LoadBalancerArn: first}).TargetGroups)
}
