package kubesim

import (
	"net/http"
	"strconv"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func readChecks() map[string]func(cluster) {
	return map[string]func(cluster){
		"a list is selected":                      selectors,
		"a list has pages":                        pages,
		"a list goes back to a version":           exactVersion,
		"a list of the future is refused":         futureRead,
		"a list from before the history is gone":  expiredList,
		"a list is refused":                       listRefused,
		"resource versions are one global number": versionsGrow,
	}
}

// list leaves out what a real cluster puts into every namespace.
func (c cluster) list(o metav1.ListOptions) *corev1.ConfigMapList {
	c.t.Helper()
	list, err := c.CoreV1().ConfigMaps(c.ns).List(c.ctx(), o)
	require.NoError(c.t, err)
	return list
}

func (c cluster) names(o metav1.ListOptions) []string {
	c.t.Helper()
	var names []string
	for _, cm := range c.list(o).Items {
		names = append(names, cm.Name)
	}
	return names
}

func selectors(c cluster) {
	for _, name := range []string{"b", "a", "c"} {
		c.configMap(name, map[string]string{"x": name})
	}
	require.Equal(c.t, []string{"a", "b", "c"}, c.names(metav1.ListOptions{LabelSelector: "x"}))
	require.Equal(c.t, []string{"a", "c"}, c.names(metav1.ListOptions{LabelSelector: "x in (a,c)"}))
	require.Equal(c.t, []string{"b"}, c.names(metav1.ListOptions{FieldSelector: "metadata.name=b"}))
	require.Equal(c.t, []string{"b"}, c.names(metav1.ListOptions{FieldSelector: "metadata.name!=a", LabelSelector: "x!=c,x"}))
	require.Equal(c.t, []string{"b"}, c.names(metav1.ListOptions{FieldSelector: "metadata.name=b", ResourceVersion: "0"}))

	c.pod("p")
	pods, err := c.CoreV1().Pods("").List(c.ctx(), metav1.ListOptions{FieldSelector: "spec.nodeName=no-such-node,metadata.namespace=" + c.ns})
	require.NoError(c.t, err)
	require.Len(c.t, pods.Items, 1)
}

func pages(c cluster) {
	for _, name := range []string{"a", "b", "c", "d"} {
		c.configMap(name, map[string]string{"x": "1"})
	}
	first := c.list(metav1.ListOptions{LabelSelector: "x", Limit: 2})
	require.Len(c.t, first.Items, 2)
	require.NotEmpty(c.t, first.Continue)
	require.Nil(c.t, first.RemainingItemCount, "nobody counts behind a selector")
	c.configMap("e", map[string]string{"x": "1"})
	second := c.list(metav1.ListOptions{LabelSelector: "x", Limit: 1, Continue: first.Continue})
	require.Equal(c.t, "c", second.Items[0].Name)
	require.Equal(c.t, first.ResourceVersion, second.ResourceVersion)
	require.Equal(c.t, []string{"d"}, c.names(metav1.ListOptions{LabelSelector: "x", Limit: 9, Continue: second.Continue}), "all pages show one state")

	whole := c.list(metav1.ListOptions{})
	part := c.list(metav1.ListOptions{Limit: 1})
	require.EqualValues(c.t, len(whole.Items)-1, *part.RemainingItemCount)
	require.Len(c.t, c.names(metav1.ListOptions{Limit: 1, ResourceVersion: "0", LabelSelector: "x"}), 5, "the watch cache has no pages")
}

func exactVersion(c cluster) {
	c.configMap("a", map[string]string{"x": "1"})
	b := c.configMap("b", map[string]string{"x": "1"})
	c.set("2")
	require.NoError(c.t, c.CoreV1().ConfigMaps(c.ns).Delete(c.ctx(), "b", metav1.DeleteOptions{}))
	c.configMap("c", map[string]string{"x": "1"})

	o := metav1.ListOptions{LabelSelector: "x", ResourceVersion: b.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact}
	list := c.list(o)
	require.Equal(c.t, []string{"a", "b"}, c.names(o))
	require.Equal(c.t, "1", list.Items[0].Data["a"])
	require.Equal(c.t, b.ResourceVersion, list.ResourceVersion)
	o.ResourceVersionMatch = metav1.ResourceVersionMatchNotOlderThan
	require.Equal(c.t, []string{"a", "c"}, c.names(o))
	o.ResourceVersionMatch = ""
	require.Equal(c.t, []string{"a", "c"}, c.names(o))
	o.Limit = 5
	require.Equal(c.t, []string{"a", "b"}, c.names(o), "a limit makes the version exact")
}

func futureRead(c cluster) {
	// The answer asks to come again, and client-go would, ten times.
	err := c.CoreV1().RESTClient().Get().Namespace(c.ns).Resource("configmaps").Param("resourceVersion", "999999999").MaxRetries(0).Do(c.ctx()).Error()
	require.True(c.t, apierrors.IsTimeout(err), "%v", err)
	require.True(c.t, apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge))
	require.Regexp(c.t, `Too large resource version: 999999999, current: \d+$`, err.Error())
}

func expiredList(c cluster) {
	_, err := c.CoreV1().ConfigMaps(c.ns).List(c.ctx(), metav1.ListOptions{ResourceVersion: "1", ResourceVersionMatch: metav1.ResourceVersionMatchExact})
	if err == nil {
		c.t.Skip("this server has not forgotten its beginning yet")
	}
	c.fails(err, http.StatusGone, metav1.StatusReasonExpired, "The resourceVersion for the provided list is too old.")
}

func listRefused(c cluster) {
	list := func(o metav1.ListOptions) error {
		_, err := c.CoreV1().ConfigMaps(c.ns).List(c.ctx(), o)
		return err
	}
	c.fails(list(metav1.ListOptions{FieldSelector: "data.a=1"}), http.StatusBadRequest, metav1.StatusReasonBadRequest,
		`"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"`)
	_, err := c.CoreV1().Pods(c.ns).List(c.ctx(), metav1.ListOptions{FieldSelector: "spec.x=1"})
	c.fails(err, http.StatusBadRequest, metav1.StatusReasonBadRequest, "field label not supported: spec.x")
	c.fails(list(metav1.ListOptions{ResourceVersionMatch: metav1.ResourceVersionMatchExact}), http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
		`ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided`)
	_, err = c.CoreV1().ConfigMaps(c.ns).Watch(c.ctx(), metav1.ListOptions{SendInitialEvents: new(true)})
	c.fails(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
		`ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan`)
}

func versionsGrow(c cluster) {
	version := func(text string) uint64 {
		rv, err := strconv.ParseUint(text, 10, 64)
		require.NoError(c.t, err)
		return rv
	}
	w := c.watch(metav1.ListOptions{FieldSelector: "metadata.name=a", ResourceVersion: c.list(metav1.ListOptions{}).ResourceVersion})
	a := version(c.configMap("a", nil).ResourceVersion)
	p := version(c.pod("p").ResourceVersion)
	require.Greater(c.t, p, a)
	require.NoError(c.t, c.CoreV1().ConfigMaps(c.ns).Delete(c.ctx(), "a", metav1.DeleteOptions{}))
	require.GreaterOrEqual(c.t, version(c.list(metav1.ListOptions{}).ResourceVersion), p)
	require.Equal(c.t, a, version(w.next(watch.Added).GetResourceVersion()))
	require.Greater(c.t, version(w.next(watch.Deleted).GetResourceVersion()), p, "a deletion is a version too")
}
