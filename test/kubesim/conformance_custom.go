package kubesim

import (
	"net/http"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Widget is the custom kind that the checks use: any spec, any status.
var Widget = Kind{Group: "kubesim.example.com", Version: "v1", Kind: "Widget", Resource: "widgets", Namespaced: true, Status: true}

func customChecks() map[string]func(cluster) {
	return map[string]func(cluster){
		"a custom kind: status and the rest are apart": customStatus,
		"a custom kind: an update needs its version":   customVersion,
		"a custom kind: patches":                       customPatches,
		"a custom kind: preconditions":                 customPreconditions,
	}
}

// widget creates the Widget "w".
func (c cluster) widget() *unstructured.Unstructured {
	c.t.Helper()
	w, err := c.widgets.Create(c.ctx(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kubesim.example.com/v1", "kind": "Widget",
		"metadata": map[string]any{"name": "w", "generation": int64(7)},
		"spec":     map[string]any{"size": int64(1)}, "status": map[string]any{"ready": true},
	}}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	return w
}

func customStatus(c cluster) {
	w := c.widget()
	require.NotContains(c.t, w.Object, "status", "creation ignores the status")
	require.EqualValues(c.t, 1, w.GetGeneration())

	w.SetLabels(map[string]string{"a": "b"})
	w.Object["status"] = map[string]any{"ready": true}
	w, err := c.widgets.Update(c.ctx(), w, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.NotContains(c.t, w.Object, "status", "the resource itself ignores the status")
	require.EqualValues(c.t, 1, w.GetGeneration())

	w.SetLabels(map[string]string{"a": "c"})
	w.Object["spec"], w.Object["status"] = map[string]any{"size": int64(2)}, map[string]any{"ready": true}
	w, err = c.widgets.UpdateStatus(c.ctx(), w, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.Equal(c.t, map[string]any{"ready": true}, w.Object["status"])
	require.Equal(c.t, map[string]any{"size": int64(1)}, w.Object["spec"])
	require.Equal(c.t, "b", w.GetLabels()["a"], "the status of a custom kind is the status alone")
	require.EqualValues(c.t, 1, w.GetGeneration())

	w.Object["spec"] = map[string]any{"size": int64(2)}
	w, err = c.widgets.Update(c.ctx(), w, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.EqualValues(c.t, 2, w.GetGeneration())
}

func customVersion(c cluster) {
	w := c.widget()
	old := w.DeepCopy()
	w.Object["spec"] = map[string]any{"size": int64(2)}
	_, err := c.widgets.Update(c.ctx(), w, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	_, err = c.widgets.Update(c.ctx(), old, metav1.UpdateOptions{})
	c.fails(err, http.StatusConflict, metav1.StatusReasonConflict,
		`Operation cannot be fulfilled on widgets.kubesim.example.com "w": the object has been modified; please apply your changes to the latest version and try again`)
	old.SetResourceVersion("")
	_, err = c.widgets.Update(c.ctx(), old, metav1.UpdateOptions{})
	c.fails(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
		`widgets.kubesim.example.com "w" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update`)
}

func customPatches(c cluster) {
	c.widget()
	w, err := c.widgets.Patch(c.ctx(), "w", types.MergePatchType, []byte(`{"spec":{"size":3},"status":{"ready":false}}`), metav1.PatchOptions{})
	require.NoError(c.t, err)
	require.Equal(c.t, map[string]any{"size": int64(3)}, w.Object["spec"])
	require.NotContains(c.t, w.Object, "status")
	w, err = c.widgets.Patch(c.ctx(), "w", types.MergePatchType, []byte(`{"spec":{"size":4},"status":{"ready":false}}`), metav1.PatchOptions{}, "status")
	require.NoError(c.t, err)
	require.Equal(c.t, map[string]any{"ready": false}, w.Object["status"])
	require.Equal(c.t, map[string]any{"size": int64(3)}, w.Object["spec"])

	_, err = c.widgets.Patch(c.ctx(), "w", types.StrategicMergePatchType, []byte(`{}`), metav1.PatchOptions{})
	require.ErrorContains(c.t, err, "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json")
}

func customPreconditions(c cluster) {
	w := c.widget()
	uid := w.GetUID()
	_, err := c.widgets.Patch(c.ctx(), "w", types.MergePatchType, []byte(`{"metadata":{"uid":"`+otherUID+`"}}`), metav1.PatchOptions{})
	c.fails(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, `Widget.kubesim.example.com "w" is invalid: metadata.uid: Invalid value: %q: field is immutable`, otherUID)
	w.SetUID(otherUID)
	_, err = c.widgets.Update(c.ctx(), w, metav1.UpdateOptions{})
	c.fails(err, http.StatusConflict, metav1.StatusReasonConflict,
		`Operation cannot be fulfilled on widgets.kubesim.example.com "w": StorageError: invalid object, Code: 4, Key: /registry/kubesim.example.com/widgets/%s/w, ResourceVersion: 0, AdditionalErrorMsg: `+
			`Precondition failed: UID in precondition: %s, UID in object meta: %s`, w.GetNamespace(), otherUID, uid)
	err = c.widgets.Delete(c.ctx(), "w", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: new(types.UID(otherUID))}})
	c.fails(err, http.StatusConflict, metav1.StatusReasonConflict,
		`Operation cannot be fulfilled on Widget.kubesim.example.com "w": the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated`, otherUID, uid)
	_, err = c.widgets.List(c.ctx(), metav1.ListOptions{FieldSelector: "spec.size=1"})
	c.fails(err, http.StatusBadRequest, metav1.StatusReasonBadRequest, "field label not supported: spec.size")
}
