package awsapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

const vpcID = "vpc-1"

// simulated is an AWS account with an empty VPC and clients for it.
func simulated(t *testing.T, o awssim.Options, observer Observer) (*awssim.Sim, *Clients) {
	t.Helper()
	o.VPCs = []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
		{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17", Tags: map[string]string{"kubernetes.io/role/elb": "1"}},
		{ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.128.0/17"},
	}}}
	sim, err := awssim.New(o)
	require.NoError(t, err)
	return sim, clients(t, Options{HTTPClient: &http.Client{Transport: sim.Transport()}, Observer: observer})
}

// account is what one load balancer with one rule needs. Its methods are the
// chapters of its life.
type account struct {
	*Clients
	sim   *awssim.Sim
	t     *testing.T
	ctx   context.Context //nolint:containedctx // The test's own, for the shortness of its calls.
	group string          // security group
	lb    LoadBalancer
	tg    TargetGroup
	on    Listener
	rule  Rule
}

var ours = Tags{"elbv2.k8s.aws/cluster": "demo", "empty": ""}

// Every method does in the simulated account what it says, from nothing to a
// working rule and back.
func TestLifeOfALoadBalancer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, c := simulated(t, awssim.Options{}, nil)
		a := &account{Clients: c, sim: sim, t: t, ctx: t.Context()}
		a.securityGroups()
		a.loadBalancer()
		a.targetGroup()
		a.listener()
		a.rules()
		a.targets()
		a.tags()
		a.attributes()
		a.certificates()
		a.network()
		a.deletion()
		var called []string
		for _, call := range sim.Calls() {
			called = append(called, call.Service+":"+call.Action)
		}
		slices.Sort(called)
		require.Equal(t, slices.Sorted(maps.Keys(actions)), slices.Compact(called))
	})
}

func (a *account) securityGroups() {
	subnets, err := a.EC2.DescribeSubnets(a.ctx, vpcID)
	require.NoError(a.t, err)
	require.Len(a.t, subnets, 2)
	slices.SortFunc(subnets, func(a, b Subnet) int { return strings.Compare(a.ID, b.ID) })
	require.Positive(a.t, subnets[0].AvailableIPAddresses)
	subnets[0].AvailableIPAddresses = 0
	require.Equal(a.t, Subnet{
		ID: "subnet-a", VPCID: vpcID, Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17", Tags: Tags{"kubernetes.io/role/elb": "1"},
	}, subnets[0])

	want := SecurityGroup{Name: "sg", Description: "of a load balancer", VPCID: vpcID, Tags: ours}
	a.group, err = a.EC2.CreateSecurityGroup(a.ctx, want)
	require.NoError(a.t, err)
	want.ID = a.group
	require.Equal(a.t, Duplicate, ClassOf(second(a.EC2.CreateSecurityGroup(a.ctx, want))))

	world := Permission{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: "0.0.0.0/0", Description: "the world"}
	other := Permission{Protocol: "tcp", FromPort: 1, ToPort: 65535, GroupID: a.group}
	require.NoError(a.t, a.EC2.AuthorizeIngress(a.ctx, a.group, []Permission{world, other}))
	require.Equal(a.t, Duplicate, ClassOf(a.EC2.AuthorizeIngress(a.ctx, a.group, []Permission{world})))
	require.NoError(a.t, a.EC2.RevokeIngress(a.ctx, a.group, []Permission{other}))
	require.Equal(a.t, NotFound, ClassOf(a.EC2.RevokeIngress(a.ctx, a.group, []Permission{other})))

	want.Ingress = []Permission{world}
	groups, err := a.EC2.DescribeSecurityGroups(a.ctx, vpcID, ours)
	require.NoError(a.t, err)
	require.Equal(a.t, []SecurityGroup{want}, groups)
	groups, err = a.EC2.DescribeSecurityGroups(a.ctx, vpcID, Tags{"elbv2.k8s.aws/cluster": "another"})
	require.NoError(a.t, err)
	require.Empty(a.t, groups)
}

