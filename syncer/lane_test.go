package syncer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

// other adds another account with a role, which may be assumed.
func (w *world) other(account string) (*awssim.Sim, target.Role) {
	w.t.Helper()
	sim, err := w.sim.AddAccount(awssim.Options{
		AccountID: account, Latency: callLatency, VPCs: []awssim.VPC{{ID: "vpc-" + account, CIDRs: []string{"172.16.0.0/16"}}},
	})
	require.NoError(w.t, err)
	return sim, target.Role{ARN: sim.SetRole(awssim.Role{Name: "tgsync", ExternalID: "x"}), ExternalID: "x"}
}

// abroad makes a Service with a target group in the account of a role.
func (w *world) abroad(name string, role target.Role) target.Binding {
	w.t.Helper()
	w.addService(name)
	return w.groupAbroad(name, role)
}

// groupAbroad binds a Service to a new target group in the account of a role.
func (w *world) groupAbroad(service string, role target.Role) target.Binding {
	w.t.Helper()
	vpc := "vpc-" + role.Account()
	g, err := w.aws.Assume(role).ELB.CreateTargetGroup(w.t.Context(), awsapi.TargetGroup{
		Name: service, Port: 8000, Protocol: "HTTP", TargetType: "ip", VPCID: vpc,
	})
	require.NoError(w.t, err)
	return w.bindingOf(service, g.ARN, role)
}

func (w *world) bindingOf(service, arn string, role target.Role) target.Binding {
	b := w.serviceBinding(service)
	b.GroupARN, b.Role, b.VPC = arn, role, "vpc-"+role.Account()
	return b
}

// have returns the addresses that a role's account has, without those that drain.
func (w *world) have(b target.Binding) []string {
	w.t.Helper()
	health, err := w.aws.Assume(b.Role).ELB.DescribeTargetHealth(w.t.Context(), b.GroupARN)
	require.NoError(w.t, err)
	ips := []string{}
	for _, h := range health {
		if h.State != awsapi.StateDraining {
			ips = append(ips, h.Target.IP.String())
		}
	}
	slices.Sort(ips)
	return ips
}

// TestGroupOfAnotherAccount: its targets are outside of its VPC, which says nothing of
// our own.
func TestGroupOfAnotherAccount(t *testing.T) {
	inWorld(t, func(w *world) {
		other, role := w.other("222222222222")
		ours, theirs := w.service("ours"), w.abroad("theirs", role)
		w.source.set(ours, theirs)
		w.endpoints("ours", "10.0.0.1")
		w.endpoints("theirs", "10.0.0.1", "10.0.0.2")
		w.start()
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2"}, w.have(theirs))
		require.Equal(t, []string{"10.0.0.1"}, w.registered(ours))
		began := time.Now()
		w.endpoints("ours", "10.0.0.3")
		w.endpoints("theirs", "10.0.0.2", "10.0.0.3")
		w.settle()
		require.Equal(t, []string{"10.0.0.2", "10.0.0.3"}, w.have(theirs))
		require.Equal(t, []string{"10.0.0.3"}, w.registered(ours))
		require.Len(t, w.calls("RegisterTargets", began), 1, "no zone is tried in vain")
		registered := slices.DeleteFunc(other.Calls(), func(c awssim.Call) bool { return c.Action != "RegisterTargets" || c.Time.Before(began) })
		require.Len(t, registered, 1)
		require.Equal(t, "all", registered[0].Params["Targets.member.1.AvailabilityZone"])
	})
}

// TestAccountThatDeniesUs, or does not answer, holds up nobody else, however much is to
// be done there.
func TestAccountThatDeniesUs(t *testing.T) {
	for name, trouble := range map[string]func(w *world, other *awssim.Sim){
		"denies": func(w *world, _ *awssim.Sim) {
			w.sim.Inject(awssim.Fault{Action: "AssumeRole", Code: "AccessDenied", Status: http.StatusForbidden})
		},
		"does not answer": func(_ *world, other *awssim.Sim) { other.Inject(awssim.Fault{Latency: time.Hour}) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				other, role := w.other("222222222222")
				ours := w.service("ours")
				bindings := []target.Binding{ours}
				for n := range 30 {
					bindings = append(bindings, w.abroad(fmt.Sprintf("theirs%d", n), role))
				}
				w.source.set(bindings...)
				w.endpoints("ours", "10.0.0.1")
				w.start()
				trouble(w, other)
				if name == "denies" {
					time.Sleep(time.Hour) // the credentials end
				}
				for n := range 30 {
					w.endpoints(fmt.Sprintf("theirs%d", n), "10.0.0.1")
				}
				time.Sleep(20 * time.Second)
				began := time.Now()
				w.endpoints("ours", "10.0.0.2")
				time.Sleep(time.Second)
				synctest.Wait()
				calls := w.calls("RegisterTargets", began)
				require.Len(t, calls, 1)
				require.Less(t, calls[0].Time.Sub(began), callLatency)
				_, oldest := w.syncer.Pending("register")
				require.Greater(t, oldest, 15*time.Second)
				other.ClearFaults()
				w.sim.ClearFaults()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				for _, b := range bindings[1:] {
					require.Equal(t, []string{"10.0.0.1"}, w.have(b))
				}
			})
		})
	}
}

