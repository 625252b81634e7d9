package ingress

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const annotationPrefix = "alb.ingress.kubernetes.io/"

// Annotations of the load balancer, read from Ingresses.
const (
	keyGroupName        = annotationPrefix + "group.name"
	keyGroupOrder       = annotationPrefix + "group.order"
	keyLoadBalancerName = annotationPrefix + "load-balancer-name"
	keyScheme           = annotationPrefix + "scheme"
)

// Annotations of target groups, read from Services and Ingresses.
const (
	keyTargetType         = annotationPrefix + "target-type"
	keyHealthPort         = annotationPrefix + "healthcheck-port"
	keyHealthProtocol     = annotationPrefix + "healthcheck-protocol"
	keyHealthPath         = annotationPrefix + "healthcheck-path"
	keyHealthInterval     = annotationPrefix + "healthcheck-interval-seconds"
	keyHealthTimeout      = annotationPrefix + "healthcheck-timeout-seconds"
	keyHealthyThreshold   = annotationPrefix + "healthy-threshold-count"
	keyUnhealthyThreshold = annotationPrefix + "unhealthy-threshold-count"
	keySuccessCodes       = annotationPrefix + "success-codes"
)

// forTargetGroups tells for each supported annotation whether it is also read
// from Services.
var forTargetGroups = map[string]bool{
	keyGroupName:        false,
	keyGroupOrder:       false,
	keyLoadBalancerName: false,
	keyScheme:           false,

	keyTargetType:         true,
	keyHealthPort:         true,
	keyHealthProtocol:     true,
	keyHealthPath:         true,
	keyHealthInterval:     true,
	keyHealthTimeout:      true,
	keyHealthyThreshold:   true,
	keyUnhealthyThreshold: true,
	keySuccessCodes:       true,
}

// alreadyTrue are values of unsupported annotations that ask for what is done
// anyway, so that there is nothing to warn of. White space does not count.
var alreadyTrue = map[string]string{
	annotationPrefix + "backend-protocol":         "HTTP",
	annotationPrefix + "backend-protocol-version": "HTTP1",
	annotationPrefix + "auth-type":                "none",
	annotationPrefix + "ip-address-type":          "ipv4",
	annotationPrefix + "listen-ports":             `[{"HTTP":80}]`,
}

// unsupportedNames are the other annotations of the AWS Load Balancer Controller.
// A name that ends in a dot begins a family.
var unsupportedNames = strings.Fields(`
	acm-pca-arn actions. auth-idp-cognito auth-idp-oidc auth-on-unauthenticated-request auth-scope
	auth-session-cookie auth-session-timeout auth-type backend-protocol backend-protocol-version
	certificate-arn conditions. create-acm-cert customer-owned-ipv4-pool enable-frontend-nlb
	frontend-nlb-attributes frontend-nlb-eip-allocations frontend-nlb-healthcheck-healthy-threshold-count
	frontend-nlb-healthcheck-interval-seconds frontend-nlb-healthcheck-path frontend-nlb-healthcheck-port
	frontend-nlb-healthcheck-protocol frontend-nlb-healthcheck-success-codes
	frontend-nlb-healthcheck-timeout-seconds frontend-nlb-healthcheck-unhealthy-threshold-count
	frontend-nlb-listener-port-mapping frontend-nlb-scheme frontend-nlb-security-groups
	frontend-nlb-subnets frontend-nlb-tags inbound-cidrs ip-address-type ipam-ipv4-pool-id
	jwt-validation listen-ports listener-attributes. load-balancer-attributes
	manage-backend-security-group-rules minimum-load-balancer-capacity multi-cluster-target-group
	mutual-authentication security-group-prefix-lists security-groups shield-advanced-protection
	ssl-policy ssl-redirect subnets tags target-control-port. target-group-attributes
	target-node-labels transforms. use-regex-path-match waf-acl-id wafv2-acl-arn wafv2-acl-name
	web-acl-id`)

