package groupbinding_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

const otherAccount = "222222222222"

// abroad is another account, with a role and a target group.
type abroad struct {
	*world
	sim *awssim.Sim
	arn string // of the group
}

func (w *world) abroad() *abroad {
	w.t.Helper()
	sim, err := w.sim.AddAccount(awssim.Options{
		AccountID: otherAccount, Latency: callLatency, VPCs: []awssim.VPC{{ID: "vpc-2", CIDRs: []string{"172.16.0.0/16"}}},
	})
	require.NoError(w.t, err)
	a := &abroad{world: w, sim: sim}
	sim.SetRole(awssim.Role{Name: "maker"})
	g, err := a.as("maker", "").ELB.CreateTargetGroup(w.t.Context(), awsapi.TargetGroup{
		Name: "theirs", Port: 8000, Protocol: "HTTP", TargetType: "ip", VPCID: "vpc-2",
	})
	require.NoError(w.t, err)
	a.arn = g.ARN
	return a
}

func roleARN(name string) string { return "arn:aws:iam::" + otherAccount + ":role/" + name }

func (a *abroad) as(role, externalID string) *awsapi.Clients {
	return a.aws.Assume(target.Role{ARN: roleARN(role), ExternalID: externalID})
}

// bind applies a binding of the group by way of a role.
func (a *abroad) bind(name, role, externalID string) {
	a.t.Helper()
	spec := map[string]any{"targetGroupARN": a.arn, "iamRoleArnToAssume": roleARN(role)}
	if externalID != "" {
		spec["assumeRoleExternalId"] = externalID
	}
	a.apply(tgb(name, spec))
}

// have returns the addresses that the group has, without those that drain.
func (a *abroad) have() []string {
	a.t.Helper()
	health, err := a.as("maker", "").ELB.DescribeTargetHealth(a.t.Context(), a.arn)
	require.NoError(a.t, err)
	ips := []string{}
	for _, h := range health {
		if h.State != awsapi.StateDraining {
			ips = append(ips, h.Target.IP.String())
		}
	}
	return ips
}

// TestRole is the life of a binding of a group in another account.
func TestRole(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		a := w.abroad()
		a.sim.SetRole(awssim.Role{Name: "tgsync", ExternalID: "x1"})
		a.bind("a", "tgsync", "x1")
		w.apply(tgb("gone", map[string]any{"targetGroupName": "none", "iamRoleArnToAssume": roleARN("maker")}))
		w.start()
		require.ElementsMatch(t, bothPods, a.have())
		require.Contains(t, w.ready("a"), "True Bound")
		require.Contains(t, w.ready("gone"), "there is no target group none in account 222222222222 and the Region")
		require.Equal(t, "vpc-2", w.loop.Bindings()[0].VPC)

		w.delete("a")
		w.settle()
		require.Nil(t, w.get("a"))
		require.Empty(t, a.have())
	})
}

// TestRoleIsDenied, or its external ID is wrong: that is said, is mended by itself, and
// is in nobody's way.
func TestRoleIsDenied(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		a := w.abroad()
		a.sim.SetRole(awssim.Role{Name: "tgsync", ExternalID: "x1"})
		a.bind("a", "tgsync", "x2")
		ours := w.group("ours", nil)
		w.apply(tgb("b", map[string]any{"targetGroupARN": ours}))
		began := time.Now()
		w.start()
		require.Equal(t, "False FailedAssumeRole: spec.iamRoleArnToAssume: cannot assume role "+roleARN("tgsync")+": AWS answers AccessDenied", w.ready("a"))
		require.Equal(t, bothPods, w.registered(ours))
		require.Len(t, w.said(), 2)
		require.Equal(t, []string{"a"}, w.missing(), "gates wait for it")
		w.pass(time.Hour)
		require.Empty(t, w.said(), "once is enough")
		require.Less(t, w.calls("AssumeRole", began), 60)

		a.sim.SetRole(awssim.Role{Name: "tgsync"})
		w.pass(5 * time.Minute)
		require.Contains(t, w.ready("a"), "True Bound")
		require.ElementsMatch(t, bothPods, a.have())

		a.sim.SetRole(awssim.Role{Name: "tgsync", Denied: true})
		w.pass(2 * time.Hour)
		require.Contains(t, w.ready("a"), "False FailedAssumeRole", "it is bound still, and nothing comes of it")
		require.Len(t, w.loop.Bindings(), 2)
	})
}

