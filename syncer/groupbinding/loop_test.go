package groupbinding_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
)

var bothPods = []string{"10.0.0.1", "10.0.0.2"}

// TestLife is the life of a TargetGroupBinding: it binds, it costs nothing while all is
// well, and when it is deleted its group is emptied before it goes.
func TestLife(t *testing.T) {
	for name, spec := range map[string]func(arn string) map[string]any{
		"by ARN":  func(arn string) map[string]any { return map[string]any{"targetGroupARN": arn} },
		"by name": func(string) map[string]any { return map[string]any{"targetGroupName": "mine"} },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				t := w.t
				arn := w.group("mine", nil)
				w.start()
				w.apply(tgb("a", spec(arn)))
				w.settle()
				require.Equal(t, bothPods, w.registered(arn))
				require.Equal(t, "True Bound: the targets of target group mine are those of the Service", w.ready("a"))
				require.Equal(t, []string{groupbinding.Finalizer}, w.get("a").GetFinalizers())
				require.Equal(t, []string{"Normal Bound the targets of target group mine are those of the Service"}, w.said())

				quiet := time.Now()
				w.pass(5 * time.Minute)
				require.Empty(t, w.writes(quiet))
				w.delete("a")
				w.pass(2 * time.Second)
				require.Nil(t, w.get("a"))
				require.Empty(t, w.registered(arn))
				require.Empty(t, w.loop.Bindings())
			})
		})
	}
}

// TestFinalizerComesFirst: nothing is registered that nobody would deregister.
func TestFinalizerComesFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("mine", nil)
		w.start()
		w.kube.Inject(kubesim.Fault{Match: kubesim.Match{Verb: "patch", Resource: "targetgroupbindings"}, Code: http.StatusForbidden})
		w.apply(tgb("a", map[string]any{"targetGroupARN": arn}))
		w.settle()
		require.Empty(t, w.registered(arn))
		require.Contains(t, w.ready("a"), "False FailedAddFinalizer")
		w.kube.ClearFaults()
		w.settle()
		require.Equal(t, bothPods, w.registered(arn))
		require.Contains(t, w.ready("a"), "True Bound")
	})
}

// TestCacheIsBehind makes passes while the cache does not show what was written.
func TestCacheIsBehind(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("mine", nil)
		w.start()
		w.apply(tgb("a", map[string]any{"targetGroupARN": arn}))
		w.kube.DelayWatches(kubesim.Match{Resource: "targetgroupbindings", UserAgent: "product"}, 5*time.Second)
		began := time.Now()
		for range 20 {
			w.loop.Wake()
			w.pass(time.Second)
		}
		require.Equal(t, bothPods, w.registered(arn))
		require.Equal(t, []string{"patch a", "patch a status"}, w.writes(began))
		require.Len(t, w.said(), 1)
		w.delete("a")
		for range 20 {
			w.loop.Wake()
			w.pass(time.Second)
		}
		require.Nil(t, w.get("a"))
		require.Empty(t, w.registered(arn))
		require.Equal(t, 1, w.calls("DeregisterTargets", began))
	})
}

// TestFinalizersOfOthersStay adds and takes off ours while somebody else's is there.
func TestFinalizersOfOthersStay(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("mine", nil)
		o := tgb("a", map[string]any{"targetGroupARN": arn})
		o.SetFinalizers([]string{"example.com/other"})
		w.apply(o)
		w.start()
		require.Equal(t, []string{"example.com/other", groupbinding.Finalizer}, w.get("a").GetFinalizers())
		w.delete("a")
		w.settle()
		require.Equal(t, []string{"example.com/other"}, w.get("a").GetFinalizers())
		require.Empty(t, w.registered(arn))
	})
}

