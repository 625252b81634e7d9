package endpoints_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

func fullPod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "demo0", Name: "p1", UID: "u1", ResourceVersion: "7", Labels: map[string]string{"a": "b"},
			Annotations: map[string]string{"a": "b"}, ManagedFields: []metav1.ManagedFieldsEntry{{}},
		},
		Spec: corev1.PodSpec{
			NodeName: "n1", Containers: []corev1.Container{{}},
			ReadinessGates: []corev1.PodReadinessGate{{ConditionType: endpoints.GateTargetsReady}, {ConditionType: "example.com/warm"}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}, {IP: "2001:db8::1"}},
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: no},
				{Type: endpoints.GateTargetsReady, Status: no, Reason: "Target.Timeout"},
				{Type: "example.com/warm", Status: yes},
				{Type: corev1.ContainersReady, Status: yes, LastTransitionTime: metav1.Unix(7, 0)},
			},
		},
	}
}

func TestPodOf(t *testing.T) {
	want := &endpoints.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "p1", UID: "u1", ResourceVersion: "7", Labels: map[string]string{"a": "b"}},
		Node:       "n1", IPs: [2]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")},
		Gates:           []string{endpoints.GateTargetsReady},
		Conditions:      []corev1.PodCondition{{Type: endpoints.GateTargetsReady, Status: no, Reason: "Target.Timeout"}},
		ContainersReady: true, ContainersReadySince: metav1.Unix(7, 0),
	}
	p := fullPod()
	require.Equal(t, want, endpoints.PodOf(p))
	require.Equal(t, fullPod(), p, "inputs are not mutated")
	require.True(t, want.Living())

	p.DeletionTimestamp = &metav1.Time{Time: time.Unix(8, 0)}
	want.Terminating = true
	require.Equal(t, want, endpoints.PodOf(p))
	require.False(t, want.Living())

	p = fullPod()
	p.Status.PodIPs = []corev1.PodIP{{IP: "none"}, {IP: "10.0.0.2"}, {IP: "10.0.0.3"}}
	require.Equal(t, [2]netip.Addr{{}, netip.MustParseAddr("10.0.0.2")}, endpoints.PodOf(p).IPs)

	p = fullPod()
	p.Spec.ReadinessGates = p.Spec.ReadinessGates[1:]
	ungated := endpoints.PodOf(p)
	require.Empty(t, ungated.Gates)
	require.Empty(t, ungated.Labels, "next to nobody asks for them")
	require.Empty(t, ungated.Conditions)

	want.Labels = nil
	for _, phase := range []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed} {
		p = fullPod()
		p.Status.Phase = phase
		require.Equal(t, &endpoints.Pod{ObjectMeta: want.ObjectMeta, Finished: true}, endpoints.PodOf(p), "next to nothing is kept")
		require.False(t, endpoints.PodOf(p).Living())
	}
}

func TestPodAlike(t *testing.T) {
	tests := map[string]struct {
		change func(*corev1.Pod)
		alike  bool
	}{
		"another version":      {func(p *corev1.Pod) { p.ResourceVersion = "8" }, true},
		"another pod":          {func(p *corev1.Pod) { p.UID = "u2" }, false},
		"a node":               {func(p *corev1.Pod) { p.Spec.NodeName = "n2" }, false},
		"containers not ready": {func(p *corev1.Pod) { p.Status.Conditions = nil }, false},
		"a pod that is ready":  {func(p *corev1.Pod) { p.Status.Conditions[0].Status = yes }, true},
		"marked for deletion":  {func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }, false},
		"finished":             {func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := fullPod()
			tt.change(p)
			require.Equal(t, tt.alike, endpoints.PodOf(fullPod()).Alike(endpoints.PodOf(p)))
		})
	}
}
