package awssim

import (
	"slices"
	"strconv"
)

type limitResult struct{ Name, Max string }

func (s *Sim) describeAccountLimitsLocked(p *pageParams) (any, error) {
	limits := map[string]int{
		"application-load-balancers":                            s.quotas.LoadBalancers,
		"condition-values-per-alb-rule":                         s.quotas.ConditionValuesPerRule,
		"condition-wildcards-per-alb-rule":                      s.quotas.WildcardsPerRule,
		"listeners-per-application-load-balancer":               s.quotas.ListenersPerLoadBalancer,
		"rules-per-application-load-balancer":                   s.quotas.RulesPerLoadBalancer,
		"target-groups":                                         s.quotas.TargetGroups,
		"target-groups-per-action-on-application-load-balancer": s.quotas.GroupsPerAction,
		"target-groups-per-application-load-balancer":           s.quotas.GroupsPerLoadBalancer,
		"target-id-registrations-per-application-load-balancer": s.quotas.RegistrationsPerTarget,
		"targets-per-application-load-balancer":                 s.quotas.TargetsPerLoadBalancer,
		"targets-per-target-group":                              s.quotas.TargetsPerGroup,
	}
	names, next, err := paginate(sortedKeys(limits), func(name string) string { return name }, *p)
	if err != nil {
		return nil, err
	}
	results := make([]limitResult, 0, len(names))
	for _, name := range names {
		results = append(results, limitResult{name, strconv.Itoa(limits[name])})
	}
	return struct {
		Limits     []limitResult
		NextMarker string
	}{results, next}, nil
}

type describeSSLPoliciesParams struct {
	Names            []string
	LoadBalancerType string `check:"enum=application|network|gateway"`
	pageParams
}

func (s *Sim) describeSSLPoliciesLocked(p *describeSSLPoliciesParams) (any, error) {
	var found []sslPolicy
	for _, policy := range sslPolicies {
		named := len(p.Names) == 0 || slices.Contains(p.Names, policy.Name)
		if named && (p.LoadBalancerType == "" || slices.Contains(policy.SupportedLoadBalancerTypes, p.LoadBalancerType)) {
			found = append(found, policy)
		}
	}
	if len(found) < distinct(p.Names) {
		return nil, errNotFound("SSLPolicyNotFound", "One or more SSL policies not found")
	}
	shown, next, err := paginate(found, func(policy sslPolicy) string { return policy.Name }, p.pageParams)
	if err != nil {
		return nil, err
	}
	return struct {
		SslPolicies []sslPolicy
		NextMarker  string
	}{shown, next}, nil
}

// distinct counts names that differ.
func distinct(names []string) int {
	return len(slices.Compact(slices.Sorted(slices.Values(names))))
}
