package provision

import (
	"testing"

	"github.com/stretchr/testify/require"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/target"
)

func aModel() *ingress.Model {
	return &ingress.Model{
		Group: ingress.GroupID{Name: "g"},
		LoadBalancer: &ingress.LoadBalancer{
			Name: "lb", Scheme: "internal", Tags: map[string]string{"k": "v"},
			SecurityGroups: ingress.SecurityGroups{
				Managed: &ingress.SecurityGroup{Name: "sg", Ingress: []ingress.Permission{{Port: 80, CIDR: "0.0.0.0/0"}}},
			},
			Listeners: []ingress.Listener{{
				Port: 80, Protocol: "HTTP", DefaultAction: ingress.Action{FixedResponse: &ingress.FixedResponse{StatusCode: 404}},
			}},
		},
		TargetGroups: map[string]*ingress.TargetGroup{
			"ns/a-s:80": {
				ID: "ns/a-s:80", Name: "tg", HealthCheck: ingress.HealthCheck{Path: "/"}, Tags: map[string]string{"k": "v"},
				Service: types.NamespacedName{Namespace: "ns", Name: "s"}, ServicePort: intstr.FromInt32(80),
			},
		},
	}
}

// aStack is what AWS holds when it is as aModel wants it.
func aStack() *stack {
	fixed := []awsapi.Action{{Type: actionFixedResponse, FixedResponse: &awsapi.FixedResponse{StatusCode: "404"}}}
	return &stack{
		balancers: []*balancer{{
			LoadBalancer: awsapi.LoadBalancer{
				ARN: "arn:lb", Name: "lb", Scheme: "internal", SecurityGroups: []string{"sg-1"}, Tags: awsapi.Tags{"k": "v", "theirs": "x"},
			},
			listeners: map[int32]*listener{80: {Listener: awsapi.Listener{ARN: "arn:l", Port: 80, Protocol: "HTTP", DefaultActions: fixed}}},
		}},
		targetGroups: map[string]*awsapi.TargetGroup{"tg": {
			ARN: "arn:tg", Name: "tg", HealthCheck: awsapi.HealthCheck{Path: "/"}, Tags: awsapi.Tags{"k": "v", ingress.TagResource: "ns/a-s:80"},
		}},
		securityGroups: []*awsapi.SecurityGroup{{
			ID: "sg-1", Name: "sg",
			Ingress: []awsapi.Permission{{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: "0.0.0.0/0", Description: "kept by another tool"}},
		}},
	}
}

// allSteps lists the steps of every diff, as far as they can be told before the
// ones ahead of them are done.
func allSteps(m *ingress.Model, st *stack) []string {
	var steps []step
	if m.LoadBalancer != nil {
		steps = append(steps, diffNameClash(m, st)...)
		steps = append(steps, diffSecurityGroup(m, st)...)
		steps = append(steps, diffTargetGroups(m, st)...)
		steps = append(steps, diffLoadBalancer(m, st)...)
		if st.balancer(m.LoadBalancer.Scheme) != nil {
			steps = append(steps, diffAttachment(m, st)...)
			steps = append(steps, diffListeners(m, st)...)
		}
		steps = append(steps, diffRevocations(m, st)...)
	}
	if m.LoadBalancer == nil || st.balancer(m.LoadBalancer.Scheme) != nil {
		steps = append(steps, diffGone(m, st)...)
	}
	steps = append(steps, diffUnusedTargetGroups(m, st)...)
	steps = append(steps, diffUnusedSecurityGroups(m, st)...)
	var out []string
	for _, s := range steps {
		out = append(out, s.String())
	}
	return out
}

