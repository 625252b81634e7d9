package provision

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/test/awssim"
)

// minutesToBegin is how long a new load balancer takes in the tests below.
const minutesToBegin = 2 * time.Minute

var slowBalancers = awssim.Options{Switches: awssim.Switches{ProvisioningTime: minutesToBegin}}

// annotate sets annotations of an Ingress.
func (w *world) annotate(name string, annotations map[string]string) {
	w.t.Helper()
	w.update("demo0", name, func(ing *networkingv1.Ingress) {
		for k, v := range annotations {
			ing.Annotations[prefix+k] = v
		}
	})
}

// backends are the Ingresses of the tests below, and the Services behind them.
var backends = map[string]string{"first": "echo0", "second": "echo1"}

// TestLoadBalancerReplacementDropsNothing: whatever gives an Ingress another address,
// the old one answers until the new one does, and for a while after.
func TestLoadBalancerReplacementDropsNothing(t *testing.T) {
	left, single := map[string]string{"group.name": "left"}, map[string]string{}
	scheme, shop := map[string]string{"scheme": "internal"}, map[string]string{"group.name": "shop"}
	both := map[string]string{"scheme": "internal", "group.name": "shop"}
	tests := map[string]struct {
		before, first, second map[string]string // annotations; of the second Ingress: nil if there is none
		restarts              bool
	}{
		"scheme":                 {before: single, first: scheme},
		"scheme, restarts":       {before: single, first: scheme, restarts: true},
		"joins a group":          {before: single, first: shop},
		"joins, restarts":        {before: single, first: shop, restarts: true},
		"moves, with the scheme": {before: left, first: both},
		"leaves another":         {before: left, first: shop, second: single},
		"leaves with the scheme": {before: left, first: both, second: single},
		"leaves, restarts":       {before: left, first: shop, second: single, restarts: true},
		"scheme of a group":      {before: left, first: scheme, second: scheme},
		"all leave":              {before: left, first: shop, second: shop},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inTraffic(t, slowBalancers, func(w *traffic) {
				w.deploy("echo0", "10.0.1.1", "10.0.2.1")
				w.deploy("echo1", "10.0.1.2")
				changes := map[string]map[string]string{"first": tt.first}
				if tt.second != nil {
					changes["second"] = tt.second
				}
				for name := range changes {
					w.ingress("demo0", name, tt.before, backends[name])
				}
				w.start()
				w.live(5 * time.Minute)
				old := w.address("first")
				for name := range changes {
					w.follow(old, "/"+backends[name], backends[name])
				}
				w.said()
				for name, change := range changes {
					w.annotate(name, change)
				}
				turned := map[string]time.Time{}
				for second := range 20 * 60 {
					if tt.restarts && second < 10*60 && second%40 == 39 {
						w.halt()
						w.start()
					}
					w.live(time.Second)
					for name := range changes {
						w.watch(name, old, turned)
					}
				}
				w.checkTurned(changes, turned)
			})
		})
	}
}

// watch follows an Ingress to its new address, and the old one for as long as it is to
// answer.
func (w *traffic) watch(name, old string, turned map[string]time.Time) {
	w.t.Helper()
	path, service := "/"+backends[name], backends[name]
	now := w.address(name)
	if now == old {
		require.Zero(w.t, turned[name], "it turns once")
		return
	}
	w.follow(now, path, service)
	if turned[name].IsZero() {
		turned[name] = time.Now()
	}
	if time.Since(turned[name]) > linger-5*time.Second {
		w.unfollow(old, path)
	}
}

// checkTurned checks who has another address and that nothing is left of the old one.
func (w *traffic) checkTurned(changes map[string]map[string]string, turned map[string]time.Time) {
	t := w.t
	t.Helper()
	addresses := map[string]bool{}
	for name, change := range changes {
		require.Equal(t, len(change) > 0, !turned[name].IsZero(), "%s has another address", name)
		ing := w.get("demo0", name)
		require.Len(t, ing.Finalizers, 1)
		for key := range ing.Annotations {
			require.NotContains(t, key, "tgsync.io/")
		}
		addresses[hostOf(ing)] = true
	}
	want := map[string]int{
		"security group": len(addresses), "load balancer": len(addresses), "target group": len(changes), "rule": len(addresses) + len(changes),
	}
	require.Equal(t, want, kinds(w.account()))
	require.Len(t, w.loop.Bindings(), len(changes))
	said := strings.Join(w.said(), "\n")
	require.NotContains(t, said, "Failed")
	require.NotContains(t, said, "NotHealthy")
}

