package scenario

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/tgsync/tgsync/test/kubesim"
)

const (
	namespace = "shop"
	// firstNode is there from the start, and where pods run that name no other.
	firstNode = "node-1"
	zone      = "ap-northeast-3a"
	// inService is the label of a Service's pods: a pod may be of several.
	inService = "in.example.com/"
	// terminationGrace is how long a pod is given to end; it does so when it is told to.
	terminationGrace = 30 * time.Second
)

// cluster is everybody who writes to the API server but the daemons: users, kubelets,
// and the EndpointSlice controller. It holds what it has written as the server
// answered it.
type cluster struct {
	api        kubernetes.Interface
	services   map[string]*corev1.Service
	pods       map[string]*corev1.Pod
	nodes      map[string]*corev1.Node
	slices     map[string]*discoveryv1.EndpointSlice
	controller controller
	changed    func() // after each write
}

// newCluster reaches the server past its faults.
func newCluster(server *kubesim.Server) (*cluster, error) {
	api, err := kubernetes.NewForConfig(server.Admin())
	return &cluster{
		api:      api,
		services: map[string]*corev1.Service{}, pods: map[string]*corev1.Pod{}, nodes: map[string]*corev1.Node{},
		slices: map[string]*discoveryv1.EndpointSlice{}, controller: controller{due: map[string]time.Time{}, seen: map[string]triggers{}},
	}, err
}

// servicePort is a port of a Service.
type servicePort struct {
	name string
	port int32
	to   intstr.IntOrString
}

// service describes a Service.
type service struct {
	name            string
	ports           []servicePort
	publishNotReady bool
	noSelector      bool // nobody makes slices for it
	dualStack       bool
}

// object is the Service as an API object.
func (s service) object() *corev1.Service {
	o := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: s.name},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: "172.20.0.1", PublishNotReadyAddresses: s.publishNotReady,
			IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol},
		},
	}
	if !s.noSelector {
		o.Spec.Selector = map[string]string{inService + s.name: "yes"}
	}
	if s.dualStack {
		o.Spec.IPFamilies = append(o.Spec.IPFamilies, corev1.IPv6Protocol)
	}
	for _, p := range s.ports {
		o.Spec.Ports = append(o.Spec.Ports, corev1.ServicePort{Name: p.name, Protocol: corev1.ProtocolTCP, Port: p.port, TargetPort: p.to})
	}
	return o
}

// putService makes a Service, or changes the one there is.
func (c *cluster) putService(ctx context.Context, o *corev1.Service) (err error) {
	api := c.api.CoreV1().Services(namespace)
	o.Namespace = namespace
	if old := c.services[o.Name]; old == nil {
		o, err = api.Create(ctx, o, metav1.CreateOptions{})
	} else {
		o.ResourceVersion = old.ResourceVersion
		o, err = api.Update(ctx, o, metav1.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	c.services[o.Name] = o
	c.changed()
	c.touch(o.Name)
	return nil
}

func (c *cluster) deleteService(ctx context.Context, name string) error {
	if err := c.api.CoreV1().Services(namespace).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	delete(c.services, name)
	c.changed()
	c.touch(name)
	return nil
}

// pod describes a pod that runs.
type pod struct {
	name            string
	services        []string
	ips             []string
	node            string
	ports           map[string]int32 // named ports of its container
	gates           []string
	containersReady bool
	hostNetwork     bool
}

// object is the pod as an API object, without its status.
func (p pod) object() *corev1.Pod {
	o := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: p.name, Labels: map[string]string{}},
		Spec: corev1.PodSpec{
			NodeName: p.node, HostNetwork: p.hostNetwork,
			TerminationGracePeriodSeconds: new(int64(terminationGrace / time.Second)),
			Containers:                    []corev1.Container{{Name: "main"}},
		},
	}
	for _, s := range p.services {
		o.Labels[inService+s] = "yes"
	}
	for _, gate := range p.gates {
		o.Spec.ReadinessGates = append(o.Spec.ReadinessGates, corev1.PodReadinessGate{ConditionType: corev1.PodConditionType(gate)})
	}
	for name, number := range p.ports {
		o.Spec.Containers[0].Ports = append(o.Spec.Containers[0].Ports, corev1.ContainerPort{Name: name, ContainerPort: number})
	}
	return o
}

