package endpoints

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/syncer/target"
)

// Input is what the caches hold of one target group.
type Input struct {
	Service *corev1.Service // nil: not found
	Port    intstr.IntOrString
	// TargetPort is the port of all targets of a Service with a selector; 0: what the
	// slices show. Slices of a Service without one are written by hand, and right.
	TargetPort int32
	Slices     []*discoveryv1.EndpointSlice // of the Service, in any order
	Family     discoveryv1.AddressType      // empty: IPv4
	// FailOpen wants pods on nodes that have stopped reporting, if there is no other.
	FailOpen bool
	// Pod returns a pod, or nil if it is not in the cache.
	Pod func(types.NamespacedName) *Pod
	// Node returns the status of a node's Ready condition: True, False, Unknown, or
	// empty if the node is not in the cache.
	Node func(name string) corev1.ConditionStatus
}

// Calculate returns the desired targets of one Service port, and what is known of
// each.
func Calculate(in Input) Result {
	if in.Service == nil {
		return Result{Missing: ErrNoService}
	}
	port, err := findPort(in.Service, in.Port)
	if err != nil {
		return Result{Missing: err}
	}
	if in.Family == "" {
		in.Family = discoveryv1.AddressTypeIPv4
	}
	c := collector{in: in}
	if err := c.collect(port); err != nil {
		return Result{Missing: err}
	}
	c.result.settle(c.all, in.FailOpen)
	return c.result
}

// collector gathers what the slices say.
type collector struct {
	in     Input
	all    []Endpoint
	result Result
}

// collect takes in every slice of the family that has the port.
func (c *collector) collect(port *corev1.ServicePort) error {
	var found, with, without, size int
	for _, slice := range c.in.Slices {
		size += len(slice.Endpoints)
	}
	c.all = make([]Endpoint, 0, size)
	for _, slice := range c.in.Slices {
		if slice.AddressType != c.in.Family {
			continue
		}
		found++
		number, ok := numberOf(slice, port)
		if !ok {
			without += len(slice.Endpoints)
			continue
		}
		with++
		if c.in.TargetPort > 0 && len(c.in.Service.Spec.Selector) > 0 {
			number = c.in.TargetPort
		}
		for i := range slice.Endpoints {
			c.add(&slice.Endpoints[i], number)
		}
	}
	switch {
	case found == 0:
		return ErrNoSlices
	case with == 0 && without > 0:
		return ErrNoPort
	}
	return nil
}

// add takes in one endpoint.
func (c *collector) add(ep *discoveryv1.Endpoint, port int32) {
	if len(ep.Addresses) == 0 {
		return
	}
	ip, err := netip.ParseAddr(ep.Addresses[0])
	if err != nil {
		return // the API server validates addresses; what does not parse cannot be a target
	}
	e := Endpoint{Target: target.Target{IP: ip, Port: port}, Node: deref(ep.NodeName, ""), Zone: deref(ep.Zone, "")}
	if ref := ep.TargetRef; ref != nil && ref.Kind == "Pod" {
		c.addPod(&e, ep)
	} else if e.State = NotReady; deref(ep.Conditions.Ready, true) {
		e.State = Ready
	}
	c.all = append(c.all, e)
}

// addPod completes an endpoint that has a pod.
func (c *collector) addPod(e *Endpoint, ep *discoveryv1.Endpoint) {
	e.Pod, e.UID = podKey(c.in.Service, ep.TargetRef), ep.TargetRef.UID
	pod := c.in.Pod(e.Pod)
	if pod != nil && e.UID != "" && e.UID != pod.UID {
		pod = nil // another pod of the same name: this one is gone, or has not arrived
	}
	if pod != nil {
		e.UID, e.Gates = pod.UID, pod.Gates
		if e.Node == "" {
			e.Node = pod.Node
		}
	}
	if e.State = c.state(ep.Conditions, pod, e.Node); e.State != Undecided {
		return
	}
	if pod == nil {
		c.result.WaitsForPods = append(c.result.WaitsForPods, e.Pod)
	} else {
		c.result.WaitsForNodes = append(c.result.WaitsForNodes, e.Node)
	}
}

// state is the table of the package comment, from its second line on.
func (c *collector) state(says discoveryv1.EndpointConditions, pod *Pod, node string) State {
	ready, terminating := deref(says.Ready, true), deref(says.Terminating, false)
	switch {
	case terminating && !ready:
		return Terminating
	case pod == nil:
		return Undecided
	case pod.Finished, pod.Terminating && !terminating && !c.in.Service.Spec.PublishNotReadyAddresses:
		return Terminating
	case ready:
		return Ready
	case !pod.ContainersReady:
		return NotReady
	}
	return c.onNode(node)
}

// onNode is the state of a pod whose containers are ready.
func (c *collector) onNode(node string) State {
	switch c.in.Node(node) {
	case corev1.ConditionTrue:
		return Ready
	case corev1.ConditionUnknown:
		return NodeUnknown
	case "":
		return Undecided
	default:
		return NotReady
	}
}

// podKey returns the pod that an endpoint refers to. A pod is in the namespace of its
// Service, whether the reference repeats that or not.
func podKey(svc *corev1.Service, ref *corev1.ObjectReference) types.NamespacedName {
	if ref.Namespace == "" {
		return types.NamespacedName{Namespace: svc.Namespace, Name: ref.Name}
	}
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
}
