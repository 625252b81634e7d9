package groupbinding_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/awssim"
)

// pod makes a pod whose containers are ready. It is named after its address.
func (w *world) pod(ip string, gates ...corev1.PodReadinessGate) *corev1.Pod {
	w.t.Helper()
	pods := w.admin.CoreV1().Pods("demo")
	pod, err := pods.Create(w.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: ip}, Spec: corev1.PodSpec{NodeName: "n", ReadinessGates: gates},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
		Conditions: []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}},
	}
	pod, err = pods.UpdateStatus(w.t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(w.t, err)
	return pod
}

// gatedPod makes a Service with one pod whose containers are ready, with a gate of LBC's
// name for it.
func (w *world) gatedPod(name, binding string) {
	w.t.Helper()
	w.service(name)
	pod := w.pod("10.0.0.7", corev1.PodReadinessGate{ConditionType: corev1.PodConditionType("target-health.elbv2.k8s.aws/" + binding)})
	slice, err := w.admin.DiscoveryV1().EndpointSlices("demo").Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	slice.Endpoints = []discoveryv1.Endpoint{{
		Addresses: []string{"10.0.0.7"}, NodeName: new("n"),
		Conditions: discoveryv1.EndpointConditions{Ready: new(true)},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: "demo", Name: pod.Name, UID: pod.UID},
	}}
	_, err = w.admin.DiscoveryV1().EndpointSlices("demo").Update(w.t.Context(), slice, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

// gate returns the condition of a pod's gate: "False Reason".
func (w *world) gate(pod string) string {
	w.t.Helper()
	p, err := w.admin.CoreV1().Pods("demo").Get(w.t.Context(), pod, metav1.GetOptions{})
	require.NoError(w.t, err)
	for _, c := range p.Status.Conditions {
		if c.Type == p.Spec.ReadinessGates[0].ConditionType {
			return string(c.Status) + " " + c.Reason + c.Message
		}
	}
	return ""
}

// TestGate: a gate waits for the group of the TargetGroupBinding that it is named after,
// also while the group is missing, and for none that is deleted.
func TestGate(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.gatedPod("gated", "a")
		o := tgb("a", map[string]any{"targetGroupName": "mine"})
		o.Object["spec"].(map[string]any)["serviceRef"].(map[string]any)["name"] = "gated"
		w.apply(o)
		w.start()
		require.Contains(t, w.gate("10.0.0.7"), "False")
		w.group("mine", nil)
		w.pass(2 * time.Minute)
		require.Contains(t, w.gate("10.0.0.7"), "False Target.NotInUse")
		// The pod's target cannot be deregistered for a while.
		w.sim.Inject(awssim.Fault{Action: "DeregisterTargets", Code: "AccessDenied", Message: "no", Status: http.StatusForbidden})
		w.delete("a")
		w.settle()
		require.NotNil(t, w.get("a"))
		require.Equal(t, "True Target Group Binding is deleted", w.gate("10.0.0.7"))
	})
}
