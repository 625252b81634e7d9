package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

// TestGatedRollout replaces pods that wait for their targets, under load. KWOK makes a
// pod Ready when its gates are open, and a Deployment goes on when a pod is Ready.
func TestGatedRollout(t *testing.T) {
	t.Run("the gate that the policy gives", func(t *testing.T) {
		w := start(t)
		w.applyPolicy()
		w.gatedRollout("shop", func(string) string { return endpoints.GateTargetsReady })
	})
	t.Run("LBC's gate, written by hand", func(t *testing.T) {
		w := start(t)
		w.apply(namespace("demo0"))
		w.gatedRollout("demo0", func(group string) string { return endpoints.GatePrefix + group })
	})
}

func (w *world) gatedRollout(ns string, gateOf func(group string) string) {
	w.t.Helper()
	// A pod whose initial state nobody saw has to wait for a few checks.
	quick := map[string]string{"healthcheck-interval-seconds": "5", "healthcheck-timeout-seconds": "2"}
	w.apply(echo(ns, "echo0", echoOptions{replicas: 3, preStop: 2, version: "1"}), ingress(ns, "web", quick, "echo0"))
	dns := w.dnsName(ns, "web")
	w.synced(ns, "echo0", 3)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")

	groups, err := w.Account().TargetGroups(w.t.Context())
	require.NoError(w.t, err)
	require.Len(w.t, groups, 1)
	gate := corev1.PodConditionType(gateOf(groups[0].TargetGroupName))
	load := w.load(dns, "/echo0")
	w.addGate(ns, "echo0", gate)
	w.rolledOut(ns, "echo0")
	w.synced(ns, "echo0", 3)
	load.succeeded(100)
	w.gatesOpen(ns, gate, 3)
}

// addGate gives the pods of a Deployment a gate, if they have none: that is a rollout.
func (w *world) addGate(ns, name string, gate corev1.PodConditionType) {
	w.t.Helper()
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{"version": "2"}},
		"spec":     map[string]any{"readinessGates": []corev1.PodReadinessGate{{ConditionType: gate}}},
	}}})
	require.NoError(w.t, err)
	_, err = w.Clientset().AppsV1().Deployments(ns).Patch(w.t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(w.t, err)
}

// gatesOpen waits until a number of pods, and no others, have the gate and it is open.
func (w *world) gatesOpen(ns string, gate corev1.PodConditionType, pods int) {
	w.t.Helper()
	w.eventually("open gates", func(ctx context.Context) error {
		all, err := w.Clientset().CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		open := 0
		for _, p := range all.Items {
			for _, c := range p.Status.Conditions {
				if c.Type == gate && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
					open++
				}
			}
		}
		if open != pods {
			return fmt.Errorf("%d of %d", open, pods)
		}
		return nil
	})
}
