package playground

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestClaimedNetworksDiffer(t *testing.T) {
	seen := map[network]bool{}
	for range 20 {
		n, claim, err := claimNetwork(t.Context())
		require.NoError(t, err)
		defer claim.Close()
		require.False(t, seen[n], "10.%d.0.0/16 was given twice", n)
		require.NotZero(t, n)
		seen[n] = true
	}
}

func TestLoopbackOf(t *testing.T) {
	n := network(7)
	for ip, want := range map[string]string{
		"10.7.68.3":   "127.7.68.3",
		"10.8.68.3":   "",
		"127.7.68.3":  "",
		"192.0.2.1":   "",
		"not-an-ip":   "",
		"10.7.255.99": "127.7.255.99",
	} {
		got, ok := n.loopbackOf(ip)
		require.Equal(t, want != "", ok, ip)
		if ok {
			require.Equal(t, want, got.String())
		}
	}
}

// Pods must be in the subnet of their node's zone, or AWS puts their targets into
// another zone, and nodes must not share addresses with pods.
func TestNodesAreInTheirZonesSubnet(t *testing.T) {
	n := network(200)
	vpc := n.vpc("name")
	nodes := n.nodes()
	require.Len(t, nodes, len(vpc.Subnets))
	for i, node := range nodes {
		subnet := netip.MustParsePrefix(vpc.Subnets[i].CIDR)
		pods := netip.MustParsePrefix(node.Spec.PodCIDR)
		address := netip.MustParseAddr(node.Status.Addresses[0].Address)
		require.Equal(t, vpc.Subnets[i].Zone, node.Labels[corev1.LabelTopologyZone])
		require.True(t, subnet.Contains(pods.Addr()) && pods.Bits() > subnet.Bits())
		require.Equal(t, pods.Masked(), pods)
		require.True(t, subnet.Contains(address))
		require.False(t, pods.Contains(address))
		require.True(t, netip.MustParsePrefix(vpc.CIDRs[0]).Contains(subnet.Addr()))
		require.Equal(t, "shared", vpc.Subnets[i].Tags["kubernetes.io/cluster/name"])
		for _, other := range vpc.Subnets[i+1:] {
			require.False(t, subnet.Overlaps(netip.MustParsePrefix(other.CIDR)))
		}
	}
}
