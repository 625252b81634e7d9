package awssim

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type healthCheckParams struct {
	HealthCheckEnabled         *bool
	HealthCheckProtocol        string
	HealthCheckPort            string
	HealthCheckPath            string `check:"max=1024"`
	HealthCheckIntervalSeconds *int   `check:"min=5,max=300"`
	HealthCheckTimeoutSeconds  *int   `check:"min=2,max=120"`
	HealthyThresholdCount      *int   `check:"min=2,max=10"`
	UnhealthyThresholdCount    *int   `check:"min=2,max=10"`
	Matcher                    *matcherParams
}

type matcherParams struct {
	HttpCode string
	GrpcCode string
}

type createTargetGroupParams struct {
	Name              string `check:"required"`
	Protocol          string
	Port              *int `check:"min=1,max=65535"`
	VpcId             string
	TargetType        string `check:"enum=instance|ip|lambda|alb"`
	ProtocolVersion   string
	IpAddressType     string `check:"enum=ipv4|ipv6"`
	Tags              []tagParams
	TargetControlPort unsupported
	healthCheckParams
}

type modifyTargetGroupParams struct {
	TargetGroupArn string `check:"required"`
	healthCheckParams
}

type describeTargetGroupsParams struct {
	LoadBalancerArn string
	TargetGroupArns []string
	Names           []string
	pageParams
}

type targetGroupParams struct {
	TargetGroupArn string `check:"required"`
}

type targetGroupsResult struct {
	TargetGroups []targetGroupResult
	NextMarker   string
}

type targetGroupResult struct {
	TargetGroupArn             string
	TargetGroupName            string
	Protocol                   string
	Port                       int
	VpcId                      string
	HealthCheckProtocol        string
	HealthCheckPort            string
	HealthCheckEnabled         bool
	HealthCheckIntervalSeconds int
	HealthCheckTimeoutSeconds  int
	HealthyThresholdCount      int
	UnhealthyThresholdCount    int
	HealthCheckPath            string
	Matcher                    matcherResult
	LoadBalancerArns           []string
	TargetType                 string
	ProtocolVersion            string
	IpAddressType              string
}

type matcherResult struct{ HttpCode, GrpcCode string }

func (c healthCheck) matcherResult() matcherResult {
	if c.version == protocolGRPC {
		return matcherResult{GrpcCode: c.matcher}
	}
	return matcherResult{HttpCode: c.matcher}
}

func (s *Sim) resultLocked(g *targetGroup) targetGroupResult {
	result := targetGroupResult{
		TargetGroupArn:             g.arn,
		TargetGroupName:            g.name,
		Protocol:                   g.protocol,
		Port:                       g.port,
		VpcId:                      g.vpcID,
		HealthCheckProtocol:        g.check.protocol,
		HealthCheckPort:            g.check.port,
		HealthCheckEnabled:         g.check.enabled,
		HealthCheckIntervalSeconds: int(g.check.interval / time.Second),
		HealthCheckTimeoutSeconds:  int(g.check.timeout / time.Second),
		HealthyThresholdCount:      g.check.healthyThreshold,
		UnhealthyThresholdCount:    g.check.unhealthyThreshold,
		HealthCheckPath:            g.check.path,
		Matcher:                    g.check.matcherResult(),
		LoadBalancerArns:           []string{},
		TargetType:                 g.targetType,
		ProtocolVersion:            g.protocolVersion,
		IpAddressType:              g.ipAddressType,
	}
	if lb := s.usedByLocked(g); lb != nil {
		result.LoadBalancerArns = append(result.LoadBalancerArns, lb.arn)
	}
	return result
}

// The matcher is a list of codes and ranges of codes: 200,202 or 200-299. Those of gRPC
// have one digit or two.
var (
	matcherText     = regexp.MustCompile(`^\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*$`)
	grpcMatcherText = regexp.MustCompile(`^\d{1,2}(-\d{1,2})?(,\d{1,2}(-\d{1,2})?)*$`)
)

// apply changes what p names of a health check.
func (p healthCheckParams) apply(c *healthCheck) error {
	setSeconds(&c.interval, p.HealthCheckIntervalSeconds)
	setSeconds(&c.timeout, p.HealthCheckTimeoutSeconds)
	set(&c.healthyThreshold, p.HealthyThresholdCount)
	set(&c.unhealthyThreshold, p.UnhealthyThresholdCount)
	set(&c.enabled, p.HealthCheckEnabled)
	c.protocol = orElse(p.HealthCheckProtocol, c.protocol)
	c.port = orElse(p.HealthCheckPort, c.port)
	c.path = orElse(p.HealthCheckPath, c.path)
	if err := p.Matcher.apply(c); err != nil {
		return err
	}
	return c.check()
}

