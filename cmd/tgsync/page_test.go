package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/metrics"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/readiness"
	"github.com/tgsync/tgsync/syncer/target"
)

// TestPageGroup has every field set, each to something else.
func TestPageGroup(t *testing.T) {
	now := time.Now()
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	one := target.Target{IP: netip.MustParseAddr("10.0.0.1"), Port: 8000}
	seven := 7
	require.Equal(t, metrics.TargetGroup{
		Name: "web", ARN: "arn", Role: "role", Service: "shop/web", ServicePort: "http", Stack: "shop/ingress", State: "held", Problem: "gone",
		Desired: 5, Undecided: 6, Observed: &seven, InFlight: 8, InDoubt: 9, Health: map[string]int{"healthy": 10},
		Actions: []metrics.Action{{Operation: "register", WaitsFor: "token", Changed: at(1), Ready: at(2), Until: at(3)}},
		Calls: []metrics.Call{
			{Operation: "observe", At: at(4), Targets: 11, Result: "OK"},
			{Operation: "register", At: at(5), Targets: 12, Result: "Denied", Error: "no"},
		},
		Parked: []metrics.Parked{
			{Target: "10.0.0.1:8000", Targets: 1, Operation: "register", Reason: "Invalid", Until: at(6), Times: 13},
			{Targets: 14, Operation: "register", Reason: "Limit", Until: at(7), Times: 15},
		},
		Guards: []metrics.Hold{
			{Guard: "grace_period", Targets: 16, Since: at(8), Until: at(9)},
			{Guard: "live_read", Targets: 17, Since: at(10)},
		},
		Gates: &metrics.Gates{Pods: 18, Since: at(11), Read: at(12), Next: at(13)},
		Targets: []metrics.Target{
			{Address: "10.0.0.1:8000", State: "initial", Wanted: true, Endpoint: "ready", Pod: "shop/web-1"},
			{Address: "10.0.0.1:8000"},
		},
	}, pageGroup(syncer.Detail{
		Status: syncer.Status{
			Binding: target.Binding{
				GroupARN: "arn", GroupName: "web", Role: target.Role{ARN: "role", ExternalID: "secret"}, Service: types.NamespacedName{Namespace: "shop", Name: "web"},
				ServicePort: intstr.FromString("http"), Stack: "shop/ingress",
			},
			State: syncer.StateHeld, Targets: map[string]int{"healthy": 10},
			Holding: map[syncer.Guard]syncer.Hold{
				syncer.GuardLiveRead: {Since: at(10), Targets: 17}, syncer.GuardGracePeriod: {Since: at(8), Targets: 16},
			},
		},
		Problem: "gone", Desired: 5, Undecided: 6, Observed: 7, Known: true, InFlight: 8, InDoubt: 9, GraceUntil: at(9),
		Gates: readiness.Waiting{GroupARN: "arn", Pods: 18, Since: at(11), Read: at(12), Next: at(13)},
		Members: []syncer.Member{
			{Target: one, State: "initial", Wanted: true, Endpoint: endpoints.Ready, Pod: types.NamespacedName{Namespace: "shop", Name: "web-1"}},
			{Target: one},
		},
		Waits: []syncer.Parked{
			{Target: one, Targets: 1, Operation: "register", Reason: "Invalid", Until: at(6), Times: 13},
			{Targets: 14, Operation: "register", Reason: "Limit", Until: at(7), Times: 15},
		},
		Actions: []syncer.Action{{Operation: "register", Waits: opqueue.WaitsForToken, Changed: at(1), Ready: at(2), Until: at(3)}},
		Calls: []syncer.Call{
			{Operation: "observe", At: at(4), Targets: 11},
			{Operation: "register", At: at(5), Targets: 12, Class: awsapi.Denied, Error: "no"},
		},
	}))
	nothing := pageGroup(syncer.Detail{})
	require.Nil(t, nothing.Observed, "AWS was not asked yet")
	require.Nil(t, nothing.Gates, "no pod waits")
}
