package provision

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/awssim"
)

func TestFirstIngress(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.service("demo0", "echo1")
		w.ingress("demo0", "first", nil, "echo0", "echo1")
		w.start()
		w.settle()
		require.Equal(t, []string{
			"CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "CreateSecurityGroup", "CreateTargetGroup", "CreateTargetGroup",
			"CreateLoadBalancer", "CreateListener", "CreateRule", "CreateRule",
		}, w.writes())
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 2, "rule": 3}, kinds(w.account()))
		require.Equal(t, []string{"demo0/echo0", "demo0/echo1"}, bound(w.loop.Bindings()))
		require.Equal(t, []string{"demo0/first SuccessfullyReconciled: Successfully reconciled"}, w.said())

		ing := w.get("demo0", "first")
		require.Equal(t, []string{"ingress.k8s.aws/resources"}, ing.Finalizers)
		balancers, err := w.aws.ELB.DescribeLoadBalancers(t.Context())
		require.NoError(t, err)
		require.Equal(t, strings.ToLower(balancers[0].DNSName), ing.Status.LoadBalancer.Ingress[0].Hostname)
		require.Equal(t, []networkingv1.IngressPortStatus{{Port: 80, Protocol: "TCP"}}, ing.Status.LoadBalancer.Ingress[0].Ports)
		require.Len(t, balancers[0].SubnetIDs, 2)
	})
}

func TestNothingToDoCostsNoCall(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.settle()
		w.calls()
		w.said()
		w.update("demo0", "first", func(ing *networkingv1.Ingress) { ing.Labels = map[string]string{"irrelevant": "change"} })
		w.service("demo0", "unrelated")
		w.settle()
		require.Empty(t, w.calls())
		require.Empty(t, w.said())
	})
}

func TestRestartChangesNothing(t *testing.T) {
	inWorld(t, awssim.Options{Latency: 100 * time.Millisecond}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", map[string]string{"group.name": "shared"}, "echo0")
		w.ingress("demo0", "second", map[string]string{"group.name": "shared"}, "missing")
		w.start()
		w.settle()
		before := w.loop.Bindings()
		require.Len(t, before, 1)
		w.calls()
		w.halt()
		w.start()

		select {
		case <-w.loop.Changed():
		case <-time.After(time.Minute):
			require.Fail(t, "bindings are not shown after a restart")
		}
		require.Equal(t, before, w.loop.Bindings())
		require.NotContains(t, w.calls(), "DescribeRules", "bindings of what stands come before anything else")
		w.settle()
		require.Empty(t, w.writes())
		require.Equal(t, before, w.loop.Bindings())
	})
}

func TestMembersComeAndGo(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		shared := map[string]string{"group.name": "shared"}
		for _, s := range []string{"demo0/echo0", "demo1/echo1", "demo1/echo2"} {
			namespace, name, _ := strings.Cut(s, "/")
			w.service(namespace, name)
		}
		w.ingress("demo1", "b", shared, "echo1", "echo2")
		w.start()
		w.settle()
		w.calls()
		w.ingress("demo0", "a", shared, "echo0")
		w.settle()
		require.Equal(t, []string{"CreateTargetGroup", "CreateRule", "SetRulePriorities"}, w.writes())
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 3, "rule": 4}, kinds(w.account()))
		require.Equal(t, w.get("demo1", "b").Status, w.get("demo0", "a").Status)

		w.calls()
		w.remove("demo1", "b")
		w.settle()
		require.Equal(t, []string{"DeleteRule", "DeleteRule", "DeleteTargetGroup", "DeleteTargetGroup"}, w.writes())
		require.Equal(t, []string{"demo0/echo0"}, bound(w.loop.Bindings()))
		require.Len(t, w.ingresses(), 1)

		w.remove("demo0", "a")
		w.settle()
		require.Empty(t, w.account())
		require.Empty(t, w.loop.Bindings())
		require.Empty(t, w.ingresses())
	})
}

// An Ingress that moves to another group is served there and leaves nothing behind.
func TestIngressMovesToAnotherGroup(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "a", nil, "echo0")
		w.start()
		w.settle()
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"group.name"] = "shared" })
		w.settle()
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 1, "rule": 2}, kinds(w.account()))
		require.Equal(t, []string{"group.ingress.k8s.aws/shared"}, w.get("demo0", "a").Finalizers)
		require.Contains(t, w.account()[2], "k8s-shared-")
	})
}

func TestIngressDeletedWhileTheLoopIsDown(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.settle()
		w.halt()
		w.remove("demo0", "first")
		w.start()
		w.settle()
		require.Empty(t, w.account())
		require.Empty(t, w.ingresses())
	})
}

