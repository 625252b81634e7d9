package awssim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

type createRuleParams struct {
	ListenerArn string            `check:"required"`
	Priority    *int              `check:"required,min=1,max=50000"`
	Conditions  []conditionParams `check:"required"`
	Actions     []actionParams    `check:"required"`
	Tags        []tagParams
	Transforms  unsupported
}

type modifyRuleParams struct {
	RuleArn         string `check:"required"`
	Conditions      []conditionParams
	Actions         []actionParams
	Transforms      unsupported
	ResetTransforms unsupported
}

type describeRulesParams struct {
	ListenerArn string
	RuleArns    []string `check:"max=20"`
	pageParams
}

type ruleParams struct {
	RuleArn string `check:"required"`
}

type setRulePrioritiesParams struct {
	RulePriorities []rulePriorityPair `check:"required"`
}

type rulePriorityPair struct {
	RuleArn  string `check:"required"`
	Priority *int   `check:"required,min=1,max=50000"`
}

func (r *rule) priorityText() string {
	if r.isDefault() {
		return "default"
	}
	return strconv.Itoa(r.priority)
}

// byPriority orders rules as they are tried, the default rule last.
func byPriority(a, b *rule) int {
	if a.isDefault() != b.isDefault() {
		if a.isDefault() {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.priority, b.priority)
}

// pageKey sorts like byPriority within a listener.
func (r *rule) pageKey() string { return fmt.Sprintf("%7s", r.priorityText()) }

// addRuleLocked makes a checked rule part of the account.
func (s *Sim) addRuleLocked(r *rule) {
	path := resourceOf(r.listener.arn)
	r.arn = s.elbARN("listener-rule/" + path + "/" + s.newSuffixLocked("rule/"+path+"/"+r.priorityText()))
	r.created = time.Now()
	s.rules[r.arn] = r
	attachLocked(r)
}

// forgetRuleLocked takes a rule out of the account, not out of its listener.
func (s *Sim) forgetRuleLocked(r *rule) {
	detachLocked(r)
	delete(s.rules, r.arn)
}

func (s *Sim) createRuleLocked(p *createRuleParams) (any, error) {
	l, err := s.findListenerLocked(p.ListenerArn)
	if err != nil {
		return nil, err
	}
	r := &rule{listener: l, priority: *p.Priority}
	if r.conditions, err = s.newConditions(p.Conditions); err != nil {
		return nil, err
	}
	if r.actions, err = s.newActionsLocked(l.protocol, p.Actions); err != nil {
		return nil, err
	}
	if r.tags, err = s.newTagsLocked(nil, p.Tags); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(l.rules, func(other *rule) bool { return other.priority == r.priority }) {
		return nil, errAPI("PriorityInUse", "Priority '%d' is currently in use", r.priority)
	}
	if limit := s.quotas.RulesPerLoadBalancer; countRules(l.lb) >= limit {
		return nil, errAPI("TooManyRules", "The maximum number of rules, %d, has been reached on load balancer '%s'", limit, l.lb.arn)
	}
	if err := s.checkForwardLocked(l.lb, nil, r.actions); err != nil {
		return nil, err
	}
	l.rules = append(l.rules, r)
	slices.SortFunc(l.rules, byPriority)
	s.addRuleLocked(r)
	return rulesResult{Rules: []ruleResult{r.result()}}, nil
}

// countRules counts what the quota counts: default rules are free.
func countRules(lb *loadBalancer) int {
	n := 0
	for _, l := range lb.listeners {
		n += len(l.rules) - 1
	}
	return n
}

func (s *Sim) describeRulesLocked(p *describeRulesParams) (any, error) {
	key := (*rule).pageKey
	var found []*rule
	switch {
	case len(p.RuleArns) > 0 && p.ListenerArn != "":
		return nil, errValidation("Rule ARNs and a listener ARN cannot be specified at the same time")
	case len(p.RuleArns) > 0:
		all, err := findAll(p.RuleArns, s.findRuleLocked)
		if err != nil {
			return nil, errNotFound("RuleNotFound", "One or more rules not found")
		}
		found, key = all, func(r *rule) string { return r.arn }
		slices.SortFunc(found, func(a, b *rule) int { return cmp.Compare(a.arn, b.arn) })
	case p.ListenerArn != "":
		l, err := s.findListenerLocked(p.ListenerArn)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(slices.Clone(l.rules), func(r *rule) bool { return !s.visible(r.created) })
	default:
		return nil, errValidation("You must specify either listener rule ARNs or a listener ARN")
	}
	shown, next, err := paginate(found, key, p.pageParams)
	if err != nil {
		return nil, err
	}
	return rulesResult{Rules: ruleResults(shown), NextMarker: next}, nil
}

func (s *Sim) modifyRuleLocked(p *modifyRuleParams) (any, error) {
	r, err := s.findRuleLocked(p.RuleArn)
	if err != nil {
		return nil, err
	}
	if r.isDefault() {
		return nil, errAPI("OperationNotPermitted", "Default rule '%s' cannot be modified", r.arn)
	}
	conditions := r.conditions
	if len(p.Conditions) > 0 {
		if conditions, err = s.newConditions(p.Conditions); err != nil {
			return nil, err
		}
	}
	if len(p.Actions) > 0 {
		if err := s.replaceActionsLocked(r, p.Actions); err != nil {
			return nil, err
		}
	}
	r.conditions = conditions
	return rulesResult{Rules: []ruleResult{r.result()}}, nil
}

func (s *Sim) deleteRuleLocked(p *ruleParams) (any, error) {
	r, err := s.findRuleLocked(p.RuleArn)
	if err != nil {
		return nil, err
	}
	if r.isDefault() {
		return nil, errAPI("OperationNotPermitted", "Default rule '%s' cannot be deleted", r.arn)
	}
	s.forgetRuleLocked(r)
	r.listener.rules = slices.DeleteFunc(r.listener.rules, func(x *rule) bool { return x == r })
	return struct{}{}, nil
}

// setRulePrioritiesLocked moves all the rules or none. Only the order that results
// must be free of conflicts, so that rules can change places.
func (s *Sim) setRulePrioritiesLocked(p *setRulePrioritiesParams) (any, error) {
	moves := map[*rule]int{}
	var moved []*rule
	for _, pair := range p.RulePriorities {
		r, err := s.findRuleLocked(pair.RuleArn)
		if err != nil {
			return nil, err
		}
		if r.isDefault() {
			return nil, errAPI("OperationNotPermitted", "The priority of the default rule '%s' cannot be changed", r.arn)
		}
		if _, twice := moves[r]; twice {
			return nil, errValidation("Rule '%s' is specified more than once", r.arn)
		}
		moves[r] = *pair.Priority
		moved = append(moved, r)
	}
	for _, r := range moved {
		if err := checkMoves(r.listener, moves); err != nil {
			return nil, err
		}
	}
	for _, r := range moved {
		r.priority = moves[r]
	}
	for _, r := range moved {
		slices.SortFunc(r.listener.rules, byPriority)
	}
	return rulesResult{Rules: ruleResults(moved)}, nil
}

func checkMoves(l *listener, moves map[*rule]int) error {
	taken := map[int]bool{}
	for _, r := range l.rules {
		priority := r.priority
		if to, ok := moves[r]; ok {
			priority = to
		}
		if taken[priority] {
			return errAPI("PriorityInUse", "Priority '%d' is currently in use", priority)
		}
		taken[priority] = true
	}
	return nil
}
