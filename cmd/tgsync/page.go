package main

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/metrics"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/target"
)

// page returns what /targets shows. A standby has no groups to show.
func (d *parts) page() metrics.Page {
	h := d.candidate.Holder()
	p := metrics.Page{
		At: time.Now(), Version: version, Cluster: d.config.ClusterName, States: stateNames(),
		Leader: metrics.Leader{
			Leads: d.fence.Open(), Identity: d.candidate.Identity(), Holder: h.Identity, Renewed: h.Renewed, Seen: h.Seen,
		},
	}
	if err := d.ready(); err != nil {
		p.NotReady = err.Error()
	}
	own := awsapi.AccountLevels{Levels: d.clients.aws.Levels()}
	for _, account := range append([]awsapi.AccountLevels{own}, d.clients.aws.OtherLevels()...) {
		p.Buckets = append(p.Buckets, pageBuckets(account)...)
	}
	if s := d.syncer.Load(); s != nil {
		p.Groups = mapped(s.Details(), pageGroup)
	}
	return p
}

// pageBuckets makes the levels of an account's buckets into what is shown of them.
func pageBuckets(of awsapi.AccountLevels) (buckets []metrics.Bucket) {
	for _, l := range of.Levels {
		buckets = append(buckets, metrics.Bucket{
			Account: of.Account, Name: l.Bucket, Class: l.Class, Tokens: l.Tokens, Size: l.Size, Refill: l.Refill, Waiting: l.Waiting,
		})
	}
	return buckets
}

// pageGroup makes what is known of a target group into what is shown of it.
func pageGroup(d syncer.Detail) metrics.TargetGroup {
	b := d.Binding
	g := metrics.TargetGroup{
		Name: b.GroupName, ARN: b.GroupARN, Role: b.Role.ARN, Service: b.Service.String(), ServicePort: b.ServicePort.String(), Stack: b.Stack,
		State: string(d.State), Problem: d.Problem,
		Desired: d.Desired, Undecided: d.Undecided, InFlight: d.InFlight, InDoubt: d.InDoubt, Health: d.Targets,
		Actions: mapped(d.Actions, func(a syncer.Action) metrics.Action {
			return metrics.Action{Operation: a.Operation, WaitsFor: string(a.Waits), Changed: a.Changed, Ready: a.Ready, Until: a.Until}
		}),
		Calls: mapped(d.Calls, func(c syncer.Call) metrics.Call {
			return metrics.Call{
				Operation: c.Operation, At: c.At, Targets: c.Targets, Result: cmp.Or(string(c.Class), "OK"), Error: c.Error,
			}
		}),
		Parked: mapped(d.Waits, pageParked), Targets: mapped(d.Members, pageTarget),
	}
	if d.Known {
		g.Observed = &d.Observed
	}
	if w := d.Gates; w.Pods > 0 {
		g.Gates = &metrics.Gates{Pods: w.Pods, Since: w.Since, Read: w.Read, Next: w.Next}
	}
	for _, guard := range syncer.Guards() {
		if h, holds := d.Holding[guard]; holds {
			shown := metrics.Hold{Guard: string(guard), Targets: h.Targets, Since: h.Since}
			if guard == syncer.GuardGracePeriod {
				shown.Until = d.GraceUntil
			}
			g.Guards = append(g.Guards, shown)
		}
	}
	return g
}

func pageParked(p syncer.Parked) metrics.Parked {
	shown := metrics.Parked{Targets: p.Targets, Operation: p.Operation, Reason: p.Reason, Until: p.Until, Times: p.Times}
	if p.Target != (target.Target{}) {
		shown.Target = p.Target.String()
	}
	return shown
}

func pageTarget(m syncer.Member) metrics.Target {
	shown := metrics.Target{Address: m.Target.String(), State: m.State, Wanted: m.Wanted, Endpoint: string(m.Endpoint)}
	if m.Pod != (types.NamespacedName{}) {
		shown.Pod = m.Pod.String()
	}
	return shown
}

// mapped makes a list of one kind into one of another. In JSON an empty list is one.
func mapped[A, B any](all []A, convert func(A) B) []B {
	made := make([]B, 0, len(all))
	for _, a := range all {
		made = append(made, convert(a))
	}
	return made
}
