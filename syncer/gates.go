package syncer

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/readiness"
	"github.com/tgsync/tgsync/syncer/target"
)

// newGates returns what opens the readiness gates of pods, by what the syncer sees
// and does.
func (s *Syncer) newGates() *readiness.Gates {
	return readiness.New(readiness.Options{
		Cluster: gatedCluster{s}, Pods: s.o.Pods, AWS: gateReader{s},
		Token: func(ctx context.Context) (*opqueue.Token, error) {
			return s.o.Tokens.ReadToken(ctx, awsapi.ClassReadiness)
		},
		Events: s.o.Events, Metrics: s.o.Metrics, Log: s.o.Log, Latch: s.o.GateLatch, Timeout: s.o.GateTimeout, Drain: drain,
	})
}

// gatedCluster is the view of pods and of their target groups.
type gatedCluster struct{ s *Syncer }

var _ readiness.Cluster = gatedCluster{}

// Pod implements readiness.Cluster.
func (c gatedCluster) Pod(name types.NamespacedName) *endpoints.Pod { return c.s.o.Informers.pod(name) }

// Gated implements readiness.Cluster.
func (c gatedCluster) Gated() iter.Seq[types.NamespacedName] { return c.s.o.Informers.gated }

// Groups implements readiness.Cluster.
func (c gatedCluster) Groups(pod *endpoints.Pod) ([]readiness.Membership, bool) {
	index := c.s.index.Load()
	if !index.complete {
		return nil, false
	}
	takes := map[types.NamespacedName]bool{}
	var groups []readiness.Membership
	for _, b := range index.byNamespace[pod.Namespace] {
		if _, asked := takes[b.Service]; !asked {
			takes[b.Service] = c.s.o.Informers.takes(b.Service, pod)
		}
		if takes[b.Service] {
			groups = append(groups, c.membership(b, pod))
		}
	}
	return groups, true
}

// membership is what is known of a group that takes a pod.
func (c gatedCluster) membership(b target.Binding, pod *endpoints.Pod) readiness.Membership {
	m := readiness.Membership{Binding: b.GateName(), GroupARN: b.GroupARN, Weightless: b.Weightless, Check: readiness.Check{
		Interval:           time.Duration(b.Check.IntervalSeconds) * time.Second,
		Timeout:            time.Duration(b.Check.TimeoutSeconds) * time.Second,
		UnhealthyThreshold: int(b.Check.UnhealthyThreshold),
	}}
	if l := c.s.lane(b.GroupARN); l != nil {
		m.Poller = l.poller
	}
	m.Target = c.s.o.Informers.targetOf(b, pod)
	if b.Unused {
		m.Trouble = "no rule of a load balancer forwards to target group " + b.GroupName
	} else if g := c.s.group(b.GroupARN); g != nil && g.isParked(m.Target) {
		m.Trouble = "AWS refuses the target in target group " + b.GroupName
	}
	return m
}

// targetOf returns the target of a pod in a group, zero if no slice shows it. Of all
// slices it looks at the pod's own alone: many pods may ask at once.
func (i *Informers) targetOf(b target.Binding, pod *endpoints.Pod) target.Target {
	in, err := i.input(b, false)
	if err != nil {
		return target.Target{}
	}
	shown, _ := i.slices(byPod, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}) // fails for an unknown index alone
	in.Slices = slices.DeleteFunc(shown, func(slice *discoveryv1.EndpointSlice) bool { return serviceOf(slice) != b.Service })
	for _, e := range endpoints.Calculate(in).Endpoints {
		if e.UID == pod.UID && e.Pod.Name == pod.Name {
			return e.Target
		}
	}
	return target.Target{}
}

// gated visits the pods that have gates of ours.
func (i *Informers) gated(visit func(types.NamespacedName) bool) {
	for _, obj := range i.pods.GetStore().List() {
		pod, ok := obj.(*endpoints.Pod)
		if ok && len(pod.Gates) > 0 && !visit(types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}) {
			return
		}
	}
}

// takes reports whether a Service of a pod's namespace sends requests to the pod: it
// selects it, or has a slice that shows it.
func (i *Informers) takes(service types.NamespacedName, pod *endpoints.Pod) bool {
	svc, err := i.Services.Lister().Services(service.Namespace).Get(service.Name)
	if err == nil && selects(svc, pod) {
		return true
	}
	shown, _ := i.slices(byPod, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}) // fails for an unknown index alone
	_, ok := servicesOf(shown)[service]
	return ok
}

func selects(svc *corev1.Service, pod *endpoints.Pod) bool {
	return len(svc.Spec.Selector) > 0 && labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(pod.Labels))
}

// isParked reports whether AWS has refused a target, or it has no place.
func (g *group) isParked(t target.Target) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, parked := g.parking.parked[t]
	return parked || (g.parking.full != nil || g.parking.left > 0) && g.observed != nil && !g.observed.Has(t)
}

// gateReader reads health for gates, and takes in for the syncer what it sees.
type gateReader struct{ s *Syncer }

var _ readiness.HealthReader = gateReader{}

// errUnbound says that a group is bound no more: whose it is, is not known.
var errUnbound = errors.New("the target group is not bound any more")

// DescribeTargetHealth implements readiness.HealthReader.
func (r gateReader) DescribeTargetHealth(ctx context.Context, arn string) ([]awsapi.TargetHealth, error) {
	g := r.s.group(arn)
	if g == nil {
		return nil, errUnbound
	}
	health, o, err := r.s.read(ctx, g)
	if err == nil && (o.drift > 0 || o.awaited) {
		r.s.addBoth(arn) // the look that was asked for finds nothing open any more
	}
	return health, err
}

// tellGates tells of a call that AWS has accepted.
func (s *Syncer) tellGates(c call) {
	if c.key.op == deregister {
		s.gates.Deregistered(c.key.arn, c.batch)
		return
	}
	var gated []readiness.Registration
	for _, t := range c.batch {
		if e, ok := c.view.result.Find(t); ok && len(e.Gates) > 0 {
			gated = append(gated, readiness.Registration{Target: t, Pod: e.Pod, UID: e.UID})
		}
	}
	if len(gated) > 0 {
		s.gates.Registered(c.key.arn, gated)
	}
}
