package ingress

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const annotationPrefix = "alb.ingress.kubernetes.io/"

// Annotations of the group and its load balancer, read from Ingresses.
const (
	keyGroupName        = annotationPrefix + "group.name"
	keyGroupOrder       = annotationPrefix + "group.order"
	keyLoadBalancerName = annotationPrefix + "load-balancer-name"
	keyScheme           = annotationPrefix + "scheme"
	keyAddressType      = annotationPrefix + "ip-address-type"
	keySubnets          = annotationPrefix + "subnets"
	keySecurityGroups   = annotationPrefix + "security-groups"
	keyManageBackend    = annotationPrefix + "manage-backend-security-group-rules"
	keyInboundCIDRs     = annotationPrefix + "inbound-cidrs"
	keyPrefixLists      = annotationPrefix + "security-group-prefix-lists"
	keyAttributes       = annotationPrefix + "load-balancer-attributes"
)

// Annotations of listeners, read from Ingresses.
const (
	keyListenPorts        = annotationPrefix + "listen-ports"
	keySSLRedirect        = annotationPrefix + "ssl-redirect"
	keyCertificates       = annotationPrefix + "certificate-arn"
	keySSLPolicy          = annotationPrefix + "ssl-policy"
	keyListenerAttributes = annotationPrefix + "listener-attributes." // and PROTOCOL-PORT
)

// Annotations of target groups, read from Services and Ingresses.
const (
	keyTags               = annotationPrefix + "tags" // of all resources
	keyTargetType         = annotationPrefix + "target-type"
	keyHealthPort         = annotationPrefix + "healthcheck-port"
	keyHealthProtocol     = annotationPrefix + "healthcheck-protocol"
	keyHealthPath         = annotationPrefix + "healthcheck-path"
	keyHealthInterval     = annotationPrefix + "healthcheck-interval-seconds"
	keyHealthTimeout      = annotationPrefix + "healthcheck-timeout-seconds"
	keyHealthyThreshold   = annotationPrefix + "healthy-threshold-count"
	keyUnhealthyThreshold = annotationPrefix + "unhealthy-threshold-count"
	keySuccessCodes       = annotationPrefix + "success-codes"

	keyBackendProtocol        = annotationPrefix + "backend-protocol"
	keyBackendProtocolVersion = annotationPrefix + "backend-protocol-version"
	keyTargetGroupAttributes  = annotationPrefix + "target-group-attributes"
	keyMultiCluster           = annotationPrefix + "multi-cluster-target-group"
)

// Families of annotations of rules, read from Ingresses, by the name of a backend.
const (
	keyActions    = annotationPrefix + "actions."
	keyConditions = annotationPrefix + "conditions."
)

// support says what is done about an annotation.
type support int

const (
	// supported: it is read.
	supported support = iota
	// tuning: it is not read, and can be left out without harm.
	tuning
	// deciding: it is not read, and decides who may reach what, or over what. Whoever
	// has it is not served until it is.
	deciding
)

// annotation is what is known of one annotation.
type annotation struct {
	support support
	// backend: it means something on a Service, too.
	backend bool
	// moot reports whether a value asks for what is done anyway. Nil: none does.
	moot func(value string) bool
}

