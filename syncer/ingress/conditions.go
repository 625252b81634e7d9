package ingress

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

const (
	fieldHost     = "host-header"
	fieldPath     = "path-pattern"
	fieldHeader   = "http-header"
	fieldMethod   = "http-request-method"
	fieldQuery    = "query-string"
	fieldSourceIP = "source-ip"

	// maxConditionValue is AWS's limit for a host, a path pattern, a header's value and a
	// parameter of the query.
	maxConditionValue = 128
)

// What AWS takes in a host, wildcards included: only letters after the last dot.
var hostPattern = regexp.MustCompile(`^[-A-Za-z0-9.*?]*[.][A-Za-z]+$`)

// What AWS takes in a path pattern, wildcards included.
var pathPatternCharacters = regexp.MustCompile(`^[-A-Za-z0-9 _.$/~"'@:+&*?]*$`)

// pathPatterns turns a path into what the load balancer matches, or says what is
// wrong with it. An empty path matches every one and needs no pattern.
//
// A prefix matches whole elements: /a is /a and /a/*, and never /ab.
func pathPatterns(p *networkingv1.HTTPIngressPath) (patterns []string, fault string) {
	if p.Path == "" {
		return nil, ""
	}
	kind := pathType(p)
	switch kind {
	case networkingv1.PathTypeImplementationSpecific, networkingv1.PathTypeExact:
		patterns = []string{p.Path}
	case networkingv1.PathTypePrefix:
		base := strings.TrimSuffix(p.Path, "/")
		patterns = []string{base, base + "/*"}
		if base == "" {
			patterns = []string{"/*"}
		}
	default:
		return nil, fmt.Sprintf("has the unknown pathType %q", kind)
	}
	if kind != networkingv1.PathTypeImplementationSpecific && strings.ContainsAny(p.Path, "*?") {
		return nil, fmt.Sprintf("must not contain * or ? with pathType %s; ImplementationSpecific takes them as wildcards", kind)
	}
	for _, pattern := range patterns {
		if fault := patternFault(pattern); fault != "" {
			return nil, fault
		}
	}
	return patterns, ""
}

// patternFault says what is wrong with a path pattern, "" if nothing is.
func patternFault(pattern string) string {
	switch {
	case len(pattern) > maxConditionValue:
		return fmt.Sprintf("becomes a pattern of more than %d characters", maxConditionValue)
	case !pathPatternCharacters.MatchString(pattern):
		return `contains a character that a load balancer does not take: only letters, digits, space and _-.$/~"'@:+&*? are`
	}
	return ""
}

// hostFault says what is wrong with a host, "" if nothing is. No host matches every
// one.
func hostFault(host string) string {
	switch {
	case host == "":
		return ""
	case len(host) > maxConditionValue:
		return fmt.Sprintf("is longer than %d characters", maxConditionValue)
	case !hostPattern.MatchString(host):
		return "is not what a load balancer takes: letters, digits, '-', '.', '*' and '?', with a dot and only letters after the last one"
	}
	return ""
}

// conditions are what a path of a rule asks for: first what an annotation adds, then
// host and path, to which it may add values. A rule needs one condition at least.
func conditions(host string, patterns []string, annotated []Condition) []Condition {
	var out []Condition
	var hosts []string
	if host != "" {
		hosts = append(hosts, host)
	}
	paths := slices.Clone(patterns)
	for _, c := range annotated {
		switch c.Field {
		case fieldHost:
			hosts = append(hosts, c.Values...)
		case fieldPath:
			paths = append(paths, c.Values...)
		default:
			out = append(out, c.piece(0, c.size()))
		}
	}
	if len(hosts) > 0 {
		out = append(out, Condition{Field: fieldHost, Values: hosts})
	}
	if len(paths) > 0 {
		out = append(out, Condition{Field: fieldPath, Values: paths})
	}
	if len(out) == 0 {
		out = append(out, Condition{Field: fieldPath, Values: []string{"/*"}})
	}
	return out
}

// conditionsKey is equal for conditions that match the same requests, in whatever
// order AWS returned them.
func conditionsKey(cs []Condition) string {
	lines := make([]string, 0, len(cs))
	for _, c := range cs {
		queries := make([]string, 0, len(c.Queries))
		for _, q := range c.Queries {
			queries = append(queries, fmt.Sprintf("%q=%q", q.Key, q.Value))
		}
		lines = append(lines, fmt.Sprintf("%q%q%q%q", c.Field, strings.ToLower(c.Header), slices.Sorted(slices.Values(c.Values)), slices.Sorted(slices.Values(queries))))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
