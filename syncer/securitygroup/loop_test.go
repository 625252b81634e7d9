package securitygroup

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// TestOpensAtOnce: what is missing is opened with the first pass, and an unchanged world
// costs nothing until it is audited.
func TestOpensAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.pod("web", "p1", "a")
		w.need("web", 80, 9090)
		w.start()
		require.Equal(t, []string{"tcp 80-9090 sg-backend"}, w.rules("sg-node"))
		require.Equal(t, []string{"groups", "interfaces of i-a", "authorize sg-node"}, w.calls())
		w.after(59 * time.Minute)
		require.Empty(t, w.calls())
		w.after(2 * time.Minute)
		require.Equal(t, []string{"groups", "interfaces of i-a"}, w.calls())
	})
}

// TestTakeOver finds what LBC left, and has nothing to write.
func TestTakeOver(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.group("sg-node", awsapi.Tags{clusterTag + cluster: "owned"}, rule(80, 9090), Peer{CIDR: "10.0.0.0/8"}.permission(TCP, portRange{80, 80}), theirs(rule(22, 22)))
		w.pod("web", "p1", "a")
		w.pod("api", "p2", "b")
		w.need("web", 80)
		w.need("api", 9090)
		w.boards[1].Show("x", []Need{{Name: "x", Service: types.NamespacedName{Name: "api"}, Openings: []Opening{
			{From: Peer{CIDR: "10.0.0.0/8"}, Ports: []Port{{Protocol: TCP, Number: 80}}},
		}}})
		w.start()
		w.after(3 * time.Hour)
		require.Empty(t, w.writes())
	})
}

// TestRollout: pods that are replaced on nodes whose groups are known cost no call, and a
// new node one.
func TestRollout(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.pod("web", "p1", "a")
		w.need("web", 80)
		w.start()
		w.calls()
		for _, name := range []string{"p2", "p3", "p4"} {
			w.gone("web")
			w.change()
			w.pod("web", name, "a", func(p *Pod) { p.Address = netip.MustParseAddr("10.0.9.9") })
			w.change()
		}
		require.Empty(t, w.calls())
		w.aws.group("sg-other", nil)
		w.node("c", "sg-other")
		w.pod("web", "p5", "c")
		w.change()
		require.Equal(t, []string{"interfaces of i-c", "read sg-other", "authorize sg-other"}, w.calls())
		require.Equal(t, []string{"tcp 80-80 sg-backend"}, w.rules("sg-other"))
	})
}

// TestClosesLater: a range that changes is opened before the old one is closed, and that
// from a fresh reading once nobody has needed it for a minute.
func TestClosesLater(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.groups["sg-node"].Ingress = []awsapi.Permission{theirs(rule(22, 22)), {Protocol: TCP, FromPort: 80, ToPort: 80, CIDR: "0.0.0.0/0"}}
		w.pod("web", "p1", "a")
		w.need("web", 80)
		w.start()
		w.calls()
		w.need("web", 81)
		w.after(50 * time.Second)
		require.Equal(t, []string{"authorize sg-node"}, w.calls())
		require.Equal(t, []string{"tcp 22-22 sg-backend!", "tcp 80-80 0.0.0.0/0!", "tcp 80-80 sg-backend", "tcp 81-81 sg-backend"}, w.rules("sg-node"))
		w.after(20 * time.Second)
		require.Equal(t, []string{"read sg-node", "revoke sg-node"}, w.calls())
		require.Equal(t, []string{"tcp 22-22 sg-backend!", "tcp 80-80 0.0.0.0/0!", "tcp 81-81 sg-backend"}, w.rules("sg-node"))
	})
}

// TestBriefAbsence: pods that are gone for less than a minute cost nothing.
func TestBriefAbsence(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.pod("web", "p1", "a")
		w.need("web", 80)
		w.start()
		w.calls()
		for range 5 {
			w.gone("web")
			w.change()
			w.after(40 * time.Second)
			w.pod("web", "p1", "a")
			w.change()
			w.after(40 * time.Second)
		}
		require.Empty(t, w.calls())
	})
}

// TestNeededDuringTheReading is LBC's incident: a reading begins, a rule is asked for,
// the reading ends, and the decision to revoke falls.
func TestNeededDuringTheReading(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.pod("web", "p1", "a")
		w.pod("api", "p2", "b")
		w.need("web", 80)
		w.start()
		w.calls()
		w.aws.during["read"] = func(*account) { w.need("web", 80) }
		w.need("web", 81)
		w.after(65 * time.Second)
		require.Equal(t, []string{"authorize sg-node", "read sg-node"}, w.calls())
		w.after(2 * time.Minute)
		require.Equal(t, []string{"read sg-node", "revoke sg-node"}, w.calls())
		require.Equal(t, []string{"tcp 80-80 sg-backend"}, w.rules("sg-node"))
	})
}

