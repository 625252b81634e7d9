package provision

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// recreated is a Service that was deleted and made again.
func recreated(svc *corev1.Service) { svc.UID += "-2" }

// TestTargetGroupReplacementDropsNothing: whatever about a backend changes that makes
// it another target group, and in whichever manner AWS takes it, every request is
// answered and none goes to a group that is not ready.
func TestTargetGroupReplacementDropsNothing(t *testing.T) {
	otherPort := func(svc *corev1.Service) { svc.Spec.Ports[0].TargetPort = intstr.FromInt32(9999) }
	tests := map[string]struct {
		change  func(*corev1.Service)
		options awssim.Options
		restart time.Duration // after the change; 0: never
		latency time.Duration
		parks   bool
	}{
		"made again":        {change: recreated},
		"another port":      {change: otherPort},
		"restart":           {change: otherPort, restart: 3 * time.Second},
		"later restart":     {change: recreated, restart: 11 * time.Second},
		"slow":              {change: recreated, latency: 100 * time.Millisecond},
		"weight 0 is idle":  {change: recreated, options: awssim.Options{Switches: awssim.Switches{IgnoreWeightZeroHealthCheck: true}}, parks: true},
		"no room in action": {change: recreated, options: awssim.Options{Quotas: awssim.Quotas{GroupsPerLoadBalancer: 3}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inTraffic(t, tt.options, func(w *traffic) {
				t := w.t
				w.wire.latency = tt.latency
				w.deploy("echo0", "10.0.1.1", "10.0.2.1")
				w.deploy("echo1", "10.0.1.2")
				w.ingress("demo0", "first", nil, "echo0", "echo1")
				w.start()
				w.live(2 * time.Minute)
				host := w.address("first")
				w.follow(host, "/echo0", "echo0")
				w.follow(host, "/echo1", "echo1")
				w.writes()
				before := w.weights()
				require.Len(t, before, 2)

				w.change("echo0", tt.change)
				for second := range 120 {
					if tt.restart > 0 && time.Duration(second)*time.Second == tt.restart {
						w.halt()
						w.start()
					}
					w.live(time.Second)
					for name, healthy := range w.weights() {
						require.Positive(t, healthy, "%s gets requests", name)
					}
				}
				after := w.weights()
				require.Len(t, after, 2)
				require.NotEqual(t, before, after, "it has turned")
				require.Len(t, w.loop.Bindings(), 3, "the old one may have requests under way")
				w.live(6 * time.Minute)
				require.Len(t, w.loop.Bindings(), 2)
				require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 2, "rule": 3}, kinds(w.account()))
				writes := strings.Join(w.writes(), " ")
				require.Equal(t, tt.parks, strings.Contains(writes, "CreateRule"), writes)
				if !tt.parks {
					require.Equal(t, 2, strings.Count(writes, "ModifyRule"), "attached and turned: %s", writes)
				}
			})
		})
	}
}

// TestReplacementWithoutRoom is in place, and says so.
func TestReplacementWithoutRoom(t *testing.T) {
	inTraffic(t, awssim.Options{Quotas: awssim.Quotas{GroupsPerLoadBalancer: 2}}, func(w *traffic) {
		t := w.t
		w.deploy("echo0", "10.0.1.1", "10.0.2.1")
		w.deploy("echo1", "10.0.1.2")
		w.ingress("demo0", "first", nil, "echo0", "echo1")
		w.start()
		w.live(2 * time.Minute)
		w.follow(w.address("first"), "/echo1", "echo1")
		before := w.weights()
		w.said()
		w.change("echo0", recreated)
		w.live(time.Minute)
		require.NotEqual(t, before, w.weights())
		require.Contains(t, strings.Join(w.said(), "\n"), "demo0/first TargetGroupReplacedInPlace: there is no room for target group ")
	})
}

// TestReplacementsOneAfterTheOther: room for one is enough for all.
func TestReplacementsOneAfterTheOther(t *testing.T) {
	inTraffic(t, awssim.Options{Quotas: awssim.Quotas{GroupsPerLoadBalancer: 4}}, func(w *traffic) {
		t := w.t
		names := []string{"echo0", "echo1", "echo2"}
		for i, name := range names {
			w.deploy(name, "10.0.1."+string(rune('1'+i)))
		}
		w.ingress("demo0", "first", nil, names...)
		w.start()
		w.live(2 * time.Minute)
		before := w.weights()
		for _, name := range names {
			w.follow(w.address("first"), "/"+name, name)
		}
		w.said()
		for _, name := range names {
			w.change(name, recreated)
		}
		w.live(3 * time.Minute)
		after := w.weights()
		require.Len(t, after, 3)
		for name := range before {
			require.NotContains(t, after, name)
		}
		require.Equal(t, []string{"demo0/first SuccessfullyReconciled: Successfully reconciled"}, w.said())
	})
}

