package endpoints_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

// world is what the caches of a test hold.
type world struct {
	Service  *corev1.Service                   `json:"service"`
	Port     intstr.IntOrString                `json:"port"`
	Family   discoveryv1.AddressType           `json:"family"`
	FailOpen bool                              `json:"failOpen"`
	Slices   []*discoveryv1.EndpointSlice      `json:"slices"`
	Pods     []*corev1.Pod                     `json:"pods"`
	Nodes    map[string]corev1.ConditionStatus `json:"nodes"`
}

func (w world) input() endpoints.Input {
	pods := map[types.NamespacedName]*endpoints.Pod{}
	for _, p := range w.Pods {
		pods[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = endpoints.PodOf(p)
	}
	return endpoints.Input{
		Service: w.Service, Port: w.Port, Slices: w.Slices, Family: w.Family, FailOpen: w.FailOpen,
		Pod:  func(name types.NamespacedName) *endpoints.Pod { return pods[name] },
		Node: func(name string) corev1.ConditionStatus { return w.Nodes[name] },
	}
}

func parse(t *testing.T, text string) world {
	t.Helper()
	var w world
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &w))
	return w
}

// calculate proves on the way that nothing that goes in is changed.
func calculate(t *testing.T, text string) endpoints.Result {
	t.Helper()
	w := parse(t, text)
	got := endpoints.Calculate(w.input())
	require.Equal(t, parse(t, text), w, "inputs are not mutated")
	return got
}

func desired(r endpoints.Result) []string {
	names := []string{}
	for _, x := range r.Desired.Sorted() {
		names = append(names, x.String())
	}
	return names
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}
