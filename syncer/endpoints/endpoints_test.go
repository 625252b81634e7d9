package endpoints_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

const (
	yes     = corev1.ConditionTrue
	no      = corev1.ConditionFalse
	unknown = corev1.ConditionUnknown
	unseen  = corev1.ConditionStatus("")
)

// onePod is a Service with one endpoint, and the pod behind it.
type onePod struct {
	ready, terminating bool // as the slice says
	containersReady    corev1.ConditionStatus
	gates              []string
	node               corev1.ConditionStatus
	failOpen           bool
}

func (o onePod) world() world {
	w := world{
		Service:  &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "echo0"}},
		FailOpen: o.failOpen,
		Slices: []*discoveryv1.EndpointSlice{{
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Port: new(int32(8000))}},
			Endpoints: []discoveryv1.Endpoint{{
				Addresses: []string{"10.0.0.1"}, NodeName: new("n1"),
				Conditions: discoveryv1.EndpointConditions{Ready: new(o.ready), Terminating: new(o.terminating)},
				TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: "demo0", Name: "p1", UID: "u1"},
			}},
		}},
		Pods:  []*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "p1", UID: "u1"}}},
		Nodes: map[string]corev1.ConditionStatus{"n1": o.node},
	}
	w.Service.Spec.Ports = []corev1.ServicePort{{Port: 8000}}
	w.Port.IntVal = 8000
	for _, gate := range o.gates {
		w.Pods[0].Spec.ReadinessGates = append(w.Pods[0].Spec.ReadinessGates, corev1.PodReadinessGate{ConditionType: corev1.PodConditionType(gate)})
	}
	w.Pods[0].Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodReady, Status: no}, {Type: corev1.ContainersReady, Status: o.containersReady},
	}
	return w
}

// TestStates has every combination of what decides about one pod. A slice that says
// ready is believed whatever the pod's conditions and its node are; that gates
// decide nothing is a test of its own.
func TestStates(t *testing.T) {
	tests := map[string]struct {
		pod  onePod
		want endpoints.State
	}{
		"containers ready, node ready":                    {onePod{containersReady: yes, node: yes}, endpoints.Ready},
		"containers ready, node not ready":                {onePod{containersReady: yes, node: no}, endpoints.NotReady},
		"containers ready, node unknown":                  {onePod{containersReady: yes, node: unknown}, endpoints.NodeUnknown},
		"containers ready, node unseen":                   {onePod{containersReady: yes, node: unseen}, endpoints.Undecided},
		"containers not ready, node ready":                {onePod{containersReady: no, node: yes}, endpoints.NotReady},
		"containers not ready, node not ready":            {onePod{containersReady: no, node: no}, endpoints.NotReady},
		"containers not ready, node unknown":              {onePod{containersReady: no, node: unknown}, endpoints.NotReady},
		"containers not ready, node unseen":               {onePod{containersReady: no, node: unseen}, endpoints.NotReady},
		"containers unknown, node ready":                  {onePod{containersReady: unknown, node: yes}, endpoints.NotReady},
		"terminating, containers ready, node ready":       {onePod{terminating: true, containersReady: yes, node: yes}, endpoints.Terminating},
		"terminating, containers ready, node not ready":   {onePod{terminating: true, containersReady: yes, node: no}, endpoints.Terminating},
		"terminating, containers ready, node unknown":     {onePod{terminating: true, containersReady: yes, node: unknown}, endpoints.Terminating},
		"terminating, containers ready, node unseen":      {onePod{terminating: true, containersReady: yes, node: unseen}, endpoints.Terminating},
		"terminating, containers not ready, node ready":   {onePod{terminating: true, containersReady: no, node: yes}, endpoints.Terminating},
		"terminating, containers not ready, node unknown": {onePod{terminating: true, containersReady: no, node: unknown}, endpoints.Terminating},
		"terminating, containers not ready, node unseen":  {onePod{terminating: true, containersReady: no, node: unseen}, endpoints.Terminating},
		"ready, containers ready, node ready":             {onePod{ready: true, containersReady: yes, node: yes}, endpoints.Ready},
		"ready, containers not ready, node not ready":     {onePod{ready: true, containersReady: no, node: no}, endpoints.Ready},
		"ready, containers not ready, node unknown":       {onePod{ready: true, containersReady: no, node: unknown}, endpoints.Ready},
		"ready and terminating":                           {onePod{ready: true, terminating: true, containersReady: no, node: no}, endpoints.Ready},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, gates := range [][]string{nil, {endpoints.GateTargetsReady}, {"example.com/warm", endpoints.GatePrefix + "echo0"}, {"example.com/warm"}} {
				tt.pod.gates = gates
				for _, tt.pod.failOpen = range []bool{false, true} {
					got := endpoints.Calculate(tt.pod.world().input())
					require.NoError(t, got.Missing)
					require.Len(t, got.Endpoints, 1)
					require.Equal(t, tt.want, got.Endpoints[0].State)
					wanted := tt.want == endpoints.Ready || tt.want == endpoints.NodeUnknown && tt.pod.failOpen
					require.Equal(t, wanted, len(got.Desired) == 1)
				}
			}
		})
	}
}

func TestGatesThatAreOurs(t *testing.T) {
	pod := onePod{gates: []string{"example.com/warm", "target-health.elbv2.k8s.aws/echo0", "tgsync.io/targets-ready", "tgsync.io/other"}}
	require.Equal(t, []string{"target-health.elbv2.k8s.aws/echo0", "tgsync.io/targets-ready"},
		endpoints.Calculate(pod.world().input()).Endpoints[0].Gates)
}

