package kubesim

import (
	"net/http"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func watchChecks() map[string]func(cluster) {
	return map[string]func(cluster){
		"a watch goes on from a version":        watchFrom,
		"a watch begins with what is there":     watchState,
		"a watch sees selectors begin and end":  watchSelected,
		"a watch from before the history: 410":  watchExpiredFrom,
		"a watch lists":                         watchList,
		"a watch ends in time":                  watchTimeout,
		"a watch sees a pod terminate and gone": watchTermination,
	}
}

// stream is a watch that fails when nothing comes.
type stream struct {
	c cluster
	w watch.Interface
}

func (c cluster) watch(o metav1.ListOptions) stream {
	c.t.Helper()
	w, err := c.CoreV1().ConfigMaps(c.ns).Watch(c.ctx(), o)
	require.NoError(c.t, err)
	c.t.Cleanup(w.Stop)
	return stream{c, w}
}

func (s stream) event() (watch.Event, bool) {
	s.c.t.Helper()
	select {
	case e, ok := <-s.w.ResultChan():
		return e, ok
	case <-time.After(30 * time.Second):
		require.Fail(s.c.t, "the watch is silent")
	}
	return watch.Event{}, false
}

// next is the next event, which must be of the type.
func (s stream) next(typ watch.EventType) metav1.Object {
	s.c.t.Helper()
	e, ok := s.event()
	require.True(s.c.t, ok, "the watch ended")
	require.Equal(s.c.t, typ, e.Type, "%v", e.Object)
	o, err := meta.Accessor(e.Object)
	require.NoError(s.c.t, err)
	return o
}

func watchFrom(c cluster) {
	a := c.configMap("a", map[string]string{"x": "1"})
	changed := c.set("2")
	require.NoError(c.t, c.CoreV1().ConfigMaps(c.ns).Delete(c.ctx(), "a", metav1.DeleteOptions{}))
	w := c.watch(metav1.ListOptions{LabelSelector: "x", ResourceVersion: a.ResourceVersion})
	require.Equal(c.t, changed.ResourceVersion, w.next(watch.Modified).GetResourceVersion())
	gone := w.next(watch.Deleted)
	require.Equal(c.t, a.UID, gone.GetUID())
	require.Equal(c.t, "2", gone.(*corev1.ConfigMap).Data["a"], "a deletion shows the last state")
	b := c.configMap("b", map[string]string{"x": "1"})
	require.Equal(c.t, b.UID, w.next(watch.Added).GetUID())
}

func watchState(c cluster) {
	c.configMap("a", map[string]string{"x": "1"})
	c.configMap("b", map[string]string{"x": "1"})
	for _, version := range []string{"", "0"} {
		w := c.watch(metav1.ListOptions{LabelSelector: "x", ResourceVersion: version})
		require.ElementsMatch(c.t, []string{"a", "b"}, []string{w.next(watch.Added).GetName(), w.next(watch.Added).GetName()})
	}
}

func watchSelected(c cluster) {
	cm := c.configMap("a", map[string]string{"x": "2"})
	w := c.watch(metav1.ListOptions{LabelSelector: "x=1", ResourceVersion: cm.ResourceVersion})
	label := func(value string) {
		var err error
		cm.Labels["x"] = value
		cm, err = c.CoreV1().ConfigMaps(c.ns).Update(c.ctx(), cm, metav1.UpdateOptions{})
		require.NoError(c.t, err)
	}
	label("1")
	require.Equal(c.t, cm.ResourceVersion, w.next(watch.Added).GetResourceVersion())
	label("2")
	left := w.next(watch.Deleted)
	require.Equal(c.t, "1", left.GetLabels()["x"], "it shows what matched last")
	require.Equal(c.t, cm.ResourceVersion, left.GetResourceVersion(), "and the version that ended it")
}

func watchExpiredFrom(c cluster) {
	// The server began to serve this kind long after version 1.
	widgets, err := c.widgets.Watch(c.ctx(), metav1.ListOptions{ResourceVersion: "1"})
	require.NoError(c.t, err)
	c.t.Cleanup(widgets.Stop)
	w := stream{c, widgets}
	e, ok := w.event()
	require.True(c.t, ok)
	require.Equal(c.t, watch.Error, e.Type)
	err = apierrors.FromObject(e.Object)
	require.True(c.t, apierrors.IsResourceExpired(err))
	require.Regexp(c.t, `^too old resource version: 1 \(\d+\)$`, err.Error())
	c.fails(err, http.StatusGone, metav1.StatusReasonExpired, "%s", err.Error())
	_, ok = w.event()
	require.False(c.t, ok, "and it ends")
}

func watchList(c cluster) {
	c.configMap("a", map[string]string{"x": "1"})
	o := metav1.ListOptions{
		LabelSelector: "x", SendInitialEvents: new(true), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true,
	}
	w := c.watch(o)
	require.Equal(c.t, "a", w.next(watch.Added).GetName())
	end := w.next(watch.Bookmark)
	require.Equal(c.t, "true", end.GetAnnotations()[metav1.InitialEventsAnnotationKey])
	require.NotEmpty(c.t, end.GetResourceVersion())
	c.configMap("b", map[string]string{"x": "1"})
	require.Equal(c.t, "b", w.next(watch.Added).GetName())

	// What it says at the end of the list can be watched from.
	again := c.watch(metav1.ListOptions{LabelSelector: "x", ResourceVersion: end.GetResourceVersion()})
	require.Equal(c.t, "b", again.next(watch.Added).GetName())
}

func watchTimeout(c cluster) {
	w := c.watch(metav1.ListOptions{TimeoutSeconds: new(int64(1)), LabelSelector: "x"})
	_, ok := w.event()
	require.False(c.t, ok)
}

func watchTermination(c cluster) {
	pod := c.pod("p")
	w, err := c.CoreV1().Pods(c.ns).Watch(c.ctx(), metav1.ListOptions{ResourceVersion: pod.ResourceVersion})
	require.NoError(c.t, err)
	c.t.Cleanup(w.Stop)
	require.NoError(c.t, c.CoreV1().Pods(c.ns).Delete(c.ctx(), "p", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
	s := stream{c, w}
	require.NotNil(c.t, s.next(watch.Modified).GetDeletionTimestamp())
	require.Equal(c.t, pod.UID, s.next(watch.Deleted).GetUID())
}
