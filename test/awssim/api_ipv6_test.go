package awssim_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

// dualstack is an account in which two of three subnets have IPv6 addresses.
func dualstack(n *awssim.PipeNet) awssim.Options {
	return awssim.Options{Listen: n.Listen, Dial: n.Dial, VPCs: []awssim.VPC{{
		ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, IPv6CIDRs: []string{"2001:db8::/56"}, Subnets: []awssim.Subnet{
			{ID: "subnet-a", Zone: region + "a", CIDR: "10.0.1.0/24", IPv6CIDR: "2001:db8:0:1::/64"},
			{ID: "subnet-b", Zone: region + "b", CIDR: "10.0.2.0/24", IPv6CIDR: "2001:db8:0:2::/64"},
			{ID: "subnet-c", Zone: region + "c", CIDR: "10.0.3.0/24"},
		},
	}}}
}

func TestIPv6Targets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &awssim.PipeNet{}
		a := open(t, dualstack(n))
		ended := make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		go func() { ended <- a.Run(ctx) }()
		defer func() { stop(); require.NoError(t, <-ended) }()

		in := newGroup("six")
		in.IpAddressType = types.TargetGroupIpAddressTypeEnumIpv6
		group := do(t, a.elb.CreateTargetGroup, in).TargetGroups[0].TargetGroupArn
		lb := a.balancer(t, "demo")
		forwards := &elb.CreateListenerInput{
			LoadBalancerArn: lb.LoadBalancerArn, Port: new(int32(80)), Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{forward(group)},
		}
		requireCode(t, fails(t, a.elb.CreateListener, forwards), "InvalidConfigurationRequest", "")
		family := func(kind types.IpAddressType) *elb.SetIpAddressTypeInput {
			return &elb.SetIpAddressTypeInput{LoadBalancerArn: lb.LoadBalancerArn, IpAddressType: kind}
		}
		do(t, a.elb.SetIpAddressType, family(types.IpAddressTypeDualstack))
		do(t, a.elb.CreateListener, forwards)
		requireCode(t, fails(t, a.elb.SetIpAddressType, family(types.IpAddressTypeIpv4)), "InvalidConfigurationRequest", "")
		requireCode(t, fails(t, a.elb.SetSubnets, &elb.SetSubnetsInput{
			LoadBalancerArn: lb.LoadBalancerArn, Subnets: []string{"subnet-a", "subnet-c"},
		}), "InvalidSubnet", "Subnet 'subnet-c' has no IPv6 CIDR block")

		requireCode(t, fails(t, a.elb.RegisterTargets, targets(group, "10.0.1.1")), "ValidationError",
			"The IP address '10.0.1.1' is not a valid IPv6 address")
		requireCode(t, fails(t, a.elb.RegisterTargets, targets(group, "2001:db9::1")), "ValidationError", "")
		a.register(t, group, "2001:db8:0:1::7")
		socket, err := n.Listen(t.Context(), "tcp", "[2001:db8:0:1::7]:8080")
		require.NoError(t, err)
		pod := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "six")
		}), ReadHeaderTimeout: time.Minute}
		go func() { _ = pod.Serve(socket) }()
		defer pod.Close()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		health := do(t, a.elb.DescribeTargetHealth, &elb.DescribeTargetHealthInput{TargetGroupArn: group}).TargetHealthDescriptions[0]
		require.Equal(t, "2001:db8:0:1::7", *health.Target.Id)
		require.Equal(t, region+"a", *health.Target.AvailabilityZone)
		require.Equal(t, types.TargetHealthStateEnumHealthy, health.TargetHealth.State)

		transport := &http.Transport{DialContext: a.DialContext}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+*lb.DNSName+"/", http.NoBody)
		require.NoError(t, err)
		resp, err := (&http.Client{Transport: transport}).Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "six", string(body))
	})
}

func TestIPv6Blocks(t *testing.T) {
	a := open(t, dualstack(&awssim.PipeNet{}))
	vpc := do(t, a.ec2.DescribeVpcs, nil).Vpcs[0]
	require.Equal(t, "2001:db8::/56", *vpc.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock)
	subnets := do(t, a.ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{}).Subnets
	require.Equal(t, "2001:db8:0:1::/64", *subnets[0].Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock)
	require.Empty(t, subnets[2].Ipv6CidrBlockAssociationSet)
	for name, vpc := range map[string]awssim.VPC{
		"VPC's":   {ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, IPv6CIDRs: []string{"x"}},
		"outside": {ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{{ID: "subnet-1", Zone: region + "a", CIDR: "10.0.0.0/24", IPv6CIDR: "2001:db8::/64"}}},
		"none":    {ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{{ID: "subnet-1", Zone: region + "a", CIDR: "10.0.0.0/24", IPv6CIDR: "x"}}},
	} {
		_, err := awssim.New(awssim.Options{VPCs: []awssim.VPC{vpc}})
		require.Error(t, err, name)
	}
}

func TestSingleSubnet(t *testing.T) {
	one := &elb.CreateLoadBalancerInput{Name: new("demo"), Subnets: []string{"subnet-a"}}
	requireCode(t, fails(t, open(t, awssim.Options{}).elb.CreateLoadBalancer, one), "ValidationError", "")
	a := open(t, awssim.Options{Switches: awssim.Switches{SingleSubnet: true}})
	do(t, a.elb.CreateLoadBalancer, one)
	requireCode(t, fails(t, a.elb.CreateLoadBalancer, &elb.CreateLoadBalancerInput{Name: new("none")}), "ValidationError", "")
}