// What AWS has to finish first is tried again, and holds no worker.
func TestDeletionWaits(t *testing.T) {
	inWorld(t, awssim.Options{Switches: awssim.Switches{InterfaceLinger: 90 * time.Second}}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.settle()
		w.calls()
		w.remove("demo0", "first")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.NotEmpty(t, w.get("demo0", "first").Finalizers, "the security group still stands")
		w.settle()
		require.Empty(t, w.account())
		require.Empty(t, w.ingresses())
		require.Contains(t, w.passes, "waiting")
		for _, e := range w.said() {
			require.NotContains(t, e, "Failed")
		}
		writes := w.writes()
		require.Less(t, len(writes), 30, "%v", writes)
		require.Equal(t, 1, count(writes, "DeleteLoadBalancer"))
	})
}

func count(in []string, what string) (n int) {
	for _, s := range in {
		if s == what {
			n++
		}
	}
	return n
}

func TestMissingServiceAppears(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.settle()
		require.Contains(t, strings.Join(w.account(), "\n"), "503 Backend service does not exist")
		require.Empty(t, w.loop.Bindings())
		w.calls()
		w.service("demo0", "echo0")
		w.settle()
		require.Equal(t, []string{"CreateTargetGroup", "ModifyRule"}, w.writes())
		require.Equal(t, []string{"demo0/echo0"}, bound(w.loop.Bindings()))
	})
}

// A Service that is made anew is another backend: its group is there before the
// rule turns, and the old one goes after.
func TestTargetGroupIsReplaced(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.settle()
		w.calls()
		svc, err := w.client.CoreV1().Services("demo0").Get(t.Context(), "echo0", metav1.GetOptions{})
		require.NoError(t, err)
		svc = svc.DeepCopy()
		svc.UID = "another"
		_, err = w.client.CoreV1().Services("demo0").Update(t.Context(), svc, metav1.UpdateOptions{})
		require.NoError(t, err)
		w.settle()
		require.Equal(t, []string{"CreateTargetGroup", "ModifyRule", "DeleteTargetGroup"}, w.writes(), "nobody has to wait for an empty one")
		require.Len(t, w.loop.Bindings(), 1)
	})
}

func TestSettingsChangeInPlace(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.settle()
		w.calls()
		w.update("demo0", "first", func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"healthcheck-path"] = "/healthz" })
		w.settle()
		require.Equal(t, []string{"ModifyTargetGroup"}, w.writes())
		require.Contains(t, strings.Join(w.account(), "\n"), "/healthz")
	})
}

func TestBadAnnotationTouchesNothing(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.ingress("demo0", "bad", map[string]string{"scheme": "sideways"}, "echo0")
		w.start()
		w.settle()
		require.Empty(t, w.writes())
		require.Empty(t, w.get("demo0", "bad").Finalizers)
		said := w.said()
		require.NotEmpty(t, said)
		require.Contains(t, said[0], "demo0/bad FailedBuildModel: InvalidAnnotation: ")
		require.Contains(t, said[0], prefix+"scheme")
		w.calls()
		w.update("demo0", "bad", func(ing *networkingv1.Ingress) { ing.Labels = map[string]string{"a": "b"} })
		w.settle()
		require.Empty(t, w.said(), "a problem is told once")
		require.Empty(t, w.calls())
	})
}

// A member that turns bad keeps what stands, also over a restart, while another
// member goes on being served.
func TestBadMemberKeepsWhatStands(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		shared := map[string]string{"group.name": "shared"}
		w.service("demo0", "echo0")
		w.service("demo0", "echo1")
		w.service("demo0", "echo2")
		w.ingress("demo0", "a", shared, "echo0")
		w.ingress("demo0", "b", shared, "echo1")
		w.start()
		w.settle()
		before := w.account()
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"target-type"] = "typo" })
		w.settle()
		require.Equal(t, before, w.account())
		w.restart()
		require.Equal(t, before, w.account())
		require.Equal(t, []string{"demo0/echo0", "demo0/echo1"}, bound(w.loop.Bindings()))
		w.said()
		w.calls()
		w.update("demo0", "b", func(ing *networkingv1.Ingress) {
			ing.Spec.Rules = []networkingv1.IngressRule{rulesTo("echo1", "echo2")}
		})
		w.settle()
		require.Equal(t, []string{"CreateTargetGroup", "CreateRule"}, w.writes())
		require.Equal(t, []string{"demo0/b SuccessfullyReconciled: Successfully reconciled"}, w.said())
	})
}

// When all members are bad, nothing is touched and targets are still synced.
func TestHold(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "a", nil, "echo0")
		w.start()
		w.settle()
		w.calls()
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"target-type"] = "typo" })
		w.restart()
		require.Empty(t, w.writes())
		require.Equal(t, []string{"demo0/echo0"}, bound(w.loop.Bindings()))
	})
}