func (a *account) loadBalancer() {
	want := LoadBalancer{
		Name: "lb", Type: "application", Scheme: "internet-facing", IPAddressType: "ipv4",
		SubnetIDs: []string{"subnet-a", "subnet-b"}, SecurityGroups: []string{a.group}, Tags: ours,
	}
	got, err := a.ELB.CreateLoadBalancer(a.ctx, want)
	require.NoError(a.t, err)
	require.NotEmpty(a.t, got.ARN)
	require.NotEmpty(a.t, got.DNSName)
	again, err := a.ELB.CreateLoadBalancer(a.ctx, want)
	require.NoError(a.t, err, "it is idempotent")
	require.Equal(a.t, got.ARN, again.ARN)
	different := want
	different.Scheme = "internal"
	require.Equal(a.t, Duplicate, ClassOf(second(a.ELB.CreateLoadBalancer(a.ctx, different))))

	require.NoError(a.t, a.ELB.SetSecurityGroups(a.ctx, got.ARN, []string{a.group}))
	require.NoError(a.t, a.ELB.SetSubnets(a.ctx, got.ARN, []string{"subnet-b", "subnet-a"}))
	all, err := a.ELB.DescribeLoadBalancers(a.ctx)
	require.NoError(a.t, err)
	require.Len(a.t, all, 1)
	a.lb = all[0]
	slices.Sort(a.lb.SubnetIDs)
	want.ARN, want.DNSName, want.VPCID, want.State, want.Tags = got.ARN, got.DNSName, vpcID, a.lb.State, nil
	require.Equal(a.t, want, a.lb)
	require.Contains(a.t, []string{"provisioning", "active"}, a.lb.State)
}

func (a *account) targetGroup() {
	want := TargetGroup{
		Name: "tg", Port: 80, Protocol: "HTTP", ProtocolVersion: "HTTP1", TargetType: "ip", IPAddressType: "ipv4",
		VPCID: vpcID, HealthCheck: wholeCheck, Tags: ours,
	}
	got, err := a.ELB.CreateTargetGroup(a.ctx, want)
	require.NoError(a.t, err)
	want.ARN, want.Tags, want.LoadBalancerARNs = got.ARN, nil, []string{}
	require.Equal(a.t, want, got)
	changed := wholeCheck
	changed.Path, changed.Matcher = "/ready", "200"
	require.NoError(a.t, a.ELB.ModifyTargetGroup(a.ctx, got.ARN, HealthCheck{Path: "/ready", Matcher: "200"}))
	all, err := a.ELB.DescribeTargetGroups(a.ctx)
	require.NoError(a.t, err)
	want.HealthCheck = changed
	require.Equal(a.t, []TargetGroup{want}, all)
	a.tg = want
}

func (a *account) listener() {
	want := Listener{
		LoadBalancerARN: a.lb.ARN, Port: 80, Protocol: "HTTP", DefaultActions: []Action{notFound}, Tags: ours,
	}
	got, err := a.ELB.CreateListener(a.ctx, want)
	require.NoError(a.t, err)
	want.ARN, want.Tags = got.ARN, nil
	require.Equal(a.t, want, got)
	want.DefaultActions = []Action{{Type: "forward", Forward: []WeightedTargetGroup{{ARN: a.tg.ARN, Weight: 1}}}}
	require.NoError(a.t, a.ELB.ModifyListener(a.ctx, want))
	all, err := a.ELB.DescribeListeners(a.ctx, a.lb.ARN)
	require.NoError(a.t, err)
	require.Equal(a.t, []Listener{want}, all)
	require.Equal(a.t, InUse, ClassOf(a.ELB.DeleteTargetGroup(a.ctx, a.tg.ARN)))
	require.NoError(a.t, a.ELB.ModifyListener(a.ctx, Listener{ARN: got.ARN, DefaultActions: []Action{notFound}}))
	a.on = got
}

func (a *account) rules() {
	want := Rule{
		Priority: 5, Tags: ours,
		Conditions: []Condition{
			{Field: "host-header", Values: []string{"a.example"}}, {Field: "path-pattern", Values: []string{"/echo0", "/echo0/*"}},
		},
		Actions: []Action{{Type: "forward", Forward: []WeightedTargetGroup{{ARN: a.tg.ARN, Weight: 0}}}},
	}
	got, err := a.ELB.CreateRule(a.ctx, a.on.ARN, want)
	require.NoError(a.t, err)
	require.Equal(a.t, Duplicate, ClassOf(second(a.ELB.CreateRule(a.ctx, a.on.ARN, want))))
	want.ARN, want.Tags = got.ARN, nil
	require.Equal(a.t, want, got)

	want.Actions[0].Forward[0].Weight = 1
	want.Priority = 7
	require.NoError(a.t, a.ELB.ModifyRule(a.ctx, want))
	require.NoError(a.t, a.ELB.SetRulePriorities(a.ctx, []RulePriority{{ARN: got.ARN, Priority: 7}}))
	all, err := a.ELB.DescribeRules(a.ctx, a.on.ARN)
	require.NoError(a.t, err)
	require.Len(a.t, all, 2)
	require.Equal(a.t, want, all[0])
	require.Zero(a.t, all[1].Priority)
	require.Empty(a.t, all[1].Conditions)
	require.Equal(a.t, []Action{notFound}, all[1].Actions)
	require.Equal(a.t, Denied, ClassOf(a.ELB.DeleteRule(a.ctx, all[1].ARN)))
	groups, err := a.ELB.DescribeTargetGroups(a.ctx)
	require.NoError(a.t, err)
	require.Equal(a.t, []string{a.lb.ARN}, groups[0].LoadBalancerARNs)
	a.rule = want
}

