package kubesim

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// begin makes a server for the bubble that it is called in, and two clients: the
// product's and the world's.
func begin(t *testing.T, o Options) (s *Server, client, world kubernetes.Interface) {
	t.Helper()
	s = New(o)
	t.Cleanup(s.Close)
	return s, clientset(t, s.Config(), "product"), clientset(t, s.Admin(), "world")
}

func clientset(t *testing.T, c *rest.Config, agent string) kubernetes.Interface {
	t.Helper()
	c.UserAgent = agent
	client, err := kubernetes.NewForConfig(c)
	require.NoError(t, err)
	return client
}

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"a": value}}
}

func create(t *testing.T, client kubernetes.Interface, name string) *corev1.ConfigMap {
	t.Helper()
	cm, err := client.CoreV1().ConfigMaps("ns").Create(t.Context(), configMap(name, "1"), metav1.CreateOptions{})
	require.NoError(t, err)
	return cm
}

func get(ctx context.Context, client kubernetes.Interface, name string) error {
	_, err := client.CoreV1().ConfigMaps("ns").Get(ctx, name, metav1.GetOptions{})
	return err
}

func TestFaults(t *testing.T) {
	tests := map[string]struct {
		fault Fault
		check func(error) bool
	}{
		"conflict":           {Fault{Code: http.StatusConflict, Reason: metav1.StatusReasonConflict}, apierrors.IsConflict},
		"server error":       {Fault{Code: http.StatusInternalServerError, Message: "etcdserver: leader changed"}, apierrors.IsInternalError},
		"forbidden":          {Fault{Code: http.StatusForbidden}, apierrors.IsForbidden},
		"gone":               {Fault{Code: http.StatusGone}, apierrors.IsResourceExpired},
		"refused connection": {Fault{Refuse: true}, utilnet.IsConnectionRefused},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client, world := begin(t, Options{})
				create(t, world, "a")
				test.fault.Match = Match{Verb: "patch", Resource: "configmaps", UserAgent: "product"}
				test.fault.Times = 2
				s.Inject(test.fault)
				patch := func(client kubernetes.Interface) error {
					_, err := client.CoreV1().ConfigMaps("ns").Patch(t.Context(), "a", types.MergePatchType, []byte(`{"data":{"a":"2"}}`), metav1.PatchOptions{})
					return err
				}
				require.NoError(t, get(t.Context(), client, "a"), "another verb")
				for range 2 {
					err := patch(client)
					require.Error(t, err)
					require.True(t, test.check(err), "%v", err)
				}
				cm, err := world.CoreV1().ConfigMaps("ns").Get(t.Context(), "a", metav1.GetOptions{})
				require.NoError(t, err)
				require.Equal(t, "1", cm.Data["a"], "no effect")
				require.NoError(t, patch(client), "the fault has hit twice")
			})
		})
	}
}

func TestFaultOfSubresource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		_, err := world.CoreV1().Pods("ns").Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, metav1.CreateOptions{})
		require.NoError(t, err)
		s.Inject(Fault{Match: Match{Resource: "pods/status"}, Code: http.StatusForbidden})
		patch := func(sub ...string) error {
			_, err := client.CoreV1().Pods("ns").Patch(t.Context(), "p", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}, sub...)
			return err
		}
		require.NoError(t, patch())
		require.True(t, apierrors.IsForbidden(patch("status")))
		s.ClearFaults()
		require.NoError(t, patch("status"))
	})
}

func TestRetryAfterIsHeardByClientGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, _ := begin(t, Options{})
		s.Inject(Fault{Match: Match{Verb: "create"}, Times: 2, Code: http.StatusTooManyRequests, RetryAfter: 3})
		began := time.Now()
		create(t, client, "a")
		require.Equal(t, 6*time.Second, time.Since(began))
		require.Len(t, s.Calls(), 3)
	})
}

func TestLostResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		s.Inject(Fault{Match: Match{Verb: "create"}, Times: 1, LoseResponse: true})
		_, err := client.CoreV1().ConfigMaps("ns").Create(t.Context(), configMap("a", "1"), metav1.CreateOptions{})
		require.True(t, utilnet.IsConnectionReset(err), "%v", err)
		require.NoError(t, get(t.Context(), world, "a"), "it had its effect")
		require.True(t, s.Calls()[0].Lost)
		require.Equal(t, http.StatusCreated, s.Calls()[0].Code)
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{Latency: 20 * time.Millisecond})
		began := time.Now()
		create(t, world, "a")
		require.Zero(t, time.Since(began), "the world does not wait")
		require.NoError(t, get(t.Context(), client, "a"))
		require.Equal(t, 20*time.Millisecond, time.Since(began))
		require.Equal(t, began.Add(10*time.Millisecond), s.Calls()[0].Time)

		s.Inject(Fault{Match: Match{Verb: "create"}, Latency: time.Second})
		for name, after := range map[string]time.Duration{"before": 100 * time.Millisecond, "after": 900 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			_, err := client.CoreV1().ConfigMaps("ns").Create(ctx, configMap(name, "1"), metav1.CreateOptions{})
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.True(t, apierrors.IsNotFound(get(t.Context(), world, "before")))
		require.NoError(t, get(t.Context(), world, "after"))
	})
}

