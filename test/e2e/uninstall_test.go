package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestClassVanishes: to uninstall LBC's chart deletes the IngressClass while Ingresses
// still name it. Nothing that stands goes, its owners are told, and the
// targets follow the pods; and when the class is back, nothing happens.
func TestClassVanishes(t *testing.T) {
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}), ingress("demo0", "web", nil, "echo0"))
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
	ing, err := w.Clientset().NetworkingV1().Ingresses("demo0").Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	class, err := classes.Get(t.Context(), *ing.Spec.IngressClassName, metav1.GetOptions{})
	require.NoError(t, err)
	require.NoError(t, classes.Delete(t.Context(), class.Name, metav1.DeleteOptions{}))
	w.warned("demo0", "web", "IngressClass", class.Name, "does not exist", "kept")
	w.scale("demo0", "echo0", 3)
	w.synced("demo0", "echo0", 3)
	w.onlyRegistered(calls)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")

	requests := len(w.requests())
	_, err = classes.Create(t.Context(), &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: class.Name}, Spec: class.Spec}, metav1.CreateOptions{})
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
