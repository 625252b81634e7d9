package syncer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/target"
)

// gatedPod is a pod of app echo0 that waits for its targets.
func gatedPod(name string) *corev1.Pod {
	p := pod(name, corev1.ConditionTrue)
	p.Labels = map[string]string{"app": "echo0"}
	p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: endpoints.GateTargetsReady}}
	return p
}

// gate returns the condition of a pod's gate, without the time.
func (w *world) gate(name string) corev1.PodCondition {
	w.t.Helper()
	p, err := w.kube.CoreV1().Pods("demo0").Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	for _, c := range p.Status.Conditions {
		if c.Type == endpoints.GateTargetsReady {
			c.LastTransitionTime = metav1.Time{}
			return c
		}
	}
	return corev1.PodCondition{}
}

// selectPods makes a Service select the pods of an app.
func (w *world) selectPods(service, app string) {
	w.t.Helper()
	svc, err := w.kube.CoreV1().Services("demo0").Get(w.t.Context(), service, metav1.GetOptions{})
	require.NoError(w.t, err)
	svc.Spec.Selector = map[string]string{"app": app}
	_, err = w.kube.CoreV1().Services("demo0").Update(w.t.Context(), svc, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

// TestGateOfAPodThatNoGroupTakes opens at once, but not before that is known.
func TestGateOfAPodThatNoGroupTakes(t *testing.T) {
	inPodWorld(t, func(w *world, _ target.Binding) {
		w.source.change(func() { w.source.unread = true })
		synctest.Wait()
		w.applyPod(gatedPod("p1"))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(w.t, w.gate("p1").Status)
		w.source.change(func() { w.source.unread = false })
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(w.t, corev1.ConditionTrue, w.gate("p1").Status)
		require.Equal(w.t, "NoTargetGroup", w.gate("p1").Reason)
	})
}

// TestGateWaitsForAGroupThatDoesNotExistYet, and not for ever.
func TestGateWaitsForAGroupThatDoesNotExistYet(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		b.GroupARN = ""
		w.selectPods("echo0", "echo0")
		w.source.change(func() { w.source.bindings, w.source.missing = nil, []target.Binding{b} })
		synctest.Wait()
		w.applyPod(gatedPod("p1"))
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		require.Equal(w.t, corev1.ConditionFalse, w.gate("p1").Status)
		require.Equal(w.t, "TargetGroupMissing", w.gate("p1").Reason)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(w.t, corev1.ConditionTrue, w.gate("p1").Status)
		require.Contains(w.t, <-w.events.Events, "GateTimeout gate tgsync.io/targets-ready of pod demo0/p1")
	})
}

// TestGateOfAGroupWithoutWeight is open: the group gets no requests, and may never be
// healthy.
func TestGateOfAGroupWithoutWeight(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		b.Unused, b.Weightless = true, true
		w.selectPods("echo0", "echo0")
		w.source.set(b)
		synctest.Wait()
		w.applyPod(gatedPod("p1"))
		w.show("echo0", endpointOf("p1", "10.0.0.1", false))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(w.t, []string{"10.0.0.1"}, w.registered(b), "its targets are synced all the same")
		require.Equal(w.t, corev1.ConditionTrue, w.gate("p1").Status)
	})
}

// TestGateOfATargetThatNothingChecks says so. A pod that the Service does not select any
// more waits for nothing.
func TestGateOfATargetThatNothingChecks(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		b.Unused = true
		w.selectPods("echo0", "echo0")
		w.source.set(b)
		synctest.Wait() // several informers: which event comes first is not said
		w.applyPod(gatedPod("p1"))
		w.show("echo0", endpointOf("p1", "10.0.0.1", false))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(w.t, []string{"10.0.0.1"}, w.registered(b))
		require.Equal(w.t, corev1.ConditionFalse, w.gate("p1").Status)
		require.Contains(w.t, w.gate("p1").Message, "no rule of a load balancer forwards to target group echo0")
		require.Empty(w.t, w.metrics.lags)

		w.selectPods("echo0", "other")
		w.reshow("echo0")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(w.t, corev1.ConditionTrue, w.gate("p1").Status)
		require.Len(w.t, w.metrics.lags, 1)
	})
}