// diffs tell what a change of the model or of AWS leads to.
var diffs = map[string]struct {
	change func(*ingress.Model, *stack)
	want   []string
}{
	"nothing to do": {change: func(*ingress.Model, *stack) {}},
	"nothing stands": {
		change: func(_ *ingress.Model, st *stack) {
			*st = stack{targetGroups: map[string]*awsapi.TargetGroup{}}
		},
		want: []string{
			"create security group sg", "grant ingress on security group sg", "create target group tg", "create load balancer lb",
		},
	},
	"a port is opened and another closed": {
		change: func(m *ingress.Model, _ *stack) { m.LoadBalancer.SecurityGroups.Managed.Ingress[0].Port = 81 },
		want:   []string{"grant ingress on security group sg", "revoke ingress on security group sg"},
	},
	"somebody opened a port": {
		change: func(_ *ingress.Model, st *stack) {
			st.securityGroups[0].Ingress = append(st.securityGroups[0].Ingress, awsapi.Permission{Protocol: "tcp", FromPort: 22, ToPort: 22, CIDR: "0.0.0.0/0"})
		},
		want: []string{"revoke ingress on security group sg"},
	},
	"health check": {
		change: func(m *ingress.Model, _ *stack) { m.TargetGroups["ns/a-s:80"].HealthCheck.Path = "/healthz" },
		want:   []string{"change health check of target group tg"},
	},
	"tags": {
		change: func(_ *ingress.Model, st *stack) { st.targetGroups["tg"].Tags = nil },
		want:   []string{"add tags to target group tg"},
	},
	"another name": {
		change: func(m *ingress.Model, _ *stack) { m.LoadBalancer.Name = "renamed" },
	},
	"another scheme": {
		change: func(m *ingress.Model, _ *stack) {
			m.LoadBalancer.Name, m.LoadBalancer.Scheme = "public", "internet-facing"
		},
		want: []string{"create load balancer public"},
	},
	"another scheme under one name": {
		change: func(m *ingress.Model, _ *stack) { m.LoadBalancer.Scheme = "internet-facing" },
		want:   []string{"delete load balancer lb", "create load balancer lb"},
	},
	"another one is being replaced": {
		change: func(_ *ingress.Model, st *stack) {
			st.balancers = append(st.balancers, &balancer{LoadBalancer: awsapi.LoadBalancer{ARN: "arn:old", Name: "old", Scheme: "internet-facing"}})
		},
	},
	"one that was being replaced is wanted again": {
		change: func(_ *ingress.Model, st *stack) { st.balancers[0].Tags[tagReplaced] = "2026-11-25T20:00:00Z" },
		want:   []string{"remove tags from load balancer lb"},
	},
	"security group detached": {
		change: func(_ *ingress.Model, st *stack) { st.balancers[0].SecurityGroups = []string{"sg-theirs"} },
		want:   []string{"attach security groups to load balancer lb"},
	},
	"another port": {
		change: func(m *ingress.Model, _ *stack) { m.LoadBalancer.Listeners[0].Port = 81 },
		want:   []string{"create listener 81 of load balancer lb", "delete listener 80 of load balancer lb"},
	},
	"another default action": {
		change: func(m *ingress.Model, _ *stack) {
			m.LoadBalancer.Listeners[0].DefaultAction = ingress.Action{Forward: []ingress.Share{{TargetGroup: "ns/a-s:80", Weight: 1}}}
		},
		want: []string{"change default action of listener 80"},
	},
	"target group of no one": {
		change: func(m *ingress.Model, _ *stack) { m.TargetGroups = nil },
		want:   []string{"delete target group tg"},
	},
	"target group that a rule still refers to": {
		change: func(m *ingress.Model, st *stack) {
			m.TargetGroups = nil
			st.balancers[0].listeners[80].rules = []*awsapi.Rule{aRule(1, "arn:tg", "a")}
		},
	},
	"target group of a bad member": {
		change: func(m *ingress.Model, _ *stack) {
			m.TargetGroups = map[string]*ingress.TargetGroup{"ns/a-s:80": {ID: "ns/a-s:80", Kept: true}}
		},
	},
	"nobody is left": {
		change: func(m *ingress.Model, _ *stack) { m.LoadBalancer, m.TargetGroups = nil, nil },
		want:   []string{"delete load balancer lb", "delete target group tg", "delete security group sg"},
	},
}

func TestDiffs(t *testing.T) {
	for name, test := range diffs {
		t.Run(name, func(t *testing.T) {
			m, st := aModel(), aStack()
			test.change(m, st)
			require.Equal(t, test.want, allSteps(m, st))
		})
	}
}

