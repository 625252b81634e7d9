package provision

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// dualStack gives some subnets IPv6 addresses, which the simulator has none of.
type dualStack struct {
	EC2
	ids map[string]bool
}

func (e dualStack) DescribeSubnets(ctx context.Context, vpcID string) ([]awsapi.Subnet, error) {
	subnets, err := e.EC2.DescribeSubnets(ctx, vpcID)
	for i := range subnets {
		if e.ids[subnets[i].ID] {
			subnets[i].CIDRv6 = "2001:db8::/64"
		}
	}
	return subnets, err
}

// threeSubnets are in three zones, and one more in the first.
var threeSubnets = []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
	{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.1.0/24", Public: true, Tags: map[string]string{internalRole: "1", "Name": "first"}},
	{ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.2.0/24", Public: true, Tags: map[string]string{internalRole: "1", "tier": "x"}},
	{ID: "subnet-c", Zone: "ap-northeast-3c", CIDR: "10.0.3.0/24", Public: true, Tags: map[string]string{"tier": "x"}},
	{ID: "subnet-d", Zone: "ap-northeast-3a", CIDR: "10.0.4.0/24", Tags: map[string]string{"tier": "y"}},
}}}

// A load balancer moves only to subnets that are named. Where it stands, it stays.
func TestSubnetsFollowTheModel(t *testing.T) {
	onSite(t, awssim.Options{VPCs: threeSubnets}, func(s *site) {
		require.ElementsMatch(s.t, []string{"subnet-a", "subnet-b"}, s.balancer().SubnetIDs)
		s.calls()
		for _, c := range []struct {
			name    string
			to      ingress.Subnets
			calls   []string
			subnets []string
		}{
			{"by ID", ingress.Subnets{Named: []string{"subnet-b", "subnet-a"}}, nil, []string{"subnet-a", "subnet-b"}},
			{"others", ingress.Subnets{Named: []string{"subnet-c", "first"}}, []string{"DescribeSubnets", "SetSubnets"}, []string{"subnet-a", "subnet-c"}},
			{"by tag", ingress.Subnets{Tags: map[string][]string{"tier": {"x", "y"}}}, []string{"DescribeSubnets", "SetSubnets"}, []string{"subnet-b", "subnet-c", "subnet-d"}},
			{"nothing is named any more", ingress.Subnets{}, nil, []string{"subnet-b", "subnet-c", "subnet-d"}},
			{"the same by name", ingress.Subnets{Named: []string{"subnet-b", "subnet-c", "subnet-d"}}, nil, []string{"subnet-b", "subnet-c", "subnet-d"}},
		} {
			s.m.LoadBalancer.Subnets = c.to
			s.bring()
			require.Equal(s.t, c.calls, s.calls(), c.name)
			require.ElementsMatch(s.t, c.subnets, s.balancer().SubnetIDs, c.name)
			s.restart()
			s.bring()
			require.Empty(s.t, s.writes(), c.name)
		}
	})
}

// What cannot be found moves nothing and keeps nothing else from being done.
func TestSubnetsThatAreNotThere(t *testing.T) {
	onSite(t, awssim.Options{VPCs: threeSubnets}, func(s *site) {
		s.m.LoadBalancer.Subnets = ingress.Subnets{Named: []string{"subnet-c", "nowhere"}}
		s.m.LoadBalancer.Listeners = append(s.m.LoadBalancer.Listeners, https(443, "a"))
		require.Equal(s.t, `load balancer k8s-lb: looked for subnets subnet-c, nowhere by ID and by tag Name; there is no "nowhere" in the VPC`, s.refused())
		require.Equal(s.t, []string{"DescribeSubnets", "CreateListener"}, s.calls())
	})
}

// Where no subnet is tagged, routes tell.
func TestSubnetsByReachability(t *testing.T) {
	vpcs := []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
		{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.1.0/24", Public: true},
		{ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.2.0/24"},
		{ID: "subnet-c", Zone: "ap-northeast-3c", CIDR: "10.0.3.0/24"},
	}}}
	inWorld(t, awssim.Options{VPCs: vpcs}, func(w *world) {
		x := &executor{ec2: w.aws.EC2, vpcID: vpcID, subnets: SubnetSettings{ByReachability: true}}
		ids, err := x.findSubnets(w.t.Context(), &ingress.LoadBalancer{Scheme: "internal"}, nil)
		require.NoError(w.t, err)
		require.Equal(w.t, []string{"subnet-b", "subnet-c"}, ids)
	})
}