func (a *account) targets() {
	other := target.Target{IP: netip.MustParseAddr("10.0.200.1"), Port: 9090}
	require.NoError(a.t, a.ELB.RegisterTargets(a.ctx, a.tg.ARN, []target.Target{echo0, other}, nil))
	require.NoError(a.t, a.ELB.RegisterTargets(a.ctx, a.tg.ARN, []target.Target{echo0}, nil), "it can be repeated")
	require.NoError(a.t, a.ELB.DeregisterTargets(a.ctx, a.tg.ARN, []target.Target{other}))
	outside := target.Target{IP: netip.MustParseAddr("192.0.2.1"), Port: 80}
	require.Equal(a.t, Invalid, ClassOf(a.ELB.RegisterTargets(a.ctx, a.tg.ARN, []target.Target{outside}, nil)))

	a.sim.ShiftZone("ap-northeast-3a", true)
	defer a.sim.ShiftZone("ap-northeast-3a", false)
	all, err := a.ELB.DescribeTargetHealth(a.ctx, a.tg.ARN)
	require.NoError(a.t, err)
	slices.SortFunc(all, func(a, b TargetHealth) int { return a.Target.Compare(b.Target) })
	require.Len(a.t, all, 2)
	require.Equal(a.t, echo0, all[0].Target)
	require.Equal(a.t, "ap-northeast-3a", all[0].Zone)
	require.Equal(a.t, "initial", all[0].State)
	require.NotEmpty(a.t, all[0].Reason)
	require.True(a.t, all[0].Override.Active())
	require.Equal(a.t, "AdministrativeOverride.ZonalShiftActive", all[0].Override.Reason)
	require.NotEmpty(a.t, all[0].Override.Description)
	require.Equal(a.t, other, all[1].Target)
	require.Equal(a.t, StateDraining, all[1].State)
}

func (a *account) tags() {
	resources := []string{a.lb.ARN, a.tg.ARN, a.on.ARN, a.rule.ARN}
	all, err := a.ELB.DescribeTags(a.ctx, resources)
	require.NoError(a.t, err)
	require.Equal(a.t, map[string]Tags{a.lb.ARN: ours, a.tg.ARN: ours, a.on.ARN: ours, a.rule.ARN: ours}, all)
	require.NoError(a.t, a.ELB.AddTags(a.ctx, resources[:2], Tags{"more": "yes"}))
	require.NoError(a.t, a.ELB.RemoveTags(a.ctx, resources[1:2], []string{"empty", "more"}))
	all, err = a.ELB.DescribeTags(a.ctx, resources[:2])
	require.NoError(a.t, err)
	require.Equal(a.t, map[string]Tags{
		a.lb.ARN: {"elbv2.k8s.aws/cluster": "demo", "empty": "", "more": "yes"},
		a.tg.ARN: {"elbv2.k8s.aws/cluster": "demo"},
	}, all)
}