// TestOldReading: what a reading shows that began before a write is not believed.
func TestOldReading(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		g := newGroups(Options{EC2: w.aws, VPCID: vpcID, Cluster: cluster})
		begin := time.Now()
		g.enter(awsapi.SecurityGroup{ID: "sg-1"}, begin)
		time.Sleep(time.Second)
		g.known["sg-1"].wrote = time.Now()
		g.known["sg-1"].Ingress = []awsapi.Permission{rule(80, 80)}
		g.enter(awsapi.SecurityGroup{ID: "sg-1"}, begin)
		require.Len(t, g.known["sg-1"].Ingress, 1)
		time.Sleep(time.Second)
		g.enter(awsapi.SecurityGroup{ID: "sg-1"}, time.Now())
		require.Empty(t, g.known["sg-1"].Ingress)
	})
}

// TestAuthorizeOnlyUntilComplete: nothing is closed before all sources have said all.
func TestAuthorizeOnlyUntilComplete(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.groups["sg-node"].Ingress = []awsapi.Permission{rule(7, 7)}
		w.pod("web", "p1", "a")
		w.need("web", 80)
		w.boards[0].Complete()
		w.run()
		w.after(3 * time.Hour)
		require.Equal(t, []string{"tcp 7-7 sg-backend", "tcp 80-80 sg-backend"}, w.rules("sg-node"))
		w.boards[1].Complete()
		w.after(2 * time.Minute)
		require.Equal(t, []string{"tcp 80-80 sg-backend"}, w.rules("sg-node"))
	})
}

// TestCollectsAfterRestart: the rules of a group that no pod has any more are closed, if
// it has the cluster's tag; those of other clusters and people stay.
func TestCollectsAfterRestart(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		block := Peer{CIDR: "10.0.0.0/8"}.permission(TCP, portRange{80, 80})
		other := Peer{Group: "sg-backend-of-b"}.permission(TCP, portRange{80, 80})
		w.aws.group("sg-backend-of-b", awsapi.Tags{ingress.TagCluster: "b"})
		w.aws.group("sg-old", awsapi.Tags{clusterTag + cluster: "owned"}, rule(80, 80), block, other, theirs(rule(22, 22)))
		w.aws.group("sg-both", awsapi.Tags{clusterTag + cluster: "shared", clusterTag + "b": "shared"}, rule(80, 80), block, other)
		w.aws.group("sg-foreign", awsapi.Tags{clusterTag + "b": "owned"}, rule(80, 80), block)
		w.start()
		w.after(2 * time.Minute)
		require.Equal(t, []string{"tcp 22-22 sg-backend!", "tcp 80-80 sg-backend-of-b"}, w.rules("sg-old"))
		require.Equal(t, []string{"tcp 80-80 10.0.0.0/8", "tcp 80-80 sg-backend-of-b"}, w.rules("sg-both"))
		require.Equal(t, []string{"tcp 80-80 10.0.0.0/8", "tcp 80-80 sg-backend"}, w.rules("sg-foreign"))
	})
}

// TestUnknownPods keep what may be theirs, on whatever group it stands, and nothing else;
// in the first minutes they keep all.
func TestUnknownPods(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.groups["sg-node"].Ingress = []awsapi.Permission{rule(80, 90), rule(7, 7)}
		w.nodes["x"] = Node{Instance: "i-x"}
		w.pod("web", "p1", "x")
		w.need("web", 85)
		w.start()
		w.after(4 * time.Minute)
		require.Len(t, w.rules("sg-node"), 2)
		w.after(3 * time.Minute)
		require.Equal(t, []string{"tcp 80-90 sg-backend"}, w.rules("sg-node"))
		require.Equal(t, []string{"web FailedNetworkReconcile: instance i-x of node x has no network interface in vpc-1"}, w.said())
		w.aws.interfaces = append(w.aws.interfaces, awsapi.NetworkInterface{InstanceID: "i-x", SecurityGroups: []string{"sg-node"}})
		w.after(10 * time.Minute)
		require.Equal(t, []string{"tcp 85-85 sg-backend"}, w.rules("sg-node"))
	})
}

