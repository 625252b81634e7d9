package endpoints_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

const service = `
metadata: {namespace: demo0, name: echo0}
spec:
  ports:
  - {name: web, port: 80, targetPort: http}
  - {name: admin, port: 81, targetPort: 9000}
  - {name: dns, port: 53, protocol: UDP}
`

var calculateTests = map[string]struct {
	service string
	port    intstr.IntOrString
	slices  string
	want    []string
	err     string
}{
	"ready endpoints of the named port": {
		port: intstr.FromInt32(80),
		slices: `
- addressType: IPv4
  ports: [{name: web, port: 8000}, {name: admin, port: 9000}]
  endpoints:
  - {addresses: [10.0.3.53], conditions: {ready: true}}
  - {addresses: [10.0.2.185], conditions: {ready: false, serving: false, terminating: false}}`,
		want: []string{"10.0.3.53:8000"},
	},
	"by port name": {
		port:   intstr.FromString("admin"),
		slices: `[{addressType: IPv4, ports: [{name: web, port: 8000}, {name: admin, port: 9000}], endpoints: [{addresses: [10.0.3.53]}]}]`,
		want:   []string{"10.0.3.53:9000"},
	},
	"a terminating pod is out, even while it still serves": {
		port:   intstr.FromInt32(80),
		slices: `[{addressType: IPv4, ports: [{name: web, port: 8000}], endpoints: [{addresses: [10.0.0.1], conditions: {ready: false, serving: true, terminating: true}}]}]`,
	},
	"a terminating pod of a Service that publishes not ready addresses stays": {
		port:   intstr.FromInt32(80),
		slices: `[{addressType: IPv4, ports: [{name: web, port: 8000}], endpoints: [{addresses: [10.0.0.1], conditions: {ready: true, serving: true, terminating: true}}]}]`,
		want:   []string{"10.0.0.1:8000"},
	},
	"ready nil means ready": {
		port:   intstr.FromInt32(80),
		slices: `[{addressType: IPv4, ports: [{name: web, port: 8000}], endpoints: [{addresses: [10.0.0.1], conditions: {}}]}]`,
		want:   []string{"10.0.0.1:8000"},
	},
	"several slices, an endpoint that moves stands in two": {
		port: intstr.FromInt32(80),
		slices: `
- {addressType: IPv4, ports: [{name: web, port: 8000}], endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]}
- {addressType: IPv4, ports: [{name: web, port: 8000}], endpoints: [{addresses: [10.0.0.2]}, {addresses: [10.0.0.3]}]}`,
		want: []string{"10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.3:8000"},
	},
	"a named target port resolves to another number per pod": {
		port: intstr.FromString("web"),
		slices: `
- {addressType: IPv4, ports: [{name: web, port: 8000}], endpoints: [{addresses: [10.0.0.1]}]}
- {addressType: IPv4, ports: [{name: web, port: 8080}], endpoints: [{addresses: [10.0.0.2]}]}`,
		want: []string{"10.0.0.1:8000", "10.0.0.2:8080"},
	},
	"dual stack: only IPv4": {
		port: intstr.FromInt32(80),
		slices: `
- {addressType: IPv4, ports: [{name: web, port: 8000}], endpoints: [{addresses: [10.0.0.1]}]}
- {addressType: IPv6, ports: [{name: web, port: 8000}], endpoints: [{addresses: ["2001:db8::1"]}]}`,
		want: []string{"10.0.0.1:8000"},
	},
	"UDP is not for a load balancer of HTTP": {
		port:   intstr.FromInt32(53),
		slices: `[{addressType: IPv4, ports: [{name: dns, port: 53, protocol: UDP}], endpoints: [{addresses: [10.0.0.1]}]}]`,
	},
	"unnamed port of Service and slice": {
		service: `{metadata: {namespace: demo0, name: echo0}, spec: {ports: [{port: 8000}]}}`,
		port:    intstr.FromInt32(8000),
		slices:  `[{addressType: IPv4, ports: [{name: "", port: 8000}], endpoints: [{addresses: [10.0.0.1]}]}, {addressType: IPv4, ports: [{port: 8000}], endpoints: [{addresses: [10.0.0.2]}]}]`,
		want:    []string{"10.0.0.1:8000", "10.0.0.2:8000"},
	},
	"no slices":                     {port: intstr.FromInt32(80), slices: `[]`},
	"a slice that has no ports yet": {port: intstr.FromInt32(80), slices: `[{addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}]}]`},
	"no such port number":           {port: intstr.FromInt32(82), slices: `[]`, err: "service demo0/echo0 has no port 82"},
	"no such port name":             {port: intstr.FromString("wbe"), slices: `[]`, err: "service demo0/echo0 has no port wbe"},
}

func TestCalculate(t *testing.T) {
	for name, tt := range calculateTests {
		t.Run(name, func(t *testing.T) {
			if tt.service == "" {
				tt.service = service
			}
			svc, slices := parse(t, tt.service, tt.slices)
			before, beforeSlices := parse(t, tt.service, tt.slices)
			got, err := endpoints.Calculate(svc, tt.port, slices)
			require.Equal(t, before, svc, "inputs are not mutated")
			require.Equal(t, beforeSlices, slices, "inputs are not mutated")
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			var names []string
			for _, x := range got.Sorted() {
				names = append(names, x.String())
			}
			require.Equal(t, tt.want, names)
		})
	}
}

func parse(t *testing.T, service, slices string) (*corev1.Service, []*discoveryv1.EndpointSlice) {
	t.Helper()
	var svc corev1.Service
	require.NoError(t, yaml.UnmarshalStrict([]byte(service), &svc))
	var list []*discoveryv1.EndpointSlice
	require.NoError(t, yaml.UnmarshalStrict([]byte(slices), &list))
	return &svc, list
}