// TestGroupMovesToAnotherRole: it is another group, though it has the same ARN. Nothing is
// done by way of a role that no binding names.
func TestGroupMovesToAnotherRole(t *testing.T) {
	inWorld(t, func(w *world) {
		other, role := w.other("222222222222")
		b := w.abroad("echo0", role)
		w.endpoints("echo0", "10.0.0.1")
		w.source.set(b)
		w.start()
		require.Equal(t, []string{"10.0.0.1"}, w.have(b))
		second := target.Role{ARN: other.SetRole(awssim.Role{Name: "second"})}
		other.SetRole(awssim.Role{Name: "tgsync", Denied: true})
		time.Sleep(2 * time.Hour)
		w.source.set(w.bindingOf("echo0", b.GroupARN, second))
		w.settle()
		require.Equal(t, syncer.StateSynced, w.syncer.Status()[0].State)
		w.endpoints("echo0", "10.0.0.2")
		w.settle()
		b.Role = second
		require.Equal(t, []string{"10.0.0.2"}, w.have(b))
		require.NoError(t, w.aws.Assume(second).ELB.DeregisterTargets(w.t.Context(), b.GroupARN, []target.Target{{IP: netip.MustParseAddr("10.0.0.2"), Port: 8000}}))
		time.Sleep(2 * auditInterval)
		require.Equal(t, []string{"10.0.0.2"}, w.have(b), "it is audited")

		w.source.set()
		w.settle()
		began := time.Now()
		time.Sleep(time.Hour)
		require.Empty(t, slices.DeleteFunc(other.Calls(), func(c awssim.Call) bool { return c.Time.Before(began) }))
		w.source.set(b)
		w.endpoints("echo0", "10.0.0.3")
		w.settle()
		require.Equal(t, []string{"10.0.0.3"}, w.have(b), "the role comes back")
	})
}

// stated is an account whose targets are as they are said to be.
type stated struct {
	syncer.TargetAPI
	mu    sync.Mutex // guards state
	state string
	reads int
}

func (s *stated) say(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

// DescribeTargetHealth implements syncer.TargetAPI.
func (s *stated) DescribeTargetHealth(ctx context.Context, arn string) ([]awsapi.TargetHealth, error) {
	health, err := s.TargetAPI.DescribeTargetHealth(ctx, arn)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	for i := range health {
		health[i].State = s.state
	}
	return health, err
}

// counting counts the tokens that gates take.
type counting struct {
	syncer.Tokens
	readiness atomic.Int32
}

// ReadToken implements syncer.Tokens.
func (c *counting) ReadToken(ctx context.Context, class string) (*opqueue.Token, error) {
	if class == awsapi.ClassReadiness {
		c.readiness.Add(1)
	}
	return c.Tokens.ReadToken(ctx, class)
}

// TestGateSpansAccounts: a pod is ready when its targets are healthy in both. Each is read
// with its own account's tokens.
func TestGateSpansAccounts(t *testing.T) {
	inWorld(t, func(w *world) {
		_, role := w.other("222222222222")
		here, there := &stated{TargetAPI: w.aws.ELB, state: "initial"}, &stated{TargetAPI: w.aws.Assume(role).ELB, state: "initial"}
		tokens := &counting{Tokens: w.aws.Assume(role)}
		w.adjust = func(o *syncer.Options) {
			o.AWS = here
			o.Roles = func(target.Role) (syncer.TargetAPI, syncer.Tokens) { return there, tokens }
		}
		ours := w.service("echo0")
		theirs := w.groupAbroad("echo0", role)
		w.selectPods("echo0", "echo0")
		w.applyNode("n1", corev1.ConditionTrue)
		w.source.set(ours, theirs)
		w.start()
		w.applyPod(gatedPod("p1"))
		w.show("echo0", endpointOf("p1", "10.0.0.1", false))
		wait := func(d time.Duration) corev1.ConditionStatus {
			time.Sleep(d)
			synctest.Wait()
			return w.gate("p1").Status
		}
		require.Equal(t, corev1.ConditionFalse, wait(time.Minute))
		require.Equal(t, []string{"10.0.0.1"}, w.have(theirs))
		here.say("healthy")
		require.Equal(t, corev1.ConditionFalse, wait(time.Minute))
		require.Greater(t, there.reads, 10, "they are read while it waits")
		require.Greater(t, tokens.readiness.Load(), int32(10), "with its account's tokens")
		there.say("healthy")
		require.Equal(t, corev1.ConditionTrue, wait(10*time.Second))
	})
}
