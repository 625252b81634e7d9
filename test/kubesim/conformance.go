package kubesim

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Check is one part of the contract between an API server and its clients.
type Check func(t *testing.T, config *rest.Config)

// Conformance runs all checks against an API server, which may be a real one: each
// works in a namespace of its own and knows nothing but client-go. The server must
// serve [Widget] beside the built-in kinds.
func Conformance(t *testing.T, config *rest.Config) {
	t.Helper()
	for name, check := range Checks() {
		t.Run(name, func(t *testing.T) { check(t, config) })
	}
}

// Checks are the checks by name, for those who run each against a server of its own.
func Checks() map[string]Check {
	checks := map[string]func(cluster){
		"a name is taken once":                         nameTaken,
		"a name is generated":                          nameGenerated,
		"the server's own metadata":                    ownMetadata,
		"a create is refused":                          createRefused,
		"an update from an old version conflicts":      staleUpdate,
		"a patch from an old version conflicts":        stalePatch,
		"an update of another UID conflicts":           updateOtherUID,
		"a patch of another UID is refused":            patchOtherUID,
		"a patch changes what it names":                patchKinds,
		"a patch is refused":                           patchRefused,
		"an update without a version":                  updateWithoutVersion,
		"an update that changes nothing is no version": noChange,
		"an update is refused":                         updateRefused,
		"spec changes count the generation up":         generations,
		"status and the rest are apart":                statusApart,
		"a dry run is answered, and kept nothing of":   dryRun,
	}
	maps.Copy(checks, deleteChecks())
	maps.Copy(checks, readChecks())
	maps.Copy(checks, watchChecks())
	maps.Copy(checks, customChecks())
	all := map[string]Check{}
	for name, check := range checks {
		all[name] = func(t *testing.T, config *rest.Config) {
			t.Helper()
			check(newCluster(t, config))
		}
	}
	return all
}

// cluster is an API server seen from one namespace.
type cluster struct {
	kubernetes.Interface
	widgets dynamic.ResourceInterface
	t       *testing.T
	ns      string
}

func newCluster(t *testing.T, config *rest.Config) cluster {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "conformance-"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, client.CoreV1().Namespaces().Delete(context.WithoutCancel(t.Context()), ns.Name, metav1.DeleteOptions{}))
	})
	custom, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	return cluster{client, custom.Resource(Widget.gvr()).Namespace(ns.Name), t, ns.Name}
}

func (c cluster) ctx() context.Context { return c.t.Context() }

// fails checks everything of an error that a client can act on.
func (c cluster) fails(err error, code int32, reason metav1.StatusReason, format string, args ...any) {
	c.t.Helper()
	var status apierrors.APIStatus
	require.ErrorAs(c.t, err, &status, "an answer of the server")
	require.Equal(c.t, fmt.Sprintf(format, args...), status.Status().Message)
	require.Equal(c.t, code, status.Status().Code)
	require.Equal(c.t, reason, status.Status().Reason)
}

// dryRun: the answer is that of a real write, with the version of what stands.
func dryRun(c cluster) {
	cm := c.configMap("a", nil)
	maps := c.CoreV1().ConfigMaps(c.ns)
	dry := []string{metav1.DryRunAll}
	patched, err := maps.Patch(c.ctx(), "a", types.MergePatchType, []byte(`{"data":{"a":"2"}}`), metav1.PatchOptions{DryRun: dry})
	require.NoError(c.t, err)
	require.Equal(c.t, "2", patched.Data["a"])
	require.Equal(c.t, cm.ResourceVersion, patched.ResourceVersion)
	created, err := maps.Create(c.ctx(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "b"}}, metav1.CreateOptions{DryRun: dry})
	require.NoError(c.t, err)
	require.Equal(c.t, "b", created.Name)
	_, err = maps.Create(c.ctx(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{DryRun: dry})
	c.fails(err, 409, metav1.StatusReasonAlreadyExists, `configmaps "a" already exists`)
	all, err := maps.List(c.ctx(), metav1.ListOptions{FieldSelector: "metadata.name!=kube-root-ca.crt"})
	require.NoError(c.t, err)
	require.Len(c.t, all.Items, 1)
	require.Equal(c.t, cm.Data, all.Items[0].Data)
}

