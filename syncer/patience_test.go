package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

// idle makes n Services without pods, echo0, echo1 and so on, with their groups.
func (w *world) idle(n int) []target.Binding {
	w.t.Helper()
	var bindings []target.Binding
	for i := range n {
		bindings = append(bindings, w.service(fmt.Sprintf("echo%d", i)))
	}
	return bindings
}

// TestNothingIsComparedBeforeAllCachesAreFull: the API server gives no list for longer
// than what is missing would be held.
func TestNothingIsComparedBeforeAllCachesAreFull(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		w.stop()
		began := time.Now()
		w.endpoints("echo0", "10.0.0.2")
		informers, err := syncer.NewInformers(nil, w.kube)
		require.NoError(t, err)
		s, err := syncer.New(w.options(informers))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(w.t.Context())
		var running sync.WaitGroup
		running.Go(func() { require.NoError(t, s.Run(ctx)) })
		w.stop = func() {
			cancel()
			running.Wait()
			informers.Shutdown()
		}
		time.Sleep(2 * gracePeriod)
		for _, action := range []string{"DescribeTargetHealth", "RegisterTargets", "DeregisterTargets"} {
			require.Empty(t, w.calls(action, began), action)
		}
		informers.Start(ctx.Done())
		w.settle()
		require.Equal(t, []string{"10.0.0.2"}, w.registered(b))
	})
}

// TestThoseWhoLeaveOvertake: there are more changes than tokens, and a pod that leaves
// a second after them does not wait until all of them are through.
func TestThoseWhoLeaveOvertake(t *testing.T) {
	inWorld(t, func(w *world) {
		bindings := w.idle(80)
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(bindings...)
		w.start()
		w.settle()
		began := time.Now()
		for n := 1; n < len(bindings); n++ {
			w.endpoints(fmt.Sprintf("echo%d", n), fmt.Sprintf("10.0.3.%d", n))
		}
		time.Sleep(time.Second)
		w.endpoints("echo0")
		time.Sleep(time.Minute)
		synctest.Wait()
		left := w.calls("DeregisterTargets", began)
		require.Len(w.t, left, 1)
		require.Len(w.t, w.calls("RegisterTargets", began), 79)
		require.Greater(w.t, len(w.calls("RegisterTargets", left[0].Time)), 20)
	})
}

// TestObservationsDelayNoChange: many groups wait to be observed for the first time,
// and a change leaves in its instant all the same.
func TestObservationsDelayNoChange(t *testing.T) {
	inWorld(t, func(w *world) {
		bindings := w.idle(200)
		w.source.set(bindings...)
		w.start()
		began := time.Now()
		w.endpoints("echo0", "10.0.0.1")
		w.settle()
		calls := w.calls("RegisterTargets", began)
		require.NotEmpty(w.t, calls)
		require.Equal(w.t, callLatency/2, calls[0].Time.Sub(began))
		require.Greater(w.t, len(w.calls("DescribeTargetHealth", began)), 50, "they were waiting")
	})
}

// TestOpenOutcomeIsLookedAtAtOnce, and not when the audit comes.
func TestOpenOutcomeIsLookedAtAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		w.sim.Inject(awssim.Fault{Action: "RegisterTargets", Times: 1, LoseResponse: true})
		began := time.Now()
		w.endpoints("echo0", "10.0.0.1")
		time.Sleep(2 * callLatency)
		synctest.Wait()
		require.NotEmpty(w.t, w.calls("DescribeTargetHealth", began))
	})
}

// TestOpenOutcomeIsLookedAtBeforeOthers: many groups wait to be observed for the first
// time.
func TestOpenOutcomeIsLookedAtBeforeOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		bindings := w.idle(150)
		w.source.set(bindings[0])
		w.start()
		w.source.set(bindings...)
		time.Sleep(5 * time.Second)
		w.sim.Inject(awssim.Fault{Action: "RegisterTargets", Times: 1, LoseResponse: true})
		began := time.Now()
		w.endpoints("echo0", "10.0.0.1")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		looks := slices.DeleteFunc(w.calls("DescribeTargetHealth", began), func(c awssim.Call) bool {
			return c.Params["TargetGroupArn"] != bindings[0].GroupARN
		})
		require.NotEmpty(w.t, looks)
		w.settle()
		require.Greater(w.t, len(w.calls("DescribeTargetHealth", began)), 50, "they were waiting")
	})
}

// TestFencedCallIsNoFailure: it was not sent, and is tried again every second or so,
// however often it is fenced.
func TestFencedCallIsNoFailure(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		var closed bool
		var tries []time.Time
		aws, err := awsapi.New(w.t.Context(), awsapi.Options{
			HTTPClient: &http.Client{Transport: w.sim.Transport()},
			Fence: func() error {
				if !closed {
					return nil
				}
				tries = append(tries, time.Now())
				return errors.New("closed")
			},
		})
		require.NoError(t, err)
		w.aws = aws
		w.start()
		closed = true
		w.endpoints("echo0", "10.0.0.1")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		closed = false
		require.Greater(t, len(tries), 10)
		for n := range len(tries) - 1 {
			require.GreaterOrEqual(t, tries[n+1].Sub(tries[n]), time.Second)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"10.0.0.1"}, w.registered(b))
	})
}

