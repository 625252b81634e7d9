package ingress

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

const (
	fieldHost = "host-header"
	fieldPath = "path-pattern"

	// maxConditionValue is AWS's limit for a host and for a path pattern.
	maxConditionValue = 128
	// maxWildcards is how many * and ? the conditions of one rule may hold. AWS's
	// page on conditions says 5, its page on quotas 6.
	maxWildcards = 5
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
		switch {
		case len(pattern) > maxConditionValue:
			return nil, fmt.Sprintf("becomes a pattern of more than %d characters", maxConditionValue)
		case !pathPatternCharacters.MatchString(pattern):
			return nil, `contains a character that a load balancer does not take: only letters, digits, space and _-.$/~"'@:+&*? are`
		}
	}
	return patterns, ""
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

// wildcards counts those of a rule.
func wildcards(host string, patterns []string) int {
	all := host + strings.Join(patterns, "")
	return strings.Count(all, "*") + strings.Count(all, "?")
}

// conditions puts the host before the path. A rule needs one condition at least.
func conditions(host string, patterns []string) []Condition {
	var out []Condition
	if host != "" {
		out = append(out, Condition{Field: fieldHost, Values: []string{host}})
	}
	if len(patterns) > 0 {
		out = append(out, Condition{Field: fieldPath, Values: patterns})
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
