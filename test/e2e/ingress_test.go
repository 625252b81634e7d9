package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rules returns how many rules the only listener of the only load balancer has,
// the default rule included.
func (w *world) rules(ctx context.Context) (int, error) {
	lbs, err := w.Account().LoadBalancers(ctx)
	if err != nil || len(lbs) != 1 {
		return 0, fmt.Errorf("%d load balancers, %w", len(lbs), err)
	}
	listeners, err := w.Account().Listeners(ctx, lbs[0].LoadBalancerArn)
	if err != nil || len(listeners) != 1 {
		return 0, fmt.Errorf("%d listeners, %w", len(listeners), err)
	}
	rules, err := w.Account().Rules(ctx, listeners[0].ListenerArn)
	return len(rules), err
}

func (w *world) hasRules(want int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d rules", want), func(ctx context.Context) error {
		n, err := w.rules(ctx)
		if err == nil && n != want {
			err = fmt.Errorf("%d rules", n)
		}
		return err
	})
}

// TestTwoIngressesInAGroup waits for the end of the backend security group, a minute.
func TestTwoIngressesInAGroup(t *testing.T) {
	t.Parallel()
	w := start(t)
	group := map[string]string{"group.name": "shared"}
	w.apply(namespace("demo0"), namespace("demo1"),
		echo("demo0", "echo0", echoOptions{replicas: 1}), echo("demo1", "echo1", echoOptions{replicas: 1}),
		ingress("demo0", "web", group, "echo0"), ingress("demo1", "web", group, "echo1"))
	dns := w.dnsName("demo0", "web")
	require.Equal(t, dns, w.dnsName("demo1", "web"))
	w.hasRules(3)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")
	w.answers(dns, "/echo1", http.StatusOK, "echo1\n")

	w.deleteIngress("demo1", "web")
	w.hasRules(2)
	w.answers(dns, "/echo1", http.StatusNotFound, "")
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")

	w.deleteIngress("demo0", "web")
	w.emptyInTheEnd()
}

func TestIngressDeletedWhileTheDaemonIsDown(t *testing.T) {
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 1}), echo("demo0", "echo1", echoOptions{replicas: 1}),
		ingress("demo0", "going", nil, "echo0"), ingress("demo0", "staying", nil, "echo1"))
	w.answers(w.dnsName("demo0", "going"), "/echo0", http.StatusOK, "echo0\n")
	dns := w.dnsName("demo0", "staying")
	w.answers(dns, "/echo1", http.StatusOK, "echo1\n")

	require.NoError(t, w.StopDaemon())
	w.deleteIngress("demo0", "going")
	_, err := w.Clientset().NetworkingV1().Ingresses("demo0").Get(t.Context(), "going", metav1.GetOptions{})
	require.NoError(t, err, "the finalizer keeps it until AWS is done")
	w.startDaemon()
	w.hasRules(2) // of the one load balancer that is left
	w.answers(dns, "/echo1", http.StatusOK, "echo1\n")

	w.deleteIngress("demo0", "staying")
	w.empty()
}

// TestRestartChangesNothing starts the daemon on a cluster and an account that are
// as they should be.
func TestRestartChangesNothing(t *testing.T) {
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}), ingress("demo0", "web", nil, "echo0"))
	dns := w.dnsName("demo0", "web")
	w.synced("demo0", "echo0", 2)
	require.NoError(t, w.StopDaemon())
	calls := len(w.Sim().Calls())
	w.startDaemon()
	w.scale("demo0", "echo0", 3)
	w.synced("demo0", "echo0", 3)
	w.onlyRegistered(calls)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")
	require.NotContains(t, w.logs()["tgsync.log"], `"level":"ERROR"`)
}

func TestMissingService(t *testing.T) {
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 1}), ingress("demo0", "web", nil, "echo0", "echo1"))
	dns := w.dnsName("demo0", "web")
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")
	w.answers(dns, "/echo1", http.StatusServiceUnavailable, "Backend service does not exist")
	w.warned("demo0", "web", "echo1")

	w.apply(echo("demo0", "echo1", echoOptions{replicas: 1}))
	w.answers(dns, "/echo1", http.StatusOK, "echo1\n")
}

// TestBadAnnotation breaks one member of a group that is being served, and then
// changes the other.
func TestBadAnnotation(t *testing.T) {
	w := start(t)
	group := map[string]string{"group.name": "shared"}
	w.apply(namespace("demo0"),
		echo("demo0", "echo0", echoOptions{replicas: 1}), echo("demo0", "echo1", echoOptions{replicas: 1}), echo("demo0", "echo2", echoOptions{replicas: 1}),
		ingress("demo0", "good", group, "echo0"), ingress("demo0", "bad", group, "echo1"))
	dns := w.dnsName("demo0", "bad")
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")
	w.answers(dns, "/echo1", http.StatusOK, "echo1\n")
	w.synced("demo0", "echo0", 1)
	w.synced("demo0", "echo1", 1)
	w.opened()

	calls := len(w.Sim().Calls())
	w.annotate("demo0", "bad", "healthcheck-interval-seconds", "soon")
	w.warned("demo0", "bad", "healthcheck-interval-seconds", "soon")
	w.answers(dns, "/echo1", http.StatusOK, "echo1\n")

	// The good member goes on. Its pass comes after the bad one's, so what both did is
	// known by now. Then the bad one's pods are still followed.
	w.apply(ingress("demo0", "good", group, "echo0", "echo2"))
	w.answers(dns, "/echo2", http.StatusOK, "echo2\n")
	require.ElementsMatch(t, []string{"CreateTargetGroup", "RegisterTargets", "CreateRule"}, w.mutations(calls), "nothing of the bad one is touched")
	w.scale("demo0", "echo1", 2)
	w.synced("demo0", "echo1", 2)
	w.hasRules(4)

	w.annotate("demo0", "bad", "healthcheck-interval-seconds", "20")
	w.deleteIngress("demo0", "bad")
	w.hasRules(3)
	w.deleteIngress("demo0", "good")
	w.empty()
}
