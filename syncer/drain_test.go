package syncer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/awssim"
)

// livingPod makes a pod that has an address and is not about to leave it.
func (w *world) livingPod(ip string) {
	w.t.Helper()
	_, err := w.kube.CoreV1().Pods("demo0").Create(w.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: ip},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: ip}}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// A group whose binding drains is emptied although all of its pods are ready: no guard
// stands in the way.
func TestDrain(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		b := w.service("echo0")
		for _, ip := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
			w.livingPod(ip)
		}
		w.endpoints("echo0", "10.0.0.1", "10.0.0.2", "10.0.0.3")
		w.source.set(b)
		w.start()
		require.Len(t, w.registered(b), 3)
		require.False(t, w.syncer.Drained(b.GroupARN), "it is not to be emptied")

		b.Drain = true
		w.source.set(b)
		w.settle()
		require.Empty(t, w.registered(b))
		require.True(t, w.syncer.Drained(b.GroupARN))
		require.Empty(t, w.metrics.holds)
		w.endpoints("echo0", "10.0.0.4")
		w.settle()
		require.Empty(t, w.registered(b), "nothing is registered any more")

		w.source.set()
		w.settle()
		require.False(t, w.syncer.Drained(b.GroupARN), "nothing is known of it any more")
	})
}

// TestDrainMeetsARegistration begins to drain while a registration is under way.
func TestDrainMeetsARegistration(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		b := w.service("echo0")
		w.endpoints("echo0")
		w.source.set(b)
		w.start()
		w.sim.Inject(awssim.Fault{Action: "RegisterTargets", Latency: 3 * time.Second, Times: 1})
		w.endpoints("echo0", "10.0.0.1")
		time.Sleep(time.Second)
		b.Drain = true
		w.source.set(b)
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, w.syncer.Drained(b.GroupARN), "a target is on its way")
		w.settle()
		require.Empty(t, w.registered(b))
		require.True(t, w.syncer.Drained(b.GroupARN))
	})
}

// TestDrainFindsWhatStands is what whoever takes over in the middle does.
func TestDrainFindsWhatStands(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
		w.source.set(b)
		w.start()
		w.stop()
		b.Drain = true
		w.source.set(b)
		w.start()
		require.Empty(t, w.registered(b))
		require.True(t, w.syncer.Drained(b.GroupARN))
	})
}

// TestFamily syncs the addresses of the family that a binding asks for.
func TestFamily(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		slice, err := w.kube.DiscoveryV1().EndpointSlices("demo0").Get(t.Context(), "echo0", metav1.GetOptions{})
		require.NoError(t, err)
		slice.Name, slice.AddressType = "echo0-6", discoveryv1.AddressTypeIPv6
		slice.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"fd00::1"}}}
		_, err = w.kube.DiscoveryV1().EndpointSlices("demo0").Create(t.Context(), slice, metav1.CreateOptions{})
		require.NoError(t, err)
		w.settle()
		require.Equal(t, []string{"10.0.0.1"}, w.registered(b))
		before := time.Now()
		b.Family = discoveryv1.AddressTypeIPv6
		w.source.set(b)
		w.settle()
		require.Equal(t, "fd00::1", w.calls("RegisterTargets", before)[0].Params["Targets.member.1.Id"])
	})
}
