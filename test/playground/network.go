package playground

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/awssim"
)

const (
	// Region is where the simulated account is.
	Region = "ap-northeast-3"
	// VPCID is the account's only network.
	VPCID = "vpc-0f2c5d81a94e63b70"

	// claimPort is where a run shows its siblings that a network is taken. It is
	// below the range that outgoing connections use.
	claimPort = 20127
	// daemonPort is where the daemon serves its metrics, at an address that nobody
	// else can want once the network is claimed.
	daemonPort = 8080
	// apiServerPort is where the API server listens, at an address like the daemon's: a
	// port of its own that nobody takes while it is down.
	apiServerPort = 6443
	// networks is how many runs fit side by side: 10.1 to 10.254.
	networks = 254
)

// nodeLabel ties a node to the run whose KWOK looks after it.
const nodeLabel = "playground.tgsync.io/network"

// network is an own 10.A.0.0/16, given by A. Its pods are reached at 127.A.B.C.
type network byte

// claimNetwork takes a network that no other run on this machine has. It is free
// again when the listener is closed, at the latest when the process ends.
func claimNetwork(ctx context.Context) (network, net.Listener, error) {
	var lc net.ListenConfig
	var last error
	for _, i := range rand.Perm(networks) {
		n := network(i + 1)
		lis, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(n.loopback(255, 254), claimPort).String())
		if err == nil {
			return n, lis, nil
		}
		last = err
	}
	return 0, nil, errors.Join(errors.New("no network is free"), last)
}

// loopback returns 127.A.b.c.
func (n network) loopback(b, c byte) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(n), b, c})
}

// loopbackOf returns where the pod with that address listens. Addresses of other
// networks have no such place.
func (n network) loopbackOf(podIP string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(podIP)
	if err != nil || !n.cidr().Contains(ip) {
		return netip.Addr{}, false
	}
	b := ip.As4()
	return n.loopback(b[2], b[3]), true
}

func (n network) cidr() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n), 0, 0}), 16)
}

// zone is one availability zone with a quarter of the network.
type zone struct {
	name  string // ap-northeast-3a
	third byte   // the subnet is 10.A.third.0/18
}

func zones() []zone {
	return []zone{{Region + "a", 0}, {Region + "b", 64}, {Region + "c", 128}}
}

// vpc describes the network to the simulator: a subnet per zone, with the tags by
// which controllers find subnets for load balancers.
func (n network) vpc(cluster string) awssim.VPC {
	v := awssim.VPC{ID: VPCID, CIDRs: []string{n.cidr().String()}, Tags: map[string]string{"Name": cluster}}
	for i, z := range zones() {
		v.Subnets = append(v.Subnets, awssim.Subnet{
			ID:     subnetID(i),
			Zone:   z.name,
			CIDR:   fmt.Sprintf("10.%d.%d.0/18", n, z.third),
			Public: true,
			Tags: map[string]string{
				"Name":                             cluster + "/" + z.name,
				"kubernetes.io/role/elb":           "1",
				"kubernetes.io/role/internal-elb":  "1",
				"kubernetes.io/cluster/" + cluster: "shared",
			},
		})
	}
	return v
}

// nodes returns a node per zone. A node's pods get addresses out of a /22 in the
// zone's subnet; the node itself has one outside of that.
func (n network) nodes() []*corev1.Node {
	nodes := make([]*corev1.Node, 0, len(zones()))
	for i, z := range zones() {
		ip := fmt.Sprintf("10.%d.%d.10", n, z.third)
		cidr := fmt.Sprintf("10.%d.%d.0/22", n, z.third+4)
		nodes = append(nodes, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("ip-10-%d-%d-10.%s.compute.internal", n, z.third, Region),
				Labels: map[string]string{
					nodeLabel:                      n.label(),
					corev1.LabelTopologyZone:       z.name,
					corev1.LabelTopologyRegion:     Region,
					corev1.LabelInstanceTypeStable: "m7i.2xlarge",
					corev1.LabelOSStable:           "linux",
					corev1.LabelArchStable:         "amd64",
				},
			},
			Spec: corev1.NodeSpec{
				PodCIDR:    cidr,
				PodCIDRs:   []string{cidr},
				ProviderID: "aws:///" + z.name + "/" + instanceID(i),
			},
			Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}}},
		})
	}
	return nodes
}

// interfaces are those of the nodes: each has a block of addresses for its pods.
func (n network) interfaces() []awssim.Interface {
	var all []awssim.Interface
	for i, node := range n.nodes() {
		all = append(all, awssim.Interface{
			ID: fmt.Sprintf("eni-0a94c6e2f1d83b7%02d", i+1), SubnetID: subnetID(i), InstanceID: instanceID(i),
			Addresses: []string{node.Status.Addresses[0].Address}, Prefixes: node.Spec.PodCIDRs,
		})
	}
	return all
}

func subnetID(i int) string { return fmt.Sprintf("subnet-0b7d94c2e15f8a6%02d", i+1) }

func instanceID(i int) string { return fmt.Sprintf("i-0e3f7a15c86b4d2%02d", i+1) }

// label is the network as the value of nodeLabel.
func (n network) label() string { return fmt.Sprintf("10.%d", n) }