// Addresses change in place, before subnets without IPv6 and after those with.
func TestAddressTypeFollowsTheModel(t *testing.T) {
	onSite(t, awssim.Options{VPCs: threeSubnets}, func(s *site) {
		lb := s.m.LoadBalancer
		s.ec2 = dualStack{s.clients.EC2, map[string]bool{"subnet-a": true, "subnet-c": true}}
		lb.IPAddressType = "dualstack"
		require.Equal(s.t, "load balancer k8s-lb: address type dualstack needs subnets with IPv6 addresses; without: subnet-b in ap-northeast-3b", s.refused())
		require.Empty(s.t, s.writes())
		lb.Subnets.Named = []string{"subnet-a", "subnet-c"}
		s.bring()
		require.Equal(s.t, []string{"SetSubnets", "SetIpAddressType"}, s.writes())
		require.Equal(s.t, "dualstack", s.balancer().IPAddressType)
		lb.Subnets.Named, lb.IPAddressType = []string{"subnet-a", "subnet-b"}, "ipv4"
		s.bring()
		require.Equal(s.t, []string{"SetIpAddressType", "SetSubnets"}, s.writes())
		s.restart()
		s.bring()
		require.Empty(s.t, s.writes())
	})
}

// Targets of the other family need another target group, and where they were IPv6 the
// load balancer keeps such addresses until that has turned.
func TestFamilyOfTargetsFollowsTheModel(t *testing.T) {
	onSite(t, awssim.Options{VPCs: threeSubnets}, func(s *site) {
		lb, tg := s.m.LoadBalancer, s.m.TargetGroups["ns/a-s:80"]
		s.ec2 = dualStack{s.clients.EC2, map[string]bool{"subnet-a": true, "subnet-b": true}}
		lb.Listeners[0].Rules = []ingress.Rule{{
			Priority:   1,
			Conditions: []ingress.Condition{{Field: "path-pattern", Values: []string{"/"}}},
			Action:     ingress.Action{Forward: []ingress.Share{{TargetGroup: tg.ID, Weight: 1}}},
		}}
		s.bring()
		s.writes()
		lb.IPAddressType, tg.IPAddressType = "dualstack", "ipv6"
		s.bring()
		require.Equal(s.t, []string{"CreateTargetGroup", "SetIpAddressType", "ModifyRule", "DeleteTargetGroup"}, s.writes())
		s.restart()
		s.bring()
		require.Empty(s.t, s.writes())
		lb.IPAddressType, tg.IPAddressType = "ipv4", "ipv4"
		x, err := s.try()
		require.NoError(s.t, err)
		require.Empty(s.t, x.refused)
		require.Equal(s.t, []string{"change addresses of load balancer k8s-lb from dualstack to ipv4"}, x.waiting)
		require.Equal(s.t, []string{"CreateTargetGroup", "ModifyRule", "DeleteTargetGroup"}, s.writes())
		s.bring()
		require.Equal(s.t, []string{"SetIpAddressType"}, s.writes())
	})
}

const (
	keepAlive = "client_keep_alive.seconds"
	idle      = "idle_timeout.timeout_seconds"
	logs      = "access_logs.s3.enabled"
	server    = "routing.http.response.server.enabled"
	slowStart = "slow_start.duration_seconds"
	sticky    = "stickiness.enabled"
)

