package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/tgsync/tgsync/syncer/provision"
)

// theClass is an IngressClass with parameters, without which the load balancer would be
// an internal one.
const theClass = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: shop
spec:
  controller: ingress.k8s.aws/alb
  parameters:
    apiGroup: elbv2.k8s.aws
    kind: IngressClassParams
    name: shop
`

// theParams are made anew for each use: the client fills in what the API server says.
func theParams() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams",
		"metadata": map[string]any{"name": "shop"}, "spec": map[string]any{"scheme": "internet-facing"},
	}}
}

// params are the IngressClassParams of the cluster.
func (w *world) params() dynamic.ResourceInterface {
	w.t.Helper()
	client, err := dynamic.NewForConfig(w.Config())
	require.NoError(w.t, err)
	return client.Resource(provision.ParamsResource)
}

// TestClassVanishes: to uninstall LBC's chart deletes the IngressClass and its parameters
// while Ingresses still name it. Nothing that stands goes, its owners are told, and the
// targets follow the pods; and when both are back, nothing happens.
func TestClassVanishes(t *testing.T) {
	w := startStack(t)
	definition, err := os.ReadFile(filepath.Join("..", "..", "deploy", "crds", "ingressclassparams.yaml"))
	require.NoError(t, err)
	w.apply(string(definition))
	w.eventually("the kind to be served", func(ctx context.Context) error {
		_, err := w.params().Create(ctx, theParams(), metav1.CreateOptions{})
		return err
	})
	w.startDaemon()
	// No annotation asks for a scheme: the parameters do.
	web := strings.NewReplacer("ingressClassName: alb", "ingressClassName: shop",
		"alb.ingress.kubernetes.io/scheme", "example.com/scheme").Replace(ingress("demo0", "web", nil, "echo0"))
	w.apply(theClass, namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}), web)
	dns := w.dnsName("demo0", "web")
	w.synced("demo0", "echo0", 2)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")
	w.eventually("open ports of the load balancer and of the nodes", func(context.Context) error {
		opened := slices.DeleteFunc(w.mutations(0), func(action string) bool { return action != "AuthorizeSecurityGroupIngress" })
		if len(opened) < 2 {
			return fmt.Errorf("%d times", len(opened))
		}
		return nil
	})

	calls := len(w.Sim().Calls())
	classes := w.Clientset().NetworkingV1().IngressClasses()
	balancers, err := w.Account().LoadBalancers(t.Context())
	require.NoError(t, err)
	require.Equal(t, "internet-facing", balancers[0].Scheme)
	require.NoError(t, w.params().Delete(t.Context(), "shop", metav1.DeleteOptions{}))
	w.warned("demo0", "web", "IngressClassParams", "shop", "does not exist", "kept")
	require.NoError(t, classes.Delete(t.Context(), "shop", metav1.DeleteOptions{}))
	w.warned("demo0", "web", "IngressClass ", "shop", "does not exist", "kept")
	w.scale("demo0", "echo0", 3)
	w.synced("demo0", "echo0", 3)
	w.onlyRegistered(calls)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")

	requests := len(w.requests())
	w.apply(theClass)
	_, err = w.params().Create(t.Context(), theParams(), metav1.CreateOptions{})
	require.NoError(t, err)
	time.Sleep(2 * time.Second)
	w.onlyRegistered(calls)
	require.NotContains(t, w.written(requests), "patch ingresses")
	w.scale("demo0", "echo0", 4)
	w.synced("demo0", "echo0", 4)
	w.onlyRegistered(calls)

	w.deleteIngress("demo0", "web")
	w.empty()
}