// addPod makes a pod and lets its kubelet run it.
func (c *cluster) addPod(ctx context.Context, p pod) error {
	o, err := c.api.CoreV1().Pods(namespace).Create(ctx, p.object(), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	c.pods[p.name] = o
	c.changed()
	return c.changePod(ctx, p.name, func(o *corev1.Pod) {
		o.Status.Phase, o.Status.PodIP = corev1.PodRunning, p.ips[0]
		for _, ip := range p.ips {
			o.Status.PodIPs = append(o.Status.PodIPs, corev1.PodIP{IP: ip})
		}
		setCondition(o, corev1.ContainersReady, p.containersReady)
	})
}

// changePod does what a kubelet does: it reports a pod's status, of which the Ready
// condition follows from the containers and the gates. On a node that is not Ready no
// pod is: the node controller sees to that.
func (c *cluster) changePod(ctx context.Context, name string, change func(*corev1.Pod)) error {
	if _, err := c.pod(name); err != nil {
		return err
	}
	// A daemon may have opened a gate.
	old, err := c.api.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	c.pods[name] = old
	o := old.DeepCopy()
	change(o)
	ready := conditionIs(o, corev1.ContainersReady) && (view{nodes: c.nodes}).nodeReady(o.Spec.NodeName) == corev1.ConditionTrue
	for _, gate := range o.Spec.ReadinessGates {
		ready = ready && conditionIs(o, gate.ConditionType)
	}
	setCondition(o, corev1.PodReady, ready)
	if equality.Semantic.DeepEqual(o, old) {
		return nil
	}
	if o, err = c.api.CoreV1().Pods(namespace).UpdateStatus(ctx, o, metav1.UpdateOptions{}); err != nil {
		return err
	}
	return c.podIs(o)
}

func (c *cluster) podIs(o *corev1.Pod) error {
	c.pods[o.Name] = o
	c.changed()
	c.touchServicesOf(o)
	return nil
}

// terminatePod marks a pod for deletion. It stays until removePod, unless it has finished:
// then it goes at once.
func (c *cluster) terminatePod(ctx context.Context, name string) error {
	api := c.api.CoreV1().Pods(namespace)
	if err := api.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	o, err := api.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return c.podIsGone(name)
	}
	if err != nil {
		return err
	}
	return c.podIs(o)
}

func (c *cluster) podIsGone(name string) error {
	o := c.pods[name]
	delete(c.pods, name)
	c.changed()
	c.touchServicesOf(o)
	return nil
}

// removePod takes a pod away for good, as a kubelet does when it has ended. One that
// nobody has marked for deletion is marked first: a real server does that too.
func (c *cluster) removePod(ctx context.Context, name string) error {
	o, err := c.pod(name)
	if err == nil && o.DeletionTimestamp == nil {
		err = c.terminatePod(ctx, name)
		synctest.Wait()
	}
	if err != nil || c.pods[name] == nil {
		return err
	}
	if err := c.api.CoreV1().Pods(namespace).Delete(ctx, name, *metav1.NewDeleteOptions(0)); err != nil {
		return err
	}
	return c.podIsGone(name)
}

func (c *cluster) pod(name string) (*corev1.Pod, error) {
	if o := c.pods[name]; o != nil {
		return o, nil
	}
	return nil, fmt.Errorf("there is no pod %s", name)
}

func conditionIs(o *corev1.Pod, typ corev1.PodConditionType) bool {
	for _, cond := range o.Status.Conditions {
		if cond.Type == typ {
			return cond.Status == corev1.ConditionTrue
		}
	}
	return false
}

func setCondition(o *corev1.Pod, typ corev1.PodConditionType, is bool) {
	next := corev1.PodCondition{Type: typ, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now()}
	if is {
		next.Status = corev1.ConditionTrue
	}
	for i, cond := range o.Status.Conditions {
		if cond.Type == typ {
			if cond.Status != next.Status {
				o.Status.Conditions[i] = next
			}
			return
		}
	}
	o.Status.Conditions = append(o.Status.Conditions, next)
}

// setNode makes a node, or changes the status of its Ready condition.
func (c *cluster) setNode(ctx context.Context, name string, ready corev1.ConditionStatus) (err error) {
	api := c.api.CoreV1().Nodes()
	status := corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}}
	o := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: zone}}, Status: status,
	}
	if old := c.nodes[name]; old == nil {
		o, err = api.Create(ctx, o, metav1.CreateOptions{})
	} else {
		o = old.DeepCopy()
		o.Status = status
		o, err = api.UpdateStatus(ctx, o, metav1.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	c.nodes[name] = o
	c.nodesChanged()
	for _, pod := range slices.Sorted(maps.Keys(c.pods)) {
		if c.pods[pod].Spec.NodeName == name {
			if err := c.changePod(ctx, pod, func(*corev1.Pod) {}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cluster) removeNode(ctx context.Context, name string) error {
	if err := c.api.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	delete(c.nodes, name)
	c.nodesChanged()
	return nil
}

func (c *cluster) nodesChanged() {
	c.changed()
	for name := range c.services {
		c.touch(name)
	}
}

// putSlice makes an EndpointSlice by hand, or changes the one there is.
func (c *cluster) putSlice(ctx context.Context, o *discoveryv1.EndpointSlice) (err error) {
	api := c.api.DiscoveryV1().EndpointSlices(namespace)
	o.Namespace = namespace
	if old := c.slices[o.Name]; old == nil {
		o, err = api.Create(ctx, o, metav1.CreateOptions{})
	} else {
		o.ResourceVersion = old.ResourceVersion
		o, err = api.Update(ctx, o, metav1.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	c.slices[o.Name] = o
	c.changed()
	return nil
}

func (c *cluster) deleteSlice(ctx context.Context, name string) error {
	if err := c.api.DiscoveryV1().EndpointSlices(namespace).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	delete(c.slices, name)
	c.changed()
	return nil
}
