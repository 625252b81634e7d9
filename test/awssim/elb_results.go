package awssim

import "time"

// canonicalZone is the DNS zone of all load balancers. AWS has one per Region.
const canonicalZone = "Z5LXEXXYW11ES"

type loadBalancersResult struct {
	LoadBalancers []loadBalancerResult
	NextMarker    string
}

type loadBalancerResult struct {
	LoadBalancerArn       string
	DNSName               string
	CanonicalHostedZoneId string
	CreatedTime           time.Time
	LoadBalancerName      string
	Scheme                string
	VpcId                 string
	State                 struct{ Code string }
	Type                  string
	AvailabilityZones     []zoneResult
	SecurityGroups        []string
	IpAddressType         string
}

type zoneResult struct {
	ZoneName              string
	SubnetId              string
	LoadBalancerAddresses []struct{}
}

func (lb *loadBalancer) result(now time.Time) loadBalancerResult {
	return loadBalancerResult{
		LoadBalancerArn:       lb.arn,
		DNSName:               lb.dnsName,
		CanonicalHostedZoneId: canonicalZone,
		CreatedTime:           lb.created,
		LoadBalancerName:      lb.name,
		Scheme:                lb.scheme,
		VpcId:                 lb.vpcID,
		State:                 struct{ Code string }{lb.status(now)},
		Type:                  "application",
		AvailabilityZones:     lb.zones(),
		SecurityGroups:        lb.securityGroups,
		IpAddressType:         lb.ipAddressType,
	}
}

func (lb *loadBalancer) zones() []zoneResult {
	zones := make([]zoneResult, 0, len(lb.subnets))
	for _, sub := range lb.subnets {
		zones = append(zones, zoneResult{sub.zone, sub.id, []struct{}{}})
	}
	return zones
}

type listenersResult struct {
	Listeners  []listenerResult
	NextMarker string
}

type listenerResult struct {
	ListenerArn     string
	LoadBalancerArn string
	Port            int
	Protocol        string
	Certificates    []certificateResult
	SslPolicy       string
	DefaultActions  []actionResult
}

type certificateResult struct {
	CertificateArn string
	IsDefault      *bool
}

func (l *listener) result() listenerResult {
	result := listenerResult{
		ListenerArn:     l.arn,
		LoadBalancerArn: l.lb.arn,
		Port:            l.port,
		Protocol:        l.protocol,
		SslPolicy:       l.sslPolicy,
		DefaultActions:  actionResults(l.defaultRule().actions),
	}
	for _, arn := range l.certificates[:min(1, len(l.certificates))] {
		result.Certificates = append(result.Certificates, certificateResult{CertificateArn: arn})
	}
	return result
}

type rulesResult struct {
	Rules      []ruleResult
	NextMarker string
}

type ruleResult struct {
	RuleArn    string
	Priority   string // a number or "default"
	Conditions []conditionResult
	Actions    []actionResult
	IsDefault  bool
}

type conditionResult struct {
	Field                   string
	Values                  []string
	HostHeaderConfig        *valuesResult
	PathPatternConfig       *valuesResult
	HttpRequestMethodConfig *valuesResult
	SourceIpConfig          *valuesResult
	HttpHeaderConfig        *httpHeaderResult
	QueryStringConfig       *queryStringResult
}

type valuesResult struct{ Values []string }

type httpHeaderResult struct {
	HttpHeaderName string
	Values         []string
}

type queryStringResult struct{ Values []queryValueResult }

type queryValueResult struct{ Key, Value string }

// result shows the values of hosts and paths twice, as AWS does: in the old place
// and in the field's own.
func (c condition) result() conditionResult {
	result := conditionResult{Field: c.field}
	values := &valuesResult{c.values}
	switch c.field {
	case "host-header":
		result.Values, result.HostHeaderConfig = c.values, values
	case "path-pattern":
		result.Values, result.PathPatternConfig = c.values, values
	case "http-request-method":
		result.HttpRequestMethodConfig = values
	case "source-ip":
		result.SourceIpConfig = values
	case "http-header":
		result.HttpHeaderConfig = &httpHeaderResult{c.name, c.values}
	case "query-string":
		result.QueryStringConfig = &queryStringResult{}
		for _, q := range c.query {
			result.QueryStringConfig.Values = append(result.QueryStringConfig.Values, queryValueResult{q.key, q.value})
		}
	}
	return result
}

type actionResult struct {
	Type                string
	Order               *int
	TargetGroupArn      string
	ForwardConfig       *forwardResult
	FixedResponseConfig *fixedResponseResult
	RedirectConfig      *redirectResult
}

type forwardResult struct {
	TargetGroups                []weightedGroupResult
	TargetGroupStickinessConfig stickinessResult
}

type weightedGroupResult struct {
	TargetGroupArn string
	Weight         int
}

type stickinessResult struct {
	Enabled         bool
	DurationSeconds *int
}

type fixedResponseResult struct {
	StatusCode  string
	ContentType string
	MessageBody string
}

func actionResults(actions []action) []actionResult {
	results := make([]actionResult, 0, len(actions))
	for _, a := range actions {
		results = append(results, a.result())
	}
	return results
}

// result names a single target group in the old place too.
func (a action) result() actionResult {
	result := actionResult{Type: a.kind, RedirectConfig: a.redirect.result()}
	if a.order != 0 {
		result.Order = &a.order
	}
	if a.fixed != nil {
		result.FixedResponseConfig = &fixedResponseResult{a.fixed.statusCode, a.fixed.contentType, a.fixed.body}
	}
	if a.kind != "forward" {
		return result
	}
	result.ForwardConfig = &forwardResult{TargetGroupStickinessConfig: stickinessResult{Enabled: a.stickySeconds > 0}}
	if a.stickySeconds > 0 {
		result.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds = &a.stickySeconds
	}
	for _, w := range a.forward {
		result.ForwardConfig.TargetGroups = append(result.ForwardConfig.TargetGroups, weightedGroupResult{w.group.arn, w.weight})
	}
	if len(a.forward) == 1 {
		result.TargetGroupArn = a.forward[0].group.arn
	}
	return result
}

func (r *rule) result() ruleResult {
	result := ruleResult{
		RuleArn:    r.arn,
		Priority:   r.priorityText(),
		Conditions: make([]conditionResult, 0, len(r.conditions)),
		Actions:    actionResults(r.actions),
		IsDefault:  r.isDefault(),
	}
	for _, c := range r.conditions {
		result.Conditions = append(result.Conditions, c.result())
	}
	return result
}

func ruleResults(rules []*rule) []ruleResult {
	results := make([]ruleResult, 0, len(rules))
	for _, r := range rules {
		results = append(results, r.result())
	}
	return results
}
