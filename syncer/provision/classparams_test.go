package provision

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
)

func object(kind, name string, fields map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	maps.Copy(u.Object, fields)
	u.SetName(name)
	u.SetKind(kind)
	u.SetAPIVersion("v1")
	if kind == "IngressClassParams" {
		u.SetAPIVersion("elbv2.k8s.aws/v1beta1")
	}
	return u
}

// The kind may be absent at first, appear, and vanish; what was there counts for a
// while then.
func TestClassWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
			map[schema.GroupVersionResource]string{ParamsResource: "IngressClassParamsList", NamespacesResource: "NamespaceList"},
			object("Namespace", "demo0", map[string]any{"metadata": map[string]any{"labels": map[string]any{"web": "yes"}}}))
		var absent atomic.Bool
		absent.Store(true)
		refuse := func(clienttesting.Action) (bool, runtime.Object, error) {
			return absent.Load(), nil, apierrors.NewNotFound(ParamsResource.GroupResource(), "")
		}
		client.PrependReactor("list", ParamsResource.Resource, refuse)
		w, err := NewClassWatch(client, nil, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		var mu sync.Mutex
		var woken []string
		stop, err := w.onChange(func(namespace string) {
			mu.Lock()
			defer mu.Unlock()
			woken = append(woken, namespace)
		})
		require.NoError(t, err)
		require.False(t, w.HasSynced())
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		time.Sleep(time.Second)
		require.True(t, w.HasSynced())
		require.False(t, w.Served())
		require.Nil(t, w.get("alb"))
		require.Equal(t, map[string]string{"web": "yes"}, w.labels("demo0"))
		require.Nil(t, w.labels("demo1"))

		absent.Store(false)
		_, err = client.Resource(ParamsResource).Create(ctx, object("IngressClassParams", "alb",
			map[string]any{"spec": map[string]any{"scheme": "internal"}}), metav1.CreateOptions{})
		require.NoError(t, err)
		time.Sleep(2 * time.Minute) // client-go's longest pause between two attempts, and more
		require.True(t, w.Served())
		require.Equal(t, "internal", w.get("alb").Spec.Scheme)
		mu.Lock()
		slices.Sort(woken)
		require.Equal(t, []string{"", "demo0"}, slices.Compact(woken))
		mu.Unlock()

		w.kind.Heard(ctx, apierrors.NewNotFound(ParamsResource.GroupResource(), ""))
		w.kind.Heard(ctx, apierrors.NewInternalError(context.Canceled))
		require.False(t, w.Served())
		require.NotNil(t, w.get("alb"))
		time.Sleep(paramsAbsentAfter)
		require.Nil(t, w.get("alb"))
		require.NoError(t, stop())
		cancel()
		running.Wait()
	})
}
