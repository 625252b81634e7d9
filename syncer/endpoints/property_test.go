package endpoints_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

// worlds draws a few pods, some of them in the cache, and slices that show them more
// than once, late, and with each other's addresses.
var worlds = rapid.Custom(func(t *rapid.T) world {
	status := rapid.SampledFrom([]corev1.ConditionStatus{yes, no, unknown, unseen})
	w := onePod{failOpen: rapid.Bool().Draw(t, "failOpen")}.world()
	w.Service.Spec.PublishNotReadyAddresses = rapid.Bool().Draw(t, "publish")
	w.Nodes = map[string]corev1.ConditionStatus{"n0": status.Draw(t, "n0"), "n1": status.Draw(t, "n1")}
	w.Pods, w.Slices[0].Endpoints = nil, nil
	for n := range 4 {
		if rapid.Bool().Draw(t, "cached") {
			p := onePod{containersReady: status.Draw(t, "containersReady")}.world().Pods[0]
			p.Name = fmt.Sprint("p", n)
			if rapid.Bool().Draw(t, "deleted") {
				p.DeletionTimestamp = &metav1.Time{}
			}
			w.Pods = append(w.Pods, p)
		}
	}
	w.Slices = append(w.Slices, w.Slices[0].DeepCopy())
	for i := range rapid.IntRange(0, 12).Draw(t, "endpoints") {
		ep := onePod{ready: rapid.Bool().Draw(t, "ready"), terminating: rapid.Bool().Draw(t, "terminating")}.world().Slices[0].Endpoints[0]
		ep.Addresses = []string{fmt.Sprint("10.0.0.", rapid.IntRange(1, 4).Draw(t, "ip"))}
		ep.NodeName = new(rapid.SampledFrom([]string{"n0", "n1"}).Draw(t, "node"))
		ep.TargetRef.Name = fmt.Sprint("p", rapid.IntRange(0, 3).Draw(t, "pod"))
		ep.TargetRef.UID = rapid.SampledFrom([]types.UID{"u1", "u1", "u0"}).Draw(t, "uid")
		if rapid.IntRange(0, 5).Draw(t, "handMade") == 0 {
			ep.TargetRef = nil
		}
		w.Slices[i%2].Endpoints = append(w.Slices[i%2].Endpoints, ep)
	}
	return w
})

func TestCalculateProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worlds.Draw(t, "world")
		before, err := json.Marshal(w)
		require.NoError(t, err)
		got := endpoints.Calculate(w.input())
		after, err := json.Marshal(w)
		require.NoError(t, err)
		require.Equal(t, string(before), string(after), "inputs are not mutated")

		require.True(t, slices.IsSortedFunc(got.Endpoints, func(a, b endpoints.Endpoint) int { return a.Target.Compare(b.Target) }))
		anyReady := slices.ContainsFunc(got.Endpoints, func(e endpoints.Endpoint) bool { return e.State == endpoints.Ready })
		wanted, undecided := 0, false
		for i, e := range got.Endpoints {
			require.False(t, i > 0 && got.Endpoints[i-1].Target == e.Target, "a target stands twice")
			open := e.State == endpoints.NodeUnknown && w.FailOpen && !anyReady
			require.Equal(t, e.State == endpoints.Ready || open, got.Desired.Has(e.Target))
			if got.Desired.Has(e.Target) {
				wanted++
			}
			undecided = undecided || e.State == endpoints.Undecided
		}
		require.Len(t, got.Desired, wanted, "what is desired was found")
		if undecided {
			require.NotEmpty(t, len(got.WaitsForPods)+len(got.WaitsForNodes), "what is waited for is named")
		}
		for _, loser := range got.Shadowed {
			_, ok := got.Find(loser.Target)
			require.True(t, ok)
		}

		// The order in which caches and slices list things means nothing.
		slices.Reverse(w.Slices)
		for _, slice := range w.Slices {
			slices.Reverse(slice.Endpoints)
		}
		again := endpoints.Calculate(w.input())
		require.Equal(t, got.Desired, again.Desired)
		require.Equal(t, states(got.Endpoints), states(again.Endpoints))
		require.ElementsMatch(t, states(got.Shadowed), states(again.Shadowed))
	})
}

// TestTerminatingStaysOut: whatever arrives late, a pod whose end is known is not
// wanted again.
func TestTerminatingStaysOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worlds.Draw(t, "world")
		w.Service.Spec.PublishNotReadyAddresses = false
		gone := types.NamespacedName{Namespace: "demo0", Name: "p1"}
		ep := onePod{terminating: true}.world().Slices[0].Endpoints[0]
		for _, slice := range w.Slices {
			for i := range slice.Endpoints {
				// Ready and terminating at once means that somebody wants it all the same.
				*slice.Endpoints[i].Conditions.Terminating = false
			}
		}
		w.Slices[0].Endpoints = append(w.Slices[0].Endpoints, ep)
		for _, e := range endpoints.Calculate(w.input()).Endpoints {
			if e.Pod == gone && e.UID == "u1" && e.Target.String() == "10.0.0.1:8000" {
				require.Equal(t, endpoints.Terminating, e.State)
			}
		}
	})
}

func states(list []endpoints.Endpoint) []string {
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprint(e.Target, e.Pod, e.UID, e.State))
	}
	return out
}

// manyPods is a Service with n ready pods in slices of 100, as the EndpointSlice
// controller makes them.
func manyPods(n int) world {
	w := onePod{node: yes}.world()
	w.Pods, w.Slices = nil, nil
	for i := range n {
		if i%100 == 0 {
			w.Slices = append(w.Slices, onePod{}.world().Slices[0])
			w.Slices[len(w.Slices)-1].Endpoints = nil
		}
		one := onePod{ready: true, containersReady: yes}.world()
		ep, p := one.Slices[0].Endpoints[0], one.Pods[0]
		ep.Addresses, ep.TargetRef.Name = []string{fmt.Sprintf("10.0.%d.%d", i/250, i%250)}, fmt.Sprint("p", i)
		p.Name = ep.TargetRef.Name
		last := w.Slices[len(w.Slices)-1]
		last.Endpoints, w.Pods = append(last.Endpoints, ep), append(w.Pods, p)
	}
	return w
}

func BenchmarkCalculate1000(b *testing.B) {
	in := manyPods(1000).input()
	require.Len(b, endpoints.Calculate(in).Desired, 1000)
	b.ReportAllocs()
	for b.Loop() {
		endpoints.Calculate(in)
	}
}