// TestGroupComesLater: people make binding and group in any order.
func TestGroupComesLater(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.start()
		w.apply(tgb("a", map[string]any{"targetGroupName": "mine"}))
		w.settle()
		const says = "TargetGroupNotFound spec.targetGroupName: there is no target group mine in the account and Region"
		require.Equal(t, []string{"Warning " + says}, w.said())
		require.Equal(t, []string{"a"}, w.missing())
		require.Empty(t, w.get("a").GetFinalizers())
		began := time.Now()
		w.pass(time.Hour)
		require.Less(t, w.calls("DescribeTargetGroups", began), 40, "it is looked for less and less often")
		require.Empty(t, w.said(), "it is said once")
		arn := w.group("mine", nil)
		w.pass(3 * time.Minute)
		require.Equal(t, bothPods, w.registered(arn))
		require.Empty(t, w.missing())
	})
}

// TestNameGetsAnotherGroup: whoever makes a group again under its name means that one.
func TestNameGetsAnotherGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		first := w.group("mine", nil)
		w.apply(tgb("a", map[string]any{"targetGroupName": "mine"}))
		w.start()
		require.NoError(t, w.aws.ELB.DeleteTargetGroup(t.Context(), first))
		second := w.group("mine", nil)
		w.pass(2 * time.Minute)
		require.Equal(t, bothPods, w.registered(second))
	})
}

// TestDeletedWithItsGroup: a group that is missing does not keep its binding.
func TestDeletedWithItsGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("mine", nil)
		w.apply(tgb("a", map[string]any{"targetGroupARN": arn}))
		w.start()
		w.sim.Inject(awssim.Fault{Action: "DeregisterTargets", Code: "TargetGroupNotFound", Message: "gone"})
		require.NoError(t, w.aws.ELB.DeleteTargetGroup(t.Context(), arn))
		w.delete("a")
		w.pass(30 * time.Second)
		require.Nil(t, w.get("a"))
	})
}

// TestDeletedWhileAWSIsAway: what cannot be cleaned up stays, and says so.
func TestDeletedWhileAWSIsAway(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("mine", nil)
		w.apply(tgb("a", map[string]any{"targetGroupARN": arn}))
		w.start()
		w.stop()
		w.delete("a")
		w.sim.Inject(awssim.Fault{Action: "*", Code: "AccessDenied", Message: "no", Status: http.StatusForbidden})
		w.start()
		w.pass(time.Minute)
		require.Contains(t, w.ready("a"), "False FailedCleanup: spec.targetGroupARN: cannot look up target group mine: AWS answers AccessDenied")
		w.sim.ClearFaults()
		w.pass(3 * time.Minute)
		require.Nil(t, w.get("a"))
		require.Empty(t, w.registered(arn))
	})
}

// TestTwoForOneGroup: the older one has it, the other is told, and has it when the older
// one goes; the group is not emptied in between.
func TestTwoForOneGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.service("other", "10.0.0.9")
		arn := w.group("mine", nil)
		w.start()
		w.apply(tgb("z", map[string]any{"targetGroupARN": arn}))
		w.pass(2 * time.Second)
		second := tgb("a", map[string]any{"targetGroupARN": arn})
		second.Object["spec"].(map[string]any)["serviceRef"].(map[string]any)["name"] = "other"
		w.apply(second)
		w.settle()
		require.Equal(t, bothPods, w.registered(arn))
		require.Contains(t, w.said(), "Warning TargetGroupTaken spec.targetGroupARN: target group mine is bound by TargetGroupBinding demo/z, which is older")
		require.Contains(t, w.ready("a"), "False TargetGroupTaken")
		w.stop()
		w.start()
		require.Equal(t, bothPods, w.registered(arn), "it is the same after a restart")
		require.Empty(t, w.said(), "it is said once")

		w.delete("z")
		w.settle()
		require.Nil(t, w.get("z"))
		require.Equal(t, []string{"10.0.0.9"}, w.registered(arn))
		require.Contains(t, w.ready("a"), "True Bound")
	})
}

