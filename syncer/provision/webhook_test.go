package provision

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/tgsync/tgsync/syncer/webhook"
	"github.com/tgsync/tgsync/test/awssim"
)

// deadWebhook makes patches of Ingresses fail as a webhook does that cannot be asked,
// until the function that it returns is called. LBC's are not asked about the status.
func (w *world) deadWebhook() (remove func()) {
	var removed atomic.Bool
	w.client.PrependReactor("patch", "ingresses", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if removed.Load() || a.GetSubresource() != "" {
			return false, nil, nil
		}
		return true, nil, apierrors.NewInternalError(errors.New(
			`failed calling webhook "vingress.elbv2.k8s.aws": failed to call webhook: Post "https://x": service "x" not found`))
	})
	return func() { removed.Store(true) }
}

// A webhook that was left behind is told with the first try, and how to remove it. It
// is a class of errors of its own, and all goes on when it is gone.
func TestDeadWebhook(t *testing.T) {
	const command = "kubectl delete validatingwebhookconfiguration aws-load-balancer-webhook"
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		remove := w.deadWebhook()
		w.service("demo0", "echo0")
		w.ingress("demo0", "a", nil, "echo0")
		w.start()
		time.Sleep(500 * time.Millisecond)
		said := saidTo(w.said(), "demo0/a")
		require.Len(t, said, 1)
		require.Contains(t, said[0], "FailedAddFinalizer: patch Ingress demo0/a: the webhook vingress.elbv2.k8s.aws does not answer")
		require.Contains(t, said[0], command)
		w.mu.Lock()
		require.Equal(t, []string{webhook.Class}, w.passes)
		w.mu.Unlock()
		require.Empty(t, w.account())

		remove()
		w.settle()
		require.NotEmpty(t, w.get("demo0", "a").Status.LoadBalancer.Ingress)

		remove = w.deadWebhook()
		w.said()
		w.remove("demo0", "a")
		time.Sleep(10 * time.Minute)
		require.Empty(t, w.account(), "what AWS holds goes all the same")
		require.Len(t, w.ingresses(), 1)
		said = saidTo(w.said(), "demo0/a")
		require.Len(t, said, 1, "it is told once")
		require.Contains(t, said[0], "FailedRemoveFinalizer")
		require.Contains(t, said[0], command)
		remove()
		time.Sleep(2 * time.Minute)
		w.settle()
		require.Empty(t, w.ingresses())
	})
}