// TestReplacementThatNeverBecomesHealthy turns after a while, with a warning.
func TestReplacementThatNeverBecomesHealthy(t *testing.T) {
	inTraffic(t, awssim.Options{}, func(w *traffic) {
		t := w.t
		w.deploy("echo0", "10.0.1.1", "10.0.2.1")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.live(2 * time.Minute)
		w.follow(w.address("first"), "/echo0", "echo0")
		before := w.weights()
		w.change("echo0", func(svc *corev1.Service) { svc.Spec.Ports[0].TargetPort = intstr.FromInt32(1234) }) // nobody listens there
		w.live(replaceTimeout - 20*time.Second)
		require.Equal(t, before, w.weights())
		w.unfollow(w.address("first"), "/echo0")
		w.live(time.Minute)
		require.NotEqual(t, before, w.weights())
		require.Contains(t, strings.Join(w.said(), "\n"), "demo0/first TargetGroupNotHealthy: target group ")
	})
}

// TestReplacementIsTakenBack while it waits, and nothing is left of it.
func TestReplacementIsTakenBack(t *testing.T) {
	inTraffic(t, awssim.Options{}, func(w *traffic) {
		t := w.t
		w.deploy("echo0", "10.0.1.1", "10.0.2.1")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.live(2 * time.Minute)
		w.follow(w.address("first"), "/echo0", "echo0")
		before, account := w.weights(), w.account()
		for _, port := range []int32{1234, 5678, 1234, 4321, 5678} {
			w.change("echo0", func(svc *corev1.Service) { svc.Spec.Ports[0].TargetPort = intstr.FromInt32(port) })
			w.live(30 * time.Second)
			require.Equal(t, before, w.weights())
		}
		w.live(6 * time.Minute)
		require.Equal(t, account, w.account())
	})
}

// TestReplacedDefaultBackend: a listener's default action turns like a rule.
func TestReplacedDefaultBackend(t *testing.T) {
	inTraffic(t, awssim.Options{}, func(w *traffic) {
		t := w.t
		w.deploy("echo0", "10.0.1.1", "10.0.2.1")
		w.ingress("demo0", "first", nil, "echo0")
		w.update("demo0", "first", func(ing *networkingv1.Ingress) {
			ing.Spec.DefaultBackend = &ing.Spec.Rules[0].HTTP.Paths[0].Backend
		})
		w.start()
		w.live(2 * time.Minute)
		w.follow(w.address("first"), "/echo0", "echo0")
		w.follow(w.address("first"), "/elsewhere", "echo0")
		w.writes()
		w.change("echo0", recreated)
		w.live(8 * time.Minute)
		require.Equal(t, []string{
			"CreateTargetGroup", "ModifyListener", "ModifyRule", "ModifyListener", "ModifyRule", "DeleteTargetGroup",
		}, slices.DeleteFunc(w.writes(), func(action string) bool { return action == "RegisterTargets" }))
	})
}

func TestCensus(t *testing.T) {
	tests := map[string]struct {
		now, before census
		want        bool
	}{
		"nothing to lose":                   {census{}, census{}, true},
		"nobody is registered yet":          {census{}, census{healthy: 2, serving: 2}, false},
		"one of two":                        {census{healthy: 1, serving: 2}, census{healthy: 2, serving: 2}, false},
		"as many":                           {census{healthy: 2, serving: 3}, census{healthy: 2, serving: 2}, true},
		"none is healthy, all are asked":    {census{serving: 2}, census{serving: 2}, false},
		"better than none that are healthy": {census{healthy: 1, serving: 2}, census{serving: 2}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.now.canReplace(tt.before))
		})
	}
}

// TestWeightedForwardKeepsItsRatio while one of its groups is replaced, and a group that
// finds no place in it is parked.
func TestWeightedForwardKeepsItsRatio(t *testing.T) {
	m, st := replacing()
	next := newer(st)
	m.TargetGroups["ns/a-s:80"].Name = next.Name
	old := st.targetGroups["tg"]
	st.turns = map[string]*turn{"ns/a-s:80": {id: "ns/a-s:80", old: old, new: next}}
	action := ingress.Action{StickySeconds: 60, Forward: []ingress.Share{{TargetGroup: "ns/a-s:80", Weight: 80}, {ARN: "arn:1", Weight: 20}}}
	share := func(arn string, weight int32) awsapi.WeightedTargetGroup {
		return awsapi.WeightedTargetGroup{ARN: arn, Weight: weight}
	}
	got, err := st.actions(m, action)
	require.NoError(t, err)
	require.Equal(t, []awsapi.Action{{Type: actionForward, StickySeconds: 60, Forward: []awsapi.WeightedTargetGroup{
		share("arn:tg", 80), share("arn:1", 20), share("arn:newer", 0),
	}}}, got)
	require.True(t, ruleChange{
		&awsapi.Rule{Actions: []awsapi.Action{{Type: actionForward, StickySeconds: 60, Forward: []awsapi.WeightedTargetGroup{share("arn:1", 20), share("arn:tg", 80)}}}},
		&awsapi.Rule{Actions: got},
	}.attaches())

	for _, arn := range []string{"arn:2", "arn:3", "arn:4"} {
		action.Forward = append(action.Forward, ingress.Share{ARN: arn, Weight: 1})
	}
	m.LoadBalancer.Listeners[0].Rules = []ingress.Rule{{Priority: 1, Action: action}}
	got, err = st.actions(m, action)
	require.NoError(t, err)
	require.Len(t, got[0].Forward, maxGroupsPerAction)
	x := &executor{stack: st}
	routes := x.routes(m)
	require.Len(t, routes, 1)
	require.Len(t, routes[0].desired, 2)
	parked := routes[0].desired[1]
	require.True(t, isParking(parked))
	require.Equal(t, int32(2), parked.Priority)
	require.Equal(t, []string{"newer.parked.tgsync.invalid"}, parked.Conditions[0].Values)
	require.Equal(t, []awsapi.WeightedTargetGroup{share("arn:newer", 1)}, parked.Actions[0].Forward)

	st.turns = nil
	got, err = st.actions(m, action)
	require.NoError(t, err)
	require.Equal(t, share("arn:newer", 80), got[0].Forward[0], "it has the old one's share")
	require.Len(t, x.routes(m)[0].desired, 1)
}