// TestProvisionedGroupIsNotTaken: a group of an Ingress is told by its tags, also before
// the provisioner has shown what it has, and is not emptied.
func TestProvisionedGroupIsNotTaken(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("web", provisionedTags())
		other := target.Target{IP: mustAddr("10.0.0.9"), Port: 8000}
		require.NoError(t, w.aws.ELB.RegisterTargets(t.Context(), arn, []target.Target{other}, nil))
		w.apply(tgb("a", map[string]any{"targetGroupARN": arn}))
		w.start()
		require.Contains(t, w.ready("a"), "False TargetGroupTaken: spec.targetGroupARN: target group web belongs to the Ingress group web")
		w.delete("a")
		w.settle()
		require.Nil(t, w.get("a"))
		require.Equal(t, []string{"10.0.0.9"}, w.registered(arn))
	})
}

// TestServiceGoesAndComes: the condition says what is missing; the syncer's grace period
// is for the targets.
func TestServiceGoesAndComes(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("mine", nil)
		w.apply(tgb("a", map[string]any{"targetGroupARN": arn}))
		w.start()
		require.NoError(t, w.admin.CoreV1().Services("demo").Delete(t.Context(), "echo", metav1.DeleteOptions{}))
		w.settle()
		require.Equal(t, bothPods, w.registered(arn))
		require.Equal(t, "False BackendNotFound: spec.serviceRef.name: Service demo/echo does not exist", w.ready("a"))
		_, err := w.admin.CoreV1().Services("demo").Create(t.Context(), &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "echo"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
		w.settle()
		require.Contains(t, w.ready("a"), "True Bound")
		require.Equal(t, bothPods, w.registered(arn))
	})
}

// TestLeftover is what becomes of a TargetGroupBinding that LBC wrote for an Ingress.
func TestLeftover(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("web", provisionedTags())
		binding := target.Binding{
			GroupARN: arn, GroupName: "web", Stack: "web",
			Service: types.NamespacedName{Namespace: "demo", Name: "echo"}, ServicePort: intstr.FromInt32(80),
		}
		w.apply(leftover("k8s-web", arn))
		began := time.Now()
		w.start()
		require.Empty(t, w.loop.Bindings(), "the provisioner may not have come to it")
		w.provisioned.set(binding)
		w.pass(time.Hour)
		require.Equal(t, []target.Binding{binding}, w.loop.Bindings())
		require.Empty(t, w.missing())
		require.Zero(t, w.calls("DescribeTargetGroups", began), "an alias costs no calls")

		w.provisioned.set()
		w.pass(time.Minute)
		require.Len(t, w.loop.Bindings(), 1, "it is synced although the provisioner has dropped it")
		require.Equal(t, bothPods, w.registered(arn))
		require.NotNil(t, w.get("k8s-web"))
		require.Empty(t, w.writes(began))

		require.NoError(t, w.aws.ELB.DeleteTargetGroup(t.Context(), arn))
		w.pass(2 * time.Minute)
		require.Nil(t, w.get("k8s-web"), "its group is gone")
		require.Empty(t, w.said())
	})
}

// TestLeftoverDeletedByHand: that does not empty the group, which is the provisioner's.
func TestLeftoverDeletedByHand(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("web", provisionedTags())
		require.NoError(t, w.aws.ELB.RegisterTargets(t.Context(), arn, []target.Target{{IP: mustAddr("10.0.0.1"), Port: 8000}}, nil))
		w.apply(leftover("k8s-web", arn))
		w.start()
		w.delete("k8s-web")
		w.settle()
		require.Nil(t, w.get("k8s-web"))
		require.Equal(t, []string{"10.0.0.1"}, w.registered(arn))
	})
}

// TestLeftOfAService: what LBC wrote for a Service is like a user's, and is not deleted.
func TestLeftOfAService(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("nlb", awsapi.Tags{"elbv2.k8s.aws/cluster": cluster, "service.k8s.aws/stack": "demo/echo"})
		o := tgb("k8s-nlb", map[string]any{"targetGroupARN": arn, "networking": map[string]any{"ingress": []any{}}})
		o.SetLabels(map[string]string{"service.k8s.aws/stack-name": "echo", "service.k8s.aws/stack-namespace": "demo"})
		o.SetFinalizers([]string{groupbinding.Finalizer})
		w.apply(o)
		w.start()
		require.Equal(t, bothPods, w.registered(arn))
		require.Contains(t, w.ready("k8s-nlb"), "True Bound")
		require.NoError(t, w.aws.ELB.DeleteTargetGroup(t.Context(), arn))
		w.pass(time.Hour)
		require.Contains(t, w.ready("k8s-nlb"), "False TargetGroupNotFound")
	})
}