// Only attributes that are named are read, compared and set, and those that are no
// longer named stay as they are.
func TestAttributesFollowTheModel(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		lb, tg := s.m.LoadBalancer, s.m.TargetGroups["ns/a-s:80"]
		lb.Attributes = map[string]string{idle: "60", keepAlive: "60"}
		s.bring()
		require.Equal(s.t, []string{"ModifyLoadBalancerAttributes"}, s.calls(), "a new one is set without a look")
		tg.Attributes = map[string]string{slowStart: "30", sticky: "true"}
		lb.Listeners[0].Attributes = map[string]string{server: "false"}
		s.bring()
		require.Equal(s.t, []string{"ModifyTargetGroupAttributes", "ModifyListenerAttributes"}, s.calls())
		delete(lb.Attributes, keepAlive)
		tg.Attributes[sticky], lb.Listeners[0].Attributes = "false", nil
		s.bring()
		require.Equal(s.t, []string{"ModifyTargetGroupAttributes"}, s.calls())
		require.Equal(s.t, "60", s.attribute(s.clients.ELB.DescribeLoadBalancerAttributes, s.balancer().ARN, keepAlive))
		require.Equal(s.t, "false", s.attribute(s.clients.ELB.DescribeListenerAttributes, s.listener(80).ARN, server))

		s.restart()
		s.calls()
		s.bring()
		require.Equal(s.t, []string{
			"DescribeListeners", "DescribeRules", "DescribeTargetGroupAttributes", "DescribeLoadBalancerAttributes",
		}, s.calls(), "those of the listener are of no interest")
		require.NoError(s.t, s.aws.ELB.ModifyLoadBalancerAttributes(s.t.Context(), s.balancer().ARN, awsapi.Attributes{idle: "61", keepAlive: "61"}))
		s.restart()
		s.bring()
		require.Equal(s.t, "60", s.attribute(s.clients.ELB.DescribeLoadBalancerAttributes, s.balancer().ARN, idle))
		require.Equal(s.t, "61", s.attribute(s.clients.ELB.DescribeLoadBalancerAttributes, s.balancer().ARN, keepAlive))
	})
}

// Attributes of which none is named cost nothing.
func TestUnnamedAttributesAreNotRead(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		s.restart()
		s.calls()
		s.bring()
		require.Equal(s.t, []string{"DescribeListeners", "DescribeRules"}, s.calls())
	})
}

// attribute reads one attribute.
func (s *site) attribute(read func(context.Context, string) (awsapi.Attributes, error), arn, key string) string {
	s.t.Helper()
	attributes, err := read(s.t.Context(), arn)
	require.NoError(s.t, err)
	return attributes[key]
}

// One bad attribute keeps no other from being set.
func TestBadAttribute(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		s.m.LoadBalancer.Attributes = map[string]string{idle: "1", keepAlive: "1", logs: "false"}
		for range 2 {
			refused := s.refused()
			require.Contains(s.t, refused, "attributes of load balancer k8s-lb: ModifyLoadBalancerAttributes")
			require.Contains(s.t, refused, keepAlive)
			require.NotContains(s.t, refused, "\n")
		}
		require.Equal(s.t, "1", s.attribute(s.clients.ELB.DescribeLoadBalancerAttributes, s.balancer().ARN, idle))
	})
}

// Whoever asked for the value of an attribute is told, and nobody else.
func TestBlameOfAttributes(t *testing.T) {
	m, st := aModel(), aStack()
	m.LoadBalancer.Attributes = map[string]string{idle: "1", keepAlive: "1"}
	m.LoadBalancer.Listeners[0].Attributes = map[string]string{server: "x"}
	m.TargetGroups["ns/a-s:80"].Attributes = map[string]string{sticky: "x"}
	alone := func(attributes, ofListener map[string]string) *ingress.LoadBalancer {
		return &ingress.LoadBalancer{Attributes: attributes, Listeners: []ingress.Listener{{Port: 80, Attributes: ofListener}}}
	}
	var e settingError
	require.ErrorAs(t, attributedBalancer(m, st)[0].blame(errReset, awsapi.Attributes{keepAlive: "1"}), &e)
	require.True(t, e.asks(alone(map[string]string{keepAlive: "1"}, nil)))
	require.False(t, e.asks(alone(map[string]string{idle: "1", keepAlive: "2"}, nil)))
	require.ErrorAs(t, attributedListeners(m, st)[0].blame(errReset, awsapi.Attributes{server: "x"}), &e)
	require.True(t, e.asks(alone(nil, map[string]string{server: "x"})))
	require.False(t, e.asks(alone(map[string]string{server: "x"}, nil)))
	var r resourceError
	require.ErrorAs(t, attributedGroups(m, st)[0].blame(errReset, nil), &r)
	require.Equal(t, "ns/a-s:80", r.id)
}