// TestFailOpenEndsWhenPodsAreTakenDown: one that is terminating says that the others
// are not ready for a reason.
func TestFailOpenEndsWhenPodsAreTakenDown(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		w.pods("echo0", true, true, true)
		w.settle()
		eps := w.pods("echo0", false, false, false)
		w.settle()
		require.Len(t, w.registered(b), 3)
		eps[0].Conditions.Terminating = new(true)
		w.reshow("echo0", eps...)
		w.settle()
		require.Empty(t, w.registered(b))
	})
}

// TestUndecidedStaysAsItIs: a pod is gone from the cache before its slice says so, and
// something else asks for its Service to be looked at.
func TestUndecidedStaysAsItIs(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		w.pods("echo0", true, true)
		w.settle()
		require.NoError(t, w.kube.CoreV1().Pods("demo0").Delete(w.t.Context(), "p0", metav1.DeleteOptions{}))
		synctest.Wait()
		svc, err := w.kube.CoreV1().Services("demo0").Get(w.t.Context(), "echo0", metav1.GetOptions{})
		require.NoError(t, err)
		_, err = w.kube.CoreV1().Services("demo0").Update(w.t.Context(), svc, metav1.UpdateOptions{})
		require.NoError(t, err)
		w.settle()
		require.Equal(t, []string{"10.0.0.0", "10.0.0.1"}, w.registered(b))
	})
}

// TestGatedPodJoinsASlice that is there and in which others are ready.
func TestGatedPodJoinsASlice(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		eps := w.pods("echo0", true, true)
		w.reshow("echo0", eps[0])
		w.settle()
		w.settle()
		require.Equal(t, []string{"10.0.0.0"}, w.registered(b))
		w.reshow("echo0", eps[0], endpointOf("p1", "10.0.0.1", false))
		soon()
		require.Equal(t, []string{"10.0.0.0", "10.0.0.1"}, w.registered(b), "it waits for its gates alone")
	})
}

// TestPortOfASliceChanges: every endpoint of it goes, and comes with the other port.
func TestPortOfASliceChanges(t *testing.T) {
	inPodWorld(t, func(w *world, _ target.Binding) {
		w.pods("echo0", true)
		w.settle()
		slice, err := w.kube.DiscoveryV1().EndpointSlices("demo0").Get(w.t.Context(), "echo0", metav1.GetOptions{})
		require.NoError(t, err)
		began := time.Now()
		slice.Ports[0].Port = new(int32(9000))
		_, err = w.kube.DiscoveryV1().EndpointSlices("demo0").Update(w.t.Context(), slice, metav1.UpdateOptions{})
		require.NoError(t, err)
		soon()
		came, went := w.calls("RegisterTargets", began), w.calls("DeregisterTargets", began)
		require.Len(t, came, 1)
		require.Len(t, went, 1)
		require.Equal(t, "9000", came[0].Params["Targets.member.1.Port"])
		require.Equal(t, "8000", went[0].Params["Targets.member.1.Port"])
	})
}

// TestChangeIsAsOldAsItsTriggerTime, if that was written for this change.
func TestChangeIsAsOldAsItsTriggerTime(t *testing.T) {
	inWorld(t, func(w *world) {
		w.source.set(w.service("echo0"))
		w.endpoints("echo0")
		w.start()
		written := time.Now().Add(-2 * time.Second).Format(time.RFC3339Nano)
		for n, want := range []time.Duration{2*time.Second + callLatency, callLatency} {
			slice, err := w.kube.DiscoveryV1().EndpointSlices("demo0").Get(w.t.Context(), "echo0", metav1.GetOptions{})
			require.NoError(t, err)
			slice.Annotations[corev1.EndpointsLastChangeTriggerTime] = written
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.0.0.%d", n)}})
			_, err = w.kube.DiscoveryV1().EndpointSlices("demo0").Update(w.t.Context(), slice, metav1.UpdateOptions{})
			require.NoError(t, err)
			w.settle()
			require.Len(t, w.metrics.latencies, n+1)
			require.Equal(t, want, w.metrics.latencies[n])
		}
	})
}

// TestPodsThatAreTakenDownNeedNoProof, however many they are.
func TestPodsThatAreTakenDownNeedNoProof(t *testing.T) {
	inPodWorld(t, func(w *world, b target.Binding) {
		eps := w.pods("echo0", true, true, true, true)
		w.settle()
		reads := w.liveReads(100)
		for i := range eps {
			eps[i].Conditions.Ready, eps[i].Conditions.Terminating = new(false), new(true)
		}
		w.reshow("echo0", eps...)
		soon()
		require.Empty(t, w.registered(b))
		require.Zero(t, *reads)
	})
}
