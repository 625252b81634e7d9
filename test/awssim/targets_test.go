package awssim

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRegisterPlacesTargets(t *testing.T) {
	for name, tc := range map[string]struct {
		spec targetSpec
		zone string
		err  string
	}{
		"in a subnet":             {spec: targetSpec{id: "10.0.2.9"}, zone: zoneB},
		"in a subnet, its zone":   {spec: targetSpec{id: "10.0.2.9", zone: zoneB}, zone: zoneB},
		"in a subnet, zone all":   {spec: targetSpec{id: "10.0.2.9", zone: "all"}, err: "ValidationError: The IP address '10.0.2.9' is within the VPC, and cannot have its Availability Zone overridden to 'all' from 'ap-northeast-3b'"},
		"in a subnet, other zone": {spec: targetSpec{id: "10.0.2.9", zone: zoneA}, err: "ValidationError: The IP address '10.0.2.9' is within the VPC, and cannot have its Availability Zone overridden to 'ap-northeast-3a' from 'ap-northeast-3b'"},

		"in the VPC's block but no subnet": {spec: targetSpec{id: "10.0.9.9"}, err: "ValidationError: The Availability Zone is required for IP address '10.0.9.9' because it is not in the VPC"},
		"outside, zone all":                {spec: targetSpec{id: "10.7.0.1", zone: "all"}, zone: "all"},
		"outside, a zone":                  {spec: targetSpec{id: "192.168.7.1", zone: zoneA}, zone: zoneA},
		"outside, not a zone":              {spec: targetSpec{id: "172.16.0.1", zone: "mars-1a"}, err: "ValidationError: You must specify a valid Availability Zone or select 'all' for all enabled Availability zones, since the IP address '172.16.0.1' is outside the VPC"},
		"carrier-grade NAT":                {spec: targetSpec{id: "100.64.0.1", zone: "all"}, zone: "all"},
		"public":                           {spec: targetSpec{id: "100.128.0.1", zone: "all"}, err: "ValidationError: The IP address '100.128.0.1' is not in the VPC and is publicly routable, it cannot be registered as a target"},

		"IPv6":          {spec: targetSpec{id: "fd00::1"}, err: "ValidationError: The IP address 'fd00::1' is not a valid IPv4 address"},
		"instance":      {spec: targetSpec{id: "i-0123"}, err: "ValidationError: The IP address 'i-0123' is not a valid IPv4 address"},
		"leading zero":  {spec: targetSpec{id: "10.0.01.1"}, err: "ValidationError: The IP address '10.0.01.1' is not a valid IPv4 address"},
		"port too high": {spec: targetSpec{id: "10.0.1.1", port: 65536}, err: "ValidationError: 1 validation error detected: Value '65536' at 'targets.member.port' failed to satisfy constraint: Member must have value less than or equal to 65535"},
		"port negative": {spec: targetSpec{id: "10.0.1.1", port: -1}, err: "ValidationError: 1 validation error detected: Value '-1' at 'targets.member.port' failed to satisfy constraint: Member must have value greater than or equal to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, Options{})
			g := addGroup(s, "g")
			err := call(s, s.registerLocked, g, tc.spec)
			if tc.err != "" {
				require.EqualError(t, err, tc.err)
				require.Empty(t, g.targets)
				return
			}
			require.NoError(t, err)
			for _, r := range g.targets {
				require.Equal(t, tc.zone, r.zone)
			}
			require.Len(t, g.targets, 1)
		})
	}
}