// TestMemberTurnsBadWhileItsDefaultBackendIsReplaced: who waits is let go of, and comes
// again when the member is good.
func TestMemberTurnsBadWhileItsDefaultBackendIsReplaced(t *testing.T) {
	inTraffic(t, awssim.Options{}, func(w *traffic) {
		t := w.t
		shared := map[string]string{"group.name": "shop"}
		w.deploy("echo0", "10.0.1.1", "10.0.2.1")
		w.deploy("echo1", "10.0.1.2")
		w.ingress("demo0", "first", shared, "echo0")
		w.ingress("demo0", "second", shared, "echo1")
		w.update("demo0", "first", func(ing *networkingv1.Ingress) {
			ing.Spec.DefaultBackend = &ing.Spec.Rules[0].HTTP.Paths[0].Backend
		})
		w.start()
		w.live(2 * time.Minute)
		host := w.address("first")
		w.follow(host, "/echo0", "echo0")
		w.follow(host, "/elsewhere", "echo0")
		before := w.weights()
		w.said()
		w.change("echo0", func(svc *corev1.Service) { svc.Spec.Ports[0].TargetPort = intstr.FromInt32(1234) }) // nobody listens there
		w.live(time.Minute)
		w.annotate("first", map[string]string{"healthcheck-interval-seconds": "soon"})
		w.live(time.Minute)
		w.halt()
		w.start()
		w.live(replaceTimeout)
		require.Equal(t, before, w.weights())
		require.NotContains(t, strings.Join(w.said(), "\n"), reasonFailedDeploy)
		w.change("echo0", func(svc *corev1.Service) { svc.Spec.Ports[0].TargetPort = intstr.FromInt32(9999) })
		w.annotate("first", map[string]string{"healthcheck-interval-seconds": "10"})
		w.live(2 * time.Minute)
		require.NotEqual(t, before, w.weights())
		w.live(6 * time.Minute)
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 2, "rule": 3}, kinds(w.account()))
	})
}

// TestHealthMayNotBeRead: what else changes does not wait, and what is replaced waits no
// longer than for targets that are not healthy.
func TestHealthMayNotBeRead(t *testing.T) {
	inTraffic(t, awssim.Options{}, func(w *traffic) {
		t := w.t
		w.deploy("echo0", "10.0.1.1", "10.0.2.1")
		w.deploy("echo1", "10.0.1.2")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.live(2 * time.Minute)
		host, before := w.address("first"), w.weights()
		w.follow(host, "/echo0", "echo0")
		w.said()
		denied := w.sim.Inject(awssim.Fault{Action: "DescribeTargetHealth", Code: "AccessDenied", Message: "not you"})
		w.change("echo0", recreated)
		w.update("demo0", "first", func(ing *networkingv1.Ingress) { ing.Spec.Rules = append(ing.Spec.Rules, rulesTo("echo1")) })
		w.live(time.Minute)
		w.follow(host, "/echo1", "echo1")
		require.Contains(t, strings.Join(w.said(), "\n"), "demo0/first FailedDeployModel: ")
		w.live(replaceTimeout + 2*time.Minute) // what failed is tried again within 90 s
		denied.Clear()
		for name := range before {
			require.NotContains(t, w.weights(), name, "it turned unseen")
		}
		w.live(time.Minute)
		for name := range before {
			require.NotContains(t, w.weights(), name)
		}
	})
}

func TestDrain(t *testing.T) {
	delay := func(seconds string) map[string]string {
		return map[string]string{attributeDeregistrationDelay: seconds}
	}
	tests := map[string]struct {
		have, want map[string]string
		is         time.Duration
	}{
		"nobody says":   {nil, nil, 300 * time.Second},
		"as it stands":  {delay("60"), delay("10"), time.Minute},
		"as is asked":   {nil, delay("10"), 10 * time.Second},
		"not a number":  {nil, delay("soon"), 300 * time.Second},
		"below nothing": {nil, delay("-1"), 300 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.is, drain(tt.have, tt.want)) })
	}
}
