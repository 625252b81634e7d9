package e2e

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/tgsync/tgsync/test/kubesim"
)

// widgets defines the custom kind that the checks want.
const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.kubesim.example.com}
spec:
  group: kubesim.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}`

// TestKubesim holds a real API server to what the simulated one promises.
func TestKubesim(t *testing.T) {
	w := start(t)
	w.apply(widgets)
	custom, err := dynamic.NewForConfig(w.Config())
	require.NoError(t, err)
	w.eventually("the custom kind to be served", func(ctx context.Context) error {
		k := kubesim.Widget
		_, err := custom.Resource(schema.GroupVersionResource{Group: k.Group, Version: k.Version, Resource: k.Resource}).List(ctx, metav1.ListOptions{})
		return err
	})
	kubesim.Conformance(t, w.Config())
}
