package provision

import (
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// TestProblems counts what is the matter now: it goes with its cause, and with its Ingress.
func TestProblems(t *testing.T) {
	const key = "healthcheck-interval-seconds"
	const full = "alb.ingress.kubernetes.io/" + key
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "a", nil, "echo0")
		w.ingress("demo0", "b", nil, "echo0")
		for _, name := range []string{"a", "b"} {
			w.update("demo0", name, func(ing *networkingv1.Ingress) { ing.Annotations[full] = "soon" })
		}
		w.start()
		w.settle()
		require.Equal(t, map[string]int{"InvalidAnnotation": 2}, w.loop.Problems())
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { delete(ing.Annotations, full) })
		w.settle()
		require.Equal(t, map[string]int{"InvalidAnnotation": 1}, w.loop.Problems())

		w.sim.Inject(awssim.Fault{Action: "CreateTargetGroup", Code: "TooManyTargetGroups", Message: "full"})
		w.update("demo0", "b", func(ing *networkingv1.Ingress) { delete(ing.Annotations, full) })
		w.settle()
		require.Equal(t, map[string]int{"FailedDeployModel": 1}, w.loop.Problems())
		w.remove("demo0", "b")
		w.settle()
		require.Empty(t, w.loop.Problems())
	})
}

// Whoever has an alert on the controller's reasons keeps it.
func TestReasonsOfEvents(t *testing.T) {
	for reason, want := range map[string]string{
		ingress.ReasonInvalidAnnotation:    "FailedBuildModel",
		ingress.ReasonConflict:             "FailedBuildModel",
		ingress.ReasonCertificateNotFound:  "FailedBuildModel",
		ingress.ReasonClassNotFound:        "FailedLoadGroupID",
		ingress.ReasonClassParamsNotFound:  "FailedLoadGroupID",
		ingress.ReasonNamespaceNotSelected: "FailedLoadGroupID",
	} {
		got, message := inEvent(ingress.Problem{Reason: reason, Message: "why", Blocking: true})
		require.Equal(t, want, got)
		require.Equal(t, reason+": why", message)
	}
	got, message := inEvent(ingress.Problem{Reason: ingress.ReasonServiceNotFound, Message: "why"})
	require.Equal(t, []string{ingress.ReasonServiceNotFound, "why"}, []string{got, message})
}

// TestProblemsAreToldOnce: one that stays is not told again when another one comes or
// goes.
func TestProblemsAreToldOnce(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "a", map[string]string{"helthcheck-path": "/x"}, "echo0")
		w.start()
		w.settle()
		require.Len(t, toldTo(w.said(), "a"), 1)
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"schema"] = "200" })
		w.settle()
		said := toldTo(w.said(), "a")
		require.Len(t, said, 1)
		require.Contains(t, said[0], "schema")
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { delete(ing.Annotations, prefix+"schema") })
		w.settle()
		require.Empty(t, toldTo(w.said(), "a"))
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"schema"] = "200" })
		w.settle()
		require.Len(t, toldTo(w.said(), "a"), 1, "it has come back")
	})
}
