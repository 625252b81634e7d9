package awssim

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRoundRobin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		for _, ip := range []string{"10.0.1.1", "10.0.1.2", "10.0.1.3"} {
			startPod(t, n, ip+":8080", says(ip))
			register(t, s, g, ip)
		}
		healthy(t)
		require.Equal(t, map[string]int{"10.0.1.1": 4, "10.0.1.2": 4, "10.0.1.3": 4}, answers(t, s, 12))

		last := s.Requests()[11]
		require.Equal(t, RequestLog{
			Time: last.Time, LoadBalancer: "demo", Port: 80, Method: "GET", Host: dns, Path: "/",
			TargetGroup: "g", Target: "10.0.1.3:8080", Status: 200,
		}, last)
	})
}

func TestWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		blue, green, idle, empty := addGroup(s, "blue"), addGroup(s, "green"), addGroup(s, "idle"), addGroup(s, "empty")
		lb := addBalancer(s, 80, forwardTo(weightedGroup{blue, 3}, weightedGroup{green, 1}, weightedGroup{idle, 0}))
		for ip, g := range map[string]*targetGroup{"10.0.1.1": blue, "10.0.1.2": green, "10.0.1.3": idle} {
			startPod(t, n, ip+":8080", says(g.name))
			register(t, s, g, ip)
		}
		healthy(t)
		require.Equal(t, map[string]int{"blue": 9, "green": 3}, answers(t, s, 12))
		require.Equal(t, []string{"10.0.1.3:8080 healthy"}, states(t, s, idle), "checked without traffic")

		setRules(s, lb, forwardTo(weightedGroup{blue, 1}, weightedGroup{empty, 1}))
		count := answers(t, s, 4)
		require.Equal(t, 2, count["blue"], "no second choice for an empty group: %v", count)
	})
}

func TestOnlyHealthyTargetsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		sick := func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthz" {
				w.WriteHeader(http.StatusInternalServerError)
			}
			_, _ = io.WriteString(w, "sick")
		}
		startPod(t, n, "10.0.1.1:8080", sick)
		register(t, s, g, "10.0.1.1")
		synctest.Wait()
		require.Equal(t, map[string]int{"sick": 2}, answers(t, s, 2), "fails open to a target not yet checked")
		time.Sleep(5 * time.Minute)
		require.Equal(t, []string{"10.0.1.1:8080 unhealthy Target.ResponseCodeMismatch"}, states(t, s, g))
		require.Equal(t, map[string]int{"sick": 2}, answers(t, s, 2), "fails open to an unhealthy one")

		startPod(t, n, "10.0.1.2:8080", says("well"))
		register(t, s, g, "10.0.1.2")
		healthy(t)
		require.Equal(t, map[string]int{"well": 4}, answers(t, s, 4))
	})
}

func TestTargetsInAnotherZoneGetNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		startPod(t, n, "10.0.3.1:8080", says("zone c"))
		register(t, s, g, "10.0.3.1")
		synctest.Wait()
		status, _ := get(t, clientOf(t, s), site)
		require.Equal(t, http.StatusServiceUnavailable, status)
	})
}

// The data plane learns of a deregistration later than its caller's answer says.
func TestDeregisteredTargetsServeUntilTheNewsArrives(t *testing.T) {
	span := func(d time.Duration) Span { return Span{d, d} }
	for name, tc := range map[string]struct {
		delay string // of deregistration
	}{
		"a target that still drains": {"300"},
		"a target that is gone":      {"0"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s := inBubble(t, Options{Switches: Switches{DeregisterDelay: span(10 * time.Second)}})
				g := addGroup(s, "g")
				g.attributes[deregistrationDelayAttribute] = tc.delay
				addBalancer(s, 80, always(g))
				startPod(t, n, "10.0.1.1:8080", says("old"))
				startPod(t, n, "10.0.1.2:8080", says("new"))
				register(t, s, g, "10.0.1.1", "10.0.1.2")
				healthy(t)
				deregister(t, s, g, "10.0.1.1")
				require.Equal(t, map[string]int{"old": 2, "new": 2}, answers(t, s, 4))
				time.Sleep(10 * time.Second)
				require.Equal(t, map[string]int{"new": 4}, answers(t, s, 4))
			})
		})
	}
}

func TestNewTargetsServeWhenTheNewsArrives(t *testing.T) {
	delay := Span{10 * time.Second, 10 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{Switches: Switches{RegisterDelay: delay}})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		startPod(t, n, "10.0.1.1:8080", says("new"))
		register(t, s, g, "10.0.1.1")
		time.Sleep(10*time.Second - 1)
		status, _ := get(t, clientOf(t, s), site)
		require.Equal(t, http.StatusServiceUnavailable, status)
		time.Sleep(time.Nanosecond)
		require.Equal(t, map[string]int{"new": 1}, answers(t, s, 1))
	})
}

func TestAlgorithms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		slow := true
		for _, ip := range []string{"10.0.1.1", "10.0.1.2", "10.0.1.3"} {
			startPod(t, n, ip+":8080", func(w http.ResponseWriter, r *http.Request) {
				if slow && ip == "10.0.1.1" && r.URL.Path == "/" {
					time.Sleep(time.Second)
				}
				_, _ = io.WriteString(w, ip)
			})
			register(t, s, g, ip)
		}
		healthy(t)
		choose := func(algorithm string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			g.attributes["load_balancing.algorithm.type"] = algorithm
		}
		choose("least_outstanding_requests")
		client := clientOf(t, s)
		var waiting sync.WaitGroup
		for range 3 { // One of them is for the slow target.
			waiting.Go(func() { get(t, client, site) })
			synctest.Wait()
		}
		require.NotContains(t, answers(t, s, 6), "10.0.1.1", "it has a request to answer")
		waiting.Wait()

		slow = false
		choose("weighted_random")
		count := answers(t, s, 300)
		for _, n := range count {
			require.InDelta(t, 100, n, 30)
		}
		require.NotEqual(t, map[string]int{"10.0.1.1": 100, "10.0.1.2": 100, "10.0.1.3": 100}, count, "they do not take turns")
	})
}
