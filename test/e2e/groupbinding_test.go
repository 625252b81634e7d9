package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/test/playground"
)

// bindings are the TargetGroupBindings of a namespace.
func (w *world) bindings(ns string) dynamic.ResourceInterface {
	w.t.Helper()
	client, err := dynamic.NewForConfig(w.Config())
	require.NoError(w.t, err)
	return client.Resource(groupbinding.Resource).Namespace(ns)
}

// somebody is somebody else who uses the account, with the credentials of TestMain.
func (w *world) somebody() *awsapi.ELB {
	w.t.Helper()
	clients, err := awsapi.New(w.t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: w.Sim().Transport()}})
	require.NoError(w.t, err)
	return clients.ELB
}

// ownGroup makes a target group without an Ingress.
func (w *world) ownGroup(name string) string {
	w.t.Helper()
	g, err := w.somebody().CreateTargetGroup(w.t.Context(), awsapi.TargetGroup{
		Name: name, Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: playground.VPCID,
	})
	require.NoError(w.t, err)
	return g.ARN
}

// hasTargets waits until a target group has exactly the ready endpoints of a Service,
// or none if that is empty.
func (w *world) hasTargets(arn, ns, service string, pods int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d targets of %s", pods, service), func(ctx context.Context) error {
		want := []string{}
		if service != "" {
			var err error
			if want, err = w.ready(ctx, ns, service); err != nil {
				return err
			}
		}
		have, err := w.registered(ctx, arn)
		if err != nil {
			return err
		}
		if len(want) != pods || !slices.Equal(have, want) {
			return fmt.Errorf("endpoints %v, targets %v", want, have)
		}
		return nil
	})
}

// bound waits until the Ready condition of a TargetGroupBinding has a reason.
func (w *world) bound(ns, name, reason string) {
	w.t.Helper()
	w.eventually(name+" to be "+reason, func(ctx context.Context) error {
		o, err := w.bindings(ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
		if err != nil {
			return err
		}
		for _, c := range conditions {
			if c, ok := c.(map[string]any); ok && c["type"] == "Ready" && c["reason"] == reason {
				return nil
			}
		}
		return fmt.Errorf("conditions %v", conditions)
	})
}

// defineBindings applies the definition in deploy/crds.
func (w *world) defineBindings() {
	w.t.Helper()
	definition, err := os.ReadFile(filepath.Join("..", "..", "deploy", "crds", "targetgroupbindings.yaml"))
	require.NoError(w.t, err)
	w.apply(string(definition))
}

// bind makes a TargetGroupBinding for port 80 of a Service. It waits for the kind to be
// served.
func (w *world) bind(ns, name, arn, service string, labels map[string]any) {
	w.t.Helper()
	w.create(ns, binding(name, arn, service, labels))
}

// bindShared is the same for a target group that clusters share.
func (w *world) bindShared(ns, name, arn, service string) {
	w.t.Helper()
	o := binding(name, arn, service, nil)
	require.NoError(w.t, unstructured.SetNestedField(o.Object, true, "spec", "multiClusterTargetGroup"))
	w.create(ns, o)
}

func (w *world) create(ns string, o *unstructured.Unstructured) {
	w.t.Helper()
	w.eventually("the kind to be served", func(ctx context.Context) error {
		_, err := w.bindings(ns).Create(ctx, o, metav1.CreateOptions{})
		return err
	})
}

func binding(name, arn, service string, labels map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": groupbinding.Resource.GroupVersion().String(), "kind": "TargetGroupBinding",
		"metadata": map[string]any{"name": name, "labels": labels},
		"spec": map[string]any{
			"targetGroupARN": arn, "targetType": "ip", "serviceRef": map[string]any{"name": service, "port": int64(80)},
		},
	}}
}

// TestTargetGroupBinding binds a target group that somebody made, by a kind that the
// cluster gets when the daemon runs already, and lets go of it.
func TestTargetGroupBinding(t *testing.T) {
	t.Parallel()
	w := start(t)
	arn := w.ownGroup("mine")
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}))
	w.defineBindings()
	w.bind("demo0", "mine", arn, "echo0", nil)
	w.bind("demo0", "second", arn, "echo0", nil)
	w.hasTargets(arn, "demo0", "echo0", 2)
	w.bound("demo0", "mine", "Bound")
	w.bound("demo0", "second", "TargetGroupTaken")
	w.warned("demo0", "second", "TargetGroupTaken", "spec.targetGroupARN", "demo0/mine")
	w.scale("demo0", "echo0", 3)
	w.hasTargets(arn, "demo0", "echo0", 3)

	_, err := w.bindings("demo0").Patch(t.Context(), "mine", types.MergePatchType, []byte(`{"spec":{"targetGroupARN":"arn:x"}}`), metav1.PatchOptions{})
	require.True(t, apierrors.IsInvalid(err), "%v", err)

	for _, name := range []string{"second", "mine"} {
		require.NoError(t, w.bindings("demo0").Delete(t.Context(), name, metav1.DeleteOptions{}))
		w.eventually(name+" to be gone", func(ctx context.Context) error {
			_, err := w.bindings("demo0").Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("it is there: %w", err)
		})
	}
	w.hasTargets(arn, "", "", 0)
}
