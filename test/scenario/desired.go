package scenario

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/target"
)

// view is what stands in the API server, or in caches of it, which may be of different
// moments for each kind.
type view struct {
	services map[string]*corev1.Service
	pods     map[string]*corev1.Pod
	nodes    map[string]*corev1.Node
	slices   map[string]*discoveryv1.EndpointSlice
}

// moment is a view from a time on.
type moment struct {
	from time.Time
	view view
}

// desired remembers what stood in the API server, and when caches may have been behind.
// From that follows what each group should have had, in the eyes of a daemon, at any
// time: it is what the daemons are held to.
type desired struct {
	settings Settings
	past     []moment // the oldest first
	blind    []blindness
}

// note takes in what stands in the API server now.
func (d *desired) note(c *cluster) {
	var last view
	if n := len(d.past); n > 0 {
		last = d.past[n-1].view
	}
	d.past = append(d.past, moment{time.Now(), view{
		services: same(last.services, c.services), pods: same(last.pods, c.pods),
		nodes: same(last.nodes, c.nodes), slices: same(last.slices, c.slices),
	}})
}

// same returns old if it is equal to now, and a copy of now otherwise. Objects never
// change: each version is another one.
func same[T any](old, now map[string]*T) map[string]*T {
	if old != nil && maps.Equal(old, now) {
		return old
	}
	return maps.Clone(now)
}

// opinion is what follows from a view for one group, the guards included. The live read
// is none of them: it finds what is here.
type opinion struct {
	missing bool       // the Service, its port or its slices are not found
	desired target.Set // is to be registered
	kept    target.Set // is not to be deregistered: desired, not decided, or held
}

func (d *desired) opinion(v view, b target.Binding) opinion {
	found := endpoints.Calculate(endpoints.Input{
		Service: v.services[b.Service.Name], Port: b.ServicePort, Slices: v.slicesOf(b.Service.Name),
		FailOpen: !d.settings.FailClosed, Pod: v.pod, Node: v.nodeReady,
	})
	o := opinion{missing: found.Missing != nil, desired: found.Desired, kept: target.Set{}}
	maps.Copy(o.kept, found.Desired)
	nobody := !d.settings.FailClosed && len(found.Desired) == 0 && !found.Has(endpoints.Terminating)
	for _, e := range found.Endpoints {
		if e.State == endpoints.Undecided || e.State == endpoints.NotReady && nobody {
			o.kept[e.Target] = struct{}{}
		}
	}
	return o
}

// now is what a group should have at this moment.
func (d *desired) now(b target.Binding) opinion { return d.opinion(d.past[len(d.past)-1].view, b) }

// registers reports whether a daemon had reason to register a target at a time.
func (d *desired) registers(b target.Binding, t target.Target, at time.Time) bool {
	return d.someView(at, func(v view) bool { return d.opinion(v, b).desired.Has(t) })
}

// releases reports whether a daemon had reason to deregister a target at a time. What is
// not found keeps everything for the grace period.
func (d *desired) releases(b target.Binding, t target.Target, at time.Time) bool {
	graceOver := d.missingFor(b, at) >= d.settings.GracePeriod
	return d.someView(at, func(v view) bool {
		o := d.opinion(v, b)
		return (!o.missing || graceOver) && !o.kept.Has(t)
	})
}

// missingFor is for how long it had not been found, at a time, what a group should have.
func (d *desired) missingFor(b target.Binding, at time.Time) time.Duration {
	since := at
	for _, m := range slices.Backward(d.past) {
		if m.from.After(at) {
			continue
		}
		if !d.opinion(m.view, b).missing {
			break
		}
		since = m.from
	}
	return at.Sub(since)
}

// someView reports whether something is true of any view that a daemon may have had at
// a time. The views of single moments are tried first: nearly always one of them is it.
func (d *desired) someView(at time.Time, is func(view) bool) bool {
	var seen []view
	since := d.freshSince(at)
	for i, m := range d.past {
		over := i+1 < len(d.past) && d.past[i+1].from.Before(since)
		if !m.from.After(at) && !over {
			seen = append(seen, m.view)
		}
	}
	if slices.ContainsFunc(seen, is) {
		return true
	}
	for _, s := range versions(seen, func(v view) map[string]*corev1.Service { return v.services }) {
		for _, n := range versions(seen, func(v view) map[string]*corev1.Node { return v.nodes }) {
			for _, p := range versions(seen, func(v view) map[string]*corev1.Pod { return v.pods }) {
				for _, e := range versions(seen, func(v view) map[string]*discoveryv1.EndpointSlice { return v.slices }) {
					if is(view{services: s, nodes: n, pods: p, slices: e}) {
						return true
					}
				}
			}
		}
	}
	return false
}

// versions returns what views have of one kind, each version once.
func versions[T any](views []view, of func(view) map[string]*T) []map[string]*T {
	var all []map[string]*T
	for _, v := range views {
		if n := len(all); n == 0 || !maps.Equal(all[n-1], of(v)) {
			all = append(all, of(v))
		}
	}
	return all
}

// slicesOf returns the slices of a Service, by name.
func (v view) slicesOf(service string) []*discoveryv1.EndpointSlice {
	var found []*discoveryv1.EndpointSlice
	for _, name := range slices.Sorted(maps.Keys(v.slices)) {
		if slice := v.slices[name]; slice.Labels[discoveryv1.LabelServiceName] == service {
			found = append(found, slice)
		}
	}
	return found
}

// pod returns a pod as a daemon reads it, or nil.
func (v view) pod(key types.NamespacedName) *endpoints.Pod {
	if o := v.pods[key.Name]; o != nil && key.Namespace == namespace {
		return endpoints.PodOf(o)
	}
	return nil
}

// nodeReady returns the status of a node's Ready condition; empty: no such node.
func (v view) nodeReady(name string) corev1.ConditionStatus {
	node := v.nodes[name]
	if node == nil {
		return ""
	}
	for _, cond := range node.Status.Conditions {
		if cond.Type == corev1.NodeReady {
			return cond.Status
		}
	}
	return corev1.ConditionUnknown
}
