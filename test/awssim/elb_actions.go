package awssim

import (
	"regexp"
	"slices"
)

type actionParams struct {
	Type                      string `check:"required"`
	Order                     int    `check:"min=1,max=50000"`
	TargetGroupArn            string
	ForwardConfig             *forwardParams
	FixedResponseConfig       *fixedResponseParams
	RedirectConfig            *redirectParams
	AuthenticateCognitoConfig unsupported
	AuthenticateOidcConfig    unsupported
	JwtValidationConfig       unsupported
}

type forwardParams struct {
	TargetGroups                []weightedGroupParams
	TargetGroupStickinessConfig *stickinessParams
}

type weightedGroupParams struct {
	TargetGroupArn string `check:"required"`
	Weight         *int
}

type stickinessParams struct {
	Enabled         bool
	DurationSeconds *int
}

type fixedResponseParams struct {
	StatusCode  string `check:"required"`
	ContentType string
	MessageBody string
}

const maxWeight = 999

// newActionsLocked are the actions of a rule of a listener with that protocol. Only the
// kinds that route are simulated, and a rule has exactly one of them.
func (s *Sim) newActionsLocked(protocol string, params []actionParams) ([]action, error) {
	if len(params) != 1 {
		return nil, errValidation("Exactly one action of type 'forward', 'redirect' or 'fixed-response' must be specified")
	}
	p := params[0]
	a := action{kind: p.Type, order: p.Order}
	if err := p.checkConfig(); err != nil {
		return nil, err
	}
	var err error
	switch p.Type {
	case "forward":
		err = s.newForwardLocked(&a, p)
	case "fixed-response":
		a.fixed, err = p.FixedResponseConfig.response()
	case "redirect":
		a.redirect, err = p.RedirectConfig.redirect(protocol)
	default:
		err = errValidation("Actions of type '%s' are not supported by this simulator", p.Type)
	}
	return []action{a}, err
}

// checkConfig checks that an action has the config of its type and no other.
func (p actionParams) checkConfig() error {
	configs := map[string]bool{
		"forward":        p.ForwardConfig != nil || p.TargetGroupArn != "",
		"fixed-response": p.FixedResponseConfig != nil,
		"redirect":       p.RedirectConfig != nil,
	}
	for kind, given := range configs {
		if given && kind != p.Type {
			return errValidation("An action of type '%s' cannot have a config of type '%s'", p.Type, kind)
		}
	}
	if given, known := configs[p.Type]; known && !given {
		return errValidation("A config must be specified for an action of type '%s'", p.Type)
	}
	return nil
}

// newForwardLocked finds the target groups of a forward action.
func (s *Sim) newForwardLocked(a *action, p actionParams) error {
	config, err := p.forward()
	if err != nil {
		return err
	}
	seen := map[*targetGroup]bool{}
	for _, w := range config.TargetGroups {
		g, err := s.findTargetGroupLocked(w.TargetGroupArn)
		if err != nil {
			return err
		}
		weight := 1
		set(&weight, w.Weight)
		if weight < 0 || weight > maxWeight || seen[g] {
			return errValidation("A forward action needs different target groups with weights between 0 and %d", maxWeight)
		}
		seen[g] = true
		a.forward = append(a.forward, weightedGroup{g, weight})
	}
	if limit := s.quotas.GroupsPerAction; len(a.forward) > limit {
		return errValidation("A forward action cannot have more than %d target groups", limit)
	}
	return config.TargetGroupStickinessConfig.apply(a)
}

// forward reads a forward action from either of the places where it can stand: a
// single ARN, or a config with groups and weights.
func (p actionParams) forward() (forwardParams, error) {
	var config forwardParams
	if p.ForwardConfig != nil {
		config = *p.ForwardConfig
	}
	single := p.TargetGroupArn
	switch groups := config.TargetGroups; {
	case single == "" && len(groups) == 0:
		return config, errValidation("A target group must be specified for an action of type 'forward'")
	case len(groups) == 0:
		config.TargetGroups = []weightedGroupParams{{TargetGroupArn: single}}
	case single != "" && (len(groups) > 1 || groups[0].TargetGroupArn != single):
		return config, errValidation("The target group ARN and the forward config of an action must name the same target group")
	}
	return config, nil
}

// apply sets group stickiness. Nil is none.
func (p *stickinessParams) apply(a *action) error {
	if p == nil || !p.Enabled {
		return nil
	}
	if p.DurationSeconds == nil || *p.DurationSeconds < 1 || *p.DurationSeconds > maxStickiness {
		return errValidation("The duration of target group stickiness must be between 1 and %d seconds", maxStickiness)
	}
	a.stickySeconds = *p.DurationSeconds
	return nil
}

