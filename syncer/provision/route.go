package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

const codeTooManyRules = "TooManyRules"

// codesNoRoom say that a load balancer has no room for one more rule, or for one more
// target group in its rules, or for its targets.
var codesNoRoom = []string{codeTooManyRules, "TooManyUniqueTargetGroupsPerLoadBalancer", "TooManyTargets"}

// routing is a listener and the rules that it is to have.
type routing struct {
	listener *listener
	desired  []*awsapi.Rule
	complete bool // no rule was left out
}

// route brings the rules of every listener to the model's. One that has no room is
// tried again when the others have given up what they do not need: the quota is the
// load balancer's.
func (x *executor) route(ctx context.Context, m *ingress.Model) error {
	todo := x.routes(m)
	for last := len(todo) < 2; len(todo) > 0; last = true {
		var full []routing
		for _, r := range todo {
			refused := len(x.refused)
			err := x.routeListener(ctx, r.listener, r.desired, r.complete)
			if isRefusal(err) {
				x.refused = append(x.refused, fmt.Errorf("listener %d: %w", r.listener.Port, err))
			} else if err != nil {
				return fmt.Errorf("listener %d: %w", r.listener.Port, err)
			}
			if !last && slices.ContainsFunc(x.refused[refused:], noRoom) {
				x.refused = append(x.refused[:refused], slices.DeleteFunc(slices.Clone(x.refused[refused:]), noRoom)...)
				full = append(full, r)
			}
		}
		todo = full
	}
	return nil
}

// routes lists the listeners with the rules that they are to have. What is left out
// of them is noted.
func (x *executor) routes(m *ingress.Model) []routing {
	b := x.stack.balancer(m.LoadBalancer.Scheme)
	var routes []routing
	attached := map[string]bool{}
	for _, want := range m.LoadBalancer.Listeners {
		l := b.listeners[want.Port]
		if l == nil {
			continue // its creation was refused, which has been noted
		}
		desired, err := desiredRules(m, want, x.stack, l)
		if err != nil {
			x.refused = append(x.refused, err)
		}
		routes = append(routes, routing{l, desired, err == nil})
		note(attached, l.DefaultActions)
		for _, r := range desired {
			note(attached, r.Actions)
		}
	}
	if len(routes) > 0 {
		first := &routes[0]
		first.desired = append(first.desired, x.stack.parking(m, attached, lowest(first.desired))...)
	}
	return routes
}

// note enters the target groups of actions.
func note(attached map[string]bool, actions []awsapi.Action) {
	for _, a := range actions {
		for _, f := range a.Forward {
			attached[f.ARN] = true
		}
	}
}

// lowest is the priority of the last rule.
func lowest(rules []*awsapi.Rule) (last int32) {
	for _, r := range rules {
		last = max(last, r.Priority)
	}
	return last
}

// desiredRules turns the model's rules into AWS's terms. A rule whose target group
// could not be made does what the rule with its conditions does today, or is left
// out if there is none; the error names them.
func desiredRules(m *ingress.Model, want ingress.Listener, st *stack, l *listener) ([]*awsapi.Rule, error) {
	var rules []*awsapi.Rule
	var errs []error
	for _, r := range want.Rules {
		rule := &awsapi.Rule{Priority: r.Priority, Tags: r.Tags, Conditions: conditions(r.Conditions)}
		if have := l.rule(r.Standing); have != nil {
			rule.Conditions, rule.Actions, rule.Transforms = have.Conditions, have.Actions, have.Transforms
			rules = append(rules, rule)
			continue
		}
		actions, err := st.actions(m, r.Action)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %d of listener %d: %w", r.Priority, l.Port, err))
			actions = actionsToday(l, rule)
		}
		if actions == nil {
			continue
		}
		rule.Actions = actions
		rules = append(rules, rule)
	}
	return rules, errors.Join(errs...)
}

// conditions are the model's in AWS's terms.
func conditions(of []ingress.Condition) []awsapi.Condition {
	out := make([]awsapi.Condition, 0, len(of))
	for _, c := range of {
		condition := awsapi.Condition{Field: c.Field, Header: c.Header, Values: c.Values}
		for _, q := range c.Queries {
			condition.Queries = append(condition.Queries, awsapi.QueryValue(q))
		}
		out = append(out, condition)
	}
	return out
}

func actionsToday(l *listener, rule *awsapi.Rule) []awsapi.Action {
	key := conditionsKey(rule.Conditions)
	for _, r := range l.rules {
		if conditionsKey(r.Conditions) == key {
			return r.Actions
		}
	}
	return nil
}

// routeListener brings one listener to the desired rules, or if it is full in the
// way that needs no more room.
func (x *executor) routeListener(ctx context.Context, l *listener, desired []*awsapi.Rule, complete bool) error {
	refused := len(x.refused)
	plan := diffRules(l.rules, desired, false)
	full, err := x.createRules(ctx, l, plan)
	if err != nil {
		return err
	}
	if full && len(plan.obsolete) > 0 {
		x.refused = x.refused[:refused]
		plan = diffRules(l.rules, desired, true)
		if _, err := x.createRules(ctx, l, plan); err != nil {
			return err
		}
	}
	if err := x.turnRules(ctx, l, plan); err != nil {
		return err
	}
	if !complete || len(x.refused) > refused {
		// What could not be made would have replaced something that still answers. Only
		// what is of an Ingress that leaves has nobody who misses it.
		plan.obsolete = slices.DeleteFunc(plan.obsolete, func(r *awsapi.Rule) bool { return !x.isLeaving(r) })
	}
	return x.deleteRules(ctx, l, plan)
}

