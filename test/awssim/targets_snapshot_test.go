package awssim

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The snapshot is exact while calls are slow, throttled and cut.
func TestTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, s := inBubble(t, Options{Latency: time.Hour, Switches: Switches{FirstCheckWithin: 3 * time.Second}})
		startPod(t, network, "10.0.1.1:8080", says("pod"))
		g := addGroup(s, "g")
		g.attributes[deregistrationDelayAttribute] = "60"
		addBalancer(s, 80, always(g))
		s.Inject(Fault{Reset: true})
		require.Empty(t, s.Targets(g.arn))
		require.Empty(t, s.Targets("arn:tg/none"))

		began := time.Now()
		register(t, s, g, "10.0.2.1", "10.0.1.1")
		want := []Target{
			{Address: netip.MustParseAddrPort("10.0.1.1:8080"), Zone: zoneA, State: "initial", Reason: "Elb.InitialHealthChecking", Registered: began},
			{Address: netip.MustParseAddrPort("10.0.2.1:8080"), Zone: zoneB, State: "initial", Reason: "Elb.InitialHealthChecking", Registered: began},
		}
		require.Equal(t, want, s.Targets(g.arn))

		healthy(t)
		healthy(t) // It takes two checks to be unhealthy.
		got := s.Targets(g.arn)
		require.WithinRange(t, got[0].Healthy, began, began.Add(3*time.Second))
		want[0].State, want[0].Reason, want[0].Healthy = "healthy", "", got[0].Healthy
		want[1].State, want[1].Reason = "unhealthy", "Target.FailedHealthChecks"
		require.Equal(t, want, got)
		time.Sleep(time.Hour)
		require.Equal(t, want, s.Targets(g.arn), "healthy since the first success")

		ended := time.Now()
		deregister(t, s, g, "10.0.1.1")
		want[0].State, want[0].Reason = "draining", "Target.DeregistrationInProgress"
		want[0].Deregistered, want[0].DrainEnd = ended, ended.Add(time.Minute)
		require.Equal(t, want, s.Targets(g.arn))
		time.Sleep(time.Minute)
		require.Equal(t, want[1:], s.Targets(g.arn))

		setRules(s, s.loadBalancers["arn:lb/demo"], fixedRule("200", ""))
		synctest.Wait()
		require.Equal(t, "unused", s.Targets(g.arn)[0].State)
	})
}