// TestKindIsAbsent runs without the kind, until it appears and until it vanishes.
func TestKindIsAbsent(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("mine", nil)
		provisioned := target.Binding{GroupARN: w.group("web", provisionedTags()), GroupName: "web"}
		w.provisioned.set(provisioned)
		gone := kubesim.Fault{Match: kubesim.Match{Resource: "targetgroupbindings", UserAgent: "product"}, Code: http.StatusNotFound}
		w.kube.Inject(gone)
		w.start()
		require.Empty(t, w.missing(), "there are none, and that is known")
		require.False(t, w.watch.Served())
		w.pass(time.Hour)
		require.Equal(t, []target.Binding{provisioned}, w.loop.Bindings())
		lists := 0
		for _, c := range w.kube.Calls() {
			if c.Resource == "targetgroupbindings" {
				lists++
			}
		}
		require.Less(t, lists, 500, "it is looked for about three times a minute, with two requests each")

		w.kube.ClearFaults()
		w.apply(tgb("a", map[string]any{"targetGroupARN": arn}))
		w.pass(2 * time.Minute)
		require.Equal(t, bothPods, w.registered(arn))
		require.True(t, w.watch.Served())

		w.kube.Inject(gone)
		w.kube.ExpireWatches(kubesim.Match{Resource: "targetgroupbindings"})
		w.pass(30 * time.Second)
		w.provisioned.set(provisioned) // wakes the loop
		w.settle()
		require.Len(t, w.loop.Bindings(), 2, "not found is not zero")
		w.pass(3 * time.Minute)
		require.Equal(t, []target.Binding{provisioned}, w.loop.Bindings())
		require.Equal(t, bothPods, w.registered(arn), "targets stay")
		w.kube.ClearFaults()
		w.pass(2 * time.Minute)
		require.Len(t, w.loop.Bindings(), 2)
	})
}

// TestCacheIsMeasured: client-go has a name for it.
func TestCacheIsMeasured(t *testing.T) {
	name, err := cache.NewInformerName("groupbinding_test")
	require.NoError(t, err)
	defer name.Release()
	kube := kubesim.New(kubesim.Options{})
	defer kube.Close()
	client, err := dynamic.NewForConfig(kube.Config())
	require.NoError(t, err)
	_, err = groupbinding.NewWatch(nil, client, name, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.False(t, name.WithResource(groupbinding.Resource).Reserved(), "it is taken")
}

// TestManyAreLookedUpTogether: a start with many costs as few calls as reading the
// account.
func TestManyAreLookedUpTogether(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
			w.apply(tgb(name, map[string]any{"targetGroupARN": w.group("group-"+name, nil)}))
		}
		w.apply(tgb("k", map[string]any{"targetGroupName": "group-k"}))
		began := time.Now()
		w.start()
		require.Len(t, w.loop.Bindings(), 10)
		require.Equal(t, 1, w.calls("DescribeTargetGroups", began)-1, "one for all, and one more for that which was not found")
		require.Equal(t, 1, w.calls("DescribeTags", began))
	})
}

// TestFewAreLookedUpByName: one that is missing is in nobody's way.
func TestFewAreLookedUpByName(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.apply(tgb("a", map[string]any{"targetGroupARN": w.group("a", nil)}))
		w.apply(tgb("b", map[string]any{"targetGroupName": "b"}))
		w.apply(tgb("c", map[string]any{"targetGroupARN": w.group("c", nil)}))
		w.start()
		require.Len(t, w.loop.Bindings(), 2)
		require.Contains(t, w.ready("b"), "False TargetGroupNotFound")
	})
}