func TestTargetIdentityIsAddressAndPort(t *testing.T) {
	s := newSim(t, Options{})
	g := addGroup(s, "g")
	require.NoError(t, call(s, s.registerLocked, g,
		targetSpec{id: "10.0.1.1"}, targetSpec{id: "10.0.1.1", port: 8080}, targetSpec{id: "10.0.1.1", port: 9090}))
	require.Equal(t, []string{"10.0.1.1:8080 unused Target.NotInUse", "10.0.1.1:9090 unused Target.NotInUse"}, states(t, s, g))

	t.Run("deregistering an unknown target is no error", func(t *testing.T) {
		deregister(t, s, g, "10.0.1.7")
		require.Len(t, g.targets, 2)
	})
	t.Run("without its port only the default one goes", func(t *testing.T) {
		deregister(t, s, g, "10.0.1.1")
		deregister(t, s, g, "10.0.1.1")
		require.Equal(t, []string{"10.0.1.1:9090 unused Target.NotInUse"}, states(t, s, g))
	})
	t.Run("a query finds it by its port only", func(t *testing.T) {
		require.Equal(t, []string{"10.0.1.1:8080 unused Target.NotRegistered", "10.0.1.1:9090 unused Target.NotInUse"},
			states(t, s, g, targetSpec{id: "10.0.1.1"}, targetSpec{id: "10.0.1.1", port: 9090}))
	})
	t.Run("with its port", func(t *testing.T) {
		require.NoError(t, call(s, s.deregisterLocked, g, targetSpec{id: "10.0.1.1", port: 9090}))
		require.Empty(t, g.targets)
	})
}

func TestRegisterAgainKeepsTheState(t *testing.T) {
	s := newSim(t, Options{})
	g := addGroup(s, "g")
	addBalancer(s, 80, always(g))
	register(t, s, g, "10.0.1.1")
	for _, r := range g.targets {
		r.state = stateHealthy
	}
	register(t, s, g, "10.0.1.1", "10.0.1.2")
	require.Equal(t, []string{"10.0.1.1:8080 healthy", "10.0.1.2:8080 initial Elb.InitialHealthChecking"}, states(t, s, g))
}

func TestCallsOfMixedValidity(t *testing.T) {
	for name, tc := range map[string]struct {
		switches Switches
		want     int
	}{
		"are atomic":              {Switches{}, 0},
		"let the good targets in": {Switches{PartialRegister: true}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, Options{Switches: tc.switches})
			g := addGroup(s, "g")
			err := call(s, s.registerLocked, g, specs("10.0.1.1", "8.8.8.8", "10.0.1.2")...)
			require.ErrorContains(t, err, "8.8.8.8")
			require.Len(t, g.targets, tc.want)
		})
	}
	t.Run("deregister changes nothing", func(t *testing.T) {
		s := newSim(t, Options{})
		g := addGroup(s, "g")
		register(t, s, g, "10.0.1.1")
		require.Error(t, call(s, s.deregisterLocked, g, specs("10.0.1.1", "nonsense")...))
		require.Len(t, g.targets, 1)
	})
}

func TestCallSizes(t *testing.T) {
	s := newSim(t, Options{Switches: Switches{ChunkLimit: 2}})
	g := addGroup(s, "g")
	register(t, s, g, "10.0.1.1", "10.0.1.2")
	require.ErrorContains(t, call(s, s.registerLocked, g, specs("10.0.1.1", "10.0.1.2", "10.0.1.3")...), "less than or equal to 2")
	require.ErrorContains(t, call(s, s.deregisterLocked, g), "Member must not be null")
	require.Len(t, g.targets, 2)
}

func TestTargetQuotas(t *testing.T) {
	many := func(n int) []string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprintf("10.0.1.%d", i+1)
		}
		return ids
	}
	t.Run("of a group", func(t *testing.T) {
		s := newSim(t, Options{Quotas: Quotas{TargetsPerGroup: 3}})
		g := addGroup(s, "g")
		register(t, s, g, many(3)...)
		register(t, s, g, many(3)...)
		err := call(s, s.registerLocked, g, specs("10.0.1.9")...)
		require.EqualError(t, err, "TooManyTargets: The maximum number of targets per target group '3' has been reached on target group 'arn:tg/g'")
	})
	t.Run("of a load balancer, over its groups", func(t *testing.T) {
		s := newSim(t, Options{Quotas: Quotas{TargetsPerLoadBalancer: 5}})
		g, other := addGroup(s, "g"), addGroup(s, "other")
		addBalancer(s, 80, always(g), always(other))
		register(t, s, other, many(3)...)
		register(t, s, g, many(2)...)
		err := call(s, s.registerLocked, g, specs("10.0.1.9")...)
		require.EqualError(t, err, "TooManyTargets: The maximum number of targets per load balancer '5' has been reached on load balancer 'arn:lb/demo'")

		deregister(t, s, other, "10.0.1.1")
		register(t, s, g, "10.0.1.9")
	})
	t.Run("of a target, over the groups", func(t *testing.T) {
		s := newSim(t, Options{Quotas: Quotas{RegistrationsPerTarget: 1}})
		g, other := addGroup(s, "g"), addGroup(s, "other")
		addBalancer(s, 80, always(g), always(other))
		register(t, s, other, "10.0.1.1")
		require.NoError(t, call(s, s.registerLocked, other, targetSpec{id: "10.0.1.1", port: 9}))
		require.ErrorContains(t, call(s, s.registerLocked, g, specs("10.0.1.1")...), "TooManyRegistrationsForTargetId")
		register(t, s, g, "10.0.1.2")
	})
}

