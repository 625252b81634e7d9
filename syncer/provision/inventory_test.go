package provision

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// What of an account looks like ours: of the rest, tags are not read at the start.
func TestSuspects(t *testing.T) {
	lb := func(name, vpcID string) awsapi.LoadBalancer {
		return awsapi.LoadBalancer{ARN: "lb:" + name, Name: name, VPCID: vpcID}
	}
	tg := func(name string, balancers ...string) awsapi.TargetGroup {
		return awsapi.TargetGroup{ARN: "tg:" + name, Name: name, VPCID: vpcID, LoadBalancerARNs: balancers}
	}
	l := &listing{
		balancers:    []awsapi.LoadBalancer{lb("k8s-a", vpcID), lb("named", vpcID), lb("serving", vpcID), lb("foreign", vpcID), lb("k8s-away", "vpc-2")},
		targetGroups: []awsapi.TargetGroup{tg("k8s-a", "lb:serving"), tg("foreign", "lb:foreign")},
	}
	i := newInventory(Options{VPCID: vpcID})
	unread := i.unknown(l, "")
	require.NotContains(t, unread, "lb:k8s-away")
	require.Contains(t, l.tags, "lb:k8s-away")
	require.Equal(t, []string{"lb:k8s-a", "lb:named", "lb:serving", "tg:k8s-a"}, l.suspects(unread, map[string]bool{"named": true}))
}

// A load balancer that neither its name nor its target groups give away is found
// before another one is made beside it, and by the audit.
func TestRenamedLoadBalancerIsFound(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		s.m.LoadBalancer, s.m.TargetGroups = nil, nil
		s.bring()
		s.m = aSite()
		s.m.LoadBalancer.Name, s.m.TargetGroups = "mine", nil
		s.bring()
		s.m.LoadBalancer.Name = "k8s-other"
		s.restart()
		s.calls()
		s.bring()
		require.Contains(s.t, s.calls(), "DescribeTags")
		require.Equal(s.t, "mine", s.balancer().Name)
		s.inventory.forget("g")
		s.bring()
		require.Equal(s.t, "mine", s.balancer().Name)
	})
}

// A new group is asked for once whether it has more than can be seen.
func TestNewGroupsReadTheRestOnce(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		for n := range 2 {
			_, err := s.aws.ELB.CreateTargetGroup(s.t.Context(), awsapi.TargetGroup{
				Name: fmt.Sprintf("foreign-%d", n), Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: vpcID,
			})
			require.NoError(s.t, err)
		}
		s.restart()
		s.calls()
		for range 2 {
			st, err := s.inventory.stack(s.t.Context(), "new")
			require.NoError(s.t, err)
			require.True(s.t, st.empty())
		}
		require.Equal(s.t, []string{"DescribeLoadBalancers", "DescribeTargetGroups", "DescribeSecurityGroups", "DescribeTags"}, s.calls())
		require.Empty(s.t, s.inventory.foreign(kindTargetGroup, "k8s-tg", "g"))
		require.NotEmpty(s.t, s.inventory.foreign(kindTargetGroup, "foreign-0", "g"))
		require.NotEmpty(s.t, s.inventory.foreign(kindLoadBalancer, "k8s-lb", ingress.GroupID{Name: "other"}.String()))
	})
}
