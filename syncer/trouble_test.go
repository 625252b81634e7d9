package syncer_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

func TestConvergesAfterFaults(t *testing.T) {
	tests := map[string]awssim.Fault{
		"an error five times":           {Times: 5, Code: "InternalFailure", Status: http.StatusInternalServerError},
		"refused five times":            {Times: 5, Code: "ValidationError"},
		"throttled five times":          {Times: 5, Throttle: true},
		"the response is lost":          {Times: 1, LoseResponse: true},
		"slow calls":                    {Times: 3, Latency: 3 * time.Second},
		"every response lost for a bit": {Times: 3, LoseResponse: true},
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				b := w.service("echo0")
				w.source.set(b)
				w.start()
				for _, action := range []string{"RegisterTargets", "DeregisterTargets"} {
					fault.Action = action
					w.sim.Inject(fault)
				}
				w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
				time.Sleep(50 * time.Millisecond)
				w.endpoints("echo0", "10.0.0.2", "10.0.0.3")
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				require.Equal(w.t, []string{"10.0.0.2", "10.0.0.3"}, w.registered(b))
			})
		})
	}
}

func TestStopFinishesCallsUnderWay(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		w.sim.Inject(awssim.Fault{Action: "RegisterTargets", Latency: 2 * time.Second})
		w.endpoints("echo0", "10.0.0.1")
		time.Sleep(time.Second)
		w.stop()
		require.Len(w.t, w.metrics.latencies, 1, "its answer was waited for")
		require.Equal(w.t, []string{"10.0.0.1"}, w.registered(b))
	})
}

// TestOneSickGroupDoesNotSlowAnother has every call for one group hang.
func TestOneSickGroupDoesNotSlowAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		sick, well := w.service("sick"), w.service("well")
		w.source.set(sick, well)
		w.start()
		w.sim.Inject(awssim.Fault{Action: "RegisterTargets", Times: 1, Latency: 30 * time.Second})
		w.endpoints("sick", "10.0.0.1")
		time.Sleep(time.Second)
		began := time.Now()
		w.endpoints("well", "10.0.0.2")
		time.Sleep(callLatency)
		synctest.Wait()
		require.Equal(w.t, []string{"10.0.0.2"}, w.registered(well))
		require.Len(w.t, w.calls("RegisterTargets", began), 1)
	})
}

// TestOneBadTargetDoesNotHoldUpTheOthers puts an address that AWS refuses among 449
// that it takes.
func TestOneBadTargetDoesNotHoldUpTheOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		ip := netip.MustParseAddr("10.0.2.0")
		ips := []string{"192.0.2.1"} // AWS takes no public addresses
		for range 449 {
			ips = append(ips, ip.String())
			ip = ip.Next()
		}
		began := time.Now()
		w.endpoints("echo0", ips...)
		w.settle()
		require.Len(w.t, w.registered(b), 449)
		require.Equal(w.t, map[string]int{"Invalid": 1}, w.parked())
		require.Contains(w.t, <-w.events.Events, "TargetRefused target 192.0.2.1:8000")
		require.Less(w.t, len(w.calls("RegisterTargets", began)), 25)

		began = time.Now()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.InDelta(w.t, 14, len(w.calls("RegisterTargets", began)), 4, "it is tried again, and less and less often")
		w.endpoints("echo0", ips[1:]...)
		w.settle()
		require.Empty(w.t, w.parked(), "nobody wants it any more")
	})
}

// TestQuota lets 40 pods compete for 30 places, and then gives some back.
func TestQuota(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.attach(b)
		w.source.set(b)
		w.start()
		var ips []string
		for n := range 40 {
			ips = append(ips, fmt.Sprintf("10.0.3.%d", n))
		}
		began := time.Now()
		w.endpoints("echo0", ips...)
		w.settle()
		require.Len(w.t, w.registered(b), targetQuota)
		require.Equal(w.t, map[string]int{"Limit": 10}, w.parked())
		require.Contains(w.t, <-w.events.Events, "TargetQuotaExceeded target group echo0 has no room for more targets")
		require.Less(w.t, len(w.calls("RegisterTargets", began)), 10)

		began = time.Now()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.InDelta(w.t, 14, len(w.calls("RegisterTargets", began)), 4, "one target is tried now and then")
		first := w.registered(b)

		// Half of those who have a place leave: as many move up, in one call.
		began = time.Now()
		stay := slices.DeleteFunc(slices.Clone(ips), func(ip string) bool { return slices.Contains(first[:5], ip) })
		w.endpoints("echo0", stay...)
		w.settle()
		require.Len(w.t, w.registered(b), targetQuota)
		require.Len(w.t, w.calls("DeregisterTargets", began), 1)
		require.Equal(w.t, "OK", w.calls("RegisterTargets", began)[0].Code)
		require.Equal(w.t, map[string]int{"Limit": 5}, w.parked())
		stay = slices.DeleteFunc(stay, func(ip string) bool { return slices.Contains(first[5:10], ip) })
		w.endpoints("echo0", stay...)
		w.settle()
		require.Len(w.t, w.registered(b), targetQuota)
		require.Empty(w.t, w.parked())
	})
}

// TestQuotaIsSharedFairly: of two zones with as many pods each, both get their share.
func TestQuotaIsSharedFairly(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.attach(b)
		w.source.set(b)
		w.start()
		var ips []string
		for n := range 50 {
			ips = append(ips, fmt.Sprintf("10.0.3.%d", n), fmt.Sprintf("10.0.200.%d", n))
		}
		w.endpoints("echo0", ips...)
		w.settle()
		registered := w.registered(b)
		require.Len(w.t, registered, targetQuota)
		inA := slices.DeleteFunc(registered, func(ip string) bool { return !strings.HasPrefix(ip, "10.0.3.") })
		require.InDelta(w.t, targetQuota/2, len(inA), targetQuota/4)
	})
}