func TestRegisterWhileDraining(t *testing.T) {
	for name, tc := range map[string]struct {
		choice DrainingRegister
		err    string
		want   []string
		later  []string // after the deregistration delay
	}{
		"cancels the drain": {
			choice: CancelDrain,
			want:   []string{"10.0.1.1:8080 initial Elb.InitialHealthChecking"},
			later:  []string{"10.0.1.1:8080 initial Elb.InitialHealthChecking"},
		},
		"is rejected": {
			choice: Reject, err: "InvalidTarget: Targets {10.0.1.1:8080} are deregistering and cannot be registered",
			want:  []string{"10.0.1.1:8080 draining Target.DeregistrationInProgress"},
			later: []string{},
		},
		"changes nothing": {
			choice: StayDraining,
			want:   []string{"10.0.1.1:8080 draining Target.DeregistrationInProgress"},
			later:  []string{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, Options{Switches: Switches{DrainingRegister: tc.choice}})
				g := addGroup(s, "g")
				addBalancer(s, 80, always(g))
				register(t, s, g, "10.0.1.1")
				deregister(t, s, g, "10.0.1.1")
				time.Sleep(time.Minute)
				err := call(s, s.registerLocked, g, specs("10.0.1.1")...)
				if tc.err == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, tc.err)
				}
				require.Equal(t, tc.want, states(t, s, g))
				time.Sleep(4 * time.Minute)
				require.Equal(t, tc.later, states(t, s, g))
			})
		})
	}
}

func TestDrainingIsShownUntilTheDelayEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, Options{})
		g := addGroup(s, "g")
		g.attributes[deregistrationDelayAttribute] = "60"
		addBalancer(s, 80, always(g))
		register(t, s, g, "10.0.1.1")
		deregister(t, s, g, "10.0.1.1")
		time.Sleep(time.Minute - 1)
		require.Equal(t, []string{"10.0.1.1:8080 draining Target.DeregistrationInProgress"}, states(t, s, g))
		time.Sleep(time.Nanosecond)
		require.Empty(t, states(t, s, g))
		require.Equal(t, []string{"10.0.1.1:8080 unused Target.NotRegistered"}, states(t, s, g, targetSpec{id: "10.0.1.1"}))
	})
}

func TestCompleteDrainEarly(t *testing.T) {
	s := newSim(t, Options{Switches: Switches{CompleteDrainEarly: true}})
	g := addGroup(s, "g")
	addBalancer(s, 80, always(g))
	register(t, s, g, "10.0.1.1")
	deregister(t, s, g, "10.0.1.1")
	require.Empty(t, states(t, s, g))
}

func TestUnusedTargets(t *testing.T) {
	s := newSim(t, Options{Switches: Switches{IgnoreWeightZeroHealthCheck: true}})
	g, idle := addGroup(s, "g"), addGroup(s, "idle")
	addBalancer(s, 80, forwardTo(weightedGroup{g, 1}, weightedGroup{idle, 0}))
	register(t, s, g, "10.0.1.1", "10.0.3.1")
	register(t, s, idle, "10.0.1.1")

	s.mu.Lock()
	defer s.mu.Unlock()
	inUse, err := s.healthLocked(g, nil)
	require.NoError(t, err)
	require.Equal(t, "initial", inUse[0].state)
	require.Equal(t, "unused", inUse[1].state)
	require.Equal(t, "Target is in an Availability Zone that is not enabled for the load balancer", inUse[1].description)
	weightless, err := s.healthLocked(idle, nil)
	require.NoError(t, err)
	require.Equal(t, "Target group is not configured to receive traffic from the load balancer", weightless[0].description)
}
