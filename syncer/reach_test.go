package syncer

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/tgsync/tgsync/syncer/securitygroup"
)

// TestPodsBehind: every pod with an address that a slice of the family shows, on its node,
// with the numbers of the ports that the Service names.
func TestPodsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := types.NamespacedName{Namespace: "demo", Name: "echo"}
		meta := func(n string) metav1.ObjectMeta {
			return metav1.ObjectMeta{Namespace: "demo", Name: n, UID: types.UID("uid-" + n)}
		}
		pod := func(n string, annotations map[string]string) *corev1.Pod {
			p := &corev1.Pod{ObjectMeta: meta(n), Spec: corev1.PodSpec{NodeName: "node"}}
			p.Annotations = annotations
			return p
		}
		shown := func(address, pod string) discoveryv1.Endpoint {
			e := discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: new(false)}}
			if pod != "" {
				e.TargetRef = &corev1.ObjectReference{Kind: "Pod", Name: pod, UID: types.UID("uid-" + pod)}
			}
			return e
		}
		slice := func(n string, family discoveryv1.AddressType, port int32, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
			m := meta(n)
			m.Labels = map[string]string{discoveryv1.LabelServiceName: "echo"}
			return &discoveryv1.EndpointSlice{
				ObjectMeta: m, AddressType: family, Endpoints: endpoints, Ports: []discoveryv1.EndpointPort{{Name: new("web"), Port: new(port)}},
			}
		}
		svc := &corev1.Service{ObjectMeta: meta("echo"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{
			{Name: "web", Port: 80, TargetPort: intstr.FromString("http")}, {Name: "other", Port: 81, TargetPort: intstr.FromInt32(81)},
		}}}
		client := fake.NewSimpleClientset(svc, pod("a", nil), pod("b", map[string]string{"vpc.amazonaws.com/pod-eni": "[]"}),
			slice("echo-1", discoveryv1.AddressTypeIPv4, 8080, shown("10.0.0.1", "a"), shown("10.0.0.2", "b"), shown("10.0.0.3", ""), shown("10.0.0.4", "new")),
			slice("echo-6", discoveryv1.AddressTypeIPv6, 8081, shown("2001:db8::1", "a")),
			&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}, Spec: corev1.NodeSpec{ProviderID: "aws:///ap-northeast-3a/i-1"}})
		i, err := NewInformers(nil, client)
		require.NoError(t, err)
		var woken atomic.Int32
		stop, err := i.OnReachChange(func() { woken.Add(1) })
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		i.Start(ctx.Done())
		defer i.Shutdown()
		defer cancel()
		synctest.Wait()

		ports := map[string]int32{"http": 8080}
		of := func(n string, address string) securitygroup.Pod {
			return securitygroup.Pod{
				Name: types.NamespacedName{Namespace: "demo", Name: n}, UID: types.UID("uid-" + n), Node: "node", Address: netip.MustParseAddr(address), Ports: ports,
			}
		}
		own, unseen := of("b", "10.0.0.2"), of("new", "10.0.0.4")
		own.Own, unseen.Node = true, ""
		require.Equal(t, []securitygroup.Pod{of("a", "10.0.0.1"), own, unseen}, i.PodsBehind(securitygroup.Need{Service: name}))
		ports = map[string]int32{"http": 8081}
		require.Equal(t, []securitygroup.Pod{of("a", "2001:db8::1")}, i.PodsBehind(securitygroup.Need{Service: name, Family: discoveryv1.AddressTypeIPv6}))
		require.Empty(t, i.PodsBehind(securitygroup.Need{Service: types.NamespacedName{Namespace: "demo", Name: "x"}}))
		node, ok := i.NodeBehind("node")
		require.True(t, ok)
		require.Equal(t, securitygroup.Node{Instance: "i-1"}, node)
		_, ok = i.NodeBehind("x")
		require.False(t, ok)

		require.EqualValues(t, 4, woken.Swap(0), "two slices, a node, and the pod with an interface")
		change := func(p *corev1.Pod) {
			_, err := client.CoreV1().Pods("demo").Update(t.Context(), p, metav1.UpdateOptions{})
			require.NoError(t, err)
			synctest.Wait()
		}
		a := pod("a", nil)
		a.Labels = map[string]string{"x": "y"}
		change(a)
		require.Zero(t, woken.Load())
		change(pod("a", map[string]string{"vpc.amazonaws.com/pod-eni": "[]"}))
		require.EqualValues(t, 1, woken.Load())
		require.NoError(t, stop())
	})
}

// TestNodeOf: what a provider ID says.
func TestNodeOf(t *testing.T) {
	tests := map[string]securitygroup.Node{
		"aws:///ap-northeast-3a/i-0123456789abcdef0":        {Instance: "i-0123456789abcdef0"},
		"aws:///ap-northeast-3a/0f1e/fargate-ip-10-0-1-2.x": {},
		"eks-hybrid:///ap-northeast-3/demo/mi-0123":         {Outside: true},
		"": {},
	}
	for id, want := range tests {
		require.Equal(t, want, nodeOf(id), id)
	}
}