// TestFailOpenOfNodes has two pods on nodes that have stopped reporting.
func TestFailOpenOfNodes(t *testing.T) {
	silent := onePod{containersReady: yes, node: unknown}
	tests := map[string]struct {
		failOpen bool
		other    onePod
		want     []string
	}{
		"all are silent":              {failOpen: true, other: silent, want: []string{"10.0.0.1:8000", "10.0.0.2:8000"}},
		"all are silent, fail shut":   {other: silent, want: []string{}},
		"one is ready":                {failOpen: true, other: onePod{ready: true}, want: []string{"10.0.0.2:8000"}},
		"one is not ready":            {failOpen: true, other: onePod{containersReady: no}, want: []string{"10.0.0.1:8000"}},
		"one leaves":                  {failOpen: true, other: onePod{terminating: true}, want: []string{"10.0.0.1:8000"}},
		"one is not ready, fail shut": {other: onePod{containersReady: no}, want: []string{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			silent.failOpen = tt.failOpen
			w, other := silent.world(), tt.other.world()
			ep := other.Slices[0].Endpoints[0]
			ep.Addresses, ep.NodeName, ep.TargetRef.Name = []string{"10.0.0.2"}, new("n2"), "p2"
			w.Slices[0].Endpoints = append(w.Slices[0].Endpoints, ep)
			other.Pods[0].Name = "p2"
			w.Pods, w.Nodes["n2"] = append(w.Pods, other.Pods...), other.Nodes["n1"]
			require.Equal(t, tt.want, desired(endpoints.Calculate(w.input())))
		})
	}
}

const service = `
service:
  metadata: {namespace: demo0, name: echo0}
  spec: {ports: [{name: web, port: 80}, {name: dns, port: 53, protocol: UDP}]}
`

func TestMissing(t *testing.T) {
	tests := map[string]struct {
		world   string
		missing string // empty: nothing is, and so none means zero
	}{
		"no Service":            {"port: 80\nslices: [{addressType: IPv4}]", "the Service does not exist"},
		"no such port number":   {service + "port: 82", "service demo0/echo0 has no port 82"},
		"no such port name":     {service + "port: wbe", "service demo0/echo0 has no port wbe"},
		"no slices":             {service + "port: 80", "the Service has no EndpointSlice of the address family"},
		"slices of others only": {service + "port: 80\nslices: [{addressType: IPv6}]", "the Service has no EndpointSlice of the address family"},
		"a port that was renamed": {
			service + "port: 80\nslices: [{addressType: IPv4, ports: [{name: http, port: 80}], endpoints: [{addresses: [10.0.0.1]}]}]",
			"no EndpointSlice of the Service has the port",
		},
		"a port without a number": {
			service + "port: web\nslices: [{addressType: IPv4, ports: [{name: web}], endpoints: [{addresses: [10.0.0.1]}]}]",
			"no EndpointSlice of the Service has the port",
		},
		"a port for datagrams": {
			service + "port: dns\nslices: [{addressType: IPv4, ports: [{name: dns, port: 53, protocol: UDP}], endpoints: [{addresses: [10.0.0.1]}]}]",
			"no EndpointSlice of the Service has the port",
		},
		"a slice without endpoints":        {service + "port: 80\nslices: [{addressType: IPv4}]", ""},
		"a slice with the port and nobody": {service + "port: web\nslices: [{addressType: IPv4, ports: [{name: web, port: 8000}]}]", ""},
		"a slice without, and one with nobody": {
			service + "port: 80\nslices: [{addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}]}, {addressType: IPv4, ports: [{name: web, port: 8000}]}]", "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := calculate(t, tt.world)
			require.Empty(t, got.Desired)
			if tt.missing == "" {
				require.NoError(t, got.Missing)
				return
			}
			require.EqualError(t, got.Missing, tt.missing)
			require.Equal(t, endpoints.Result{Missing: got.Missing}, got)
		})
	}
}

func TestFind(t *testing.T) {
	got := calculate(t, read(t, "testdata/slices.in.yaml"))
	for _, want := range got.Endpoints {
		e, ok := got.Find(want.Target)
		require.True(t, ok)
		require.Equal(t, want, e)
	}
	missing := got.Endpoints[0].Target
	missing.Port++
	_, ok := got.Find(missing)
	require.False(t, ok)
	require.True(t, got.Has(endpoints.Ready))
	require.False(t, got.Has(endpoints.Terminating))
	require.True(t, calculate(t, read(t, "testdata/reused-address.in.yaml")).Has(endpoints.Terminating), "those shadowed count")
}

// TestTargetPort: a group that was made for one port keeps its targets while the
// Service shows another.
func TestTargetPort(t *testing.T) {
	tests := map[string]struct {
		port     int32
		selector map[string]string
		want     []string
	}{
		"as the slices show":    {0, map[string]string{"app": "a"}, []string{"10.0.0.1:8000"}},
		"as the group has it":   {7000, map[string]string{"app": "a"}, []string{"10.0.0.1:7000"}},
		"slices made by a hand": {7000, nil, []string{"10.0.0.1:8000"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := onePod{ready: true, containersReady: yes, node: yes}.world()
			w.Service.Spec.Selector = tt.selector
			in := w.input()
			in.TargetPort = tt.port
			require.Equal(t, tt.want, desired(endpoints.Calculate(in)))
		})
	}
}
