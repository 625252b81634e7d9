package awssim

import "reflect"

// Quotas are the limits of an account in a Region. A zero field is AWS's
// default for a new account.
type Quotas struct {
	LoadBalancers               int // per Region: 50
	TargetGroups                int // per Region: 3000
	ListenersPerLoadBalancer    int // 50
	CertificatesPerLoadBalancer int // without default certificates: 25
	RulesPerLoadBalancer        int // without default rules: 100
	GroupsPerLoadBalancer       int // different target groups over all rules: 100
	GroupsPerAction             int // 5
	TargetsPerLoadBalancer      int // registrations over all its groups: 1000
	TargetsPerGroup             int // 1000
	RegistrationsPerTarget      int // groups of one load balancer that hold the same target: 100
	ConditionValuesPerRule      int // 5
	WildcardsPerRule            int // 6
	SecurityGroupsPerBalancer   int // 5
	SecurityGroups              int // per Region: 2500
	RulesPerSecurityGroup       int // each direction, IPv4 and IPv6 apart: 60
	TagsPerResource             int // 50
}

var awsQuotas = Quotas{
	LoadBalancers:               50,
	TargetGroups:                3000,
	ListenersPerLoadBalancer:    50,
	CertificatesPerLoadBalancer: 25,
	RulesPerLoadBalancer:        100,
	GroupsPerLoadBalancer:       100,
	GroupsPerAction:             5,
	TargetsPerLoadBalancer:      1000,
	TargetsPerGroup:             1000,
	RegistrationsPerTarget:      100,
	ConditionValuesPerRule:      5,
	WildcardsPerRule:            6,
	SecurityGroupsPerBalancer:   5,
	SecurityGroups:              2500,
	RulesPerSecurityGroup:       60,
	TagsPerResource:             50,
}

func (q Quotas) withDefaults() Quotas {
	given, all := reflect.ValueOf(&q).Elem(), reflect.ValueOf(awsQuotas)
	for i := range given.NumField() {
		if given.Field(i).IsZero() {
			given.Field(i).Set(all.Field(i))
		}
	}
	return q
}