func (a *account) deletion() {
	require.Equal(a.t, InUse, ClassOf(a.EC2.DeleteSecurityGroup(a.ctx, a.group)))
	require.NoError(a.t, a.ELB.DeleteRule(a.ctx, a.rule.ARN))
	require.Equal(a.t, NotFound, ClassOf(a.ELB.DeleteRule(a.ctx, a.rule.ARN)))
	require.NoError(a.t, a.ELB.DeleteListener(a.ctx, a.on.ARN))
	require.Equal(a.t, NotFound, ClassOf(a.ELB.DeleteListener(a.ctx, a.on.ARN)))
	require.NoError(a.t, a.ELB.DeleteTargetGroup(a.ctx, a.tg.ARN))
	require.NoError(a.t, a.ELB.DeleteLoadBalancer(a.ctx, a.lb.ARN))
	require.NoError(a.t, a.ELB.DeleteLoadBalancer(a.ctx, a.lb.ARN), "what is gone is gone")
	require.NoError(a.t, a.EC2.DeleteSecurityGroup(a.ctx, a.group))
	require.Equal(a.t, NotFound, ClassOf(a.EC2.DeleteSecurityGroup(a.ctx, a.group)))
	require.Equal(a.t, NotFound, ClassOf(second(a.ELB.DescribeListeners(a.ctx, a.lb.ARN))))
	require.Equal(a.t, NotFound, ClassOf(a.ELB.RegisterTargets(a.ctx, a.tg.ARN, []target.Target{echo0}, nil)))
}

// An account that throttles as published never has to: the limiter holds back
// whatever is too much, over all actions together.
func TestLimiterKeepsInsideThePublishedBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sightings{}
		sim, c := simulated(t, awssim.Options{Throttling: true}, s)
		tg, err := c.ELB.CreateTargetGroup(t.Context(), TargetGroup{
			Name: "tg", Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: vpcID,
		})
		require.NoError(t, err)
		start := time.Now()
		var wg sync.WaitGroup
		for range 60 {
			wg.Go(func() { _ = c.ELB.RegisterTargets(t.Context(), tg.ARN, []target.Target{echo0}, nil) })
			wg.Go(func() { _, _ = c.ELB.DescribeTargetHealth(t.Context(), tg.ARN) })
			wg.Go(func() { _ = c.ELB.AddTags(t.Context(), []string{tg.ARN}, ours) })
			wg.Go(func() { _, _ = c.EC2.DescribeSubnets(t.Context(), vpcID) })
		}
		wg.Wait()
		require.Len(t, sim.Calls(), 1+4*60)
		for _, call := range sim.Calls() {
			require.Equal(t, "OK", call.Code, "%s after %v", call.Action, call.Time.Sub(start))
		}
		// 181 calls of ELBv2 from a bucket of 40 that refills by 10/s; the last ones
		// leave 20 tokens for registration.
		require.InDelta(t, 16100*time.Millisecond, time.Since(start), float64(100*time.Millisecond))
	})
}

// A throttled read waits and comes through; a throttled write is the caller's
// business. Both are seen.
func TestThrottlingIsSeen(t *testing.T) {
	for method, want := range map[string][]string{
		"DescribeTargetGroups": {"Throttling", "Throttling", "OK"},
		"AddTags":              {"Throttling"},
	} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sightings{}
				sim, c := simulated(t, awssim.Options{Switches: awssim.Switches{ThrottleCode: "Throttling"}}, s)
				sim.Inject(awssim.Fault{Throttle: true, Times: 2})
				err := everyCall[method].do(t.Context(), c)
				var seen []string
				for _, request := range s.requests {
					seen = append(seen, strings.Fields(request)[2])
				}
				require.Equal(t, want, seen)
				require.Equal(t, want[len(want)-1], Code(err))
			})
		})
	}
}

// A lost answer leaves the outcome open: here the call took effect.
func TestLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, c := simulated(t, awssim.Options{}, nil)
		sim.Inject(awssim.Fault{Action: "CreateSecurityGroup", LoseResponse: true, Times: 1})
		err := second(c.EC2.CreateSecurityGroup(t.Context(), SecurityGroup{Name: "sg", Description: "d", VPCID: vpcID, Tags: ours}))
		require.Equal(t, Unavailable, ClassOf(err), "%v", err)
		groups, err := c.EC2.DescribeSecurityGroups(t.Context(), vpcID, ours)
		require.NoError(t, err)
		require.Len(t, groups, 1)
	})
}

// More than one page of everything that has pages.
func TestPagesOfTheSimulatedAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const groups = elbPageSize + 1
		sim, c := simulated(t, awssim.Options{}, nil)
		for i := range groups {
			_, err := c.ELB.CreateTargetGroup(t.Context(), TargetGroup{
				Name: fmt.Sprintf("tg-%d", i), Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: vpcID,
			})
			require.NoError(t, err)
		}
		before := len(sim.Calls())
		all, err := c.ELB.DescribeTargetGroups(t.Context())
		require.NoError(t, err)
		require.Len(t, all, groups)
		require.Len(t, sim.Calls(), before+2)
	})
}