// isLeaving reports whether a rule is of an Ingress that leaves, and can be of no
// other.
func (x *executor) isLeaving(r *awsapi.Rule) bool {
	id := x.stack.resource(r.Actions)
	return len(ingress.Owners(id, x.group.Leaving)) > 0 && len(ingress.Owners(id, x.group.Members)) == 0
}

// createRules makes the rules that are new. It stops when the load balancer is
// full, and reports that.
func (x *executor) createRules(ctx context.Context, l *listener, p rulePlan) (full bool, err error) {
	if _, err := x.move(ctx, l, p.compact); err != nil {
		return false, err
	}
	for _, r := range p.create {
		if isParking(r) {
			if err := x.attach(ctx, createRule{l, r}); err != nil {
				return false, err
			}
			continue
		}
		refused := len(x.refused)
		if err := x.run(ctx, []step{createRule{l, r}}); err != nil {
			return false, err
		}
		if slices.ContainsFunc(x.refused[refused:], noRoom) {
			return true, nil
		}
	}
	return false, nil
}

func noRoom(err error) bool {
	return slices.Contains(codesNoRoom, awsapi.Code(err))
}

// turnRules changes which rules answer.
func (x *executor) turnRules(ctx context.Context, l *listener, p rulePlan) error {
	denied, err := x.move(ctx, l, p.mingle)
	if err != nil {
		return err
	}
	for _, c := range p.modify {
		switch {
		case c.attaches():
			err = x.attach(ctx, modifyRule{l, c})
		case denied:
			// The rules that are to stand in front of it stand behind it.
		default:
			err = x.run(ctx, []step{modifyRule{l, c}})
		}
		if err != nil {
			return err
		}
	}
	_, err = x.move(ctx, l, p.settle)
	return err
}

// move gives rules other places. Who may not do that (EKS Auto Mode's role once could
// not) still gets new rules, behind all others.
func (x *executor) move(ctx context.Context, l *listener, moves []ruleMove) (denied bool, err error) {
	err = x.must(ctx, moveStep(l, moves))
	if denied = awsapi.ClassOf(err) == awsapi.Denied && isRefusal(err); denied {
		x.refused = append(x.refused, fmt.Errorf("listener %d: new rules stand behind all others: %w", l.Port, err))
		return true, nil
	}
	return false, err
}

func (x *executor) deleteRules(ctx context.Context, l *listener, p rulePlan) error {
	steps := make([]step, 0, len(p.obsolete))
	for _, r := range p.obsolete {
		steps = append(steps, deleteRule{l, r})
	}
	return x.run(ctx, steps)
}

type createRule struct {
	listener *listener
	rule     *awsapi.Rule
}

func (s createRule) String() string {
	return fmt.Sprintf("create rule %s at priority %d", conditionsKey(s.rule.Conditions), s.rule.Priority)
}

func (s createRule) do(ctx context.Context, x *executor) error {
	created, err := x.elb.CreateRule(ctx, s.listener.ARN, *s.rule)
	if err != nil {
		return resourceError{x.stack.resource(s.rule.Actions), fmt.Errorf("rule %s: %w", conditionsKey(s.rule.Conditions), err)}
	}
	s.rule.ARN = created.ARN
	s.listener.rules = append(slices.Clone(s.listener.rules), s.rule)
	return nil
}

// moveRules gives rules new priorities, all in one call.
type moveRules struct {
	listener *listener
	moves    []ruleMove
}

func moveStep(l *listener, moves []ruleMove) []step {
	if len(moves) == 0 {
		return nil
	}
	return []step{moveRules{l, moves}}
}

func (s moveRules) String() string {
	return fmt.Sprintf("move %d rules of listener %d", len(s.moves), s.listener.Port)
}

// do leaves out rules whose creation was refused.
func (s moveRules) do(ctx context.Context, x *executor) error {
	var moves []awsapi.RulePriority
	for _, m := range s.moves {
		if m.rule.ARN != "" {
			moves = append(moves, awsapi.RulePriority{ARN: m.rule.ARN, Priority: m.priority})
		}
	}
	if err := x.elb.SetRulePriorities(ctx, moves); err != nil {
		return err
	}
	for _, m := range s.moves {
		m.rule.Priority = m.priority
	}
	return nil
}

type modifyRule struct {
	listener *listener
	change   ruleChange
}

func (s modifyRule) String() string {
	return fmt.Sprintf("turn rule %s of listener %d", conditionsKey(s.change.want.Conditions), s.listener.Port)
}

func (s modifyRule) do(ctx context.Context, x *executor) error {
	r, want := s.change.rule, s.change.want
	if err := x.elb.ModifyRule(ctx, awsapi.Rule{ARN: r.ARN, Conditions: want.Conditions, Actions: want.Actions}); err != nil {
		return resourceError{x.stack.resource(want.Actions), fmt.Errorf("rule %s: %w", conditionsKey(want.Conditions), err)}
	}
	r.Conditions, r.Actions = want.Conditions, want.Actions
	return nil
}

type deleteRule struct {
	listener *listener
	rule     *awsapi.Rule
}

func (s deleteRule) String() string {
	return fmt.Sprintf("delete rule %s of listener %d", conditionsKey(s.rule.Conditions), s.listener.Port)
}

func (s deleteRule) do(ctx context.Context, x *executor) error {
	if err := x.elb.DeleteRule(ctx, s.rule.ARN); err != nil {
		return fmt.Errorf("rule %s: %w", conditionsKey(s.rule.Conditions), err)
	}
	s.listener.rules = slices.DeleteFunc(slices.Clone(s.listener.rules), func(r *awsapi.Rule) bool { return r == s.rule })
	return nil
}

func sortedPorts(listeners map[int32]*listener) []int32 {
	return slices.Sorted(maps.Keys(listeners))
}
