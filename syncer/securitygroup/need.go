package securitygroup

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Need is what has to reach the pods behind a Service, for one target group. It is
// never changed.
type Need struct {
	// Name is unique among all needs, and stands in logs.
	Name string
	// Owners are told what is wrong.
	Owners []corev1.ObjectReference
	// Service has the pods. Without a name nobody knows which those are: what is said of
	// their groups goes for all.
	Service types.NamespacedName
	Family  discoveryv1.AddressType // of the pods; empty: IPv4
	// Openings are what is opened.
	Openings []Opening
	// Held opens nothing and keeps what stands: its target group is not bound, or what
	// it opens is not known.
	Held bool
	// Broken is why it cannot be told what is to be opened. No rule of the groups of its
	// pods is taken away. Empty: it can.
	Broken string
	// Backend says that the backend security group is, or will be, a load balancer's.
	Backend bool
}

// equal reports whether two needs say the same.
func (n Need) equal(o Need) bool {
	return n.Name == o.Name && slices.Equal(n.Owners, o.Owners) && n.Service == o.Service && n.Family == o.Family &&
		slices.EqualFunc(n.Openings, o.Openings, Opening.equal) && n.Held == o.Held && n.Broken == o.Broken && n.Backend == o.Backend
}

// Opening opens ports to one source.
type Opening struct {
	From  Peer
	Ports []Port // none: all of TCP
}

func (o Opening) equal(p Opening) bool { return o.From == p.From && slices.Equal(o.Ports, p.Ports) }

// Peer is where connections come from: one of its fields is set.
type Peer struct {
	Group  string // a security group's ID
	CIDR   string // IPv4
	CIDRv6 string // IPv6
}

// Protocols, as AWS writes them.
const (
	TCP = "tcp"
	UDP = "udp"
)

// Port is a port of pods, by number or by name. The zero Port with a protocol stands
// for all ports of it.
type Port struct {
	Protocol string // tcp, udp
	Number   int32
	Name     string // of a port of the pods
}

// Pod is what is read of a pod that has an address.
type Pod struct {
	Name    types.NamespacedName
	UID     types.UID
	Address netip.Addr
	Node    string
	// Own says that the address is of a network interface of the pod's own, and not of
	// one of its node's.
	Own bool
	// Ports are the numbers of its ports by name. Pods may share the map.
	Ports map[string]int32
}

// Node is what is read of a node.
type Node struct {
	// Instance is its EC2 instance; empty: it is none, and each of its pods has an
	// interface of its own, as on Fargate.
	Instance string
	// Outside says that the node is not in AWS: no security group guards its pods.
	Outside bool
}

// Source tells what has to be reachable.
type Source interface {
	// Needs returns what is needed today, and whether that is all of it. The slice is not
	// changed afterwards.
	Needs() ([]Need, bool)
	// Changed signals that Needs differ. One receiver is served.
	Changed() <-chan struct{}
}