// While a group is replaced two carry its resource tag; a kept one is the one in
// use.
func TestKeptTargetGroupIsTheOneInUse(t *testing.T) {
	st := aStack()
	st.targetGroups["a-newer"] = &awsapi.TargetGroup{ARN: "arn:new", Name: "a-newer", Tags: awsapi.Tags{ingress.TagResource: "ns/a-s:80"}}
	kept := &ingress.TargetGroup{ID: "ns/a-s:80", Kept: true}
	require.Equal(t, "arn:new", st.group(kept).ARN)
	st.balancers[0].listeners[80].rules = []*awsapi.Rule{aRule(1, "arn:tg", "a")}
	require.Equal(t, "arn:tg", st.group(kept).ARN)
}

// A group that rules still send requests to stays bound although the model has
// another in its place.
// TestBindingsTellWhatTheModelSays about a group: that no gate waits for it, that other
// clusters have targets in it, which addresses it takes.
func TestBindingsTellWhatTheModelSays(t *testing.T) {
	m, st := aModel(), aStack()
	forward := func(weight int32) {
		m.LoadBalancer.Listeners[0].Rules = []ingress.Rule{{Action: ingress.Action{Forward: []ingress.Share{
			{TargetGroup: "ns/a-s:80", Weight: weight}, {ARN: "arn:other", Weight: 1},
		}}}}
	}
	binding := func() target.Binding { return bindings(m, st, nil).bindings[0] }
	require.True(t, binding().Weightless, "no rule")
	forward(0)
	require.True(t, binding().Weightless)
	forward(1)
	require.False(t, binding().Weightless)
	m.LoadBalancer = nil
	require.False(t, binding().Weightless, "the rules are not known")

	require.False(t, binding().Shared)
	m.TargetGroups["ns/a-s:80"].MultiCluster = true
	require.True(t, binding().Shared)

	m.TargetGroups["ns/a-s:80"].IPAddressType = "ipv6"
	require.Empty(t, binding().Family, "the group that stands is of the old kind")
	st.targetGroups["tg"].IPAddressType = "ipv6"
	require.Equal(t, discoveryv1.AddressTypeIPv6, binding().Family)
}

func TestBoardSignalsChangesOnly(t *testing.T) {
	b := newBoard()
	one := func(arn string) shown { return shown{bindings: []target.Binding{{GroupARN: arn}}} }
	b.show("x", one("arn:1"))
	b.show("y", one("arn:2"))
	<-b.changed
	require.Empty(t, b.changed)
	require.Len(t, b.all.Load().bindings, 2)
	b.show("x", one("arn:1"))
	require.Empty(t, b.changed)
	b.show("x", shown{missing: []target.Binding{{GroupName: "1"}}})
	require.Len(t, b.changed, 1)
	<-b.changed
	b.show("x", shown{})
	require.Len(t, b.changed, 1)
	require.Equal(t, one("arn:2"), *b.all.Load())
}

// A rule whose target group could not be made does what it does today.
func TestRuleWithoutItsTargetGroup(t *testing.T) {
	m, st := aModel(), aStack()
	l := st.balancers[0].listeners[80]
	l.rules = []*awsapi.Rule{aRule(1, "arn:tg", "/a")}
	m.TargetGroups["ns/a-s:80"].Name = "refused"
	want := ingress.Listener{Port: 80}
	for i, path := range []string{"/a", "/b"} {
		want.Rules = append(want.Rules, ingress.Rule{
			Priority: int32(i + 1), Conditions: []ingress.Condition{{Field: "path-pattern", Values: []string{path}}},
			Action: ingress.Action{Forward: []ingress.Share{{TargetGroup: "ns/a-s:80", Weight: 1}}},
		})
	}
	rules, err := desiredRules(m, want, st, l)
	require.ErrorContains(t, err, "rule 2 of listener 80: target group ns/a-s:80 does not exist")
	require.Len(t, rules, 1)
	require.Equal(t, ruleKey(l.rules[0]), ruleKey(rules[0]))
}
