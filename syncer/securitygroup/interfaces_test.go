package securitygroup

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
)

// TestPodsOwnInterfaces: a pod with an interface of its own, and one on Fargate, is found
// by its address; its node's groups are not its own.
func TestPodsOwnInterfaces(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.group("sg-pod", nil)
		w.aws.group("sg-fargate", nil)
		w.nodes["fargate"] = Node{}
		w.aws.interfaces = append(
			w.aws.interfaces,
			awsapi.NetworkInterface{ID: "eni-1", Addresses: []string{"10.0.0.1"}, SecurityGroups: []string{"sg-pod"}},
			awsapi.NetworkInterface{ID: "eni-2", Addresses: []string{"10.0.0.2"}, SecurityGroups: []string{"sg-fargate"}},
		)
		w.pod("web", "branch", "a", func(p *Pod) { p.Own = true })
		w.pod("web", "fargate", "fargate")
		w.need("web", 80)
		w.start()
		require.Equal(t, []string{"groups", "interfaces 10.0.0.1 10.0.0.2", "authorize sg-fargate", "authorize sg-pod"}, w.calls())
		require.Empty(t, w.rules("sg-node"))
		w.change()
		require.Empty(t, w.calls())
	})
}

// TestOutside: no security group guards the pods of machines outside of AWS.
func TestOutside(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.groups["sg-node"].Ingress = []awsapi.Permission{rule(80, 80)}
		w.nodes["hybrid"] = Node{Outside: true}
		w.pod("web", "p1", "hybrid")
		w.need("web", 80)
		w.start()
		w.after(2 * time.Minute)
		require.Empty(t, w.rules("sg-node"))
		require.Empty(t, w.said())
	})
}

// TestInterfacesThatDiffer: where the interfaces of an instance have different groups, it
// is the address that decides, or the prefix that it is out of. One that is new makes the
// interfaces be read again.
func TestInterfacesThatDiffer(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.group("sg-1", nil)
		w.aws.group("sg-2", nil)
		w.aws.interfaces = append(
			w.aws.interfaces,
			awsapi.NetworkInterface{ID: "eni-1", InstanceID: "i-a", Addresses: []string{"10.0.0.1"}, SecurityGroups: []string{"sg-1"}},
			awsapi.NetworkInterface{ID: "eni-2", InstanceID: "i-a", Prefixes: []string{"10.0.0.2/31"}, SecurityGroups: []string{"sg-2"}},
		)
		w.pod("web", "p1", "a")
		w.pod("api", "p2", "a")
		w.need("web", 80)
		w.need("api", 81)
		w.start()
		require.Equal(t, []string{"tcp 80-80 sg-backend"}, w.rules("sg-1"))
		require.Equal(t, []string{"tcp 81-81 sg-backend"}, w.rules("sg-2"))
		require.Empty(t, w.rules("sg-node"))
		w.calls()
		w.pod("web", "p3", "a", func(p *Pod) { p.Address = netip.MustParseAddr("10.0.0.9") })
		w.aws.interfaces[2].Addresses = append(w.aws.interfaces[2].Addresses, "10.0.0.9")
		w.change()
		w.after(10 * time.Second)
		require.Equal(t, []string{"interfaces of i-a"}, w.calls())
		require.Empty(t, w.said())
		w.pod("web", "p4", "a", func(p *Pod) { p.Address = netip.MustParseAddr("10.0.0.10") })
		w.change()
		w.after(9 * time.Minute)
		require.Equal(t, []string{"web FailedNetworkReconcile: pod ns/p4: no network interface of instance i-a has its address 10.0.0.10"}, w.said())
		require.Less(t, len(w.calls()), 10)
	})
}

// TestSeveralGroups: of the groups of an interface the one with the tags gets the rules.
func TestSeveralGroups(t *testing.T) {
	owned := awsapi.Tags{clusterTag + cluster: "owned"}
	special := awsapi.Tags{clusterTag + cluster: "shared", "role": "pods"}
	tests := map[string]struct {
		one, two awsapi.Tags
		tags     map[string]string
		want     string
		told     bool
	}{
		"one has the tag":            {one: nil, two: owned, want: "sg-2"},
		"another cluster's":          {one: awsapi.Tags{clusterTag + "b": "owned"}, two: owned, want: "sg-2"},
		"none has it":                {want: "sg-1", told: true},
		"both have it":               {one: owned, two: owned, want: "sg-1", told: true},
		"one has the other tag, too": {one: owned, two: special, tags: map[string]string{"role": "pods"}, want: "sg-2"},
		"the other tag alone":        {one: owned, two: awsapi.Tags{"role": "pods"}, tags: map[string]string{"role": "pods"}, want: "sg-1", told: true},
		"another value of it":        {one: special, two: owned, tags: map[string]string{"role": "x"}, want: "sg-1", told: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				t := w.t
				w.tags = tt.tags
				w.aws.group("sg-1", tt.one)
				w.aws.group("sg-2", tt.two)
				w.node("c", "sg-2", "sg-1")
				w.pod("web", "p1", "c")
				w.need("web", 80)
				w.start()
				w.after(time.Minute)
				for _, id := range []string{"sg-1", "sg-2"} {
					want := []string{}
					if id == tt.want {
						want = []string{"tcp 80-80 sg-backend"}
					}
					require.Equal(t, want, w.rules(id), id)
				}
				said := w.said()
				require.Equal(t, tt.told, len(said) == 1, said)
				if tt.told {
					require.Contains(t, said[0], "sg-1, sg-2")
					require.Contains(t, said[0], "kubernetes.io/cluster/demo")
				}
			})
		})
	}
}

// TestManyNodes are looked up a hundred at a time, a second apart.
func TestManyNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		for n := range 250 {
			name := fmt.Sprintf("n%d", n)
			w.node(name, "sg-node")
			w.pod("web", name, name)
		}
		w.need("web", 80)
		w.start()
		require.Len(t, w.calls(), 3, "the groups, the first hundred, and a rule")
		w.after(1500 * time.Millisecond)
		require.Len(t, w.calls(), 1)
		w.after(time.Second)
		require.Len(t, w.calls(), 1)
		w.after(time.Minute)
		require.Empty(t, w.calls())
	})
}
