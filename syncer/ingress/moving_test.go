package ingress

import (
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// movesOn is a served member of the group shop that asks for another one now.
func movesOn(name string, annotations map[string]string) *networkingv1.Ingress {
	ing := shopMember(name, annotations)
	ing.Annotations[keyGroupName] = "elsewhere"
	ing.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "x"}}
	return ing
}

// groupNamed returns one of the groups.
func (w *world) groupNamed(id string) Group {
	for _, g := range w.groups() {
		if g.ID.String() == id {
			return g
		}
	}
	return Group{}
}

func TestMoving(t *testing.T) {
	deleted := movesOn("deleted", nil)
	deleted.DeletionTimestamp = new(metav1.Now())
	foreign := movesOn("foreign", nil)
	foreign.Annotations[legacyClassKey] = "nginx"
	moves := movesOn("moves", nil)
	w := newWorld()
	w.ingresses = []*networkingv1.Ingress{deleted, foreign, moves, shopMember("stays", nil)}
	g := w.groupNamed(shop)
	require.Equal(t, []*networkingv1.Ingress{moves}, g.Moving)
	require.Len(t, g.Leaving, 3)
	require.True(t, HoldsOther(moves, GroupID{Name: "elsewhere"}))
	require.False(t, HoldsOther(moves, GroupID{Name: shop}))
}

// What an Ingress asks of the group that it moves to changes nothing for the one that
// it leaves, where its rules stay in their place.
func TestStillServing(t *testing.T) {
	moves := movesOn("b", map[string]string{
		keyScheme: schemeInternetFacing, keyLoadBalancerName: "theirs", keyTargetType: targetTypeIP, keyGroupOrder: "5",
	})
	other := shopMember("c", map[string]string{keyGroupOrder: "7"})
	forward := func(priority int32, ing string) StandingRule {
		return StandingRule{
			ARN: "arn:" + ing, Port: 80, Priority: priority, Conditions: []Condition{{Field: fieldPath, Values: []string{"/" + ing}}},
			Action: forwardTo("demo0/" + ing + "-web:80"),
		}
	}
	tests := map[string]struct {
		ingresses []*networkingv1.Ingress
		standing  string
		hold      bool
		scheme    string
	}{
		"beside another":        {[]*networkingv1.Ingress{moves, other}, schemeInternetFacing, false, schemeInternal},
		"alone":                 {[]*networkingv1.Ingress{moves}, schemeInternal, true, ""},
		"beside one who leaves": {[]*networkingv1.Ingress{moves, deletedFrom("d")}, schemeInternetFacing, false, schemeInternetFacing},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.ingresses = tt.ingresses
			w.standing[shop] = standing{Standing: Standing{Scheme: tt.standing, Rules: []StandingRule{forward(1, "b")}}}
			before := moves.DeepCopy()
			g := w.groupNamed(shop)
			m := Build(w.input(g.StillServing(g.Moving)))
			require.Equal(t, before, moves, "inputs are not mutated")
			require.Equal(t, tt.hold, m.Hold)
			require.Contains(t, m.TargetGroups, "demo0/b-web:80", "its targets are synced")
			if tt.hold {
				return
			}
			require.Equal(t, tt.scheme, m.LoadBalancer.Scheme)
			require.False(t, m.LoadBalancer.NameFixed)
			require.Len(t, m.LoadBalancer.Listeners, 1)
			require.Equal(t, "arn:b", m.LoadBalancer.Listeners[0].Rules[0].Standing)
			require.Empty(t, m.LoadBalancer.Listeners[0].DefaultAction.Forward)
		})
	}
	g := Group{Members: []*networkingv1.Ingress{other}}
	require.Equal(t, g, g.StillServing(nil))
	require.Equal(t, "theirs", WantedName(moves))
}

func deletedFrom(name string) *networkingv1.Ingress {
	ing := shopMember(name, nil)
	ing.DeletionTimestamp = new(metav1.Now())
	return ing
}
