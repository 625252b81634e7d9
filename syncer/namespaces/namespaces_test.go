package namespaces_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/namespaces"
	"github.com/tgsync/tgsync/test/kubesim"
)

func TestMain(m *testing.M) {
	kubesim.DisableErrorBackoff()
	goleak.VerifyTestMain(m)
}

// world is a server with Services, and a cache of those of two namespaces.
type world struct {
	t     *testing.T
	kube  *kubesim.Server
	admin kubernetes.Interface
	cache cache.SharedIndexInformer
}

func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, kube: kubesim.New(kubesim.Options{})}
		defer w.kube.Close()
		var err error
		w.admin, err = kubernetes.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		client, err := kubernetes.NewForConfig(w.kube.Config())
		require.NoError(t, err)
		w.create("a", "before")
		w.create("c", "before")
		w.cache = cache.NewSharedIndexInformer(namespaces.Merge([]string{"a", "b"}, func(namespace string) *cache.ListWatch {
			services := client.CoreV1().Services(namespace)
			return &cache.ListWatch{
				ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
					return services.List(ctx, o)
				},
				WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
					return services.Watch(ctx, o)
				},
			}
		}), &corev1.Service{}, 0, cache.Indexers{})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.cache.RunWithContext(ctx) })
		w.settle()
		test(w)
		cancel()
		running.Wait()
	})
}

func (w *world) settle() {
	time.Sleep(2 * time.Minute)
	synctest.Wait()
}

func (w *world) create(namespace, name string) {
	w.t.Helper()
	_, err := w.admin.CoreV1().Services(namespace).Create(w.t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// cached returns what the cache has.
func (w *world) cached() []string {
	w.t.Helper()
	require.True(w.t, w.cache.HasSynced())
	return slices.Sorted(slices.Values(w.cache.GetStore().ListKeys()))
}

func TestMerge(t *testing.T) {
	inWorld(t, func(w *world) {
		require.Equal(w.t, []string{"a/before"}, w.cached())
		w.create("b", "x")
		w.create("c", "x")
		w.create("a", "x")
		w.settle()
		require.Equal(w.t, []string{"a/before", "a/x", "b/x"}, w.cached())
		require.NoError(w.t, w.admin.CoreV1().Services("a").Delete(w.t.Context(), "x", metav1.DeleteOptions{}))
		_, err := w.admin.CoreV1().Services("b").Patch(w.t.Context(), "x", types.MergePatchType, []byte(`{"metadata":{"labels":{"k":"v"}}}`), metav1.PatchOptions{})
		require.NoError(w.t, err)
		w.settle()
		require.Equal(w.t, []string{"a/before", "b/x"}, w.cached())
		obj, _, err := w.cache.GetStore().GetByKey("b/x")
		require.NoError(w.t, err)
		svc, ok := obj.(*corev1.Service)
		require.True(w.t, ok)
		require.Equal(w.t, "v", svc.Labels["k"])
	})
}

// TestLateEvent: one namespace's watch is far behind the other's when both are cut. What
// was on its way is not lost.
func TestLateEvent(t *testing.T) {
	inWorld(t, func(w *world) {
		w.kube.DelayWatches(kubesim.Match{Resource: "services", Namespace: "a"}, time.Hour)
		w.create("a", "late")
		w.create("b", "prompt")
		w.settle()
		require.Equal(w.t, []string{"a/before", "b/prompt"}, w.cached())
		w.kube.ClearFaults()
		w.kube.CutWatches(kubesim.Match{Resource: "services"})
		w.settle()
		require.Equal(w.t, []string{"a/before", "a/late", "b/prompt"}, w.cached())
	})
}

// TestTrouble: whatever happens to one of the watches, the cache catches up.
func TestTrouble(t *testing.T) {
	for name, happens := range map[string]func(w *world){
		"one is cut": func(w *world) { w.kube.CutWatches(kubesim.Match{Namespace: "a"}) },
		"one has expired": func(w *world) {
			w.kube.ExpireWatches(kubesim.Match{Namespace: "b"})
		},
		"the server forgot": func(w *world) { w.kube.SetDown(true); w.kube.Compact(); w.kube.SetDown(false) },
		"one cannot be listed for a while": func(w *world) {
			w.kube.Inject(kubesim.Fault{Match: kubesim.Match{Verb: "list", Namespace: "b"}, Code: http.StatusInternalServerError, Times: 3})
			w.kube.ExpireWatches(kubesim.Match{})
		},
		"one cannot be watched for a while": func(w *world) {
			w.kube.Inject(kubesim.Fault{Match: kubesim.Match{Verb: "watch", Namespace: "b"}, Code: http.StatusInternalServerError, Times: 3})
			w.kube.CutWatches(kubesim.Match{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				happens(w)
				w.create("a", "x")
				w.create("b", "x")
				w.settle()
				require.Equal(w.t, []string{"a/before", "a/x", "b/x"}, w.cached())
				watches := 0
				for _, c := range w.kube.Calls() {
					if c.Verb == "watch" {
						watches++
					}
				}
				require.Less(w.t, watches, 30, "it is not tried without end")
			})
		})
	}
}
