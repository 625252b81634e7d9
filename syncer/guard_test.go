package syncer_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

// What can be missing, how it goes and how it comes back.
func TestMissingHoldsTargetsForAWhile(t *testing.T) {
	service := func(w *world, ports ...corev1.ServicePort) *corev1.Service {
		svc, err := w.kube.CoreV1().Services("demo0").Get(w.t.Context(), "echo0", metav1.GetOptions{})
		require.NoError(w.t, err)
		svc.Spec.Ports = ports
		return svc
	}
	update := func(w *world, svc *corev1.Service) {
		_, err := w.kube.CoreV1().Services("demo0").Update(w.t.Context(), svc, metav1.UpdateOptions{})
		require.NoError(w.t, err)
	}
	tests := map[string]struct{ lose, restore func(w *world) }{
		"the Service": {
			lose: func(w *world) {
				require.NoError(w.t, w.kube.CoreV1().Services("demo0").Delete(w.t.Context(), "echo0", metav1.DeleteOptions{}))
			},
			restore: func(w *world) { w.addService("echo0") },
		},
		"its port": {
			lose:    func(w *world) { update(w, service(w, corev1.ServicePort{Port: 81})) },
			restore: func(w *world) { update(w, service(w, corev1.ServicePort{Port: 8000})) },
		},
		"its slice": {
			lose: func(w *world) {
				require.NoError(w.t, w.kube.DiscoveryV1().EndpointSlices("demo0").Delete(w.t.Context(), "echo0", metav1.DeleteOptions{}))
			},
			restore: func(w *world) { w.endpoints("echo0", "10.0.0.1", "10.0.0.2") },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				t := w.t
				b := w.service("echo0")
				w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
				w.source.set(b)
				w.start()
				began := time.Now()
				tt.lose(w)
				time.Sleep(gracePeriod / 2)
				tt.restore(w)
				time.Sleep(gracePeriod)
				synctest.Wait()
				require.Empty(t, w.calls("DeregisterTargets", began), "it was back in time")
				require.Contains(t, <-w.events.Events, "TargetsHeld 2 targets of target group echo0 stay registered")

				tt.lose(w)
				time.Sleep(gracePeriod - time.Nanosecond)
				synctest.Wait()
				require.Empty(t, w.calls("DeregisterTargets", began), "the grace period begins anew")
				require.Equal(t, "held", string(w.syncer.Status()[0].State))
				time.Sleep(time.Nanosecond + callLatency)
				synctest.Wait()
				require.Empty(t, w.registered(b))
				require.Equal(t, map[string]int{"grace_period": 2}, w.metrics.holds)
				require.Equal(t, "synced", string(w.syncer.Status()[0].State))
			})
		})
	}
}

// pods makes pods p0, p1 ... at 10.0.0.0, 10.0.0.1 ... and their slice.
func (w *world) pods(service string, ready ...bool) []discoveryv1.Endpoint {
	w.t.Helper()
	var eps []discoveryv1.Endpoint
	for n, r := range ready {
		status := corev1.ConditionFalse
		if r {
			status = corev1.ConditionTrue
		}
		p := pod(fmt.Sprintf("p%d", n), status)
		p.Status.PodIPs = []corev1.PodIP{{IP: fmt.Sprintf("10.0.0.%d", n)}}
		w.applyPod(p)
		eps = append(eps, endpointOf(p.Name, p.Status.PodIPs[0].IP, r))
	}
	synctest.Wait() // two informers: which event comes first is not said
	w.reshow(service, eps...)
	return eps
}

// reshow makes or changes the slice of a Service.
func (w *world) reshow(service string, eps ...discoveryv1.Endpoint) {
	w.t.Helper()
	slice, err := w.kube.DiscoveryV1().EndpointSlices("demo0").Get(w.t.Context(), service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		w.show(service, eps...)
		return
	}
	slice.Endpoints = eps
	_, err = w.kube.DiscoveryV1().EndpointSlices("demo0").Update(w.t.Context(), slice, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

func TestFailOpen(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		t := w.t
		w.pods("echo0", true, true, true)
		w.settle()
		require.Len(t, w.registered(b), 3)
		began := time.Now()
		eps := w.pods("echo0", false, false, false)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, w.calls("DeregisterTargets", began), "all at once is not the pods' fault")
		require.Equal(t, 1, w.metrics.holds["fail_open"])

		w.pods("echo0", true, false, false)
		soon()
		require.Equal(t, []string{"10.0.0.0"}, w.registered(b), "one that is ready ends it")

		w.pods("echo0", false, false, false)
		w.settle()
		eps[0].Conditions.Terminating = new(true)
		w.reshow("echo0", eps...)
		soon()
		require.Empty(t, w.registered(b), "they are being taken down")
	})
}

func TestNewPodsThatAreNotReadyAreNotRegisteredByFailOpen(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		t := w.t
		w.pods("echo0", false, false)
		w.settle()
		require.Empty(t, w.registered(b))
	})
}

// liveReads counts the reads of EndpointSlices past the cache, of which the first ones
// fail.
func (w *world) liveReads(failures int) *int {
	reads := 0
	w.kube.PrependReactor("list", "endpointslices", func(clienttesting.Action) (bool, runtime.Object, error) {
		reads++
		if reads <= failures {
			return true, nil, apierrors.NewInternalError(http.ErrServerClosed)
		}
		return false, nil, nil
	})
	return &reads
}

