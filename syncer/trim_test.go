package syncer

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: "demo0", Name: name, UID: types.UID("uid-of-" + name), ResourceVersion: "7",
		Labels:          map[string]string{"app": "echo", discoveryv1.LabelServiceName: "echo0"},
		Annotations:     map[string]string{"note": "long", corev1.EndpointsLastChangeTriggerTime: "now"},
		OwnerReferences: []metav1.OwnerReference{{Name: "owner"}},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
	}
}

// realPod is about as large as a pod of a Deployment is.
func realPod(n int) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(fmt.Sprintf("echo0-5bd8869bdf-%05d", n))}
	p.Spec.NodeName = fmt.Sprintf("ip-10-0-%d-%d.ap-northeast-3.compute.internal", n/200, n%200)
	p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: endpoints.GateTargetsReady}}
	for range 2 {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{
			Name: "echo", Image: "example.com/echo:1", Env: make([]corev1.EnvVar, 10),
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
		})
	}
	p.Status.PodIPs = []corev1.PodIP{{IP: fmt.Sprintf("10.0.%d.%d", n/200, n%200)}}
	for _, c := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled, corev1.PodInitialized} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Unix(7, 0)})
	}
	return p
}

func TestTrim(t *testing.T) {
	slice := &discoveryv1.EndpointSlice{ObjectMeta: meta("s"), Endpoints: []discoveryv1.Endpoint{
		{
			Addresses: []string{"10.0.0.1"}, NodeName: new("n1"), Zone: new("a"), Hostname: new("h"), Hints: &discoveryv1.EndpointHints{},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "demo0", Name: "p", UID: "u", ResourceVersion: "7"},
		},
		{Addresses: []string{"10.0.0.2"}, TargetRef: &corev1.ObjectReference{Kind: "Node", Name: "n"}},
	}}
	node := &corev1.Node{ObjectMeta: meta("n")}
	node.Namespace = ""
	node.Spec = corev1.NodeSpec{ProviderID: "aws:///a/i-1", PodCIDR: "10.0.0.0/24"}
	node.Status.Conditions = []corev1.NodeCondition{
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue},
		{Type: corev1.NodeReady, Status: corev1.ConditionFalse, LastHeartbeatTime: metav1.Now(), Reason: "r"},
	}
	svc := &corev1.Service{ObjectMeta: meta("s"), Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: make([]corev1.LoadBalancerIngress, 1)}}}
	svc.Annotations[albAnnotations+"target-type"] = "ip"
	ing := &networkingv1.Ingress{ObjectMeta: meta("i")}
	ing.Annotations[corev1.LastAppliedConfigAnnotation] = "{}"
	silent := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}

	kept := metav1.ObjectMeta{Namespace: "demo0", Name: "s", UID: "uid-of-s", ResourceVersion: "7"}
	keptSlice, keptSvc, keptIng := kept, kept, meta("i")
	keptSlice.Labels = map[string]string{discoveryv1.LabelServiceName: "echo0"}
	keptSlice.Annotations = map[string]string{corev1.EndpointsLastChangeTriggerTime: "now"}
	keptSvc.Annotations = map[string]string{albAnnotations + "target-type": "ip"}
	keptIng.ManagedFields = nil
	tests := map[string]struct{ in, want any }{
		"a slice": {slice, &discoveryv1.EndpointSlice{ObjectMeta: keptSlice, Endpoints: []discoveryv1.Endpoint{
			{
				Addresses: []string{"10.0.0.1"}, NodeName: new("n1"), Zone: new("a"),
				TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "demo0", Name: "p", UID: "u"},
			},
			{Addresses: []string{"10.0.0.2"}},
		}}},
		"a pod": {realPod(1), endpoints.PodOf(realPod(1))},
		"a node": {node, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "uid-of-n", ResourceVersion: "7"},
			Spec:       corev1.NodeSpec{ProviderID: "aws:///a/i-1"},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse}}},
		}},
		"a node that has never reported": {silent, silent.DeepCopy()},
		"a Service":                      {svc, &corev1.Service{ObjectMeta: keptSvc}},
		"an Ingress":                     {ing, &networkingv1.Ingress{ObjectMeta: keptIng}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := trim(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			got, err = trim(got)
			require.NoError(t, err)
			require.Equal(t, tt.want, got, "what has been trimmed stays as it is")
		})
	}
}

func TestReadyOf(t *testing.T) {
	require.Equal(t, corev1.ConditionStatus(""), readyOf(nil))
	silent := &corev1.Node{}
	require.Equal(t, corev1.ConditionUnknown, readyOf(silent))
	node := func(ready corev1.ConditionStatus) *corev1.Node {
		return &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}}}
	}
	require.True(t, flipped(nil, silent), "a node that arrives")
	require.True(t, flipped(node(corev1.ConditionTrue), node(corev1.ConditionFalse)))
	require.False(t, flipped(node(corev1.ConditionTrue), node(corev1.ConditionTrue)), "a heartbeat")
}

// BenchmarkPodMemory says how much 1,000 pods take in the cache, and how much they
// would take as they are.
func BenchmarkPodMemory(b *testing.B) {
	b.Run("trimmed", func(b *testing.B) { podMemory(b, trim) })
	b.Run("whole", func(b *testing.B) { podMemory(b, func(obj any) (any, error) { return obj, nil }) })
}

func podMemory(b *testing.B, transform cache.TransformFunc) {
	b.Helper()
	const pods = 1000
	var bytes uint64
	for b.Loop() {
		store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
		before := heap()
		for n := range pods {
			obj, err := transform(realPod(n))
			require.NoError(b, err)
			require.NoError(b, store.Add(obj))
		}
		bytes = heap() - before
		runtime.KeepAlive(store)
	}
	b.ReportMetric(float64(bytes), "bytes/1000pods")
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
