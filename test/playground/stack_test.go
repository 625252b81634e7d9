package playground

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// startStack starts everything but the daemon, with the binaries that
// TGSYNC_TEST_BIN names; without it the test is skipped.
func startStack(t *testing.T, o Options) *Stack {
	t.Helper()
	o.BinDir = os.Getenv("TGSYNC_TEST_BIN")
	if o.BinDir == "" {
		t.Skip("TGSYNC_TEST_BIN names no directory of binaries")
	}
	s, err := Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

const sleepyPod = `
apiVersion: v1
kind: Service
metadata: {name: sleepy}
spec:
  selector: {app: sleepy}
  ports: [{port: 80, targetPort: 8000}]
---
apiVersion: v1
kind: Pod
metadata: {name: sleepy, labels: {app: sleepy}}
spec:
  containers:
  - name: echo
    image: hashicorp/http-echo
    args: [-listen=:8000, -text=zzz]
    lifecycle: {preStop: {sleep: {seconds: 1}}}
`

// sleepy looks at the pod above and at its Service's endpoint.
type sleepy struct {
	*testing.T
	*Stack
}

func (s sleepy) endpoint() (discoveryv1.Endpoint, bool) {
	s.Helper()
	list, err := s.Clientset().DiscoveryV1().EndpointSlices("default").List(s.Context(),
		metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=sleepy"})
	require.NoError(s, err)
	for i := range list.Items {
		for _, e := range list.Items[i].Endpoints {
			return e, true
		}
	}
	return discoveryv1.Endpoint{}, false
}

// await waits until the endpoint has these conditions.
func (s sleepy) await(ready, serving, terminating bool) {
	s.Helper()
	var last string
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	want := fmt.Sprint("there: true, ready: ", ready, ", serving: ", serving, ", terminating: ", terminating)
	err := poll(ctx, func(context.Context) error {
		e, ok := s.endpoint()
		c := e.Conditions
		last = fmt.Sprint("there: ", ok, ", ready: ", isTrue(c.Ready), ", serving: ", isTrue(c.Serving), ", terminating: ", isTrue(c.Terminating))
		if last != want {
			return errors.New(last)
		}
		return nil
	}, nil)
	require.NoError(s, err, "want %s", want)
}

func isTrue(b *bool) bool { return b != nil && *b }

func (s sleepy) pod() *corev1.Pod {
	s.Helper()
	pod, err := s.Clientset().CoreV1().Pods("default").Get(s.Context(), "sleepy", metav1.GetOptions{})
	require.NoError(s, err)
	return pod
}

// annotate sets the annotation that KWOK's stages read.
func (s sleepy) annotate(ready bool) {
	s.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"playground.tgsync.io/ready":%q}}}`, strconv.FormatBool(ready))
	_, err := s.Clientset().CoreV1().Pods("default").Patch(s.Context(), "sleepy", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(s, err)
}

func TestStack(t *testing.T) {
	stack := startStack(t, Options{})
	t.Run("pod life", func(t *testing.T) { testPodLife(t, stack) })
	t.Run("grace period", func(t *testing.T) { testGracePeriod(t, stack) })
	t.Run("account", func(t *testing.T) { testAccount(t, stack) })
	t.Run("cluster of somebody else's", func(t *testing.T) { testGivenCluster(t, stack) })
}

func testPodLife(t *testing.T, stack *Stack) {
	t.Helper()
	require.NoError(t, stack.Apply(t.Context(), []byte(sleepyPod)))
	s := sleepy{t, stack}

	s.await(true, true, false)
	pod := s.pod()
	ip, ok := stack.network.loopbackOf(pod.Status.PodIP)
	require.True(t, ok, pod.Status.PodIP)
	address := ip.String() + ":8000"
	require.Eventually(t, func() bool { return reachable(address) }, 5*time.Second, time.Millisecond)
	require.NoError(t, stack.ok(t.Context(), "http://"+address+"/healthcheck"))

	s.annotate(false)
	s.await(false, false, false)
	require.True(t, reachable(address), "a container that is not ready runs")
	s.annotate(true)
	s.await(true, true, false)

	begin := time.Now()
	require.NoError(t, stack.Delete(t.Context(), []byte("{apiVersion: v1, kind: Pod, metadata: {name: sleepy}}")))
	s.await(false, true, true)
	require.True(t, reachable(address), "a container goes on during its preStop sleep")
	s.await(false, false, true)
	require.False(t, reachable(address), "what does not serve refuses connections")
	require.Eventually(t, func() bool { _, ok := s.endpoint(); return !ok }, 20*time.Second, 10*time.Millisecond)
	require.Less(t, time.Since(begin), 15*time.Second, "the pod waited for its grace period")
}

// A pod that is not played here goes when its grace period ends.
func testGracePeriod(t *testing.T, stack *Stack) {
	t.Helper()
	const pod = `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: nginx}], terminationGracePeriodSeconds: 2}}`
	require.NoError(t, stack.Apply(t.Context(), []byte(pod)))
	pods := stack.Clientset().CoreV1().Pods("default")
	require.Eventually(t, func() bool {
		p, err := pods.Get(t.Context(), "p", metav1.GetOptions{})
		return err == nil && p.Status.Phase == corev1.PodRunning
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, stack.Delete(t.Context(), []byte(pod)))
	_, err := pods.Get(t.Context(), "p", metav1.GetOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := pods.Get(t.Context(), "p", metav1.GetOptions{})
		return err != nil
	}, 20*time.Second, 10*time.Millisecond)
}

func testAccount(t *testing.T, stack *Stack) {
	t.Helper()
	account := stack.Account()
	balancers, err := account.LoadBalancers(t.Context())
	require.NoError(t, err)
	require.Empty(t, balancers)
	groups, err := account.TargetGroups(t.Context())
	require.NoError(t, err)
	require.Empty(t, groups)
	security, err := account.SecurityGroups(t.Context())
	require.NoError(t, err)
	require.Empty(t, security)
	_, err = account.Rules(t.Context(), "arn:aws:elasticloadbalancing:"+Region+":123456789012:listener/app/none/0/0")
	require.ErrorContains(t, err, "DescribeRules")
	_, err = stack.ConnectTo("none", 80)
	require.Error(t, err)

	for range 100 {
		_, err = account.TargetGroups(t.Context())
		require.NoError(t, err)
	}
	require.Empty(t, stack.Sim().Calls(), "who looks is not seen")
	account.accessKeyID = AccessKeyID
	for err == nil && len(stack.Sim().Calls()) < 1000 {
		_, err = account.TargetGroups(t.Context())
	}
	require.ErrorContains(t, err, "Rate exceeded", "the daemon has AWS's rates")

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com/", http.NoBody)
	require.NoError(t, err)
	_, err = stack.HTTPClient().Do(request) //nolint:bodyclose // there is no answer
	require.ErrorContains(t, err, "no such host", "this world has no other machines")
}

// testGivenCluster uses the stack's cluster for a second one, which leaves it as it
// was.
func testGivenCluster(t *testing.T, stack *Stack) {
	t.Helper()
	nodes := func() int {
		list, err := stack.Clientset().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		return len(list.Items)
	}
	guest := startStack(t, Options{Kubeconfig: stack.Kubeconfig()})
	require.Equal(t, 6, nodes())
	require.NoError(t, guest.Close())
	require.Equal(t, 3, nodes())
	require.NoDirExists(t, guest.Dir())
}

func TestTwoStacksSideBySide(t *testing.T) {
	first, second := startStack(t, Options{}), startStack(t, Options{})
	require.NotEqual(t, first.network, second.network)
	require.NotEqual(t, first.Config().Host, second.Config().Host)
	for _, s := range []*Stack{first, second} {
		nodes, err := s.Clientset().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Len(t, nodes.Items, 3)
		require.NoError(t, s.Close())
		require.NoDirExists(t, s.Dir())
	}
}
