package awsapi

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// defaultPriority is how AWS spells the priority of the default rule.
const defaultPriority = "default"

// DescribeRules returns the rules of a listener in AWS's order, the default rule
// (Priority 0) included. It is NotFound if the listener is.
func (c *ELB) DescribeRules(ctx context.Context, listenerARN string) ([]Rule, error) {
	p := elb.NewDescribeRulesPaginator(c.read,
		&elb.DescribeRulesInput{ListenerArn: &listenerARN, PageSize: aws.Int32(elbPageSize)})
	found, err := pages(ctx, p, func(out *elb.DescribeRulesOutput) []types.Rule { return out.Rules })
	var rules []Rule
	if err == nil {
		rules, err = readRules(found)
	}
	return rules, wrap("DescribeRules", "of "+listenerARN, err)
}

// CreateRule creates a rule with its tags and returns it. It is not idempotent:
// a second call, also one after a lost answer, finds the priority taken
// (Duplicate). Right after CreateListener or CreateTargetGroup it can be NotFound:
// try again.
func (c *ELB) CreateRule(ctx context.Context, listenerARN string, r Rule) (Rule, error) {
	what := fmt.Sprintf("of %s, priority %d", listenerARN, r.Priority)
	out, err := c.write.CreateRule(ctx, &elb.CreateRuleInput{
		ListenerArn: &listenerARN,
		Priority:    &r.Priority,
		Conditions:  each(r.Conditions, elbCondition),
		Actions:     elbActions(r.Actions),
		Tags:        elbTags(r.Tags),
	})
	var rules []Rule
	if err == nil {
		rules, err = readRules(out.Rules)
	}
	if err != nil {
		return Rule{}, wrap("CreateRule", what, err)
	}
	return only("CreateRule", what, rules)
}

// ModifyRule replaces the conditions and the actions of a rule; a nil list stays
// as it is. Its priority is SetRulePriorities' business, and the default rule is
// ModifyListener's (here it is Denied). It can be repeated.
func (c *ELB) ModifyRule(ctx context.Context, r Rule) error {
	_, err := c.write.ModifyRule(ctx, &elb.ModifyRuleInput{
		RuleArn:    &r.ARN,
		Conditions: each(r.Conditions, elbCondition),
		Actions:    elbActions(r.Actions),
	})
	return wrap("ModifyRule", r.ARN, err)
}

// SetRulePriorities moves rules of one listener, all or none of them. Rules may
// swap places in one call; a place that a rule outside the call holds is
// Duplicate. It can be repeated. An empty list costs no call.
func (c *ELB) SetRulePriorities(ctx context.Context, moves []RulePriority) error {
	if len(moves) == 0 {
		return nil
	}
	_, err := c.write.SetRulePriorities(ctx, &elb.SetRulePrioritiesInput{
		RulePriorities: each(moves, func(m RulePriority) types.RulePriorityPair {
			return types.RulePriorityPair{RuleArn: &m.ARN, Priority: &m.Priority}
		}),
	})
	return wrap("SetRulePriorities", some(each(moves, func(m RulePriority) string { return m.ARN })), err)
}

// DeleteRule deletes a rule. It is NotFound if the rule is gone already, and
// Denied for the default rule, which goes with its listener.
func (c *ELB) DeleteRule(ctx context.Context, arn string) error {
	_, err := c.write.DeleteRule(ctx, &elb.DeleteRuleInput{RuleArn: &arn})
	return wrap("DeleteRule", arn, err)
}

func readRules(in []types.Rule) ([]Rule, error) {
	var rules []Rule
	for _, r := range in {
		rule := Rule{
			ARN:        aws.ToString(r.RuleArn),
			Conditions: each(r.Conditions, readCondition),
			Actions:    readActions(r.Actions),
			Transforms: len(r.Transforms) > 0,
		}
		if p := aws.ToString(r.Priority); p != defaultPriority && !aws.ToBool(r.IsDefault) {
			n, err := strconv.ParseInt(p, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("priority of rule %s: %w", rule.ARN, err)
			}
			rule.Priority = int32(n)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// readCondition takes the values from wherever AWS put them: host and path have
// them in a configuration of their own, old rules in the condition itself.
func readCondition(c types.RuleCondition) Condition {
	out := Condition{Field: aws.ToString(c.Field), Values: c.Values, Regexes: c.RegexValues}
	switch {
	case c.HostHeaderConfig != nil:
		out.Values, out.Regexes = c.HostHeaderConfig.Values, c.HostHeaderConfig.RegexValues
	case c.PathPatternConfig != nil:
		out.Values, out.Regexes = c.PathPatternConfig.Values, c.PathPatternConfig.RegexValues
	case c.HttpHeaderConfig != nil:
		out.Header = aws.ToString(c.HttpHeaderConfig.HttpHeaderName)
		out.Values, out.Regexes = c.HttpHeaderConfig.Values, c.HttpHeaderConfig.RegexValues
	case c.HttpRequestMethodConfig != nil:
		out.Values = c.HttpRequestMethodConfig.Values
	case c.SourceIpConfig != nil:
		out.Values = c.SourceIpConfig.Values
	case c.QueryStringConfig != nil:
		out.Queries = each(c.QueryStringConfig.Values, func(q types.QueryStringKeyValuePair) QueryValue {
			return QueryValue{Key: aws.ToString(q.Key), Value: aws.ToString(q.Value)}
		})
	}
	return out
}

func elbCondition(c Condition) types.RuleCondition {
	out := types.RuleCondition{Field: &c.Field}
	switch c.Field {
	case "host-header":
		out.HostHeaderConfig = &types.HostHeaderConditionConfig{Values: c.Values}
	case "path-pattern":
		out.PathPatternConfig = &types.PathPatternConditionConfig{Values: c.Values}
	case "http-header":
		out.HttpHeaderConfig = &types.HttpHeaderConditionConfig{HttpHeaderName: &c.Header, Values: c.Values}
	case "http-request-method":
		out.HttpRequestMethodConfig = &types.HttpRequestMethodConditionConfig{Values: c.Values}
	case "source-ip":
		out.SourceIpConfig = &types.SourceIpConditionConfig{Values: c.Values}
	case "query-string":
		out.QueryStringConfig = &types.QueryStringConditionConfig{
			Values: each(c.Queries, func(q QueryValue) types.QueryStringKeyValuePair {
				return types.QueryStringKeyValuePair{Key: given(q.Key), Value: &q.Value}
			}),
		}
	default:
		out.Values = c.Values
	}
	return out
}