// apply changes the codes that a check takes for success. Nil is no change.
func (p *matcherParams) apply(c *healthCheck) error {
	if p == nil {
		return nil
	}
	codes, others := p.HttpCode, p.GrpcCode
	if c.version == protocolGRPC {
		codes, others = others, codes
	}
	if others != "" {
		return errValidation("A target group with protocol version '%s' must have a matcher of its own kind of codes", c.version)
	}
	c.matcher = codes
	return nil
}

func set[T any](field, given *T) {
	if given != nil {
		*field = *given
	}
}

func setSeconds(field *time.Duration, given *int) {
	if given != nil {
		*field = time.Duration(*given) * time.Second
	}
}

func (c *healthCheck) check() error {
	port, err := strconv.Atoi(c.port)
	switch {
	case c.protocol != "HTTP" && c.protocol != "HTTPS":
		return errValidation("Health check protocol '%s' must be HTTP or HTTPS", c.protocol)
	case c.port != "traffic-port" && (err != nil || port < 1 || port > 65535):
		return errValidation("Health check port '%s' must be 'traffic-port' or between '1' and '65535' inclusive", c.port)
	case !strings.HasPrefix(c.path, "/"):
		return errValidation("Health check path '%s' must begin with '/'", c.path)
	case c.timeout >= c.interval:
		return errValidation("Health check timeout '%d' must be smaller than the interval '%d'", c.timeout/time.Second, c.interval/time.Second)
	case !c.enabled:
		return errValidation("Health check enabled must be true for target groups with target type 'ip'")
	}
	return c.checkMatcher()
}

func (c *healthCheck) checkMatcher() error {
	matcher := c.matcher
	if c.version == protocolGRPC {
		if !grpcMatcherText.MatchString(matcher) {
			return errValidation("Health check matcher GRPC code '%s' must be within '0-99' inclusive", matcher)
		}
		return nil
	}
	if !matcherText.MatchString(matcher) {
		return errValidation("Health check matcher HTTP code '%s' is invalid", matcher)
	}
	for _, code := range strings.FieldsFunc(matcher, func(r rune) bool { return r == ',' || r == '-' }) {
		if code < "200" || code > "499" {
			return errValidation("Health check matcher HTTP code '%s' must be within '200-499' inclusive", matcher)
		}
	}
	return nil
}

// newTargetGroupLocked is the target group that p asks for, checked, and not yet
// part of the account.
func (s *Sim) newTargetGroupLocked(p *createTargetGroupParams) (*targetGroup, error) {
	if err := p.checkKind(); err != nil {
		return nil, err
	}
	if _, ok := s.vpcs[p.VpcId]; !ok {
		return nil, errValidation("The VPC ID '%s' is not found", p.VpcId)
	}
	g := &targetGroup{
		name:            p.Name,
		protocol:        p.Protocol,
		protocolVersion: orElse(p.ProtocolVersion, protocolHTTP1),
		port:            *p.Port,
		targetType:      orElse(p.TargetType, "instance"),
		ipAddressType:   orElse(p.IpAddressType, ipv4Type),
		vpcID:           p.VpcId,
		check:           newHealthCheck(orElse(p.ProtocolVersion, protocolHTTP1)),
		attributes:      targetGroupAttributes.defaults(),
		targets:         map[targetKey]*registration{},
		usedBy:          map[*rule]bool{},
	}
	if err := p.apply(&g.check); err != nil {
		return nil, err
	}
	var err error
	g.tags, err = s.newTagsLocked(nil, p.Tags)
	return g, err
}

// newHealthCheck is the health check of a group for which none was described.
func newHealthCheck(version string) healthCheck {
	c := healthCheck{
		enabled: true, protocol: "HTTP", port: "traffic-port", path: "/", version: version,
		interval: 30 * time.Second, timeout: 5 * time.Second,
		healthyThreshold: 5, unhealthyThreshold: 2, matcher: "200",
	}
	if version == protocolGRPC {
		c.path, c.matcher = "/AWS.ALB/healthcheck", "12"
	}
	return c
}

// checkKind refuses what AWS refuses, and kinds of groups that have no data plane
// here.
func (p *createTargetGroupParams) checkKind() error {
	if err := checkName("Target group", p.Name); err != nil {
		return err
	}
	for _, kind := range []struct {
		what, value string
		simulated   []string
	}{
		{"target type", p.TargetType, []string{"", "ip", "instance"}},
		{"protocol", p.Protocol, []string{"", "HTTP", "HTTPS"}},
		{"protocol version", p.ProtocolVersion, []string{"", protocolHTTP1, protocolHTTP2, protocolGRPC}},
		{"IP address type", p.IpAddressType, []string{"", ipv4Type, ipv6Type}},
	} {
		if !slices.Contains(kind.simulated, kind.value) {
			return errValidation("Target groups with %s '%s' are not supported by this simulator", kind.what, kind.value)
		}
	}
	switch {
	case p.Protocol == "":
		return errValidation("A protocol must be specified")
	case p.Port == nil:
		return errValidation("A port must be specified")
	case p.VpcId == "":
		return errValidation("A VPC ID must be specified")
	}
	return nil
}