// settledWith makes a world of one Ingress that is served and followed.
func (w *traffic) settledWith(annotations map[string]string) (host string) {
	w.deploy("echo0", "10.0.1.1", "10.0.2.1")
	w.ingress("demo0", "first", annotations, "echo0")
	w.start()
	w.live(5 * time.Minute)
	host = w.address("first")
	w.follow(host, "/echo0", "echo0")
	w.said()
	w.writes()
	return host
}

// TestNameStays: two load balancers cannot have one name, so the old one goes first,
// and its members hear of it.
func TestNameStays(t *testing.T) {
	mine := map[string]string{"load-balancer-name": "mine"}
	for name, change := range map[string]map[string]string{
		"scheme": {"scheme": "internal"},
		"group":  {"group.name": "shop"},
	} {
		t.Run(name, func(t *testing.T) {
			inTraffic(t, slowBalancers, func(w *traffic) {
				t := w.t
				host := w.settledWith(mine)
				w.unfollow(host, "/echo0")
				w.annotate("first", change)
				w.live(6 * time.Minute)
				require.NotEqual(t, host, w.address("first"))
				w.follow(w.address("first"), "/echo0", "echo0")
				w.live(time.Second)
				require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 1, "rule": 2}, kinds(w.account()))
				require.Contains(t, strings.Join(w.said(), "\n"), "demo0/first LoadBalancerReplaced: load balancer mine ")
				writes := w.writes()
				slices.Reverse(writes) // the first one may have been refused, as the name was taken
				require.Greater(t, slices.Index(writes, "DeleteLoadBalancer"), slices.Index(writes, "CreateLoadBalancer"))
			})
		})
	}
}

// TestComesBack: who comes back while the old load balancer lingers is served by it,
// and stays as long when it leaves again.
func TestComesBack(t *testing.T) {
	tests := map[string]struct{ there, back func(*networkingv1.Ingress) }{
		"scheme": {
			func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"scheme"] = "internal" },
			func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"scheme"] = "internet-facing" },
		},
		"group": {
			func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"group.name"] = "shop" },
			func(ing *networkingv1.Ingress) { delete(ing.Annotations, prefix+"group.name") },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inTraffic(t, awssim.Options{}, func(w *traffic) {
				t := w.t
				old := w.settledWith(nil)
				before := w.account()
				w.update("demo0", "first", tt.there)
				w.live(linger - time.Minute)
				other := w.address("first")
				require.NotEqual(t, old, other)
				w.follow(other, "/echo0", "echo0")
				w.update("demo0", "first", tt.back)
				w.live(linger - time.Minute)
				require.Equal(t, old, w.address("first"))
				w.unfollow(other, "/echo0")
				w.live(linger)
				require.Equal(t, before, w.account(), "the other one is gone, and this one unmarked")

				w.update("demo0", "first", tt.there)
				w.live(linger - time.Minute)
				require.NotEqual(t, old, w.address("first"))
				w.unfollow(old, "/echo0")
				w.live(2 * linger)
				require.Len(t, w.get("demo0", "first").Finalizers, 1)
			})
		})
	}
}

// TestWhoLeavesForGoodGoesAtOnce, though a load balancer lingers.
func TestWhoLeavesForGoodGoesAtOnce(t *testing.T) {
	tests := map[string]func(*traffic){
		"is deleted": func(w *traffic) { w.remove("demo0", "first") },
		"class is changed away": func(w *traffic) {
			w.update("demo0", "first", func(ing *networkingv1.Ingress) { ing.Spec.IngressClassName = nil })
		},
	}
	for name, leave := range tests {
		for name, change := range map[string]map[string]string{
			name + " at once":                 {},
			name + " after its scheme":        {"scheme": "internal"},
			name + " after a change of group": {"group.name": "shop"},
		} {
			t.Run(name, func(t *testing.T) {
				inTraffic(t, awssim.Options{}, func(w *traffic) {
					t := w.t
					host := w.settledWith(nil)
					w.annotate("first", change)
					w.live(time.Minute)
					w.unfollow(host, "/echo0")
					leave(w)
					w.live(30 * time.Second)
					require.Empty(t, w.account())
					for _, ing := range w.ingresses() {
						require.Empty(t, ing.Finalizers)
					}
				})
			})
		}
	}
}

