package syncer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/syncer/target"
)

// pod is a pod of demo0 on node n1.
func pod(name string, containersReady corev1.ConditionStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: name, UID: "u1"},
		Spec:       corev1.PodSpec{NodeName: "n1"},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.ContainersReady, Status: containersReady, LastTransitionTime: metav1.Now()},
		}},
	}
}

func (w *world) applyPod(p *corev1.Pod) {
	w.t.Helper()
	pods := w.kube.CoreV1().Pods(p.Namespace)
	if _, err := pods.Update(w.t.Context(), p, metav1.UpdateOptions{}); err != nil {
		_, err = pods.Create(w.t.Context(), p, metav1.CreateOptions{})
		require.NoError(w.t, err)
	}
}

func (w *world) applyNode(name string, ready corev1.ConditionStatus) {
	w.t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, LastHeartbeatTime: metav1.Now()},
		{Type: corev1.NodeReady, Status: ready, LastHeartbeatTime: metav1.Now()},
	}}}
	nodes := w.kube.CoreV1().Nodes()
	if _, err := nodes.Update(w.t.Context(), n, metav1.UpdateOptions{}); err != nil {
		_, err = nodes.Create(w.t.Context(), n, metav1.CreateOptions{})
		require.NoError(w.t, err)
	}
}

// endpointOf is an endpoint with a pod behind it.
func endpointOf(podName, ip string, ready bool) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses: []string{ip}, NodeName: new("n1"), Conditions: discoveryv1.EndpointConditions{Ready: new(ready)},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "demo0", Name: podName, UID: "u1"},
	}
}

// show makes the slice of a Service.
func (w *world) show(service string, eps ...discoveryv1.Endpoint) {
	w.t.Helper()
	_, err := w.kube.DiscoveryV1().EndpointSlices("demo0").Create(w.t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "demo0", Name: service, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new(""), Port: new(int32(8000))}},
		Endpoints:   eps,
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// inPodWorld runs a test with a group, its Service and a node that is ready.
func inPodWorld(t *testing.T, test func(w *world, b target.Binding)) {
	t.Helper()
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.applyNode("n1", corev1.ConditionTrue)
		w.start()
		test(w, b)
	})
}

// soon lets one call go through, and no more.
func soon() {
	time.Sleep(callLatency)
	synctest.Wait()
}

func TestGatedPodIsRegisteredWhenItsContainersAreReady(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		w.applyPod(pod("p1", corev1.ConditionFalse))
		w.show("echo0", endpointOf("p1", "10.0.0.1", false))
		w.settle()
		require.Empty(t, w.registered(b))

		time.Sleep(time.Second)
		w.applyPod(pod("p1", corev1.ConditionTrue))
		soon()
		require.Equal(t, []string{"10.0.0.1"}, w.registered(b), "no slice has changed")
		require.Equal(t, callLatency, w.metrics.latencies[len(w.metrics.latencies)-1])
	})
}

func TestGatedPodWhoseSliceArrivesLate(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		w.applyPod(pod("p1", corev1.ConditionTrue))
		w.settle()
		w.show("echo0", endpointOf("p1", "10.0.0.1", false))
		soon()
		require.Equal(t, []string{"10.0.0.1"}, w.registered(b), "nothing of the pod has changed")
		require.NoError(t, w.kube.DiscoveryV1().EndpointSlices("demo0").Delete(t.Context(), "echo0", metav1.DeleteOptions{}))
		w.show("echo0")
		w.settle()
		require.Empty(t, w.registered(b))
	})
}

func TestPodThatArrivesLate(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		w.show("echo0", endpointOf("p1", "10.0.0.1", true))
		time.Sleep(5 * time.Second)
		require.Empty(t, w.registered(b))
		w.applyPod(pod("p1", corev1.ConditionTrue))
		soon()
		require.Equal(t, []string{"10.0.0.1"}, w.registered(b), "no slice has changed")
	})
}

// TestPodLeavesBeforeItsSlice: the mark is enough, and what the slice still says once
// the pod is gone brings it back no more.
func TestPodLeavesBeforeItsSlice(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		p := pod("p1", corev1.ConditionTrue)
		w.applyPod(p)
		w.show("echo0", endpointOf("p1", "10.0.0.1", true))
		w.settle()
		require.Equal(t, []string{"10.0.0.1"}, w.registered(b))

		began := time.Now()
		p = p.DeepCopy()
		p.DeletionTimestamp, p.Finalizers = new(metav1.Now()), []string{"example.com/f"}
		w.applyPod(p)
		soon()
		require.Empty(t, w.registered(b))
		require.NoError(t, w.kube.CoreV1().Pods("demo0").Delete(t.Context(), "p1", metav1.DeleteOptions{}))
		w.addService("other") // an event that has nothing to do with it
		w.source.set(b)
		w.settle()
		require.Empty(t, w.registered(b))
		require.Len(t, w.calls("DeregisterTargets", began), 1)
		require.Empty(t, w.calls("RegisterTargets", began))
	})
}

// TestNodeReadiness: a node counts for pods that wait for nothing but their gates, and
// its heartbeats wake up nobody.
func TestNodeReadiness(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		w.applyPod(pod("p1", corev1.ConditionTrue))
		w.applyPod(pod("p2", corev1.ConditionTrue))
		w.show("echo0", endpointOf("p1", "10.0.0.1", false), endpointOf("p2", "10.0.0.2", true))
		w.settle()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2"}, w.registered(b))

		began := time.Now()
		w.applyNode("n1", corev1.ConditionTrue)
		w.settle()
		require.Empty(t, w.calls("DeregisterTargets", began))
		w.applyNode("n1", corev1.ConditionUnknown)
		soon()
		require.Equal(t, []string{"10.0.0.2"}, w.registered(b), "the slice says ready of one")
		w.applyNode("n1", corev1.ConditionTrue)
		w.settle()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2"}, w.registered(b))
	})
}
