package endpoints_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

// BenchmarkCalculate computes the targets of a Service of 1,000 pods in 10 slices,
// as many as the EndpointSlice controller fills.
func BenchmarkCalculate(b *testing.B) {
	svc := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "web", Port: 80}}}}
	var slices []*discoveryv1.EndpointSlice
	for s := range 10 {
		slice := &discoveryv1.EndpointSlice{
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Name: new("web"), Port: new(int32(8000))}},
		}
		for n := range 100 {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
				Addresses:  []string{fmt.Sprintf("10.0.%d.%d", s, n)},
				TargetRef:  &corev1.ObjectReference{Kind: "Pod", Name: "p", UID: "u"},
				Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
			})
		}
		slices = append(slices, slice)
	}
	pod := &endpoints.Pod{ObjectMeta: metav1.ObjectMeta{UID: "u"}, ContainersReady: true}
	in := endpoints.Input{
		Service: svc, Port: intstr.FromInt32(80), Slices: slices,
		Pod:  func(types.NamespacedName) *endpoints.Pod { return pod },
		Node: func(string) corev1.ConditionStatus { return corev1.ConditionTrue },
	}
	b.ReportAllocs()
	for b.Loop() {
		found := endpoints.Calculate(in)
		if found.Missing != nil || len(found.Desired) != 1000 {
			b.Fatal(len(found.Desired), found.Missing)
		}
	}
}