// TestMemberIsDeletedWhileItsGroupIsReplaced: its rules go from both load balancers.
func TestMemberIsDeletedWhileItsGroupIsReplaced(t *testing.T) {
	inTraffic(t, awssim.Options{}, func(w *traffic) {
		t := w.t
		shared := map[string]string{"group.name": "shop"}
		w.deploy("echo1", "10.0.1.2")
		w.ingress("demo0", "second", shared, "echo1")
		host := w.settledWith(shared)
		for _, name := range []string{"first", "second"} {
			w.annotate(name, map[string]string{"scheme": "internal"})
		}
		w.live(time.Minute)
		w.remove("demo0", "second")
		w.live(30 * time.Second)
		require.Len(t, w.ingresses(), 1)
		require.NotContains(t, strings.Join(w.account(), "\n"), "/echo1")
		require.Equal(t, 2, kinds(w.account())["load balancer"])
		w.unfollow(host, "/echo0")
		w.live(linger)
		require.Equal(t, 1, kinds(w.account())["load balancer"])
	})
}

// TestMoveToAGroupThatCannotServe keeps the old one, for as long as it takes.
func TestMoveToAGroupThatCannotServe(t *testing.T) {
	inTraffic(t, awssim.Options{}, func(w *traffic) {
		t := w.t
		host := w.settledWith(nil)
		w.annotate("first", map[string]string{"group.name": "shop", "healthcheck-interval-seconds": "soon"})
		w.live(time.Hour / 2)
		require.Equal(t, host, w.address("first"))
		require.Equal(t, 1, kinds(w.account())["load balancer"])
		w.annotate("first", map[string]string{"healthcheck-interval-seconds": "10"})
		w.live(linger - time.Minute)
		require.NotEqual(t, host, w.address("first"))
	})
}

// TestShownWhenHealthy: an active load balancer is not enough.
func TestShownWhenHealthy(t *testing.T) {
	slow := awssim.Span{Min: 40 * time.Second, Max: 40 * time.Second}
	inTraffic(t, awssim.Options{Switches: awssim.Switches{RegisterDelay: slow}}, func(w *traffic) {
		t := w.t
		host := w.settledWith(nil)
		w.annotate("first", map[string]string{"scheme": "internal"})
		for w.address("first") == host {
			w.live(time.Second)
		}
		w.follow(w.address("first"), "/echo0", "echo0")
		for name, healthy := range w.weights() {
			require.Equal(t, 2, healthy, name)
		}
	})
}

// TestShownWhenActive: what has no targets is not ready before the load balancer is.
func TestShownWhenActive(t *testing.T) {
	inWorld(t, slowBalancers, func(w *world) {
		t := w.t
		w.ingress("demo0", "first", nil)
		w.start()
		w.settle()
		host := hostOf(w.get("demo0", "first"))
		w.annotate("first", map[string]string{"scheme": "internal"})
		time.Sleep(minutesToBegin - 10*time.Second)
		require.Equal(t, host, hostOf(w.get("demo0", "first")))
		time.Sleep(20 * time.Second)
		require.NotEqual(t, host, hostOf(w.get("demo0", "first")))
	})
}

// TestMovesWhileAnotherIsDeleted: nobody is left who says what the group's load balancer
// is like, and it stays as it is.
func TestMovesWhileAnotherIsDeleted(t *testing.T) {
	inTraffic(t, slowBalancers, func(w *traffic) {
		t := w.t
		shared := map[string]string{"group.name": "left"}
		w.deploy("echo1", "10.0.1.2")
		w.ingress("demo0", "second", shared, "echo1")
		host := w.settledWith(shared)
		w.annotate("first", map[string]string{"group.name": "shop", "scheme": "internal"})
		w.remove("demo0", "second")
		w.live(time.Minute)
		require.Equal(t, host, w.address("first"))
		require.Len(t, w.ingresses(), 1)
		w.live(minutesToBegin + linger - 2*time.Minute)
		require.NotEqual(t, host, w.address("first"))
		w.unfollow(host, "/echo0")
		w.live(2 * linger)
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 1, "rule": 2}, kinds(w.account()))
		require.NotContains(t, strings.Join(w.said(), "\n"), "Failed")
	})
}