// annotations are all that the AWS Load Balancer Controller has, by name. A name that
// ends in a dot begins a family.
var annotations = map[string]annotation{
	"group.name":         {},
	"group.order":        {},
	"load-balancer-name": {},
	"tags":               {backend: true},

	"scheme":                              {},
	"ip-address-type":                     {},
	"subnets":                             {},
	"security-groups":                     {},
	"manage-backend-security-group-rules": {},
	"inbound-cidrs":                       {},
	"security-group-prefix-lists":         {},
	"load-balancer-attributes":            {},
	"minimum-load-balancer-capacity":      {support: tuning},
	"ipam-ipv4-pool-id":                   {support: tuning},
	"customer-owned-ipv4-pool":            {support: tuning},
	"wafv2-acl-arn":                       {support: deciding, moot: isNone},
	"wafv2-acl-name":                      {support: deciding, moot: isNone},
	"waf-acl-id":                          {support: deciding, moot: isNone},
	"web-acl-id":                          {support: deciding, moot: isNone},
	"shield-advanced-protection":          {support: tuning, moot: isFalse},

	"listen-ports":          {},
	"ssl-redirect":          {},
	"certificate-arn":       {},
	"ssl-policy":            {},
	"listener-attributes.":  {},
	"mutual-authentication": {support: deciding, moot: isMutualAuthOff},
	"create-acm-cert":       {support: tuning, moot: isFalse}, // an HTTPS listener without a certificate is a fault of its own
	"acm-pca-arn":           {support: tuning},                // without effect unless a certificate is created

	"target-type":                  {backend: true},
	"backend-protocol":             {backend: true},
	"backend-protocol-version":     {backend: true},
	"target-group-attributes":      {backend: true},
	"healthcheck-port":             {backend: true},
	"healthcheck-protocol":         {backend: true},
	"healthcheck-path":             {backend: true},
	"healthcheck-interval-seconds": {backend: true},
	"healthcheck-timeout-seconds":  {backend: true},
	"healthy-threshold-count":      {backend: true},
	"unhealthy-threshold-count":    {backend: true},
	"success-codes":                {backend: true},
	"multi-cluster-target-group":   {backend: true},
	"target-node-labels":           {support: tuning, backend: true},
	"target-control-port.":         {support: tuning, backend: true},

	"actions.":             {},
	"conditions.":          {},
	"transforms.":          {support: deciding},
	"use-regex-path-match": {support: deciding, moot: isFalse},
	"jwt-validation":       {support: deciding},
	"auth-type":            {support: deciding, backend: true, moot: is("none")},
	// Without effect unless auth-type is set.
	"auth-idp-cognito":                {support: tuning, backend: true},
	"auth-idp-oidc":                   {support: tuning, backend: true},
	"auth-on-unauthenticated-request": {support: tuning, backend: true},
	"auth-scope":                      {support: tuning, backend: true},
	"auth-session-cookie":             {support: tuning, backend: true},
	"auth-session-timeout":            {support: tuning, backend: true},

	"enable-frontend-nlb": {support: tuning, moot: isFalse},
	// Without effect unless the one above is true.
	"frontend-nlb-attributes":                            {support: tuning},
	"frontend-nlb-eip-allocations":                       {support: tuning},
	"frontend-nlb-healthcheck-healthy-threshold-count":   {support: tuning},
	"frontend-nlb-healthcheck-interval-seconds":          {support: tuning},
	"frontend-nlb-healthcheck-path":                      {support: tuning},
	"frontend-nlb-healthcheck-port":                      {support: tuning},
	"frontend-nlb-healthcheck-protocol":                  {support: tuning},
	"frontend-nlb-healthcheck-success-codes":             {support: tuning},
	"frontend-nlb-healthcheck-timeout-seconds":           {support: tuning},
	"frontend-nlb-healthcheck-unhealthy-threshold-count": {support: tuning},
	"frontend-nlb-listener-port-mapping":                 {support: tuning},
	"frontend-nlb-scheme":                                {support: tuning},
	"frontend-nlb-security-groups":                       {support: tuning},
	"frontend-nlb-subnets":                               {support: tuning},
	"frontend-nlb-tags":                                  {support: tuning},

	"dry-run-plan": {}, // written by the AWS Load Balancer Controller, not by a user
}

// is returns the reading of an unsupported annotation whose default is a word.
func is(word string) func(string) bool {
	return func(value string) bool { return strings.TrimSpace(value) == word }
}

func isNone(value string) bool { return is("none")(value) }

func isFalse(value string) bool {
	b, err := strconv.ParseBool(value)
	return err == nil && !b
}

// isMutualAuthOff reports whether clients need a certificate on no port.
func isMutualAuthOff(value string) bool {
	var ports []struct{ Mode string }
	err := json.Unmarshal([]byte(value), &ports)
	return err == nil && !slices.ContainsFunc(ports, func(p struct{ Mode string }) bool { return p.Mode != "off" })
}

// known returns what is known of an annotation's name, or of its family's.
func known(name string) (annotation, bool) {
	if a, ok := annotations[name]; ok {
		return a, !strings.HasSuffix(name, ".")
	}
	if dot := strings.IndexByte(name, '.'); dot >= 0 {
		a, ok := annotations[name[:dot+1]]
		return a, ok
	}
	return annotation{}, false
}

// decides reports whether ignoring an annotation would serve somebody whom, or
// something in a way that, its author did not ask for.
func decides(key, value string, onService bool) bool {
	name, ok := strings.CutPrefix(key, annotationPrefix)
	if !ok {
		return false
	}
	a, ok := known(name)
	return ok && a.support == deciding && !a.isMoot(value) && (!onService || a.backend)
}

// isMoot reports whether a value asks for what is done anyway.
func (a annotation) isMoot(value string) bool { return a.moot != nil && a.moot(value) }

// unsupported words what is wrong with one annotation; "" if nothing is. An
// annotation of the load balancer has no meaning on a Service.
func unsupported(key, value string, onService bool) string {
	name, ok := strings.CutPrefix(key, annotationPrefix)
	if !ok {
		return ""
	}
	a, ok := known(name)
	switch {
	case ok && a.support == supported && onService && !a.backend:
		return "has no effect on a Service; set it on the Ingress"
	case ok && (a.support == supported || a.isMoot(value)):
		return ""
	case ok:
		return "is not supported yet and was ignored"
	}
	if near := nearest(name); near != "" {
		return fmt.Sprintf("is unknown and was ignored; did you mean %s%s?", annotationPrefix, near)
	}
	return "is unknown and was ignored"
}

// nearest returns the known name that this one begins, if it begins just one;
// else the one that takes the fewest typing errors, at most one in three
// characters; else "".
func nearest(name string) string {
	names := slices.DeleteFunc(sortedKeys(annotations), func(n string) bool { return strings.HasSuffix(n, ".") })
	longer := slices.DeleteFunc(slices.Clone(names), func(k string) bool { return !strings.HasPrefix(k, name+"-") })
	if len(longer) == 1 {
		return longer[0]
	}
	best, bestDistance := "", len(name)/3+1
	for _, k := range names {
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
