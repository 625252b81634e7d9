package awssim_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func TestInterfacesOfNodesAndPods(t *testing.T) {
	a := open(t, awssim.Options{})
	sg := a.securityGroup(t, "nodes")
	require.NoError(t, a.SetInterface(awssim.Interface{
		ID: "eni-node", SubnetID: "subnet-a", Addresses: []string{"10.0.1.10", "10.0.1.11", "2001:db8::1"}, Prefixes: []string{"10.0.1.32/28"},
		InstanceID: "i-1", SecurityGroups: []string{*sg}, Tags: map[string]string{"Name": "node 1"},
	}))
	require.NoError(t, a.SetInterface(awssim.Interface{ID: "eni-node2", SubnetID: "subnet-a", Addresses: []string{"10.0.1.12"}, InstanceID: "i-1"}))
	require.NoError(t, a.SetInterface(awssim.Interface{ID: "eni-pod", SubnetID: "subnet-b", Addresses: []string{"10.0.2.10"}, InstanceID: "i-2"}))
	a.balancer(t, "demo")
	list := func(filters ...types.Filter) []types.NetworkInterface {
		return do(t, a.ec2.DescribeNetworkInterfaces, &ec2.DescribeNetworkInterfacesInput{Filters: filters}).NetworkInterfaces
	}
	require.Len(t, list(), 5)
	for name, c := range map[string]struct {
		filter types.Filter
		want   int
	}{
		"secondary address": {filter("addresses.private-ip-address", "10.0.1.11"), 1},
		"several addresses": {filter("addresses.private-ip-address", "10.0.1.11", "10.0.2.10", "10.0.9.9"), 2},
		"primary address":   {filter("private-ip-address", "10.0.1.11"), 0},
		"IPv6 address":      {filter("ipv6-addresses.ipv6-address", "2001:db8::1"), 1},
		"instance":          {filter("attachment.instance-id", "i-1"), 2},
		"tag":               {filter("tag:Name", "node 1"), 1},
		"group":             {filter("group-id", *sg), 1},
		"load balancers'":   {filter("requester-id", "amazon-elb"), 2},
	} {
		require.Len(t, list(c.filter), c.want, name)
	}
	node := list(filter("tag-key", "Name"))[0]
	require.Equal(t, "10.0.1.10", *node.PrivateIpAddress)
	require.Len(t, node.PrivateIpAddresses, 2)
	require.True(t, *node.PrivateIpAddresses[0].Primary)
	require.Equal(t, "10.0.1.32/28", *node.Ipv4Prefixes[0].Ipv4Prefix)
	require.Equal(t, "i-1", *node.Attachment.InstanceId)
	require.Equal(t, "nodes", *node.Groups[0].GroupName)
	requireCode(t, fails(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: sg}), "DependencyViolation", "")

	instances := do(t, a.ec2.DescribeInstances, &ec2.DescribeInstancesInput{Filters: []types.Filter{filter("vpc-id", "vpc-1")}}).Reservations
	require.Len(t, instances, 2)
	first := instances[0].Instances[0]
	require.Equal(t, "i-1", *first.InstanceId)
	require.Len(t, first.NetworkInterfaces, 2)
	require.Equal(t, "10.0.1.32/28", *first.NetworkInterfaces[0].Ipv4Prefixes[0].Ipv4Prefix)
	require.Equal(t, "node 1", *first.Tags[0].Value)
	requireCode(t, fails(t, a.ec2.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{"i-9"}}), "InvalidInstanceID.NotFound", "")

	a.RemoveInterface("eni-node")
	require.Empty(t, list(filter("tag-key", "Name")))
	do(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: sg})
}

func TestInterfacesRejected(t *testing.T) {
	a := open(t, awssim.Options{})
	a.balancer(t, "demo")
	taken := *do(t, a.ec2.DescribeNetworkInterfaces, nil).NetworkInterfaces[0].NetworkInterfaceId
	for name, i := range map[string]awssim.Interface{
		"no ID":             {SubnetID: "subnet-a"},
		"a load balancer's": {ID: taken, SubnetID: "subnet-a"},
		"subnet":            {ID: "eni-1", SubnetID: "subnet-q"},
		"instance":          {ID: "eni-1", SubnetID: "subnet-a", InstanceID: "node"},
		"group":             {ID: "eni-1", SubnetID: "subnet-a", SecurityGroups: []string{"sg-9"}},
		"address":           {ID: "eni-1", SubnetID: "subnet-a", Addresses: []string{"10.0.1"}},
		"prefix":            {ID: "eni-1", SubnetID: "subnet-a", Prefixes: []string{"10.0.1.0"}},
	} {
		require.Error(t, a.SetInterface(i), name)
	}
	a.RemoveInterface(taken)
	require.Len(t, do(t, a.ec2.DescribeNetworkInterfaces, nil).NetworkInterfaces, 2)
}
