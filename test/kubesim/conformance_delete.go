package kubesim

import (
	"net/http"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func deleteChecks() map[string]func(cluster) {
	return map[string]func(cluster){
		"a deletion of another UID or version conflicts": deletePreconditions,
		"a deletion waits for finalizers":                finalizers,
		"a pod terminates for its grace period":          gracePeriods,
		"a pod without grace is gone":                    noGrace,
		"a collection is deleted":                        deleteCollection,
		"events are one thing in two APIs":               eventViews,
	}
}

func deletePreconditions(c cluster) {
	cm := c.configMap("a", nil)
	remove := func(p metav1.Preconditions) error {
		return c.CoreV1().ConfigMaps(c.ns).Delete(c.ctx(), "a", metav1.DeleteOptions{Preconditions: &p})
	}
	c.fails(remove(metav1.Preconditions{UID: new(types.UID(otherUID))}), http.StatusConflict, metav1.StatusReasonConflict,
		`Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated`, otherUID, cm.UID)
	c.fails(remove(metav1.Preconditions{ResourceVersion: new("1")}), http.StatusConflict, metav1.StatusReasonConflict,
		`Operation cannot be fulfilled on ConfigMap "a": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (%s). The object might have been modified`, cm.ResourceVersion)
	require.NoError(c.t, remove(metav1.Preconditions{UID: &cm.UID, ResourceVersion: &cm.ResourceVersion}))
	c.fails(remove(metav1.Preconditions{UID: &cm.UID}), http.StatusNotFound, metav1.StatusReasonNotFound, `configmaps "a" not found`)
}

func finalizers(c cluster) {
	maps := c.CoreV1().ConfigMaps(c.ns)
	_, err := maps.Create(c.ctx(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Finalizers: []string{"example.com/one"}}}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	require.NoError(c.t, maps.Delete(c.ctx(), "a", metav1.DeleteOptions{}))
	cm, err := maps.Get(c.ctx(), "a", metav1.GetOptions{})
	require.NoError(c.t, err)
	require.NotNil(c.t, cm.DeletionTimestamp)
	require.Equal(c.t, new(int64(0)), cm.DeletionGracePeriodSeconds)

	require.NoError(c.t, maps.Delete(c.ctx(), "a", metav1.DeleteOptions{}))
	again, err := maps.Get(c.ctx(), "a", metav1.GetOptions{})
	require.NoError(c.t, err)
	require.Equal(c.t, cm.ResourceVersion, again.ResourceVersion, "it is being deleted already")

	_, err = maps.Create(c.ctx(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
	c.fails(err, http.StatusConflict, metav1.StatusReasonAlreadyExists, `object is being deleted: configmaps "a" already exists`)
	_, err = maps.Patch(c.ctx(), "a", types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.com/one","example.com/two"]}}`), metav1.PatchOptions{})
	c.fails(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
		`ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/two"}`)

	cm.DeletionTimestamp = nil
	cm.Data = map[string]string{"a": "2"}
	cm, err = maps.Update(c.ctx(), cm, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.NotNil(c.t, cm.DeletionTimestamp, "an update takes no deletion back")

	cm.Finalizers = nil
	_, err = maps.Update(c.ctx(), cm, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	_, err = maps.Get(c.ctx(), "a", metav1.GetOptions{})
	require.True(c.t, apierrors.IsNotFound(err))
}

func gracePeriods(c cluster) {
	c.pod("p")
	pods := c.CoreV1().Pods(c.ns)
	remove := func(grace *int64) *corev1.Pod {
		require.NoError(c.t, pods.Delete(c.ctx(), "p", metav1.DeleteOptions{GracePeriodSeconds: grace}))
		pod, err := pods.Get(c.ctx(), "p", metav1.GetOptions{})
		require.NoError(c.t, err)
		return pod
	}
	pod := remove(nil)
	require.EqualValues(c.t, 60, *pod.DeletionGracePeriodSeconds)
	require.WithinDuration(c.t, time.Now().Add(time.Minute), pod.DeletionTimestamp.Time, 20*time.Second)
	require.EqualValues(c.t, 2, pod.Generation)
	require.Equal(c.t, pod.ResourceVersion, remove(nil).ResourceVersion, "it terminates already")
	require.Equal(c.t, pod.ResourceVersion, remove(new(int64(90))).ResourceVersion, "grace is only shortened")

	shorter := remove(new(int64(40)))
	require.EqualValues(c.t, 40, *shorter.DeletionGracePeriodSeconds)
	require.Equal(c.t, pod.DeletionTimestamp.Add(-20*time.Second), shorter.DeletionTimestamp.Time)
	require.EqualValues(c.t, 2, shorter.Generation)

	require.NoError(c.t, pods.Delete(c.ctx(), "p", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
	_, err := pods.Get(c.ctx(), "p", metav1.GetOptions{})
	require.True(c.t, apierrors.IsNotFound(err))
}

func noGrace(c cluster) {
	pods := c.CoreV1().Pods(c.ns)
	c.pod("p")
	_, err := pods.Patch(c.ctx(), "p", types.MergePatchType, []byte(`{"status":{"phase":"Succeeded"}}`), metav1.PatchOptions{}, "status")
	require.NoError(c.t, err)
	require.NoError(c.t, pods.Delete(c.ctx(), "p", metav1.DeleteOptions{}))
	_, err = pods.Get(c.ctx(), "p", metav1.GetOptions{})
	require.True(c.t, apierrors.IsNotFound(err), "one that has ended does not wait")

	c.pod("q")
	_, err = pods.Patch(c.ctx(), "q", types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.com/one"]}}`), metav1.PatchOptions{})
	require.NoError(c.t, err)
	require.NoError(c.t, pods.Delete(c.ctx(), "q", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
	_, err = pods.Patch(c.ctx(), "q", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	require.NoError(c.t, err)
	_, err = pods.Get(c.ctx(), "q", metav1.GetOptions{})
	require.True(c.t, apierrors.IsNotFound(err))
}

func deleteCollection(c cluster) {
	c.configMap("a", map[string]string{"x": "1"})
	c.configMap("b", map[string]string{"x": "1"})
	c.configMap("c", nil)
	require.NoError(c.t, c.CoreV1().ConfigMaps(c.ns).DeleteCollection(c.ctx(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "x=1"}))
	require.NotContains(c.t, c.names(metav1.ListOptions{LabelSelector: "x"}), "a")
	require.Contains(c.t, c.names(metav1.ListOptions{}), "c")
}

func eventViews(c cluster) {
	_, err := c.CoreV1().Events(c.ns).Create(c.ctx(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "e"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "p", Namespace: c.ns},
		Reason:         "Why", Message: "what", Type: corev1.EventTypeNormal, Count: 3, Source: corev1.EventSource{Component: "who"},
	}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	list, err := c.EventsV1().Events(c.ns).List(c.ctx(), metav1.ListOptions{FieldSelector: "regarding.name=p,reason=Why"})
	require.NoError(c.t, err)
	require.Len(c.t, list.Items, 1)
	e := list.Items[0]
	require.Equal(c.t, "p", e.Regarding.Name)
	require.Equal(c.t, "what", e.Note)
	require.EqualValues(c.t, 3, e.DeprecatedCount)
	require.Equal(c.t, "who", e.DeprecatedSource.Component)
	_, err = c.EventsV1().Events(c.ns).Patch(c.ctx(), "e", types.StrategicMergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	require.NoError(c.t, err)
	core, err := c.CoreV1().Events(c.ns).List(c.ctx(), metav1.ListOptions{FieldSelector: "involvedObject.name=p"})
	require.NoError(c.t, err)
	require.Len(c.t, core.Items, 1)
	require.Equal(c.t, "what", core.Items[0].Message)
	require.Equal(c.t, "b", core.Items[0].Labels["a"])
}