// The families of addresses that a group's targets can have.
const (
	ipv4Type = "ipv4"
	ipv6Type = "ipv6"
)

func (g *targetGroup) sameSettings(other *targetGroup) bool {
	return g.protocol == other.protocol && g.protocolVersion == other.protocolVersion && g.ipAddressType == other.ipAddressType && g.port == other.port && g.targetType == other.targetType &&
		g.vpcID == other.vpcID && g.check == other.check && g.tags.equal(other.tags)
}

func (s *Sim) createTargetGroupLocked(p *createTargetGroupParams) (any, error) {
	g, err := s.newTargetGroupLocked(p)
	if err != nil {
		return nil, err
	}
	for _, old := range s.targetGroups {
		if old.name != g.name {
			continue
		}
		if !old.sameSettings(g) {
			return nil, errAPI("DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", g.name)
		}
		return targetGroupsResult{TargetGroups: []targetGroupResult{s.resultLocked(old)}}, nil
	}
	if limit := s.quotas.TargetGroups; len(s.targetGroups) >= limit {
		return nil, errAPI("TooManyTargetGroups", "The maximum number of target groups, %d, has been reached", limit)
	}
	g.arn = s.elbARN("targetgroup/" + g.name + "/" + s.newSuffixLocked("targetgroup/"+g.name))
	g.created = time.Now()
	s.targetGroups[g.arn] = g
	return targetGroupsResult{TargetGroups: []targetGroupResult{s.resultLocked(g)}}, nil
}

func (s *Sim) describeTargetGroupsLocked(p *describeTargetGroupsParams) (any, error) {
	found, err := s.selectTargetGroupsLocked(p)
	if err != nil {
		return nil, err
	}
	shown, next, err := paginate(found, func(g *targetGroup) string { return g.arn }, p.pageParams)
	if err != nil {
		return nil, err
	}
	result := targetGroupsResult{TargetGroups: make([]targetGroupResult, 0, len(shown)), NextMarker: next}
	for _, g := range shown {
		result.TargetGroups = append(result.TargetGroups, s.resultLocked(g))
	}
	return result, nil
}

func (s *Sim) selectTargetGroupsLocked(p *describeTargetGroupsParams) ([]*targetGroup, error) {
	by := min(1, len(p.LoadBalancerArn)) + min(1, len(p.TargetGroupArns)) + min(1, len(p.Names))
	wanted := func(g *targetGroup) bool {
		return by == 0 || slices.Contains(p.TargetGroupArns, g.arn) || slices.Contains(p.Names, g.name)
	}
	if by > 1 {
		return nil, errValidation("You can specify only one of load balancer ARN, target group ARNs and names")
	}
	if p.LoadBalancerArn != "" {
		lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
		if err != nil {
			return nil, err
		}
		wanted = func(g *targetGroup) bool { return s.usedByLocked(g) == lb }
	}
	found := slices.DeleteFunc(sorted(s.targetGroups), func(g *targetGroup) bool { return !wanted(g) || !s.visible(g.created) })
	if len(found) < distinct(p.TargetGroupArns) || len(found) < distinct(p.Names) {
		return nil, errNotFound("TargetGroupNotFound", "One or more target groups not found")
	}
	return found, nil
}

func (s *Sim) modifyTargetGroupLocked(p *modifyTargetGroupParams) (any, error) {
	g, err := s.findTargetGroupLocked(p.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	changed := g.check
	if err := p.apply(&changed); err != nil {
		return nil, err
	}
	g.check = changed
	return targetGroupsResult{TargetGroups: []targetGroupResult{s.resultLocked(g)}}, nil
}

func (s *Sim) deleteTargetGroupLocked(p *targetGroupParams) (any, error) {
	if err := s.checkARN("targetgroup", "target group", p.TargetGroupArn); err != nil {
		return nil, err
	}
	// A missing group is no error: the action has none for it.
	if g, ok := s.targetGroups[p.TargetGroupArn]; ok && len(g.usedBy) > 0 {
		return nil, errAPI("ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", g.arn)
	}
	delete(s.targetGroups, p.TargetGroupArn)
	return struct{}{}, nil
}