// fullGroup starts with a group that fills its quota, and returns as many addresses more.
func (w *world) fullGroup() (b target.Binding, fresh []string) {
	w.t.Helper()
	b = w.service("echo0")
	w.attach(b)
	w.source.set(b)
	var old []string
	for n := range targetQuota {
		old, fresh = append(old, fmt.Sprintf("10.0.3.%d", n)), append(fresh, fmt.Sprintf("10.0.4.%d", n))
	}
	w.endpoints("echo0", old...)
	w.start()
	return b, fresh
}

// TestFullGroupReplacesAllItsTargets: where a quota stands in the way of the new ones,
// the old ones go first.
func TestFullGroupReplacesAllItsTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		b, fresh := w.fullGroup()
		began := time.Now()
		w.endpoints("echo0", fresh...)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(w.t, w.registered(b), len(fresh))
		require.Contains(w.t, w.registered(b), fresh[0])
		require.LessOrEqual(w.t, len(w.calls("RegisterTargets", began)), 3, "one came too early")
	})
}

// TestFullGroupTriesNoLessWhileOthersLeave: how many would fit before those who leave
// have left is of no interest, even if that takes a while.
func TestFullGroupTriesNoLessWhileOthersLeave(t *testing.T) {
	inWorld(t, func(w *world) {
		b, fresh := w.fullGroup()
		w.sim.Inject(awssim.Fault{Action: "DeregisterTargets", Times: 1, Throttle: true})
		began := time.Now()
		w.endpoints("echo0", fresh...)
		w.settle()
		require.Contains(w.t, w.registered(b), fresh[0])
		require.LessOrEqual(w.t, len(w.calls("RegisterTargets", began)), 3)
		second := w.calls("DeregisterTargets", began)[1]
		require.Less(w.t, second.Time.Sub(began), time.Second, "a throttled call waits longer, but here others wait for it")
	})
}

// TestAuditRepairsDrift has somebody else change a group behind our back.
func TestAuditRepairsDrift(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1", "10.0.0.2")
		w.source.set(b)
		w.start()
		at := func(ip string) []target.Target { return []target.Target{{IP: netip.MustParseAddr(ip), Port: 8000}} }
		require.NoError(w.t, w.aws.ELB.DeregisterTargets(w.t.Context(), b.GroupARN, at("10.0.0.1")))
		require.NoError(w.t, w.aws.ELB.RegisterTargets(w.t.Context(), b.GroupARN, at("10.0.0.3"), nil))
		time.Sleep(2 * auditInterval)
		synctest.Wait()
		require.Equal(w.t, []string{"10.0.0.1", "10.0.0.2"}, w.registered(b))
		require.Equal(w.t, 2, w.metrics.drift)
	})
}

// TestAuditCost counts the reads of a day in which nothing happens.
func TestAuditCost(t *testing.T) {
	inWorld(t, func(w *world) {
		var bindings []target.Binding
		for n := range 20 {
			bindings = append(bindings, w.service(fmt.Sprintf("echo%d", n)))
		}
		w.source.set(bindings...)
		w.start()
		began := time.Now()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		perGroup := map[string]int{}
		perHour := map[int]int{}
		for _, c := range w.calls("DescribeTargetHealth", began) {
			perGroup[c.Params["TargetGroupArn"]]++
			perHour[int(c.Time.Sub(began)/time.Hour)]++
		}
		require.Len(w.t, perGroup, 20)
		for _, n := range perGroup {
			require.InDelta(w.t, 24*6, n, 1)
		}
		for _, n := range perHour {
			require.InDelta(w.t, 20*6, n, 20)
		}
	})
}

func TestStopBeginsNoNewCalls(t *testing.T) {
	inWorld(t, func(w *world) {
		var bindings []target.Binding
		for n := range 60 {
			bindings = append(bindings, w.service(fmt.Sprintf("echo%d", n)))
		}
		w.source.set(bindings...)
		w.start()
		for n := range 60 {
			w.endpoints(fmt.Sprintf("echo%d", n), fmt.Sprintf("10.0.3.%d", n))
		}
		time.Sleep(10 * time.Millisecond)
		stopped := time.Now()
		w.stop()
		require.Empty(w.t, w.calls("RegisterTargets", stopped.Add(callLatency)))
		require.Less(w.t, time.Since(stopped), time.Second)
	})
}

// TestOutagesAreNotHammered: AWS answers with 5xx for ten minutes, and each answer
// leaves open what happened.
func TestOutagesAreNotHammered(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.source.set(b)
		w.start()
		w.sim.Inject(awssim.Fault{Action: "RegisterTargets", Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable})
		began := time.Now()
		w.endpoints("echo0", "10.0.0.1")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		// About ten while the pause doubles to a minute, and then two a minute: the
		// second look also ends in a try.
		require.Less(w.t, len(w.calls("RegisterTargets", began)), 60)
		require.Less(w.t, len(w.calls("DescribeTargetHealth", began)), 60)
		w.sim.ClearFaults()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(w.t, []string{"10.0.0.1"}, w.registered(b))
	})
}

// TestUnboundWhileACallIsUnderWay binds a group again before the call returns.
func TestUnboundWhileACallIsUnderWay(t *testing.T) {
	inWorld(t, func(w *world) {
		b := w.service("echo0")
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		w.sim.Inject(awssim.Fault{Action: "DeregisterTargets", Times: 1, Latency: 3 * time.Second})
		w.endpoints("echo0")
		time.Sleep(time.Second)
		w.source.set()
		time.Sleep(10 * time.Millisecond)
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(w.t, []string{"10.0.0.1"}, w.registered(b))
	})
}
