package provision

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/target"
)

// replacing is a model that wants another group than the one that has the requests.
func replacing() (*ingress.Model, *stack) {
	m, st := aModel(), aStack()
	st.listenersRead, st.balancers[0].State = true, stateActive
	st.balancers[0].listeners[80].rules = []*awsapi.Rule{aRule(1, "arn:tg", "a")}
	m.TargetGroups["ns/a-s:80"].Name = "newer"
	m.LoadBalancer.Listeners[0].Rules = []ingress.Rule{{Priority: 1, Action: ingress.Action{
		Forward: []ingress.Share{{TargetGroup: "ns/a-s:80", Weight: 1}},
	}}}
	return m, st
}

// newer is the group that takes the place of the old one.
func newer(st *stack) *awsapi.TargetGroup {
	g := &awsapi.TargetGroup{ARN: "arn:newer", Name: "newer", Tags: awsapi.Tags{ingress.TagResource: "ns/a-s:80"}}
	st.targetGroups["newer"] = g
	return g
}

// Whatever stands of an ID is synced. Pods wait for the groups that requests come to,
// or will come to next.
func TestBindings(t *testing.T) {
	shares := func(of ...awsapi.WeightedTargetGroup) []awsapi.Action {
		return []awsapi.Action{{Type: actionForward, Forward: of}}
	}
	// another is a load balancer that is made beside the one that stands.
	another := func(st *stack, state string, rules ...*awsapi.Rule) {
		st.balancers = append(st.balancers, &balancer{
			LoadBalancer: awsapi.LoadBalancer{ARN: "arn:next", Name: "next", Scheme: "internet-facing", State: state},
			listeners:    map[int32]*listener{80: {rules: rules}},
		})
		st.serves = "internet-facing"
	}
	tests := map[string]struct {
		change  func(*stack)
		want    map[string]string // what is said of a group
		missing string
	}{
		"to be made": {func(*stack) {}, map[string]string{"tg": ""}, "newer weightless"},
		"made":       {func(st *stack) { newer(st) }, map[string]string{"tg": "", "newer": "weightless unused"}, ""},
		"attached": {func(st *stack) {
			newer(st)
			st.balancers[0].listeners[80].rules[0].Actions = shares(awsapi.WeightedTargetGroup{ARN: "arn:tg", Weight: 1}, awsapi.WeightedTargetGroup{ARN: "arn:newer"})
		}, map[string]string{"tg": "weightless", "newer": ""}, ""},
		"turned": {func(st *stack) {
			newer(st)
			st.balancers[0].listeners[80].rules[0].Actions = shares(awsapi.WeightedTargetGroup{ARN: "arn:newer", Weight: 1})
		}, map[string]string{"tg": "weightless unused", "newer": ""}, ""},
		"without weight by will": {func(st *stack) {
			newer(st)
			st.balancers[0].listeners[80].rules[0].Actions = shares(awsapi.WeightedTargetGroup{ARN: "arn:newer"}, awsapi.WeightedTargetGroup{ARN: "arn:x", Weight: 1})
		}, map[string]string{"tg": "weightless unused", "newer": "weightless"}, ""},
		"of a load balancer that is being made": {func(st *stack) {
			newer(st)
			another(st, "provisioning", aRule(1, "arn:newer", "a"))
		}, map[string]string{"tg": "", "newer": "weightless"}, ""},
		"of a load balancer that is active": {func(st *stack) {
			newer(st)
			another(st, stateActive, aRule(1, "arn:newer", "a"))
		}, map[string]string{"tg": "", "newer": ""}, ""},
		"nobody has looked yet": {func(st *stack) {
			newer(st)
			st.listenersRead, st.balancers[0].listeners = false, nil
		}, map[string]string{"tg": "", "newer": ""}, ""},
		"never used": {func(st *stack) {
			newer(st)
			st.balancers[0].listeners[80].rules = nil
			delete(st.targetGroups, "tg")
		}, map[string]string{"newer": " unused"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, st := replacing()
			tt.change(st)
			s := bindings(m, st, nil)
			said := map[string]string{}
			for _, b := range s.bindings {
				said[b.GroupName] = flags(b)
			}
			require.Equal(t, tt.want, said)
			missing := ""
			for _, b := range s.missing {
				missing += b.GroupName + " " + flags(b)
			}
			require.Equal(t, tt.missing, missing)
		})
	}
}

func flags(b target.Binding) (s string) {
	if b.Weightless {
		s = "weightless"
	}
	if b.Unused {
		s += " unused"
	}
	return s
}

func TestBindingOfAGroup(t *testing.T) {
	m, st := replacing()
	st.targetGroups["tg"].Port = 8080
	m.TargetGroups["ns/a-s:80"].HealthCheck.IntervalSeconds = 7
	require.Equal(t, []target.Binding{{
		GroupARN: "arn:tg", GroupName: "tg", Service: types.NamespacedName{Namespace: "ns", Name: "s"}, ServicePort: intstr.FromInt32(80), Stack: "g",
		TargetPort: 8080, Check: target.Check{IntervalSeconds: 7},
	}}, bindings(m, st, nil).bindings)
	st.targetGroups["tg"].Port = anyTargetPort
	require.Zero(t, bindings(m, st, nil).bindings[0].TargetPort, "each pod has its own")
}

// A group of which the model does not know any more is synced until no rule names it.
// Of a kept group the model knows no port: it is as it was shown, and of one that never
// was, as the Service has it.
func TestPortOfAKeptGroup(t *testing.T) {
	before := []target.Binding{{GroupARN: "arn:a", TargetPort: 8080}}
	kept, wanted := &ingress.TargetGroup{Kept: true}, &ingress.TargetGroup{}
	require.Equal(t, int32(8080), portOf(kept, target.Binding{GroupARN: "arn:a"}, before))
	require.Zero(t, portOf(kept, target.Binding{GroupARN: "arn:b"}, before))
	require.Equal(t, int32(9090), portOf(wanted, target.Binding{GroupARN: "arn:a", TargetPort: 9090}, before))
}

func TestBindingsStayUntilRulesTurn(t *testing.T) {
	m, st := replacing()
	before := bindings(m, st, nil).bindings
	m.TargetGroups = nil
	require.Equal(t, before, bindings(m, st, before).bindings)
	st.balancers[0].listeners[80].rules = nil
	require.Empty(t, bindings(m, st, before).bindings)
}