func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{Latency: time.Second})
		w, err := client.CoreV1().ConfigMaps("ns").Watch(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		defer w.Stop()
		go func() {
			time.Sleep(100 * time.Millisecond)
			s.SetDown(true)
		}()
		_, err = client.CoreV1().ConfigMaps("ns").Create(t.Context(), configMap("a", "1"), metav1.CreateOptions{})
		require.True(t, utilnet.IsConnectionReset(err), "in flight: %v", err)
		_, open := <-w.ResultChan()
		require.False(t, open)
		require.True(t, utilnet.IsConnectionRefused(get(t.Context(), client, "a")))
		require.True(t, apierrors.IsNotFound(get(t.Context(), world, "a")), "the world still sees it")
		s.SetDown(false)
		require.True(t, apierrors.IsNotFound(get(t.Context(), client, "a")))
	})
}

func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		began := time.Now()
		create(t, world, "a")
		require.Error(t, get(t.Context(), client, "b"))
		w, err := client.CoreV1().ConfigMaps("ns").Watch(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		w.Stop()
		_, err = client.CoreV1().Pods("ns").UpdateStatus(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, metav1.UpdateOptions{})
		require.Error(t, err)
		call := Call{Time: began, Namespace: "ns", UserAgent: "product"}
		get, watch, update := call, call, call
		get.Verb, get.Resource, get.Name, get.Code = "get", "configmaps", "b", http.StatusNotFound
		watch.Verb, watch.Resource, watch.Code = "watch", "configmaps", http.StatusOK
		update.Verb, update.Resource, update.Subresource, update.Name, update.Code = "update", "pods", "status", "p", http.StatusNotFound
		require.Equal(t, []Call{get, watch, update}, s.Calls())
	})
}

func TestCallsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, _ := begin(t, Options{KeepCalls: 3})
		for n := range 10 {
			require.Error(t, get(t.Context(), client, strconv.Itoa(n)))
		}
		calls := s.Calls()
		require.GreaterOrEqual(t, len(calls), 3)
		require.LessOrEqual(t, len(calls), 6)
		require.Equal(t, "9", calls[len(calls)-1].Name)
	})
}

func TestSeed(t *testing.T) {
	// UIDs and generated names depend on the seed and on what they are for, not on
	// what else happens.
	identities := func(seed uint64, others int) (ids []string) {
		synctest.Test(t, func(t *testing.T) {
			_, client, _ := begin(t, Options{Seed: seed})
			for n := range others {
				create(t, client, "other"+strconv.Itoa(n))
			}
			for range 2 {
				cm := create(t, client, "a")
				generated, err := client.CoreV1().ConfigMaps("ns").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "g-"}}, metav1.CreateOptions{})
				require.NoError(t, err)
				ids = append(ids, string(cm.UID), generated.Name, string(generated.UID))
				require.NoError(t, client.CoreV1().ConfigMaps("ns").Delete(t.Context(), "a", metav1.DeleteOptions{}))
			}
		})
		return ids
	}
	first := identities(1, 0)
	require.Equal(t, first, identities(1, 3))
	require.NotEqual(t, first[0], first[3], "another object of the same name")
	require.NotContains(t, identities(2, 0), first[0])
}

func TestPaginationOverCompaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, _ := begin(t, Options{})
		for _, name := range []string{"a", "b", "c"} {
			create(t, client, name)
		}
		maps := client.CoreV1().ConfigMaps("ns")
		first, err := maps.List(t.Context(), metav1.ListOptions{Limit: 1})
		require.NoError(t, err)
		create(t, client, "bb")
		s.Compact()
		_, err = maps.List(t.Context(), metav1.ListOptions{Limit: 1, Continue: first.Continue})
		require.True(t, apierrors.IsResourceExpired(err), "%v", err)
		var status apierrors.APIStatus
		require.ErrorAs(t, err, &status)
		rest, err := maps.List(t.Context(), metav1.ListOptions{Continue: status.Status().Continue})
		require.NoError(t, err)
		require.Len(t, rest.Items, 3, "the rest of what is there now: b, bb, c")
		_, err = maps.List(t.Context(), metav1.ListOptions{ResourceVersion: first.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact})
		require.True(t, apierrors.IsResourceExpired(err), "%v", err)
	})
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, _ := begin(t, Options{Window: 5})
		var versions []string
		for n := range 50 {
			versions = append(versions, create(t, client, strconv.Itoa(n)).ResourceVersion)
		}
		for n, want := range map[int]watch.EventType{10: watch.Error, 44: watch.Added} {
			w, err := client.CoreV1().ConfigMaps("ns").Watch(t.Context(), metav1.ListOptions{ResourceVersion: versions[n]})
			require.NoError(t, err)
			require.Equal(t, want, (<-w.ResultChan()).Type)
			w.Stop()
		}
	})
}
