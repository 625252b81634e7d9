package kubesim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

func watchMaps(t *testing.T, client kubernetes.Interface, o metav1.ListOptions) watch.Interface {
	t.Helper()
	w, err := client.CoreV1().ConfigMaps("ns").Watch(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(w.Stop)
	return w
}

// arrived are the names of the objects that have come in, or the types of what has
// no name. It waits for nothing.
func arrived(w watch.Interface) []string {
	var names []string
	for {
		synctest.Wait()
		select {
		case e, ok := <-w.ResultChan():
			if !ok {
				return append(names, "END")
			}
			name := string(e.Type)
			if o, err := meta.Accessor(e.Object); err == nil && o.GetName() != "" {
				name = o.GetName()
			}
			names = append(names, name)
		default:
			return names
		}
	}
}

func TestDelayedWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		s.DelayWatches(Match{Resource: "configmaps", UserAgent: "product"}, 10*time.Second)
		late, prompt := watchMaps(t, client, metav1.ListOptions{}), watchMaps(t, world, metav1.ListOptions{})
		create(t, world, "a")
		require.Equal(t, []string{"a"}, arrived(prompt))
		require.Empty(t, arrived(late))
		time.Sleep(6 * time.Second)
		create(t, world, "b")
		time.Sleep(4 * time.Second)
		require.Equal(t, []string{"a"}, arrived(late))

		// What is late stays late, and nothing overtakes it.
		s.DelayWatches(Match{Resource: "configmaps", UserAgent: "product"}, 0)
		create(t, world, "c")
		require.Empty(t, arrived(late))
		time.Sleep(6 * time.Second)
		require.Equal(t, []string{"b", "c"}, arrived(late))
		create(t, world, "d")
		require.Equal(t, []string{"d"}, arrived(late))
	})
}

func TestDelayedWatchBeginsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		a := create(t, world, "a")
		create(t, world, "b")
		s.DelayWatches(Match{}, 10*time.Second)
		require.Equal(t, []string{"a", "b"}, arrived(watchMaps(t, client, metav1.ListOptions{})))
		// One that goes on from a version is as late as if it had been there.
		w := watchMaps(t, client, metav1.ListOptions{ResourceVersion: a.ResourceVersion})
		require.Empty(t, arrived(w))
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"b"}, arrived(w))
	})
}

func TestCutWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		s.DelayWatches(Match{UserAgent: "product"}, time.Second)
		cut, other := watchMaps(t, client, metav1.ListOptions{}), watchMaps(t, world, metav1.ListOptions{})
		create(t, world, "a")
		s.CutWatches(Match{UserAgent: "product"})
		create(t, world, "b")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"END"}, arrived(cut), "what was on its way is lost")
		require.Equal(t, []string{"a", "b"}, arrived(other))
	})
}

func TestExpiredWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		w := watchMaps(t, client, metav1.ListOptions{ResourceVersion: create(t, world, "a").ResourceVersion})
		s.ExpireWatches(Match{Resource: "pods"})
		require.Empty(t, arrived(w))
		s.ExpireWatches(Match{Resource: "configmaps"})
		e := <-w.ResultChan()
		require.Equal(t, watch.Error, e.Type)
		require.True(t, apierrors.IsResourceExpired(apierrors.FromObject(e.Object)))
		require.Equal(t, []string{"END"}, arrived(w))
	})
}

func TestCompactLeavesRunningWatchesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		before := create(t, world, "a").ResourceVersion
		s.DelayWatches(Match{}, time.Second)
		w := watchMaps(t, client, metav1.ListOptions{ResourceVersion: before})
		create(t, world, "b")
		s.Compact()
		time.Sleep(time.Second)
		require.Equal(t, []string{"b"}, arrived(w))
		require.Equal(t, []string{"ERROR", "END"}, arrived(watchMaps(t, client, metav1.ListOptions{ResourceVersion: before})))
	})
}

func TestBookmarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{Bookmarks: 10 * time.Second})
		version := create(t, world, "a").ResourceVersion
		w := watchMaps(t, client, metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true, TimeoutSeconds: new(int64(25))})
		silent := watchMaps(t, client, metav1.ListOptions{ResourceVersion: version})
		_, err := world.CoreV1().ConfigMaps("elsewhere").Create(t.Context(), configMap("b", "1"), metav1.CreateOptions{})
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		e := <-w.ResultChan()
		require.Equal(t, watch.Bookmark, e.Type)
		o, err := meta.Accessor(e.Object)
		require.NoError(t, err)
		require.Greater(t, o.GetResourceVersion(), version, "it moves on without an event")

		// A bookmark never promises what has not been delivered.
		s.DelayWatches(Match{}, 12*time.Second)
		create(t, world, "c")
		time.Sleep(10 * time.Second)
		require.Empty(t, arrived(w))
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"c", "BOOKMARK"}, arrived(w))
		time.Sleep(3 * time.Second)
		require.Equal(t, []string{"BOOKMARK", "END"}, arrived(w), "one more at the end")
		require.Equal(t, []string{"c"}, arrived(silent))
	})
}

func TestCloseEndsWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		w := watchMaps(t, client, metav1.ListOptions{})
		s.Close()
		require.Equal(t, []string{"END"}, arrived(w))
		require.Error(t, get(t.Context(), client, "a"))
		require.Error(t, get(t.Context(), world, "a"))
	})
}
