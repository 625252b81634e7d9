package cleanup

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/test/awssim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const vpcID = "vpc-1"

// account is the simulated account.
type account struct {
	*awsapi.Clients
	t *testing.T // the bubble's
}

// inAccount runs a test in an account that two clusters have left something in.
func inAccount(t *testing.T, test func(account)) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "ap-northeast-3", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	synctest.Test(t, func(t *testing.T) {
		sim, err := awssim.New(awssim.Options{VPCs: []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
			{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17"}, {ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.128.0/17"},
		}}}})
		require.NoError(t, err)
		c, err := awsapi.New(t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: sim.Transport()}})
		require.NoError(t, err)
		nodes, err := c.EC2.CreateSecurityGroup(t.Context(), awsapi.SecurityGroup{Name: "nodes", Description: "x", VPCID: vpcID})
		require.NoError(t, err)
		build(t, c, "gone", nodes)
		build(t, c, "alive", nodes)
		test(account{c, t})
	})
}

// build makes a load balancer that forwards to a target group.
func build(t *testing.T, c *awsapi.Clients, cluster, nodes string) {
	t.Helper()
	tags := awsapi.Tags{ingress.TagCluster: cluster}
	sg, err := c.EC2.CreateSecurityGroup(t.Context(), awsapi.SecurityGroup{Name: cluster + "-sg", Description: "x", VPCID: vpcID, Tags: tags})
	require.NoError(t, err)
	require.NoError(t, c.EC2.AuthorizeIngress(t.Context(), nodes, []awsapi.Permission{
		{Protocol: "tcp", FromPort: 80, ToPort: 80, GroupID: sg, Description: securitygroup.Description},
	}))
	lb, err := c.ELB.CreateLoadBalancer(t.Context(), awsapi.LoadBalancer{
		Name: cluster + "-lb", Type: "application", Scheme: "internal", SubnetIDs: []string{"subnet-a", "subnet-b"},
		SecurityGroups: []string{sg}, Tags: tags,
	})
	require.NoError(t, err)
	tg, err := c.ELB.CreateTargetGroup(t.Context(), awsapi.TargetGroup{
		Name: cluster + "-tg", Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: vpcID, Tags: tags,
	})
	require.NoError(t, err)
	_, err = c.ELB.CreateListener(t.Context(), awsapi.Listener{LoadBalancerARN: lb.ARN, Port: 80, Protocol: "HTTP", DefaultActions: []awsapi.Action{
		{Type: "forward", Forward: []awsapi.WeightedTargetGroup{{ARN: tg.ARN, Weight: 1}}},
	}})
	require.NoError(t, err)
}

func names(left []Leftover) []string {
	var out []string
	for _, l := range left {
		out = append(out, l.Kind.String()+" "+l.Name)
	}
	return out
}

// What a cluster has left goes, in an order in which it can, and nothing else does.
func TestDelete(t *testing.T) {
	inAccount(t, func(c account) {
		t := c.t
		left, err := Find(t.Context(), c.ELB, c.EC2, "gone")
		require.NoError(t, err)
		require.Equal(t, []string{"load balancer gone-lb", "target group gone-tg", "rules of security group nodes", "security group gone-sg"}, names(left))

		told := map[string]error{}
		require.NoError(t, Delete(t.Context(), c.ELB, c.EC2, left, func(l Leftover, err error) { told[l.Name] = err }))
		require.Equal(t, map[string]error{"gone-lb": nil, "gone-tg": nil, "nodes": nil, "gone-sg": nil}, told)

		left, err = Find(t.Context(), c.ELB, c.EC2, "gone")
		require.NoError(t, err)
		require.Empty(t, left)
		left, err = Find(t.Context(), c.ELB, c.EC2, "alive")
		require.NoError(t, err)
		require.Len(t, left, 4, "the rule for the other cluster's group stays")
	})
}

// A load balancer that is protected stays, and so does what it uses: both are named,
// and the rest goes.
func TestProtected(t *testing.T) {
	inAccount(t, func(c account) {
		t := c.t
		left, err := Find(t.Context(), c.ELB, c.EC2, "gone")
		require.NoError(t, err)
		require.NoError(t, c.ELB.ModifyLoadBalancerAttributes(t.Context(), left[0].ID, awsapi.Attributes{"deletion_protection.enabled": "true"}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		told := map[string]bool{}
		err = Delete(ctx, c.ELB, c.EC2, left, func(l Leftover, err error) {
			require.NotContains(t, told, l.Name)
			told[l.Name] = err == nil
		})
		require.ErrorContains(t, err, "load balancer gone-lb")
		require.ErrorContains(t, err, "deletion protection")
		require.Equal(t, map[string]bool{"gone-lb": false, "gone-tg": false, "nodes": true, "gone-sg": false}, told)
	})
}

// What somebody else has deleted meanwhile is deleted.
func TestGoneMeanwhile(t *testing.T) {
	inAccount(t, func(c account) {
		t := c.t
		left, err := Find(t.Context(), c.ELB, c.EC2, "gone")
		require.NoError(t, err)
		require.NoError(t, Delete(t.Context(), c.ELB, c.EC2, left, func(Leftover, error) {}))
		require.NoError(t, Delete(t.Context(), c.ELB, c.EC2, left, func(Leftover, error) {}))
	})
}