// TestAccountThatDoesNotAnswer holds up no other binding.
func TestAccountThatDoesNotAnswer(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		a := w.abroad()
		a.sim.SetRole(awssim.Role{Name: "tgsync"})
		a.bind("a", "tgsync", "")
		w.sim.Inject(awssim.Fault{Action: "AssumeRole", Latency: time.Hour})
		ours := w.group("ours", nil)
		w.apply(tgb("b", map[string]any{"targetGroupARN": ours}))
		began := time.Now()
		w.start()
		require.Equal(t, bothPods, w.registered(ours))
		for _, c := range w.sim.Calls() {
			require.False(t, c.Action == "RegisterTargets" && c.Arrived.Sub(began) > 2*time.Second, "it did not wait for the other")
		}
		w.pass(time.Minute)
		require.Contains(t, w.ready("a"), "False FailedAssumeRole: spec.iamRoleArnToAssume: cannot assume role "+roleARN("tgsync")+": AWS answers Unavailable")
		w.stop()
		w.pass(time.Minute) // for the call that the SDK does not give up
	})
}

// TestDeletedBindingOfAnAccountThatDeniesUs goes after a while, with an event that says
// what is left.
func TestDeletedBindingOfAnAccountThatDeniesUs(t *testing.T) {
	for name, restart := range map[string]bool{"while it is bound": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				t := w.t
				a := w.abroad()
				a.sim.SetRole(awssim.Role{Name: "tgsync"})
				a.bind("a", "tgsync", "")
				w.start()
				require.ElementsMatch(t, bothPods, a.have())
				w.aws = w.fresh() // credentials would last for an hour
				w.stop()
				a.sim.SetRole(awssim.Role{Name: "tgsync", Denied: true})
				if !restart {
					w.start()
				}
				w.delete("a")
				if restart {
					w.start()
				}
				w.pass(9 * time.Minute)
				require.NotNil(t, w.get("a"))
				require.Contains(t, w.ready("a"), "False FailedCleanup: spec.iamRoleArnToAssume: cannot assume role")
				w.said()
				w.pass(2 * time.Minute)
				require.Nil(t, w.get("a"))
				require.Equal(t, []string{"Warning TargetsLeft the targets of target group theirs may still be registered, and nobody deregisters them: " +
					"spec.iamRoleArnToAssume: cannot assume role " + roleARN("tgsync") + ": AWS answers AccessDenied"}, w.said())
				require.ElementsMatch(t, bothPods, a.have())
			})
		})
	}
}

// TestDrainThatDoesNotEnd in another account: so it is with a role that may look and not
// touch.
func TestDrainThatDoesNotEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		a := w.abroad()
		a.sim.SetRole(awssim.Role{Name: "tgsync"})
		a.bind("a", "tgsync", "")
		ours := w.group("ours", nil)
		w.apply(tgb("b", map[string]any{"targetGroupARN": ours}))
		w.start()
		for _, sim := range []*awssim.Sim{a.sim, w.sim} {
			sim.Inject(awssim.Fault{Action: "DeregisterTargets", Code: "AccessDenied"})
		}
		w.delete("a")
		w.delete("b")
		w.said()
		w.pass(9 * time.Minute)
		require.NotNil(t, w.get("a"))
		w.said()
		w.pass(2 * time.Minute)
		require.Nil(t, w.get("a"))
		require.Contains(t, w.said(), "Warning TargetsLeft the targets of target group theirs may still be registered, and nobody deregisters them: it took longer than 10m0s")
		w.pass(time.Hour)
		require.NotNil(t, w.get("b"), "our own account is ours to put right")
		require.Equal(t, metav1.ConditionFalse, metav1.ConditionStatus(w.ready("b")[:5]))
	})
}