// What the policy of the credentials does not allow is told, and the rest is done.
func TestDeniedSteps(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		lb := s.m.LoadBalancer
		lb.Tags["more"], lb.Attributes = "x", map[string]string{idle: "1"}
		lb.Listeners[0].Rules = []ingress.Rule{aPathRule(1, "/b")}
		s.bring()
		s.calls()
		for _, action := range []string{"AddTags", "ModifyLoadBalancerAttributes", "SetRulePriorities"} {
			s.sim.Inject(awssim.Fault{Action: action, Code: "AccessDenied", Message: "no"})
		}
		lb.Tags = maps.Clone(lb.Tags)
		lb.Tags["more"], lb.Attributes[idle] = "y", "2"
		lb.Listeners[0].Rules = []ingress.Rule{aPathRule(1, "/a"), aPathRule(2, "/b"), aPathRule(3, "/c")}
		lb.Listeners = append(lb.Listeners, https(443, "a"))
		lb.Listeners[1].Rules = []ingress.Rule{aPathRule(1, "/a")}
		refused := s.refused()
		for _, action := range []string{"AddTags", "ModifyLoadBalancerAttributes", "SetRulePriorities"} {
			require.Contains(s.t, refused, action)
		}
		require.Equal(s.t, []string{
			"AddTags", "ModifyLoadBalancerAttributes", "CreateListener", "CreateRule", "CreateRule", "SetRulePriorities", "CreateRule",
		}, s.writes())
		s.sim.ClearFaults()
		s.bring()
	})
}

// Where nobody knows the caller, one answer is enough.
func TestBadCredentialsEndThePass(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		s.sim.Inject(awssim.Fault{Code: "ExpiredToken", Message: "no"})
		s.m.LoadBalancer.Listeners[0].Rules = []ingress.Rule{aPathRule(1, "/a"), aPathRule(2, "/b")}
		_, err := s.try()
		require.ErrorContains(s.t, err, "ExpiredToken")
		require.Len(s.t, s.calls(), 1)
	})
}

// TestCallsOfAPass counts what a group of 10 target groups and 2 listeners, with
// attributes and certificates, costs in an account with 100 other load balancers.
func TestCallsOfAPass(t *testing.T) {
	onSite(t, awssim.Options{Quotas: awssim.Quotas{LoadBalancers: 200}}, func(s *site) {
		for n := range 100 {
			_, err := s.aws.ELB.CreateLoadBalancer(s.t.Context(), awsapi.LoadBalancer{
				Name: fmt.Sprintf("foreign-%d", n), Type: typeApplication, Scheme: "internal", SubnetIDs: []string{"subnet-a", "subnet-b"},
			})
			require.NoError(s.t, err)
		}
		s.m.Group.Name = "g"
		s.m.LoadBalancer.Attributes = map[string]string{idle: "61"}
		http, secure := &s.m.LoadBalancer.Listeners[0], https(443, "a", "b")
		first := *s.m.TargetGroups["ns/a-s:80"]
		for n := range 10 {
			tg := first
			tg.ID, tg.Name = fmt.Sprintf("ns/a-s%d:80", n), fmt.Sprintf("k8s-tg-%d", n)
			tg.Tags = map[string]string{ingress.TagCluster: cluster, ingress.TagStack: "g", ingress.TagResource: tg.ID}
			if n == 0 {
				tg.Attributes = map[string]string{sticky: "true"}
			}
			s.m.TargetGroups[tg.ID] = &tg
			rule := aPathRule(int32(n+1), fmt.Sprintf("/%d", n))
			rule.Action = ingress.Action{Forward: []ingress.Share{{TargetGroup: tg.ID, Weight: 1}}}
			http.Rules, secure.Rules = append(http.Rules, rule), append(secure.Rules, rule)
		}
		delete(s.m.TargetGroups, "ns/a-s:80")
		s.m.LoadBalancer.Listeners = []ingress.Listener{*http, secure}
		m := *s.m
		s.m.LoadBalancer, s.m.TargetGroups = nil, nil
		s.bring()
		s.m = &m
		s.restart()
		s.calls()
		s.bring()
		calls := s.calls()
		// The inventory, which has no load balancer of the group, with all tags; a security
		// group with its rule; subnets; what is asked for; attributes; a certificate.
		require.Len(s.t, calls, 3+5+2+1+10+1+2+20+2+1, "first build: %v", calls)

		s.bring()
		require.Empty(s.t, s.calls(), "nothing changed")

		s.m.LoadBalancer.Listeners[0].Rules = append(s.m.LoadBalancer.Listeners[0].Rules, aPathRule(11, "/added"))
		s.bring()
		require.LessOrEqual(s.t, len(s.calls()), 3, "one rule added")

		s.restart()
		s.bring()
		calls = s.calls()
		require.LessOrEqual(s.t, len(calls), 12, "restart: %v", calls)
		require.Empty(s.t, s.writes())
		for _, c := range calls {
			require.Contains(s.t, c, "Describe")
		}
	})
}
