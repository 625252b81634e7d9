package syncer_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/test/awssim"
)

func TestOneChangeIsOneCallAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		require.Equal(w.t, []string{"10.0.0.1"}, w.registered(b))

		began := time.Now()
		w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
		w.settle()
		require.Equal(w.t, []string{"10.0.0.1", "10.0.0.2"}, w.registered(b))
		calls := w.calls("RegisterTargets", began)
		require.Len(w.t, calls, 1)
		require.Equal(w.t, callLatency/2, calls[0].Time.Sub(began), "the call left in the instant of the change")
		require.Equal(w.t, callLatency, w.metrics.latencies[len(w.metrics.latencies)-1])

		began = time.Now()
		w.endpoints("echo0", "10.0.0.2")
		w.settle()
		require.Equal(w.t, []string{"10.0.0.2"}, w.registered(b))
		require.Len(w.t, w.calls("DeregisterTargets", began), 1)
		require.Empty(w.t, w.calls("RegisterTargets", began))
	})
}

func TestBurstIsBatched(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		began := time.Now()
		var ips []string
		for n := range 50 { // one more pod every 20 ms
			ips = append(ips, fmt.Sprintf("10.0.1.%d", n))
			w.endpoints("echo0", ips...)
			time.Sleep(20 * time.Millisecond)
		}
		w.settle()
		require.Len(w.t, w.registered(b), 50)
		// Once at once, then one call per interval and latency, for a second.
		require.LessOrEqual(w.t, len(w.calls("RegisterTargets", began)), 6)
	})
}

func TestManyTargetsGoInChunks(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		began := time.Now()
		ip := netip.MustParseAddr("10.0.2.0")
		var ips []string
		for range 450 {
			ips = append(ips, ip.String())
			ip = ip.Next()
		}
		w.endpoints("echo0", ips...)
		w.settle()
		require.Len(w.t, w.registered(b), 450)
		require.Len(w.t, w.calls("RegisterTargets", began), 3)
	})
}

func TestRestartFindsWhatChanged(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
		w.source.set(b)
		w.start()
		w.stop()
		w.endpoints("echo0", "10.0.0.2", "10.0.0.3")
		began := time.Now()
		w.start()
		require.Equal(w.t, []string{"10.0.0.2", "10.0.0.3"}, w.registered(b))
		require.Len(w.t, w.calls("RegisterTargets", began), 1)
		require.Len(w.t, w.calls("DeregisterTargets", began), 1)
	})
}

func TestRestartWithNothingChangedMutatesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		w.stop()
		began := time.Now()
		w.start()
		require.Empty(w.t, w.calls("RegisterTargets", began))
		require.Empty(w.t, w.calls("DeregisterTargets", began))
	})
}

// TestDeletedSliceIsANewChange: what a slice says of its last change is old when the
// slice goes.
func TestDeletedSliceIsANewChange(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		time.Sleep(72 * time.Hour)
		require.NoError(w.t, w.kube.DiscoveryV1().EndpointSlices("demo0").Delete(w.t.Context(), "echo0", metav1.DeleteOptions{}))
		time.Sleep(gracePeriod)
		w.settle()
		require.Empty(w.t, w.registered(b))
		require.Less(w.t, w.metrics.latencies[len(w.metrics.latencies)-1], time.Second)
	})
}

func TestLossCutsCallsOff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.source.set(w.service("echo0"))
		w.start()
		w.sim.Inject(awssim.Fault{Action: "RegisterTargets", Latency: 5 * time.Second})
		w.endpoints("echo0", "10.0.0.1")
		time.Sleep(time.Second)
		began := time.Now()
		w.lose()
		require.Zero(w.t, time.Since(began))
	})
}

func TestTerms(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		informers, err := syncer.NewInformers(nil, w.kube)
		require.NoError(w.t, err)
		ctx, cancel := context.WithCancel(w.t.Context())
		w.stop = func() {
			cancel()
			informers.Shutdown()
		}
		informers.Start(ctx.Done())
		for term := range 3 {
			s, err := syncer.New(w.options(informers))
			require.NoError(w.t, err)
			ctx, cancel := context.WithCancel(ctx)
			var running sync.WaitGroup
			running.Go(func() { require.NoError(w.t, s.Run(ctx)) })
			ip := fmt.Sprintf("10.0.0.%d", 2+term)
			w.endpoints("echo0", ip)
			w.settle()
			require.Equal(w.t, []string{ip}, w.registered(b))
			cancel()
			running.Wait()
			w.endpoints("echo0", "10.0.0.1")
			w.settle()
			groups, _ := s.Pending("register")
			require.Zero(w.t, groups, "no events reach a Syncer that has ended")
		}
	})
}
