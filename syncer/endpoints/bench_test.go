package endpoints_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
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
				Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
			})
		}
		slices = append(slices, slice)
	}
	b.ReportAllocs()
	for b.Loop() {
		set, err := endpoints.Calculate(svc, intstr.FromInt32(80), slices)
		if err != nil || len(set) != 1000 {
			b.Fatal(len(set), err)
		}
	}
}