// TestBadMemberWhileTheSchemeChanges: what stands of it is on the new load balancer, once.
func TestBadMemberWhileTheSchemeChanges(t *testing.T) {
	inTraffic(t, slowBalancers, func(w *traffic) {
		t := w.t
		shared := map[string]string{"group.name": "shop"}
		w.deploy("echo1", "10.0.1.2")
		w.ingress("demo0", "second", shared, "echo1")
		host := w.settledWith(shared)
		w.follow(host, "/echo1", "echo1")
		w.annotate("second", map[string]string{"scheme": "internal", "healthcheck-interval-seconds": "soon"})
		w.annotate("first", map[string]string{"scheme": "internal"})
		w.live(4 * time.Minute)
		both := w.account()
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 2, "target group": 4, "rule": 6}, kinds(both))
		require.NotEqual(t, host, w.address("first"))
		w.follow(w.address("first"), "/echo0", "echo0")
		w.follow(w.address("second"), "/echo1", "echo1")
		w.halt()
		w.start()
		w.live(10 * time.Second)
		require.Equal(t, both, w.account())
		w.unfollow(host, "/echo0")
		w.unfollow(host, "/echo1")
		w.live(linger)
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 2, "rule": 3}, kinds(w.account()))
	})
}

// TestTakingOverIsLookedAtInTurns: however many Ingresses wait for a load balancer, it is
// asked for once a pass, and the health of few of them.
func TestTakingOverIsLookedAtInTurns(t *testing.T) {
	const members = 20
	o := slowBalancers
	o.Switches.RegisterDelay = awssim.Span{Min: 2 * minutesToBegin, Max: 2 * minutesToBegin}
	inTraffic(t, o, func(w *traffic) {
		t := w.t
		shared := map[string]string{"group.name": "shop"}
		names := []string{"first"}
		w.deploy("echo1", "10.0.1.2")
		for i := range members {
			name := "more" + strconv.Itoa(i)
			w.ingress("demo0", name, shared, "echo1")
			names = append(names, name)
		}
		host := w.settledWith(shared)
		asked := func(d time.Duration, action string) (n int) {
			w.calls()
			w.live(d)
			for _, call := range w.calls() {
				if call == action {
					n++
				}
			}
			return n
		}
		for _, name := range names {
			w.annotate(name, map[string]string{"scheme": "internal"})
		}
		passes := int(time.Minute/lastWait) + 3 // the first ones come sooner
		require.LessOrEqual(t, asked(time.Minute, "DescribeLoadBalancers"), passes)
		w.live(minutesToBegin - 50*time.Second)
		require.LessOrEqual(t, asked(time.Minute, "DescribeTargetHealth"), 2*turnsAtOnce*passes)
		w.live(minutesToBegin)
		for _, name := range names {
			require.NotEqual(t, host, w.address(name), name)
		}
	})
}

// TestNothingLingers where that is what is asked for, and no mark is left.
func TestNothingLingers(t *testing.T) {
	for name, change := range map[string]map[string]string{"scheme": {"scheme": "internal"}, "group": {"group.name": "shop"}} {
		t.Run(name, func(t *testing.T) {
			inTraffic(t, awssim.Options{}, func(w *traffic) {
				t := w.t
				w.linger = 0
				host := w.settledWith(nil)
				w.annotate("first", change)
				w.unfollow(host, "/echo0")
				w.live(time.Minute)
				w.follow(w.address("first"), "/echo0", "echo0")
				w.live(time.Second)
				require.NotEqual(t, host, w.address("first"))
				require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 1, "rule": 2}, kinds(w.account()))
				for key := range w.get("demo0", "first").Annotations {
					require.NotContains(t, key, "tgsync.io/")
				}
			})
		})
	}
}
