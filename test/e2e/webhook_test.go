package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deadWebhook leaves what LBC leaves behind when it goes and its webhook configuration
// stays: every write of an Ingress asks a Service that is gone.
func (w *world) deadWebhook(name string) (remove func()) {
	w.t.Helper()
	fail, none, path := registrationv1.Fail, registrationv1.SideEffectClassNone, "/validate-networking-v1-ingress"
	configurations := w.Clientset().AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err := configurations.Create(w.t.Context(), &registrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []registrationv1.ValidatingWebhook{{
			Name: "vingress.elbv2.k8s.aws",
			ClientConfig: registrationv1.WebhookClientConfig{Service: &registrationv1.ServiceReference{
				Namespace: "kube-system", Name: "aws-load-balancer-webhook-service", Path: &path,
			}},
			AdmissionReviewVersions: []string{"v1beta1"},
			FailurePolicy:           &fail,
			SideEffects:             &none,
			MatchPolicy:             new(registrationv1.Equivalent),
			Rules: []registrationv1.RuleWithOperations{{
				Operations: []registrationv1.OperationType{registrationv1.Create, registrationv1.Update},
				Rule:       registrationv1.Rule{APIGroups: []string{"networking.k8s.io"}, APIVersions: []string{"v1"}, Resources: []string{"ingresses"}},
			}},
		}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	return func() {
		require.NoError(w.t, configurations.Delete(w.t.Context(), name, metav1.DeleteOptions{}))
	}
}

// TestDeadWebhook: what LBC left behind rejects our finalizer. The event says which
// command helps, and then it all goes on.
func TestDeadWebhook(t *testing.T) {
	t.Parallel()
	w := startStack(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 1}), ingress("demo0", "web", nil, "echo0"))
	remove := w.deadWebhook("left-behind")
	w.startDaemon()
	w.warned("demo0", "web", "FailedAddFinalizer", "kubectl delete validatingwebhookconfiguration left-behind")
	require.Empty(t, w.mutations(0), "no finalizer, so nothing in AWS")

	remove()
	dns := w.dnsName("demo0", "web")
	w.synced("demo0", "echo0", 1)
	w.answers(dns, "/echo0", 200, "echo0\n")

	w.deleteIngress("demo0", "web")
	w.empty()
}
