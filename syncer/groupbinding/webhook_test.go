package groupbinding_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/kubesim"
)

// deadWebhook makes patches of TargetGroupBindings fail as a webhook does that cannot be
// asked. LBC's are not asked about the status.
func (w *world) deadWebhook() {
	w.kube.Inject(kubesim.Fault{
		Match: kubesim.Match{Verb: "patch", Resource: "targetgroupbindings"}, Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError,
		Message: `Internal error occurred: failed calling webhook "vtargetgroupbinding.elbv2.k8s.aws": failed to call webhook: Post "https://x": no endpoints available`,
	})
}

// TestDeadWebhook: whoever owns the object is told how to remove the webhook that keeps
// us from writing, once, and all goes on when it is gone.
func TestDeadWebhook(t *testing.T) {
	const command = "kubectl delete validatingwebhookconfiguration aws-load-balancer-webhook"
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("mine", nil)
		w.deadWebhook()
		w.start()
		w.apply(tgb("a", map[string]any{"targetGroupARN": arn}))
		w.pass(time.Minute)
		require.Empty(t, w.registered(arn))
		said := w.said()
		require.Len(t, said, 1)
		require.Contains(t, said[0], "Warning FailedAddFinalizer")
		require.Contains(t, said[0], command)
		require.Contains(t, w.ready("a"), command)

		w.kube.ClearFaults()
		w.settle()
		require.Equal(t, bothPods, w.registered(arn))
		require.Len(t, w.said(), 1)

		w.deadWebhook()
		w.delete("a")
		w.pass(time.Minute)
		require.Empty(t, w.registered(arn))
		require.NotNil(t, w.get("a"))
		var failed []string
		for _, text := range w.said() {
			if !strings.Contains(text, "Draining") {
				failed = append(failed, text)
			}
		}
		require.Len(t, failed, 1)
		require.Contains(t, failed[0], "Warning FailedCleanup")
		require.Contains(t, failed[0], command)
		w.kube.ClearFaults()
		w.settle()
		require.Nil(t, w.get("a"))
	})
}
