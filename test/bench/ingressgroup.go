package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/test/awssim"
)

const (
	foreignBalancers = 100
	// built is more than a group of ten takes from nothing, changed more than a change.
	built   = 10 * time.Minute
	changed = time.Minute

	certificate = "arn:aws:acm:ap-northeast-3:123456789012:certificate/0a1b2c3d-0000-4000-8000-000000000000"
	node        = "node-1"
	instance    = "i-00000000000000001"
)

// ingressGroup is an Ingress group of ten Ingresses, each with a target group of two
// pods, and of one load balancer with an HTTP and an HTTPS listener.
func ingressGroup() Trace { return Trace{Groups: 10, Held: 2} }

// playIngressGroup counts the calls of a daemon for one Ingress group, in an account with
// many load balancers of others. Those of provisioning are a pass's; the other parts of
// the daemon look at the same group in their own way.
func playIngressGroup(ctx context.Context, t Trace, _ entrant) ([]figure, error) {
	w, c, err := newGroupWorld(ctx, t)
	if err != nil {
		return nil, err
	}
	d, err := newDaemon(ctx, w, c)
	if err != nil {
		return nil, err
	}
	w.meter.since() // forget how the world was made
	var figures []figure
	err = d.during(ctx, func() error {
		for _, p := range phases {
			if err := p.begin(ctx, c); err != nil {
				return err
			}
			if err := sleep(ctx, p.lasts); err != nil {
				return err
			}
			if n := len(d.provision.Bindings()); n != t.Groups {
				return fmt.Errorf("%s: %d of %d groups are provisioned", p.name, n, t.Groups)
			}
			figures = append(figures, callsOf(p.name, w.meter.since())...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if d, err = newDaemon(ctx, w, c); err != nil {
		return nil, err
	}
	if err := runFor(ctx, d, built); err != nil {
		return nil, err
	}
	calls := w.meter.since()
	return append(append(figures, callsOf("restart", calls)...), figure{
		name: "restart, changes", value: float64(count(calls, meteredCall.mutates)), unit: "calls",
	}), nil
}

// callsOf counts the calls of provisioning, and of the other parts without reads of
// targets, which "cold start" and "a day of nothing" are about.
func callsOf(phase string, calls []meteredCall) []figure {
	ours := func(c meteredCall) bool { return c.part == provisionPart }
	others := func(c meteredCall) bool { return !ours(c) && c.action != "DescribeTargetHealth" }
	return []figure{
		{name: phase, value: float64(count(calls, ours)), unit: "calls"},
		{name: phase + ", other parts", value: float64(count(calls, others)), unit: "calls"},
	}
}

func count(calls []meteredCall, of func(meteredCall) bool) (n int) {
	for _, c := range calls {
		if of(c) {
			n++
		}
	}
	return n
}

// phase is something that happens to the group.
type phase struct {
	name  string
	begin func(ctx context.Context, c cluster) error
	lasts time.Duration
}

var phases = []phase{
	{"first build", func(context.Context, cluster) error { return nil }, built},
	{"nothing changed", func(ctx context.Context, c cluster) error {
		return c.edit(ctx, 0, func(i *networkingv1.Ingress) { i.Annotations["example.com/note"] = "x" })
	}, changed},
	// A rule on each of two listeners: at the end it is made, before others it takes a
	// place of theirs, too.
	{"one rule added", func(ctx context.Context, c cluster) error { return c.addPath(ctx, len(c.slices)-1) }, changed},
	{"one rule added before others", func(ctx context.Context, c cluster) error { return c.addPath(ctx, 0) }, changed},
}

// addPath gives an Ingress one more path for its Service.
func (c cluster) addPath(ctx context.Context, g int) error {
	return c.edit(ctx, g, func(i *networkingv1.Ingress) {
		http := i.Spec.Rules[0].HTTP
		added := http.Paths[0]
		added.Path += "/added"
		http.Paths = append(http.Paths, added)
	})
}

// edit changes the Ingress of a group.
func (c cluster) edit(ctx context.Context, g int, change func(*networkingv1.Ingress)) error {
	ingresses := c.kube.NetworkingV1().Ingresses(namespace)
	i, err := ingresses.Get(ctx, groupName(g), metav1.GetOptions{})
	if err != nil {
		return err
	}
	change(i)
	_, err = ingresses.Update(ctx, i, metav1.UpdateOptions{})
	return err
}

// during runs the daemon while f does something, until f returns.
func (d *daemon) during(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	err := f()
	cancel()
	return errors.Join(err, <-ended)
}

// newGroupWorld makes the account and the cluster.
func newGroupWorld(ctx context.Context, t Trace) (*world, cluster, error) {
	o := accountOptions(awssim.Switches{})
	o.Quotas.LoadBalancers = 2 * foreignBalancers
	sim, err := awssim.New(o)
	if err != nil {
		return nil, cluster{}, err
	}
	w := &world{sim: sim, trace: t, meter: &meter{}}
	clients, err := w.setUpClients(ctx)
	if err != nil {
		return nil, cluster{}, err
	}
	if err := w.addForeign(ctx, clients.ELB); err != nil {
		return nil, cluster{}, err
	}
	if err := w.addNode(ctx, clients.EC2); err != nil {
		return nil, cluster{}, err
	}
	return w, groupCluster(w), sleep(ctx, rest)
}

// addForeign makes load balancers and target groups that are somebody else's.
func (w *world) addForeign(ctx context.Context, elb *awsapi.ELB) error {
	for n := range foreignBalancers {
		name := fmt.Sprintf("foreign-%03d", n)
		_, err := elb.CreateLoadBalancer(ctx, awsapi.LoadBalancer{
			Name: name, Type: "application", Scheme: "internal", SubnetIDs: []string{"subnet-a", "subnet-b"}, Tags: awsapi.Tags{"owner": "others"},
		})
		if err != nil {
			return err
		}
		if _, err := w.addGroup(ctx, elb, name); err != nil {
			return err
		}
	}
	return nil
}

// addNode makes the node that all pods are on, with a security group of its own.
func (w *world) addNode(ctx context.Context, ec2 *awsapi.EC2) error {
	guard, err := ec2.CreateSecurityGroup(ctx, awsapi.SecurityGroup{
		Name: "nodes", Description: "nodes", VPCID: vpcID, Tags: awsapi.Tags{"kubernetes.io/cluster/" + namespace: "owned"},
	})
	if err != nil {
		return err
	}
	return w.sim.SetInterface(awssim.Interface{
		ID: "eni-00000000000000001", SubnetID: "subnet-a", InstanceID: instance, Addresses: []string{"10.0.0.10"}, SecurityGroups: []string{guard},
	})
}

// groupCluster is a cluster with the Ingresses of the group, and with pods behind them.
func groupCluster(w *world) cluster {
	objects := []runtime.Object{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: corev1.NodeSpec{ProviderID: "aws:///ap-northeast-3a/" + instance}}}
	for n := range w.trace.Groups * w.trace.Held {
		ip := address(n).IP.String()
		objects = append(objects, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: podName(n).Name, UID: types.UID(podName(n).Name)},
			Spec:       corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}},
		})
	}
	return newIngressCluster(w, objects, func(i *networkingv1.Ingress, slice *discoveryv1.EndpointSlice) {
		for n := range slice.Endpoints {
			pod := podName(number(netip.MustParseAddr(slice.Endpoints[n].Addresses[0]))).Name
			slice.Endpoints[n].TargetRef = &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: pod, UID: types.UID(pod)}
		}
		i.Annotations[annotations+"listen-ports"] = `[{"HTTP": 80}, {"HTTPS": 443}]`
		if i.Name == groupName(0) {
			i.Annotations[annotations+"certificate-arn"] = certificate
			i.Annotations[annotations+"load-balancer-attributes"] = "idle_timeout.timeout_seconds=61"
			i.Annotations[annotations+"target-group-attributes"] = "stickiness.enabled=true"
		}
	})
}
