package provision

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/test/awssim"
)

// served makes a world that serves some Services and has been left by its leader.
func (w *world) served(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.service("demo0", name)
	}
	w.ingress("demo0", "first", nil, names...)
	w.start()
	w.settle()
	w.halt()
	w.calls()
}

// firstBindings starts the loop and returns the Services that it first shows a target
// group for.
func (w *world) firstBindings() []string {
	w.t.Helper()
	w.start()
	select {
	case <-w.loop.Changed():
	case <-time.After(time.Minute):
		require.Fail(w.t, "no bindings are shown")
	}
	return bound(w.loop.Bindings())
}

// TestUrgentTargetGroupsAreFoundFirst: a few calls, and the one whose pods have changed
// can be synced.
func TestUrgentTargetGroupsAreFoundFirst(t *testing.T) {
	inWorld(t, awssim.Options{Latency: 60 * time.Millisecond}, func(w *world) {
		t := w.t
		w.served("echo0", "echo1")
		// echo2 has no target group yet: AWS refuses a call that names one like that.
		w.service("demo0", "echo2")
		w.update("demo0", "first", func(ing *networkingv1.Ingress) {
			ing.Spec.Rules = []networkingv1.IngressRule{rulesTo("echo0", "echo1", "echo2")}
		})
		w.urgent = map[types.NamespacedName]bool{
			{Namespace: "demo0", Name: "echo1"}: true, {Namespace: "demo0", Name: "echo2"}: true, {Namespace: "demo0", Name: "other"}: true,
		}
		require.Equal(t, []string{"demo0/echo1"}, w.firstBindings())
		require.Equal(t, []string{
			"DescribeTargetGroups", "DescribeTargetGroups", "DescribeTags", "DescribeTargetGroups",
		}, w.calls(), "both, each, and the tags of the one that is there")
		w.settle()
		require.Equal(t, []string{"demo0/echo0", "demo0/echo1", "demo0/echo2"}, bound(w.loop.Bindings()))
	})
}

// TestNothingUrgentIsNotLookedUp: the inventory comes first then.
func TestNothingUrgentIsNotLookedUp(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.served("echo0")
		require.Equal(t, []string{"demo0/echo0"}, w.firstBindings())
		require.Equal(t, "DescribeLoadBalancers", w.calls()[0])
	})
}

// TestStandbyKnowsTargetGroups: who stood by shows what stands without a call.
func TestStandbyKnowsTargetGroups(t *testing.T) {
	inWorld(t, awssim.Options{Latency: 60 * time.Millisecond}, func(w *world) {
		t := w.t
		w.served("echo0", "echo1")
		for n := range 25 { // of somebody else
			_, err := w.aws.ELB.CreateTargetGroup(t.Context(), awsapi.TargetGroup{
				Name: fmt.Sprintf("foreign-%d", n), Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: vpcID,
			})
			require.NoError(t, err)
		}
		w.calls()
		w.directory = NewDirectory(w.aws.ELB, cluster, w.log)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		var idle atomic.Bool
		go func() {
			w.directory.Run(ctx, time.Hour, idle.Load)
			close(ended)
		}()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Empty(t, w.calls(), "it is for those who stand by")
		idle.Store(true)
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		calls := strings.Join(w.calls(), " ")
		require.Equal(t, 2, strings.Count(calls, "DescribeTags"), "tags are read once")
		require.InDelta(t, 3, strings.Count(calls, "DescribeTargetGroups"), 1)
		cancel()
		<-ended

		w.urgent = map[types.NamespacedName]bool{{Namespace: "demo0", Name: "echo1"}: true}
		require.Equal(t, []string{"demo0/echo0", "demo0/echo1"}, w.firstBindings())
		require.Empty(t, w.calls(), "nothing had to be read")
	})
}

// TestServiceThatIsGoneForAMoment: what is deleted and made again keeps its rule and
// its target group.
func TestServiceThatIsGoneForAMoment(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.served("echo0", "echo1")
		w.start()
		w.settle()
		w.calls()
		remove := func() {
			require.NoError(t, w.client.CoreV1().Services("demo0").Delete(t.Context(), "echo0", metav1.DeleteOptions{}))
		}
		remove()
		time.Sleep(gracePeriod - time.Second)
		synctest.Wait()
		w.service("demo0", "echo0")
		w.settle()
		require.Empty(t, w.writes())
		require.Equal(t, []string{"demo0/echo0", "demo0/echo1"}, bound(w.loop.Bindings()))

		remove()
		time.Sleep(gracePeriod - time.Second)
		synctest.Wait()
		require.Empty(t, w.writes())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Contains(t, w.writes(), "ModifyRule", "nothing else has changed in the cluster")
		require.Equal(t, []string{"demo0/echo1"}, bound(w.loop.Bindings()))
		require.Contains(t, strings.Join(w.account(), "\n"), "503 Backend service does not exist")
	})
}

// TestServiceThatNeverWas is answered with 503 at once.
func TestServiceThatNeverWas(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		time.Sleep(gracePeriod / 2)
		synctest.Wait()
		require.Contains(t, strings.Join(w.account(), "\n"), "503 Backend service does not exist")
	})
}
