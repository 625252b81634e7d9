package awssim

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// attribute is a setting that is read and written as text.
type attribute struct {
	initial string
	valid   func(string) bool
}

// attributeSet are the attributes of a kind of resource.
type attributeSet map[string]attribute

func flag(initial string) attribute { return attribute{initial, oneOf("true", "false")} }

func oneOf(values ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(values, v) }
}

func between(low, high int) func(string) bool {
	return func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && low <= n && n <= high
	}
}

func either(a, b func(string) bool) func(string) bool {
	return func(v string) bool { return a(v) || b(v) }
}

func anyText(string) bool { return true }

// maxStickiness is the longest duration of stickiness: 7 days in seconds.
const maxStickiness = 7 * 24 * 60 * 60

var loadBalancerAttributes = attributeSet{
	"access_logs.s3.bucket":                                    {"", anyText},
	"access_logs.s3.enabled":                                   flag("false"),
	"access_logs.s3.prefix":                                    {"", anyText},
	"client_keep_alive.seconds":                                {"3600", between(60, 604800)},
	"connection_logs.s3.bucket":                                {"", anyText},
	"connection_logs.s3.enabled":                               flag("false"),
	"connection_logs.s3.prefix":                                {"", anyText},
	"deletion_protection.enabled":                              flag("false"),
	"health_check_logs.s3.bucket":                              {"", anyText},
	"health_check_logs.s3.enabled":                             flag("false"),
	"health_check_logs.s3.prefix":                              {"", anyText},
	"ipv6.deny_all_igw_traffic":                                flag("false"),
	"idle_timeout.timeout_seconds":                             {"60", between(1, 4000)},
	"load_balancing.cross_zone.enabled":                        {"true", oneOf("true")},
	"routing.http.desync_mitigation_mode":                      {"defensive", oneOf("monitor", "defensive", "strictest")},
	"routing.http.drop_invalid_header_fields.enabled":          flag("false"),
	"routing.http.preserve_host_header.enabled":                flag("false"),
	"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": flag("false"),
	"routing.http.xff_client_port.enabled":                     flag("false"),
	"routing.http.xff_header_processing.mode":                  {"append", oneOf("append", "preserve", "remove")},
	"routing.http2.enabled":                                    flag("true"),
	"waf.fail_open.enabled":                                    flag("false"),
	"zonal_shift.config.enabled":                               flag("false"),
}

var targetGroupAttributes = attributeSet{
	deregistrationDelayAttribute:                                                     {"300", between(0, 3600)},
	"load_balancing.algorithm.anomaly_mitigation":                                    {"off", oneOf("on", "off")},
	"load_balancing.algorithm.type":                                                  {"round_robin", oneOf("round_robin", "least_outstanding_requests", "weighted_random")},
	"load_balancing.cross_zone.enabled":                                              {"use_load_balancer_configuration", oneOf("true", "false", "use_load_balancer_configuration")},
	"slow_start.duration_seconds":                                                    {"0", either(oneOf("0"), between(30, 900))},
	"stickiness.app_cookie.cookie_name":                                              {"", anyText},
	"stickiness.app_cookie.duration_seconds":                                         {"86400", between(1, maxStickiness)},
	"stickiness.enabled":                                                             flag("false"),
	"stickiness.lb_cookie.duration_seconds":                                          {"86400", between(1, maxStickiness)},
	"stickiness.type":                                                                {"lb_cookie", oneOf("lb_cookie", "app_cookie")},
	"target_group_health.dns_failover.minimum_healthy_targets.count":                 {"1", either(oneOf("off"), between(1, 1000))},
	"target_group_health.dns_failover.minimum_healthy_targets.percentage":            {"off", either(oneOf("off"), between(1, 100))},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      {"1", between(1, 1000)},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": {"off", either(oneOf("off"), between(1, 100))},
}

// serverAttribute decides whether responses have the header Server.
const serverAttribute = "routing.http.response.server.enabled"

// responseHeaders are the headers that a listener sets in responses, by the attribute
// that holds the value.
var responseHeaders = map[string]string{
	"routing.http.response.access_control_allow_credentials.header_value": "Access-Control-Allow-Credentials",
	"routing.http.response.access_control_allow_headers.header_value":     "Access-Control-Allow-Headers",
	"routing.http.response.access_control_allow_methods.header_value":     "Access-Control-Allow-Methods",
	"routing.http.response.access_control_allow_origin.header_value":      "Access-Control-Allow-Origin",
	"routing.http.response.access_control_expose_headers.header_value":    "Access-Control-Expose-Headers",
	"routing.http.response.access_control_max_age.header_value":           "Access-Control-Max-Age",
	"routing.http.response.content_security_policy.header_value":          "Content-Security-Policy",
	"routing.http.response.strict_transport_security.header_value":        "Strict-Transport-Security",
	"routing.http.response.x_content_type_options.header_value":           "X-Content-Type-Options",
	"routing.http.response.x_frame_options.header_value":                  "X-Frame-Options",
}

// The attributes of listeners. Those that rename the headers of mutual authentication
// are not among them: there is none.
var listenerAttributes = func() attributeSet {
	set := attributeSet{serverAttribute: flag("true")}
	for name := range responseHeaders {
		set[name] = attribute{"", anyText}
	}
	return set
}()

