package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/tgsync/tgsync/syncer/webhook"
)

// unreachable is what the API server answers, word for word.
func unreachable(name string) error {
	return apierrors.NewInternalError(fmt.Errorf(`failed calling webhook %q: failed to call webhook: `+
		`Post "https://aws-load-balancer-webhook-service.kube-system.svc:443/validate-networking-v1-ingress?timeout=10s": `+
		`service "aws-load-balancer-webhook-service" not found`, name))
}

func validating(name, hook string) runtime.Object {
	return &registrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []registrationv1.ValidatingWebhook{{Name: hook}},
	}
}

func mutating(name, hook string) runtime.Object {
	return &registrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []registrationv1.MutatingWebhook{{Name: "x.example.com"}, {Name: hook}},
	}
}

func TestExplain(t *testing.T) {
	const usual = "kubectl delete validatingwebhookconfiguration aws-load-balancer-webhook; " +
		"kubectl delete mutatingwebhookconfiguration aws-load-balancer-webhook"
	tests := map[string]struct {
		err     error
		objects []runtime.Object
		blind   bool   // the configurations may not be read
		command string // empty: the error is left as it is
	}{
		"the usual one": {
			err:     unreachable("vingress.elbv2.k8s.aws"),
			objects: []runtime.Object{validating("aws-load-balancer-webhook", "vingress.elbv2.k8s.aws"), mutating("aws-load-balancer-webhook", "mpod.elbv2.k8s.aws")},
			command: usual,
		},
		"another name, and no mutating one": {
			err:     fmt.Errorf("patch Ingress a/b: %w", unreachable("vingress.elbv2.k8s.aws")),
			objects: []runtime.Object{validating("mine", "vingress.elbv2.k8s.aws"), validating("other", "x.example.com"), mutating("other", "y.example.com")},
			command: "kubectl delete validatingwebhookconfiguration mine",
		},
		"a mutating one": {
			err:     unreachable("mtargetgroupbinding.elbv2.k8s.aws"),
			objects: []runtime.Object{mutating("mine", "mtargetgroupbinding.elbv2.k8s.aws")},
			command: "kubectl delete mutatingwebhookconfiguration mine",
		},
		"nothing may be read":  {err: unreachable("vingress.elbv2.k8s.aws"), blind: true, command: usual},
		"somebody else's":      {err: unreachable("validate.kyverno.svc")},
		"no error":             {},
		"another error":        {err: errors.New(`failed calling webhook "vingress.elbv2.k8s.aws"`)},
		"another internal one": {err: apierrors.NewInternalError(errors.New("etcd"))},
		"rejected by a live one": {err: &apierrors.StatusError{ErrStatus: metav1.Status{
			Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
			Message: `admission webhook "vingress.elbv2.k8s.aws" denied the request: no`,
		}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(tt.objects...)
			if tt.blind {
				client.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, errors.New("forbidden")
				})
			}
			got := webhook.Explain(t.Context(), client.AdmissionregistrationV1(), tt.err)
			require.Equal(t, tt.command != "", webhook.Is(got))
			if tt.command == "" {
				require.Equal(t, tt.err, got)
				require.Empty(t, client.Actions(), "nothing is read for nothing")
				return
			}
			require.ErrorIs(t, got, tt.err)
			require.ErrorContains(t, got, "is gone: "+tt.command+" (")
			rejection, ok := errors.AsType[*webhook.RejectionError](got)
			require.True(t, ok)
			require.Equal(t, tt.command, rejection.Command)
		})
	}
}

// What is LBC's is told by the webhook's name, by who answers it, or by its own name.
func TestFind(t *testing.T) {
	served := mutating("by-service", "x.example.org").(*registrationv1.MutatingWebhookConfiguration)
	served.Webhooks[0].ClientConfig.Service = &registrationv1.ServiceReference{Namespace: "lbc", Name: "aws-load-balancer-webhook-service"}
	client := fake.NewClientset(
		validating("aws-load-balancer-webhook", "x.example.com"), validating("by-name", "vingress.elbv2.k8s.aws"), validating("other", "x.example.com"),
		served, mutating("other", "y.example.com"),
	)
	found, err := webhook.Find(t.Context(), client.AdmissionregistrationV1())
	require.NoError(t, err)
	require.Equal(t, webhook.Found{Validating: []string{"aws-load-balancer-webhook", "by-name"}, Mutating: []string{"by-service"}}, found)
	require.Equal(t, "kubectl delete validatingwebhookconfiguration aws-load-balancer-webhook by-name; kubectl delete mutatingwebhookconfiguration by-service", found.Command())

	client.PrependReactor("list", "validatingwebhookconfigurations", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("forbidden")
	})
	found, err = webhook.Find(t.Context(), client.AdmissionregistrationV1())
	require.ErrorContains(t, err, "forbidden")
	require.Equal(t, webhook.Found{Mutating: []string{"by-service"}}, found)
}
