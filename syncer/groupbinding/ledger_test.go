package groupbinding_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/kubesim"
)

// shared makes a target group with a target of another cluster, and a binding for it.
func (w *world) shared() (arn string) {
	w.t.Helper()
	arn = w.group("shared", nil)
	w.register(arn, "10.0.0.99")
	w.apply(tgb("a", map[string]any{"targetGroupARN": arn, "multiClusterTargetGroup": true}))
	return arn
}

// register registers targets as another cluster does.
func (w *world) register(arn string, ips ...string) {
	w.t.Helper()
	var targets []target.Target
	for _, ip := range ips {
		targets = append(targets, target.Target{IP: mustAddr(ip), Port: 8000})
	}
	require.NoError(w.t, w.aws.ELB.RegisterTargets(w.t.Context(), arn, targets, nil))
}

// pods replaces the pods of the Service echo.
func (w *world) pods(ips ...string) {
	w.t.Helper()
	slice, err := w.admin.DiscoveryV1().EndpointSlices("demo").Get(w.t.Context(), "echo", metav1.GetOptions{})
	require.NoError(w.t, err)
	slice.Endpoints = nil
	for _, ip := range ips {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip}})
	}
	_, err = w.admin.DiscoveryV1().EndpointSlices("demo").Update(w.t.Context(), slice, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

// ledger returns what is kept of the binding a.
func (w *world) ledger() string {
	w.t.Helper()
	m, err := w.admin.CoreV1().ConfigMaps("demo").Get(w.t.Context(), "aws-lbc-targets-a", metav1.GetOptions{})
	require.NoError(w.t, err)
	return m.Data["targets"]
}

// keep writes a ledger as LBC or somebody else does.
func (w *world) keep(targets string) {
	w.t.Helper()
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "aws-lbc-targets-a"}, Data: map[string]string{"targets": targets}}
	configMaps := w.admin.CoreV1().ConfigMaps("demo")
	if _, err := configMaps.Update(w.t.Context(), m, metav1.UpdateOptions{}); err != nil {
		_, err = configMaps.Create(w.t.Context(), m, metav1.CreateOptions{})
		require.NoError(w.t, err)
	}
}

// TestSharedGroup: the targets of other clusters stay, whatever becomes of ours.
func TestSharedGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.shared()
		w.start()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.99"}, w.registered(arn))
		require.Equal(t, "10.0.0.1:8000,10.0.0.2:8000", w.ledger())
		m, err := w.admin.CoreV1().ConfigMaps("demo").Get(t.Context(), "aws-lbc-targets-a", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, w.get("a").GetUID(), m.OwnerReferences[0].UID, "it goes with its binding")

		w.pods("10.0.0.2", "10.0.0.3")
		w.settle()
		require.Equal(t, []string{"10.0.0.2", "10.0.0.3", "10.0.0.99"}, w.registered(arn))
		require.Equal(t, "10.0.0.2:8000,10.0.0.3:8000", w.ledger(), "an address that we left may be somebody else's")

		w.register(arn, "10.0.0.98")
		quiet := time.Now()
		w.pass(time.Hour)
		require.Equal(t, []string{"10.0.0.2", "10.0.0.3", "10.0.0.98", "10.0.0.99"}, w.registered(arn))
		require.Empty(t, w.writes(quiet))

		w.stop()
		w.pods("10.0.0.3", "10.0.0.4")
		w.start()
		require.Equal(t, []string{"10.0.0.3", "10.0.0.4", "10.0.0.98", "10.0.0.99"}, w.registered(arn), "a restart keeps what is ours")

		w.delete("a")
		w.settle()
		require.Nil(t, w.get("a"))
		require.Equal(t, []string{"10.0.0.98", "10.0.0.99"}, w.registered(arn))
	})
}