func TestMassRemovalIsProvedByALiveRead(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		t := w.t
		eps := w.pods("echo0", true, true, true, true)
		w.settle()
		reads := w.liveReads(3)
		began := time.Now()
		w.reshow("echo0", eps[0]) // as if the selector had changed: the pods live
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Empty(t, w.calls("DeregisterTargets", began), "the API server does not answer")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"10.0.0.0"}, w.registered(b), "it does, and agrees")
		require.Equal(t, 4, *reads)
		require.Equal(t, map[string]int{"live_read": 1}, w.metrics.holds)
		require.Len(t, w.calls("DeregisterTargets", began), 1)
	})
}

// TestRemovalsThatNeedNoProof: what a cluster does every day waits for nobody.
func TestRemovalsThatNeedNoProof(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		t := w.t
		eps := w.pods("echo0", true, true, true, true)
		w.settle()
		reads := w.liveReads(100)
		w.reshow("echo0", eps[2:]...)
		soon()
		require.Len(t, w.registered(b), 2, "half is not more than half")
		for n := range 4 {
			require.NoError(t, w.kube.CoreV1().Pods("demo0").Delete(t.Context(), fmt.Sprintf("p%d", n), metav1.DeleteOptions{}))
		}
		synctest.Wait()
		w.reshow("echo0")
		w.settle()
		require.Empty(t, w.registered(b), "those pods are gone")
		require.Zero(t, *reads)
	})
}

// TestStaleCacheIsNotBelieved: the slice that arrives is older than what the API server
// has, and would empty the group.
func TestStaleCacheIsNotBelieved(t *testing.T) {
	inPodWorld(t, func(w *world, _ target.Binding) {
		t := w.t
		eps := w.pods("echo0", true, true, true, true)
		w.settle()
		var all []runtime.Object
		w.kube.PrependReactor("list", "endpointslices", func(clienttesting.Action) (bool, runtime.Object, error) {
			slice, err := w.kube.Tracker().Get(discoveryv1.SchemeGroupVersion.WithResource("endpointslices"), "demo0", "echo0")
			require.NoError(t, err)
			full := slice.(*discoveryv1.EndpointSlice).DeepCopy()
			full.Endpoints = eps
			all = append(all, full)
			return true, &discoveryv1.EndpointSliceList{Items: []discoveryv1.EndpointSlice{*full}}, nil
		})
		began := time.Now()
		w.reshow("echo0", eps[0])
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Empty(t, w.calls("DeregisterTargets", began))
		require.InDelta(t, 40, len(all), 2, "the API server is asked every 15 s, not more")
		w.reshow("echo0", eps...)
		w.settle()
		require.Equal(t, "synced", string(w.syncer.Status()[0].State))
		require.Empty(t, w.calls("DeregisterTargets", began))
	})
}

func TestZonesOfTargetsOutsideTheVPC(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		began := time.Now()
		w.endpoints("echo0", "10.0.0.1", "100.64.0.1", "100.64.0.2", "100.64.0.3")
		w.settle()
		require.Len(t, w.registered(b), 4)
		require.Len(t, w.calls("RegisterTargets", began), 2, "one tells for the whole network")
		began = time.Now()
		w.endpoints("echo0", "10.0.0.1", "100.64.0.1", "100.64.0.2", "100.64.0.3", "100.64.0.4", "10.0.0.2")
		w.settle()
		require.Len(t, w.registered(b), 6)
		calls := w.calls("RegisterTargets", began)
		require.Len(t, calls, 1, "it is remembered")
		require.Empty(t, calls[0].Params["Targets.member.1.AvailabilityZone"])
		require.Equal(t, "all", calls[0].Params["Targets.member.2.AvailabilityZone"])
		require.Empty(t, w.parked())
	})
}

// TestDrainingTargetIsTakenBack: an address is wanted again while it drains, and AWS
// does not say what it makes of that.
func TestDrainingTargetIsTakenBack(t *testing.T) {
	for name, how := range map[string]awssim.DrainingRegister{
		"the drain is cancelled": awssim.CancelDrain, "it goes on": awssim.StayDraining, "the call is refused": awssim.Reject,
	} {
		t.Run(name, func(t *testing.T) {
			inWorldWith(t, awssim.Switches{DrainingRegister: how}, func(w *world) {
				t := w.t
				b := w.service("echo0")
				w.attach(b)
				w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
				w.source.set(b)
				w.start()
				w.endpoints("echo0", "10.0.0.2")
				w.settle()
				require.Equal(t, []string{"10.0.0.2"}, w.registered(b))
				began := time.Now()
				w.endpoints("echo0", "10.0.0.1", "10.0.0.2", "10.0.0.3")
				w.settle()
				require.Contains(t, w.registered(b), "10.0.0.3", "it holds up no other")
				time.Sleep(6 * time.Minute) // it drains for 5
				synctest.Wait()
				require.Equal(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, w.registered(b))
				require.Less(t, len(w.calls("RegisterTargets", began)), 20)
				require.Empty(t, w.parked())
				require.Zero(t, w.metrics.drift)
			})
		})
	}
}