// TestBrokenNeed keeps the rules of the groups of its pods; those of others go.
func TestBrokenNeed(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.group("sg-c", awsapi.Tags{clusterTag + cluster: "owned"}, rule(7, 7))
		w.node("c", "sg-c")
		w.aws.groups["sg-node"].Ingress = []awsapi.Permission{rule(7, 7)}
		w.pod("web", "p1", "a")
		w.show("x", Need{Name: "x", Service: types.NamespacedName{Name: "web"}, Broken: "spec.networking: no", Owners: w.owner("x")})
		w.start()
		w.after(7 * time.Minute)
		require.Equal(t, []string{"tcp 7-7 sg-backend"}, w.rules("sg-node"))
		require.Empty(t, w.rules("sg-c"))
		require.Equal(t, []string{"x FailedNetworkReconcile: spec.networking: no"}, w.said())
		w.aws.groups["sg-c"].Ingress = []awsapi.Permission{rule(7, 7)}
		w.after(0)
		w.show("x", Need{Name: "x", Broken: "nothing can be read of it"})
		w.after(2 * time.Hour)
		require.Len(t, w.rules("sg-c"), 1)
		w.show("x")
		w.after(2 * time.Minute)
		require.Empty(t, w.rules("sg-c"))
		require.Empty(t, w.rules("sg-node"))
	})
}

// TestNoRoom: where a group has no room for the new rule beside the old one, the old one
// goes first, and at once.
func TestNoRoom(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.limit = 2
		w.aws.groups["sg-node"].Ingress = []awsapi.Permission{theirs(rule(22, 22))}
		w.pod("web", "p1", "a")
		w.need("web", 80)
		w.start()
		w.calls()
		w.need("web", 81)
		w.after(3 * time.Second)
		require.Equal(t, []string{"authorize sg-node", "read sg-node", "revoke sg-node", "authorize sg-node"}, w.calls())
		require.Equal(t, []string{"tcp 22-22 sg-backend!", "tcp 81-81 sg-backend"}, w.rules("sg-node"))
		w.aws.limit = 1
		w.after(0)
		w.need("web", 82)
		w.after(3 * time.Second)
		require.Equal(t, []string{"web FailedNetworkReconcile: cannot open ports of security group sg-node: AWS answers RulesPerSecurityGroupLimitExceeded"}, w.said())
	})
}

// TestOpenedMeanwhile: a rule that somebody has opened since the reading is no failure.
func TestOpenedMeanwhile(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.pod("web", "p1", "a")
		w.start()
		w.calls()
		w.aws.groups["sg-node"].Ingress = []awsapi.Permission{theirs(rule(80, 80))}
		w.after(0)
		w.need("web", 80)
		w.after(3 * time.Second)
		require.Equal(t, []string{"interfaces of i-a", "authorize sg-node", "read sg-node"}, w.calls())
		require.Empty(t, w.said())
		w.show("web")
		w.after(5 * time.Minute)
		require.Equal(t, []string{"tcp 80-80 sg-backend!"}, w.rules("sg-node"), "it is not ours")
	})
}

// TestOneGroupFails: the others are served, and the owner is told once.
func TestOneGroupFails(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.group("sg-c", nil)
		w.node("c", "sg-c")
		w.aws.fail["authorize sg-c"] = apiError("UnauthorizedOperation")
		w.pod("web", "p1", "c")
		w.pod("api", "p2", "a")
		w.need("web", 80)
		w.need("api", 80)
		w.start()
		w.after(time.Hour)
		require.Equal(t, []string{"tcp 80-80 sg-backend"}, w.rules("sg-node"))
		require.Equal(t, []string{"web FailedNetworkReconcile: cannot open ports of security group sg-c: AWS answers UnauthorizedOperation"}, w.said())
		require.Less(t, len(w.calls()), 40)
		delete(w.aws.fail, "authorize sg-c")
		w.after(10 * time.Minute)
		require.Equal(t, []string{"tcp 80-80 sg-backend"}, w.rules("sg-c"))
	})
}

// TestLookupsFail: while AWS does not answer nothing is closed, and it is not asked more
// and more.
func TestLookupsFail(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.groups["sg-node"].Ingress = []awsapi.Permission{rule(80, 80)}
		w.pod("web", "p1", "a")
		w.need("web", 80)
		w.aws.fail["groups"] = errors.New("no")
		w.start()
		w.after(time.Minute)
		delete(w.aws.fail, "groups")
		w.aws.fail["interfaces of i-a"] = context.DeadlineExceeded
		w.after(time.Hour)
		require.Equal(t, []string{"tcp 80-80 sg-backend"}, w.rules("sg-node"))
		require.Less(t, len(w.calls()), 40)
		require.Empty(t, w.said(), "nobody can do anything about it")
	})
}