// TestLedgerComesFirst: what is not in the ledger is not registered.
func TestLedgerComesFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.kube.Inject(kubesim.Fault{Match: kubesim.Match{Verb: "create", Resource: "configmaps"}, Code: http.StatusForbidden})
		arn := w.shared()
		w.start()
		require.Equal(t, []string{"10.0.0.99"}, w.registered(arn))
		require.Contains(t, w.said()[1], "Warning OwnershipNotKept the targets of target group shared stay as they are")
		w.kube.ClearFaults()
		w.pass(2 * time.Minute)
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.99"}, w.registered(arn))

		before := time.Now()
		w.kube.Inject(kubesim.Fault{Match: kubesim.Match{Verb: "patch", Resource: "configmaps"}, Latency: time.Second})
		w.pods("10.0.0.1", "10.0.0.2", "10.0.0.3")
		w.settle()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.99"}, w.registered(arn))
		for _, c := range w.sim.Calls() {
			if c.Action == "RegisterTargets" && c.Arrived.After(before) {
				require.GreaterOrEqual(t, c.Arrived.Sub(before), time.Second, "the ledger was not written yet")
			}
		}
	})
}

// TestNoLedgerYet: of a group that was not shared until now, nothing is deregistered.
func TestNoLedgerYet(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.shared()
		w.register(arn, "10.0.0.1")
		w.pods("10.0.0.1")
		w.start()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.99"}, w.registered(arn))
		require.Equal(t, "10.0.0.1:8000", w.ledger(), "what stands and is wanted is ours")
		w.pods()
		w.settle()
		require.Equal(t, []string{"10.0.0.99"}, w.registered(arn))
		require.Empty(t, w.ledger())
	})
}

// TestLedgerOfBefore goes on with what LBC has kept, and hears who else writes.
func TestLedgerOfBefore(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.shared()
		w.register(arn, "10.0.0.5", "10.0.0.6")
		w.keep("10.0.0.5:8000,i-0123:8000,x,10.0.0.1:http")
		w.start()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.6", "10.0.0.99"}, w.registered(arn))
		w.keep("10.0.0.1:8000,10.0.0.2:8000,10.0.0.6:8000")
		w.pods("10.0.0.1")
		w.settle()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.99"}, w.registered(arn))
		require.Equal(t, "10.0.0.1:8000", w.ledger())

		require.NoError(t, w.admin.CoreV1().ConfigMaps("demo").Delete(t.Context(), "aws-lbc-targets-a", metav1.DeleteOptions{}))
		w.pods("10.0.0.1", "10.0.0.4")
		w.settle()
		require.Equal(t, "10.0.0.1:8000,10.0.0.4:8000", w.ledger())
		require.True(t, slices.Contains(w.registered(arn), "10.0.0.4"))
	})
}

// TestWholeOfOursIsAMassRemoval: the targets of others do not make a mass removal small.
func TestWholeOfOursIsAMassRemoval(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.shared()
		w.register(arn, "10.0.0.91", "10.0.0.92", "10.0.0.93", "10.0.0.94", "10.0.0.95")
		w.start()
		for _, ip := range bothPods {
			w.pod(ip)
		}
		w.settle()
		before := len(w.kube.Calls())
		w.pods()
		w.settle()
		lives := 0
		for _, c := range w.kube.Calls()[before:] {
			if c.Verb == "list" && c.Resource == "endpointslices" {
				lives++
			}
		}
		require.Equal(t, 1, lives, "the API server is asked")
		require.NotContains(t, w.registered(arn), "10.0.0.1")
	})
}

// TestLedgerOfAProvisionedGroup has the name that LBC gives it, and goes with the
// Service: there is no TargetGroupBinding.
func TestLedgerOfAProvisionedGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("k8s-demo-echo-0123456789", nil)
		w.register(arn, "10.0.0.99")
		w.provisioned.set(target.Binding{
			GroupARN: arn, GroupName: "k8s-demo-echo-0123456789", Stack: "g", Shared: true,
			Service: types.NamespacedName{Namespace: "demo", Name: "echo"}, ServicePort: intstr.FromInt32(80),
		})
		w.start()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.99"}, w.registered(arn))
		m, err := w.admin.CoreV1().ConfigMaps("demo").Get(t.Context(), "aws-lbc-targets-k8s-demo-echo-0123456789", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, "10.0.0.1:8000,10.0.0.2:8000", m.Data["targets"])
		svc, err := w.admin.CoreV1().Services("demo").Get(t.Context(), "echo", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: "echo", UID: svc.UID}}, m.OwnerReferences)
		w.pods("10.0.0.1")
		w.settle()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.99"}, w.registered(arn))
	})
}