func (set attributeSet) defaults() map[string]string {
	values := map[string]string{}
	for key, a := range set {
		values[key] = a.initial
	}
	return values
}

type attributePair struct {
	Key   string `check:"required"`
	Value string
}

type attributePairResult struct{ Key, Value *string }

// maxAttributes is how many a call may set.
const maxAttributes = 20

// change sets attributes, all or none.
func (set attributeSet) change(values map[string]string, noun string, pairs []attributePair) error {
	if len(pairs) == 0 || len(pairs) > maxAttributes {
		return errValidation("Between 1 and %d attributes must be specified", maxAttributes)
	}
	seen := map[string]bool{}
	for _, p := range pairs {
		a, ok := set[p.Key]
		switch {
		case !ok:
			return errValidation("%s attribute key '%s' is not recognized", noun, p.Key)
		case seen[p.Key]:
			return errValidation("%s attribute key '%s' is specified more than once", noun, p.Key)
		case !a.valid(p.Value):
			return errValidation("%s attribute value '%s' for key '%s' is invalid", noun, p.Value, p.Key)
		}
		seen[p.Key] = true
	}
	for _, p := range pairs {
		values[p.Key] = p.Value
	}
	return nil
}

type attributesResult struct{ Attributes []attributePairResult }

func attributeResults(values map[string]string) attributesResult {
	result := attributesResult{Attributes: make([]attributePairResult, 0, len(values))}
	for _, key := range sortedKeys(values) {
		result.Attributes = append(result.Attributes, attributePairResult{new(key), new(values[key])})
	}
	return result
}

type modifyLoadBalancerAttributesParams struct {
	LoadBalancerArn string          `check:"required"`
	Attributes      []attributePair `check:"required"`
}

type modifyListenerAttributesParams struct {
	ListenerArn string          `check:"required"`
	Attributes  []attributePair `check:"required"`
}

type modifyTargetGroupAttributesParams struct {
	TargetGroupArn string          `check:"required"`
	Attributes     []attributePair `check:"required"`
}

func (s *Sim) describeLoadBalancerAttributesLocked(p *loadBalancerParams) (any, error) {
	lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	return attributeResults(lb.attributes), nil
}

func (s *Sim) modifyLoadBalancerAttributesLocked(p *modifyLoadBalancerAttributesParams) (any, error) {
	lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	changed := maps.Clone(lb.attributes)
	if err := loadBalancerAttributes.change(changed, "Load balancer", p.Attributes); err != nil {
		return nil, err
	}
	for _, kind := range []string{"access_logs", "connection_logs", "health_check_logs"} {
		if changed[kind+".s3.enabled"] == "true" && changed[kind+".s3.bucket"] == "" {
			return nil, errAPI("InvalidConfigurationRequest", "The value of '%s.s3.bucket' cannot be empty when %s.s3.enabled is true", kind, kind)
		}
	}
	lb.attributes = changed
	return attributeResults(lb.attributes), nil
}

func (s *Sim) describeTargetGroupAttributesLocked(p *targetGroupParams) (any, error) {
	g, err := s.findTargetGroupLocked(p.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	return attributeResults(g.attributes), nil
}

func (s *Sim) modifyTargetGroupAttributesLocked(p *modifyTargetGroupAttributesParams) (any, error) {
	g, err := s.findTargetGroupLocked(p.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	changed := maps.Clone(g.attributes)
	if err := targetGroupAttributes.change(changed, "Target group", p.Attributes); err != nil {
		return nil, err
	}
	if err := checkTogether(changed); err != nil {
		return nil, err
	}
	g.attributes = changed
	return attributeResults(g.attributes), nil
}

// checkTogether refuses attributes of a target group that do not go together.
func checkTogether(values map[string]string) error {
	roundRobin := values["load_balancing.algorithm.type"] == "round_robin"
	random := values["load_balancing.algorithm.type"] == "weighted_random"
	name := values["stickiness.app_cookie.cookie_name"]
	byApp := values["stickiness.enabled"] == "true" && values["stickiness.type"] == "app_cookie"
	switch {
	case values["slow_start.duration_seconds"] != "0" && !roundRobin:
		return errAPI("InvalidConfigurationRequest", "Slow start can only be used with the algorithm round_robin")
	case values["load_balancing.algorithm.anomaly_mitigation"] == "on" && !random:
		return errAPI("InvalidConfigurationRequest", "Anomaly mitigation can only be used with the algorithm weighted_random")
	case byApp && (name == "" || strings.HasPrefix(name, targetCookie)):
		return errAPI("InvalidConfigurationRequest", "'%s' is not a valid name of an application cookie", name)
	}
	return nil
}

func (s *Sim) describeListenerAttributesLocked(p *listenerParams) (any, error) {
	l, err := s.findListenerLocked(p.ListenerArn)
	if err != nil {
		return nil, err
	}
	return attributeResults(l.attributes), nil
}

func (s *Sim) modifyListenerAttributesLocked(p *modifyListenerAttributesParams) (any, error) {
	l, err := s.findListenerLocked(p.ListenerArn)
	if err != nil {
		return nil, err
	}
	if err := listenerAttributes.change(l.attributes, "Listener", p.Attributes); err != nil {
		return nil, err
	}
	return attributeResults(l.attributes), nil
}