func (c cluster) configMap(name string, labels map[string]string) *corev1.ConfigMap {
	c.t.Helper()
	cm, err := c.CoreV1().ConfigMaps(c.ns).Create(c.ctx(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Data: map[string]string{"a": "1"},
	}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	return cm
}

// set changes the data of the ConfigMap "a".
func (c cluster) set(value string) *corev1.ConfigMap {
	c.t.Helper()
	cm, err := c.CoreV1().ConfigMaps(c.ns).Patch(c.ctx(), "a", types.MergePatchType, fmt.Appendf(nil, `{"data":{"a":%q}}`, value), metav1.PatchOptions{})
	require.NoError(c.t, err)
	return cm
}

// pod creates a pod on a node that does not exist, so that nothing runs it. A real
// server refuses pods until it has made the namespace's service account.
func (c cluster) pod(name string) *corev1.Pod {
	c.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "a"}},
		Spec: corev1.PodSpec{
			NodeName: "no-such-node", TerminationGracePeriodSeconds: new(int64(60)),
			Containers: []corev1.Container{{Name: "c", Image: "i", ImagePullPolicy: corev1.PullNever}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	var created *corev1.Pod
	require.Eventually(c.t, func() bool {
		var err error
		created, err = c.CoreV1().Pods(c.ns).Create(c.ctx(), pod, metav1.CreateOptions{})
		return err == nil
	}, 30*time.Second, 100*time.Millisecond)
	return created
}

func nameTaken(c cluster) {
	c.configMap("a", nil)
	_, err := c.CoreV1().ConfigMaps(c.ns).Create(c.ctx(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
	c.fails(err, http.StatusConflict, metav1.StatusReasonAlreadyExists, `configmaps "a" already exists`)
}

func nameGenerated(c cluster) {
	names := map[string]bool{}
	for range 20 {
		cm, err := c.CoreV1().ConfigMaps(c.ns).Create(c.ctx(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "a-"}}, metav1.CreateOptions{})
		require.NoError(c.t, err)
		require.Regexp(c.t, `^a-[bcdfghjklmnpqrstvwxz2456789]{5}$`, cm.Name)
		names[cm.Name] = true
	}
	require.Len(c.t, names, 20)
}

func ownMetadata(c cluster) {
	before := time.Now().Add(-time.Minute)
	cm, err := c.CoreV1().ConfigMaps(c.ns).Create(c.ctx(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "a", UID: "mine", CreationTimestamp: metav1.NewTime(before), DeletionTimestamp: &metav1.Time{Time: before}, Generation: 7,
	}}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	require.Equal(c.t, c.ns, cm.Namespace)
	require.Regexp(c.t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, string(cm.UID))
	require.True(c.t, cm.CreationTimestamp.After(before))
	require.Nil(c.t, cm.DeletionTimestamp)
	require.EqualValues(c.t, 7, cm.Generation, "where the server does not count, the client may")
	require.NotEmpty(c.t, cm.ResourceVersion)

	again := c.configMap("b", nil)
	require.NotEqual(c.t, cm.UID, again.UID)
}

func createRefused(c cluster) {
	create := func(meta metav1.ObjectMeta) error {
		_, err := c.CoreV1().ConfigMaps(c.ns).Create(c.ctx(), &corev1.ConfigMap{ObjectMeta: meta}, metav1.CreateOptions{})
		return err
	}
	c.fails(create(metav1.ObjectMeta{}), http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
		`ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required`)
	c.fails(create(metav1.ObjectMeta{Name: "a", Namespace: "other"}), http.StatusBadRequest, metav1.StatusReasonBadRequest,
		"the namespace of the provided object does not match the namespace sent on the request")
	c.fails(create(metav1.ObjectMeta{Name: "a", ResourceVersion: "1"}), http.StatusInternalServerError, "",
		"resourceVersion should not be set on objects to be created")
}

func staleUpdate(c cluster) {
	old := c.configMap("a", nil)
	c.set("2")
	old.Data["a"] = "3"
	_, err := c.CoreV1().ConfigMaps(c.ns).Update(c.ctx(), old, metav1.UpdateOptions{})
	c.fails(err, http.StatusConflict, metav1.StatusReasonConflict,
		`Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again`)
}

func stalePatch(c cluster) {
	old := c.configMap("a", nil)
	c.set("2")
	for _, typ := range []types.PatchType{types.MergePatchType, types.StrategicMergePatchType} {
		_, err := c.CoreV1().ConfigMaps(c.ns).Patch(c.ctx(), "a", typ, fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q},"data":{"a":"3"}}`, old.ResourceVersion), metav1.PatchOptions{})
		c.fails(err, http.StatusConflict, metav1.StatusReasonConflict,
			`Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again`)
	}
}

const otherUID = "00000000-0000-4000-8000-000000000000"

func updateOtherUID(c cluster) {
	cm := c.configMap("a", nil)
	uid := cm.UID
	cm.UID = otherUID
	_, err := c.CoreV1().ConfigMaps(c.ns).Update(c.ctx(), cm, metav1.UpdateOptions{})
	c.fails(err, http.StatusConflict, metav1.StatusReasonConflict,
		`Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: /registry/configmaps/%s/a, ResourceVersion: 0, AdditionalErrorMsg: `+
			`Precondition failed: UID in precondition: %s, UID in object meta: %s`, c.ns, otherUID, uid)
}

// patchOtherUID: a patch has no preconditions. Its UID is a change of something that
// does not change, which is refused as such, on status as well.
func patchOtherUID(c cluster) {
	c.configMap("a", nil)
	patch := []byte(`{"metadata":{"uid":"` + otherUID + `","labels":{"a":"b"}}}`)
	for _, typ := range []types.PatchType{types.MergePatchType, types.StrategicMergePatchType} {
		_, err := c.CoreV1().ConfigMaps(c.ns).Patch(c.ctx(), "a", typ, patch, metav1.PatchOptions{})
		c.fails(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, `ConfigMap "a" is invalid: metadata.uid: Invalid value: %q: field is immutable`, otherUID)
	}
	pod := c.pod("p")
	_, err := c.CoreV1().Pods(c.ns).Patch(c.ctx(), "p", types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	c.fails(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, `Pod "p" is invalid: metadata.uid: Invalid value: %q: field is immutable`, otherUID)
	_, err = c.CoreV1().Pods(c.ns).Patch(c.ctx(), "p", types.StrategicMergePatchType,
		[]byte(`{"metadata":{"uid":"`+string(pod.UID)+`"},"status":{"reason":"r"}}`), metav1.PatchOptions{}, "status")
	require.NoError(c.t, err)
}

func patchKinds(c cluster) {
	pod := c.pod("p")
	patch := func(typ types.PatchType, text string, sub ...string) *corev1.Pod {
		p, err := c.CoreV1().Pods(c.ns).Patch(c.ctx(), "p", typ, []byte(text), metav1.PatchOptions{}, sub...)
		require.NoError(c.t, err)
		return p
	}
	conditions := func(p *corev1.Pod) []string {
		var names []string
		for _, condition := range p.Status.Conditions {
			names = append(names, string(condition.Type))
		}
		return names
	}
	// Strategic: conditions are merged by type. Merge: a list replaces a list.
	patch(types.StrategicMergePatchType, `{"status":{"conditions":[{"type":"a","status":"True"}]}}`, "status")
	p := patch(types.StrategicMergePatchType, `{"status":{"conditions":[{"type":"b","status":"True"}]}}`, "status")
	require.ElementsMatch(c.t, []string{"a", "b"}, conditions(p))
	p = patch(types.MergePatchType, `{"status":{"conditions":[{"type":"c","status":"True"}]}}`, "status")
	require.Equal(c.t, []string{"c"}, conditions(p))
	p = patch(types.MergePatchType, `{"metadata":{"labels":{"app":null,"b":"c"}}}`)
	require.Equal(c.t, map[string]string{"b": "c"}, p.Labels)
	p = patch(types.JSONPatchType, `[{"op":"test","path":"/metadata/labels/b","value":"c"},{"op":"replace","path":"/metadata/labels/b","value":"d"}]`)
	require.Equal(c.t, map[string]string{"b": "d"}, p.Labels)
	require.Equal(c.t, pod.UID, p.UID)
}

func patchRefused(c cluster) {
	c.configMap("a", nil)
	patch := func(name string, typ types.PatchType, text string) error {
		_, err := c.CoreV1().ConfigMaps(c.ns).Patch(c.ctx(), name, typ, []byte(text), metav1.PatchOptions{})
		return err
	}
	c.fails(patch("none", types.MergePatchType, `{}`), http.StatusNotFound, metav1.StatusReasonNotFound, `configmaps "none" not found`)
	c.fails(patch("a", types.JSONPatchType, `[{"op":"test","path":"/data/a","value":"9"}]`), http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
		"the server rejected our request due to an error in our request")
	c.fails(patch("a", types.MergePatchType, `{"metadata":{"name":"b"}}`), http.StatusBadRequest, metav1.StatusReasonBadRequest,
		"the name of the object (b) does not match the name on the URL (a)")
}

func updateWithoutVersion(c cluster) {
	cm := c.configMap("a", nil)
	cm.ResourceVersion, cm.Data["a"] = "", "2"
	_, err := c.CoreV1().ConfigMaps(c.ns).Update(c.ctx(), cm, metav1.UpdateOptions{})
	require.NoError(c.t, err)

	// A Lease is created by an update, and not updated without a version.
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "l"}, Spec: coordinationv1.LeaseSpec{HolderIdentity: new("a")}}
	created, err := c.CoordinationV1().Leases(c.ns).Update(c.ctx(), lease, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.NotEmpty(c.t, created.UID)
	lease.Spec.HolderIdentity = new("b")
	_, err = c.CoordinationV1().Leases(c.ns).Update(c.ctx(), lease, metav1.UpdateOptions{})
	c.fails(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
		`leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update`)
}

func noChange(c cluster) {
	cm := c.configMap("a", nil)
	same, err := c.CoreV1().ConfigMaps(c.ns).Update(c.ctx(), cm, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.Equal(c.t, cm.ResourceVersion, same.ResourceVersion)
	require.Equal(c.t, cm.ResourceVersion, c.set("1").ResourceVersion)
	require.NotEqual(c.t, cm.ResourceVersion, c.set("2").ResourceVersion)
}

func updateRefused(c cluster) {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "none"}}
	_, err := c.CoreV1().ConfigMaps(c.ns).Update(c.ctx(), cm, metav1.UpdateOptions{})
	c.fails(err, http.StatusNotFound, metav1.StatusReasonNotFound, `configmaps "none" not found`)
	_, err = c.CoreV1().ConfigMaps("").Create(c.ctx(), cm, metav1.CreateOptions{})
	c.fails(err, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, "the server does not allow this method on the requested resource")
}

func generations(c cluster) {
	slice, err := c.DiscoveryV1().EndpointSlices(c.ns).Create(c.ctx(), &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "s"}, AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{},
	}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	require.EqualValues(c.t, 1, slice.Generation)
	patch := func(text string) int64 {
		s, err := c.DiscoveryV1().EndpointSlices(c.ns).Patch(c.ctx(), "s", types.MergePatchType, []byte(text), metav1.PatchOptions{})
		require.NoError(c.t, err)
		return s.Generation
	}
	require.EqualValues(c.t, 1, patch(`{"metadata":{"annotations":{"a":"b"}}}`))
	require.EqualValues(c.t, 2, patch(`{"endpoints":[{"addresses":["10.0.0.1"]}]}`))
	require.EqualValues(c.t, 3, patch(`{"metadata":{"labels":{"a":"b"}}}`))
	require.EqualValues(c.t, 3, patch(`{"metadata":{"generation":9}}`))

	ing := networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: "i"}, Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: "s", Port: networkingv1.ServiceBackendPort{Number: 80}},
	}}}
	created, err := c.NetworkingV1().Ingresses(c.ns).Create(c.ctx(), &ing, metav1.CreateOptions{})
	require.NoError(c.t, err)
	require.EqualValues(c.t, 1, created.Generation)
	created.Labels = map[string]string{"a": "b"}
	created, err = c.NetworkingV1().Ingresses(c.ns).Update(c.ctx(), created, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.EqualValues(c.t, 1, created.Generation)
	created.Spec.DefaultBackend.Service.Name = "t"
	created, err = c.NetworkingV1().Ingresses(c.ns).Update(c.ctx(), created, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.EqualValues(c.t, 2, created.Generation)
}

func statusApart(c cluster) {
	pod := c.pod("p")
	require.Equal(c.t, corev1.PodPending, pod.Status.Phase, "creation ignores the status")
	require.EqualValues(c.t, 1, pod.Generation)

	pod.Status.Phase, pod.Labels["a"] = corev1.PodRunning, "b"
	pod, err := c.CoreV1().Pods(c.ns).Update(c.ctx(), pod, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.Equal(c.t, corev1.PodPending, pod.Status.Phase, "the pod itself ignores the status")
	require.Equal(c.t, "b", pod.Labels["a"])

	pod.Status.Phase, pod.Spec.NodeName, pod.Labels["a"] = corev1.PodRunning, "another", "c"
	pod, err = c.CoreV1().Pods(c.ns).UpdateStatus(c.ctx(), pod, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	require.Equal(c.t, corev1.PodRunning, pod.Status.Phase)
	require.Equal(c.t, "no-such-node", pod.Spec.NodeName, "the status ignores the spec")
	require.Equal(c.t, "c", pod.Labels["a"], "the status of a built-in kind carries metadata along")
	require.EqualValues(c.t, 1, pod.Generation)

	pod.ResourceVersion = "1"
	_, err = c.CoreV1().Pods(c.ns).UpdateStatus(c.ctx(), pod, metav1.UpdateOptions{})
	c.fails(err, http.StatusConflict, metav1.StatusReasonConflict,
		`Operation cannot be fulfilled on pods "p": the object has been modified; please apply your changes to the latest version and try again`)
}