var (
	fixedStatus = regexp.MustCompile(`^[245]\d\d$`)
	fixedTypes  = []string{"text/plain", "text/css", "text/html", "application/javascript", "application/json"}
)

const maxFixedBody = 1024

func (p *fixedResponseParams) response() (*fixedResponse, error) {
	switch {
	case !fixedStatus.MatchString(p.StatusCode):
		return nil, errValidation("Fixed response status code '%s' is invalid, it must match 2XX, 4XX or 5XX", p.StatusCode)
	case p.ContentType != "" && !slices.Contains(fixedTypes, p.ContentType):
		return nil, errValidation("Fixed response content type '%s' is invalid", p.ContentType)
	case len(p.MessageBody) > maxFixedBody:
		return nil, errValidation("The message body of a fixed response cannot be longer than %d characters", maxFixedBody)
	}
	return &fixedResponse{p.StatusCode, p.ContentType, p.MessageBody}, nil
}

func sameActions(a, b []action) bool {
	return slices.EqualFunc(a, b, func(x, y action) bool {
		return x.kind == y.kind && x.order == y.order && x.stickySeconds == y.stickySeconds &&
			slices.Equal(x.forward, y.forward) && sameValue(x.fixed, y.fixed) && sameValue(x.redirect, y.redirect)
	})
}

func sameValue[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// checkForwardLocked checks that the groups of actions may be used by lb, where
// they take the place of the actions of old (nil: none).
func (s *Sim) checkForwardLocked(lb *loadBalancer, old *rule, actions []action) error {
	groups := map[*targetGroup]bool{}
	for g := range forwardedGroups(lb) {
		if len(g.usedBy) > 1 || !g.usedBy[old] {
			groups[g] = true
		}
	}
	for _, a := range actions {
		for _, w := range a.forward {
			if err := s.checkAssociationLocked(lb, w.group); err != nil {
				return err
			}
			groups[w.group] = true
		}
	}
	if limit := s.quotas.GroupsPerLoadBalancer; len(groups) > limit {
		return errAPI("TooManyUniqueTargetGroupsPerLoadBalancer",
			"You have reached the maximum number of unique target groups that you can associate with a load balancer of type 'application': [%d]", limit)
	}
	targets := 0
	for g := range groups {
		targets += countRegistered(g)
	}
	if limit := s.quotas.TargetsPerLoadBalancer; targets > limit {
		return errAPI("TooManyTargets", "The maximum number of targets per load balancer '%d' has been reached on load balancer '%s'", limit, lb.arn)
	}
	return nil
}

// checkAssociationLocked checks that a group may serve lb: it has one load
// balancer at most, in its own VPC.
func (s *Sim) checkAssociationLocked(lb *loadBalancer, g *targetGroup) error {
	if user := s.usedByLocked(g); user != nil && user != lb {
		return errAPI("TargetGroupAssociationLimit",
			"The following target groups cannot be associated with more than one load balancer: %s", g.arn)
	}
	if g.ipAddressType == ipv6Type && lb.ipAddressType == ipv4Type {
		return errAPI("InvalidConfigurationRequest", "Target group '%s' has IP address type ipv6, and load balancer '%s' is not dualstack", g.arn, lb.arn)
	}
	if g.vpcID != lb.vpcID {
		return errAPI("InvalidConfigurationRequest", "Target group '%s' is not in the VPC of the load balancer, '%s'", g.arn, lb.vpcID)
	}
	return nil
}

// attachLocked notes in its target groups that a rule forwards to them.
func attachLocked(r *rule) {
	for _, a := range r.actions {
		for _, w := range a.forward {
			w.group.usedBy[r] = true
		}
	}
}

// detachLocked is the inverse of attachLocked.
func detachLocked(r *rule) {
	for _, a := range r.actions {
		for _, w := range a.forward {
			delete(w.group.usedBy, r)
		}
	}
}

// replaceActionsLocked gives a rule other actions, or leaves it as it was.
func (s *Sim) replaceActionsLocked(r *rule, params []actionParams) error {
	actions, err := s.newActionsLocked(r.listener.protocol, params)
	if err != nil {
		return err
	}
	if err := s.checkForwardLocked(r.listener.lb, r, actions); err != nil {
		return err
	}
	detachLocked(r)
	r.actions = actions
	attachLocked(r)
	return nil
}

// usedByLocked is the load balancer with a rule that forwards to g, or nil.
func (s *Sim) usedByLocked(g *targetGroup) *loadBalancer {
	for r := range g.usedBy {
		return r.listener.lb
	}
	return nil
}
