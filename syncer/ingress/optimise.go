package ingress

import (
	"slices"
	"strconv"
)

// optimise returns the rules that a listener gets for those that its members ask for,
// in their order: without redirects that lead back to where they are, and without what
// a redirect before them answers already; split where AWS takes no more conditions.
//
// So one redirect of all requests to HTTPS, written for all listeners of an Ingress,
// stands on HTTP alone and stands there without the rules behind it. It drops what the
// AWS Load Balancer Controller drops, and no more: priorities count what is left.
// What stands is kept in any case.
func optimise(rules []Rule, port int32, protocol string) []Rule {
	var kept []Rule
	for _, i := range reached(rules, port, protocol) {
		kept = append(kept, rules[i])
	}
	return splitRules(kept)
}

// reached returns the indices of the rules that stay.
func reached(rules []Rule, port int32, protocol string) []int {
	var kept []int
	var redirects []Rule
	for i, r := range rules {
		if r.Standing == "" && (r.loops(port, protocol) || slices.ContainsFunc(redirects, r.shadowedBy)) {
			continue
		}
		kept = append(kept, i)
		if r.Action.Redirect != nil {
			redirects = append(redirects, r)
		}
	}
	return kept
}

// loops reports whether a redirect leads some of its requests back to the listener and
// to the rule.
func (r Rule) loops(port int32, protocol string) bool {
	to := r.Action.Redirect
	if to == nil {
		return false
	}
	hosts, paths, _ := hostsAndPaths(r.Conditions)
	return (to.Host == sameHost || slices.Contains(hosts, to.Host)) &&
		(to.Path == samePath || slices.Contains(paths, to.Path)) &&
		(to.Port == samePort || to.Port == strconv.Itoa(int(port))) &&
		(to.Protocol == sameProtocol || to.Protocol == protocol) &&
		to.Query == sameQuery
}

// shadowedBy reports whether a redirect that comes before answers all that r could.
func (r Rule) shadowedBy(redirect Rule) bool {
	hosts, paths, only := hostsAndPaths(redirect.Conditions)
	if !only {
		return false
	}
	ownHosts, ownPaths, _ := hostsAndPaths(r.Conditions)
	return covers(hosts, ownHosts) && (slices.Contains(paths, "/*") || covers(paths, ownPaths))
}

// covers reports whether a condition with the values all holds where one with the values
// some does. None stands for no condition.
func covers(all, some []string) bool {
	contained := func(v string) bool { return slices.Contains(all, v) }
	return len(all) == 0 || len(some) > 0 && !slices.ContainsFunc(some, func(v string) bool { return !contained(v) })
}

// hostsAndPaths are the values of these two conditions; only says that there is no
// other, and that all have values.
func hostsAndPaths(cs []Condition) (hosts, paths []string, only bool) {
	only = true
	for _, c := range cs {
		switch {
		case c.Field == fieldHost && len(c.Values) > 0:
			hosts = append(hosts, c.Values...)
		case c.Field == fieldPath && len(c.Values) > 0:
			paths = append(paths, c.Values...)
		default:
			only = false
		}
	}
	return hosts, paths, only
}
