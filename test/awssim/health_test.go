package awssim

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCodeMatches(t *testing.T) {
	for name, tc := range map[string]struct {
		matcher string
		code    int
		want    bool
	}{
		"equal":             {"200", 200, true},
		"other":             {"200", 201, false},
		"range, low end":    {"200-299", 200, true},
		"range, high end":   {"200-299", 299, true},
		"range, beyond":     {"200-299", 300, false},
		"list":              {"200,202", 202, true},
		"list, between":     {"200,202", 201, false},
		"list with a range": {"200, 300-302", 301, true},
		"nonsense":          {"ok", 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, codeMatches(tc.matcher, tc.code))
		})
	}
}

func TestJudge(t *testing.T) {
	settings := healthCheck{healthyThreshold: 3, unhealthyThreshold: 2}
	for name, tc := range map[string]struct {
		from     string
		outcomes string // + passed, - failed
		one      bool
		want     string
	}{
		"new: the first success is enough":      {stateInitial, "+", false, stateHealthy},
		"new: success after a failure":          {stateInitial, "-+", false, stateHealthy},
		"new: one failure is not enough":        {stateInitial, "-", false, stateInitial},
		"new: one failure, by the switch":       {stateInitial, "-", true, stateUnhealthy},
		"new: as many failures as the limit":    {stateInitial, "--", false, stateUnhealthy},
		"healthy: one failure":                  {stateHealthy, "-", true, stateHealthy},
		"healthy: failures in a row":            {stateHealthy, "--", false, stateUnhealthy},
		"healthy: failures not in a row":        {stateHealthy, "-+-", false, stateHealthy},
		"unhealthy: too few successes":          {stateUnhealthy, "++", false, stateUnhealthy},
		"unhealthy: enough successes":           {stateUnhealthy, "+++", false, stateHealthy},
		"unhealthy: successes not in a row":     {stateUnhealthy, "++-++", false, stateUnhealthy},
		"unhealthy from the start is not new":   {stateInitial, "--+", false, stateUnhealthy},
		"unhealthy from the start, and enough":  {stateInitial, "--+++", false, stateHealthy},
		"healthy for long, and then unhealthy":  {stateInitial, "++++++--", false, stateUnhealthy},
		"unhealthy for long, and then one more": {stateInitial, "-------+", false, stateUnhealthy},
	} {
		t.Run(name, func(t *testing.T) {
			r := &registration{state: tc.from}
			if tc.from == stateUnhealthy {
				r.reason = "Target.Timeout"
			}
			for _, outcome := range tc.outcomes {
				v := verdict{}
				if outcome == '-' {
					v = verdict{"Target.Timeout", "Request timed out"}
				}
				r.judgeLocked(v, settings, tc.one)
			}
			require.Equal(t, tc.want, r.state)
			require.Equal(t, tc.want == stateUnhealthy, r.reason != "")
		})
	}
}

func TestFirstCheckComesWithinTheInterval(t *testing.T) {
	for name, tc := range map[string]struct {
		switches Switches
		within   time.Duration
	}{
		"of the group":  {Switches{}, 30 * time.Second},
		"of the switch": {Switches{FirstCheckWithin: time.Second}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, s := inBubble(t, Options{Switches: tc.switches})
				g := addGroup(s, "g")
				addBalancer(s, 80, always(g))
				startPod(t, network, "10.0.1.1:8080", says("ok"))
				register(t, s, g, "10.0.1.1")
				synctest.Wait()
				require.Equal(t, []string{"10.0.1.1:8080 initial Elb.InitialHealthChecking"}, states(t, s, g))
				time.Sleep(tc.within)
				synctest.Wait()
				require.Equal(t, []string{"10.0.1.1:8080 healthy"}, states(t, s, g))
			})
		})
	}
}

func TestFirstChecksAreSpreadAndRepeatable(t *testing.T) {
	moments := func(seed uint64) map[time.Time]bool {
		s := newSim(t, Options{Switches: Switches{Seed: seed}})
		g, now, set := addGroup(s, "g"), time.Unix(1e9, 0), map[time.Time]bool{}
		for i := range byte(200) {
			r := &registration{key: parsed(t, g, "10.0.1."+string('0'+i%10)), registered: now.Add(time.Duration(i))}
			first := s.firstCheckLocked(&loadBalancer{}, g, r, now)
			require.WithinRange(t, first, now, now.Add(g.check.interval))
			set[first] = true
		}
		return set
	}
	require.Len(t, moments(1), 200, "no two at one instant")
	first := moments(1)
	require.Equal(t, first, moments(1))
	require.NotEqual(t, moments(1), moments(2))
	early := 0
	for m := range moments(3) {
		if m.Before(time.Unix(1e9+15, 0)) {
			early++
		}
	}
	require.InDelta(t, 100, early, 30, "uniform over the interval")
}

func parsed(t *testing.T, g *targetGroup, id string) targetKey {
	t.Helper()
	key, err := parseTarget(g, targetSpec{id: id})
	require.NoError(t, err)
	return key
}

func TestHealthCheckRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		port     string
		listenOn string
		host     string
	}{
		"traffic port": {"traffic-port", "10.0.1.1:8080", "10.0.1.1:8080"},
		"another port": {"9000", "10.0.1.1:9000", "10.0.1.1:9000"},
		"port 80":      {"80", "10.0.1.1:80", "10.0.1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, s := inBubble(t, Options{})
				g := addGroup(s, "g")
				g.check.port, g.check.path = tc.port, "/healthz?deep=1"
				addBalancer(s, 80, always(g))
				var (
					mu   sync.Mutex
					seen []*http.Request
				)
				startPod(t, network, tc.listenOn, func(_ http.ResponseWriter, r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, r)
				})
				register(t, s, g, "10.0.1.1")
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Len(t, seen, 2)
				require.Equal(t, "GET /healthz?deep=1", seen[0].Method+" "+seen[0].RequestURI)
				require.Equal(t, tc.host, seen[0].Host)
				require.Equal(t, "ELB-HealthChecker/2.0", seen[0].UserAgent())
				require.NotEqual(t, seen[0].RemoteAddr, seen[1].RemoteAddr, "a connection for each check")
			})
		})
	}
}

func TestReasonsOfUnhealthyTargets(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, tc := range map[string]struct {
		pod    http.HandlerFunc // nil: nobody listens
		reason string
		text   string
	}{
		"wrong code": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]"},
		"no answer":  {hang, "Target.Timeout", "Request timed out"},
		"refused":    {nil, "Target.FailedHealthChecks", "Health checks failed"},
		"cut off":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "Target.FailedHealthChecks", "Health checks failed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, s := inBubble(t, Options{})
				g := addGroup(s, "g")
				addBalancer(s, 80, always(g))
				if tc.pod != nil {
					startPod(t, network, "10.0.1.1:8080", tc.pod)
				}
				register(t, s, g, "10.0.1.1")
				time.Sleep(30 * time.Second)
				require.Equal(t, []string{"10.0.1.1:8080 initial Elb.InitialHealthChecking"}, states(t, s, g))
				time.Sleep(35*time.Second + 1) // The second check and its timeout.
				synctest.Wait()
				s.mu.Lock()
				defer s.mu.Unlock()
				h, err := s.healthLocked(g, nil)
				require.NoError(t, err)
				require.Equal(t, []string{"unhealthy", tc.reason, tc.text}, []string{h[0].state, h[0].reason, h[0].description})
			})
		})
	}
}

func TestOnlyTargetsInUseAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		network, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		lb := addBalancer(s, 80, fixedRule("404", ""))
		startPod(t, network, "10.0.1.1:8080", func(http.ResponseWriter, *http.Request) { asked.Add(1) })
		register(t, s, g, "10.0.1.1")
		time.Sleep(10 * time.Minute)
		require.Zero(t, asked.Load())
		require.Equal(t, []string{"10.0.1.1:8080 unused Target.NotInUse"}, states(t, s, g))

		setRules(s, lb, always(g))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"10.0.1.1:8080 healthy"}, states(t, s, g))

		setRules(s, lb, fixedRule("404", ""))
		synctest.Wait()
		before := asked.Load()
		time.Sleep(10 * time.Minute)
		require.Equal(t, before, asked.Load())
		setRules(s, lb, always(g))
		require.Equal(t, []string{"10.0.1.1:8080 initial Elb.InitialHealthChecking"}, states(t, s, g), "it starts anew")
	})
}

func TestTargetsInAnotherZoneAreNotChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, s := inBubble(t, Options{})
		var asked atomic.Int64
		g := addGroup(s, "g")
		lb := addBalancer(s, 80, always(g))
		startPod(t, network, "10.0.3.1:8080", func(http.ResponseWriter, *http.Request) { asked.Add(1) })
		register(t, s, g, "10.0.3.1")
		time.Sleep(10 * time.Minute)
		require.Zero(t, asked.Load())

		s.mu.Lock()
		lb.subnets = append(lb.subnets, s.subnets["subnet-c"])
		s.changed()
		s.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"10.0.3.1:8080 healthy"}, states(t, s, g))
	})
}

func TestRegistrationTakesTimeToArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delay := Span{5 * time.Second, 5 * time.Second}
		network, s := inBubble(t, Options{Switches: Switches{RegisterDelay: delay, FirstCheckWithin: time.Second}})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		startPod(t, network, "10.0.1.1:8080", says("ok"))
		register(t, s, g, "10.0.1.1")
		time.Sleep(5*time.Second - 1)
		synctest.Wait()
		require.Equal(t, []string{"10.0.1.1:8080 initial Elb.RegistrationInProgress"}, states(t, s, g))
		time.Sleep(time.Nanosecond)
		require.Equal(t, []string{"10.0.1.1:8080 initial Elb.InitialHealthChecking"}, states(t, s, g))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"10.0.1.1:8080 healthy"}, states(t, s, g))
	})
}

// A hundred targets that swallow every connection keep no other from its checks.
func TestDeadTargetsDoNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &PipeNet{}
		var asked atomic.Int64
		s := newSim(t, Options{Listen: network.Listen, Dial: func(ctx context.Context, proto, address string) (net.Conn, error) {
			if address == "10.0.1.200:8080" {
				return network.Dial(ctx, proto, address)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		start(t, s)
		startPod(t, network, "10.0.1.200:8080", func(http.ResponseWriter, *http.Request) { asked.Add(1) })
		for i := range byte(100) {
			register(t, s, g, net.IPv4(10, 0, 1, i+1).String())
		}
		register(t, s, g, "10.0.1.200")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.EqualValues(t, 20, asked.Load(), "one check per interval")
		require.Contains(t, states(t, s, g), "10.0.1.1:8080 unhealthy Target.Timeout")
	})
}
