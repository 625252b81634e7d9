package endpoints

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The readiness gates that are ours.
const (
	// GateTargetsReady is the gate for all target groups of a pod.
	GateTargetsReady = "tgsync.io/targets-ready"
	// GatePrefix begins LBC's gates, one for each TargetGroupBinding.
	GatePrefix = "target-health.elbv2.k8s.aws/"
)

// ownInterface is the annotation of a pod that has a network interface of its own, with
// security groups of its own, by Amazon's CNI.
const ownInterface = "vpc.amazonaws.com/pod-eni"

// Pod is what is read of a pod. It stands in the cache instead of the pod: every pod
// of the cluster is there, and a corev1.Pod takes 1,240 bytes before its first string.
// A Pod is never changed.
type Pod struct {
	// ObjectMeta holds namespace, name, UID and resource version, and if the pod has
	// gates its labels.
	metav1.ObjectMeta
	Node  string        // the node that it runs on
	IPs   [2]netip.Addr // its addresses, one of each family at most; zero: none
	Gates []string      // the gates that it declares and that are ours
	// Conditions are those of the gates, as far as it has them.
	Conditions      []corev1.PodCondition
	ContainersReady bool
	// ContainersReadySince is when ContainersReady last changed, in whole seconds.
	ContainersReadySince metav1.Time
	Terminating          bool // it is being deleted
	Finished             bool // its containers have ended and are not started again
	OwnInterface         bool // its address is that of a network interface of its own
}

// PodOf returns what is read of a pod.
func PodOf(p *corev1.Pod) *Pod {
	pod := &Pod{
		ObjectMeta:  metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion},
		Terminating: p.DeletionTimestamp != nil,
		Finished:    p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
	}
	if pod.Finished {
		return pod // finished Jobs are kept by the thousand, and no more is read of them
	}
	pod.Node, pod.OwnInterface = p.Spec.NodeName, p.Annotations[ownInterface] != ""
	for i, ip := range p.Status.PodIPs {
		if i < len(pod.IPs) {
			// What does not parse stays the zero address, which is nobody's.
			pod.IPs[i], _ = netip.ParseAddr(ip.IP)
		}
	}
	for _, gate := range p.Spec.ReadinessGates {
		if name := string(gate.ConditionType); name == GateTargetsReady || strings.HasPrefix(name, GatePrefix) {
			pod.Gates = append(pod.Gates, name)
		}
	}
	pod.readConditions(p)
	return pod
}

// readConditions reads what the pod says of itself, and with gates what is asked about
// them.
func (p *Pod) readConditions(of *corev1.Pod) {
	if len(p.Gates) > 0 {
		p.Labels = of.Labels
	}
	for _, c := range of.Status.Conditions {
		if c.Type == corev1.ContainersReady {
			p.ContainersReady, p.ContainersReadySince = c.Status == corev1.ConditionTrue, c.LastTransitionTime
		}
		if slices.Contains(p.Gates, string(c.Type)) {
			p.Conditions = append(p.Conditions, c)
		}
	}
}

// Alike reports whether Calculate decides the same with o in the place of p.
func (p *Pod) Alike(o *Pod) bool {
	return p.UID == o.UID && p.Node == o.Node && p.ContainersReady == o.ContainersReady &&
		p.Terminating == o.Terminating && p.Finished == o.Finished
}

// Living reports whether the pod is neither being deleted nor finished.
func (p *Pod) Living() bool { return !p.Terminating && !p.Finished }