// tuning are the unsupported annotations that can be left out without harm. Any
// other decides who may reach what, and over what: an Ingress that has one is not
// served until it is supported.
var tuning = strings.Fields(`
	customer-owned-ipv4-pool ipam-ipv4-pool-id listener-attributes. load-balancer-attributes
	manage-backend-security-group-rules minimum-load-balancer-capacity tags target-control-port.
	target-group-attributes target-node-labels`)

// ofBackends are the unsupported annotations that mean something on a Service. Any
// other there can be left out without harm.
var ofBackends = strings.Fields(`
	auth-idp-cognito auth-idp-oidc auth-on-unauthenticated-request auth-scope auth-session-cookie
	auth-session-timeout auth-type backend-protocol backend-protocol-version multi-cluster-target-group
	tags target-control-port. target-group-attributes target-node-labels`)

// decides reports whether ignoring an annotation would serve somebody whom, or
// something in a way that, its author did not ask for.
func decides(key, value string, onService bool) bool {
	name, ok := strings.CutPrefix(key, annotationPrefix)
	return ok && isOneOf(name, unsupportedNames) && !isOneOf(name, tuning) && !isAlreadyTrue(key, value) &&
		(!onService || isOneOf(name, ofBackends))
}

// dryRunPlan is written by the AWS Load Balancer Controller, not by a user.
const dryRunPlan = annotationPrefix + "dry-run-plan"

// unsupported words what is wrong with one annotation; "" if nothing is. An
// annotation of the load balancer has no meaning on a Service.
func unsupported(key, value string, onService bool) string {
	name, ok := strings.CutPrefix(key, annotationPrefix)
	if !ok || key == dryRunPlan {
		return ""
	}
	targetGroups, supported := forTargetGroups[key]
	switch {
	case supported && onService && !targetGroups:
		return "has no effect on a Service; set it on the Ingress"
	case supported:
		return ""
	case isAlreadyTrue(key, value):
		return ""
	case isOneOf(name, unsupportedNames):
		return "is not supported yet and was ignored"
	}
	if near := nearest(name); near != "" {
		return fmt.Sprintf("is unknown and was ignored; did you mean %s%s?", annotationPrefix, near)
	}
	return "is unknown and was ignored"
}

func isAlreadyTrue(key, value string) bool {
	want, ok := alreadyTrue[key]
	return ok && strings.Join(strings.Fields(value), "") == want
}

// isOneOf reports whether a name is one of those known, or of a family of theirs.
func isOneOf(name string, known []string) bool {
	return slices.ContainsFunc(known, func(k string) bool {
		return name == k || strings.HasSuffix(k, ".") && strings.HasPrefix(name, k)
	})
}

// nearest returns the known name that this one begins, if it begins just one;
// else the one that takes the fewest typing errors, at most one in three
// characters; else "".
func nearest(name string) string {
	known := make([]string, 0, len(unsupportedNames)+len(forTargetGroups))
	for key := range forTargetGroups {
		known = append(known, strings.TrimPrefix(key, annotationPrefix))
	}
	for _, n := range unsupportedNames {
		if !strings.HasSuffix(n, ".") {
			known = append(known, n)
		}
	}
	slices.Sort(known)
	longer := slices.DeleteFunc(slices.Clone(known), func(k string) bool { return !strings.HasPrefix(k, name+"-") })
	if len(longer) == 1 {
		return longer[0]
	}
	best, bestDistance := "", len(name)/3+1
	for _, k := range known {
		if d := distance(name, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is Levenshtein's: insertions, deletions and replacements of bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// lookup reads the annotations of a backend: the Service's, else the Ingress's.
type lookup struct {
	service map[string]string
	ingress map[string]string
}

func (l lookup) get(key string) (string, bool) {
	if v, ok := l.service[key]; ok {
		return v, true
	}
	v, ok := l.ingress[key]
	return v, ok
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
