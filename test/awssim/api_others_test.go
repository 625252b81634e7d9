package awssim_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func TestCapacityReservations(t *testing.T) {
	a := open(t, awssim.Options{})
	lb := a.balancer(t, "demo").LoadBalancerArn
	reserved := func() *types.MinimumLoadBalancerCapacity {
		return do(t, a.elb.DescribeCapacityReservation, &elb.DescribeCapacityReservationInput{LoadBalancerArn: lb}).MinimumLoadBalancerCapacity
	}
	modify := func(units *int32, reset *bool) *elb.ModifyCapacityReservationInput {
		in := &elb.ModifyCapacityReservationInput{LoadBalancerArn: lb, ResetCapacityReservation: reset}
		if units != nil {
			in.MinimumLoadBalancerCapacity = &types.MinimumLoadBalancerCapacity{CapacityUnits: units}
		}
		return in
	}
	require.Nil(t, reserved())
	got := do(t, a.elb.ModifyCapacityReservation, modify(new(int32(200)), nil))
	require.Len(t, got.CapacityReservationState, 2)
	require.Equal(t, types.CapacityReservationStateEnumProvisioned, got.CapacityReservationState[0].State.Code)
	require.Equal(t, int32(200), *reserved().CapacityUnits)
	for _, in := range []*elb.ModifyCapacityReservationInput{modify(nil, nil), modify(new(int32(200)), new(true)), modify(new(int32(99)), nil)} {
		requireCode(t, fails(t, a.elb.ModifyCapacityReservation, in), "InvalidConfigurationRequest", "")
	}
	do(t, a.elb.ModifyCapacityReservation, modify(nil, new(true)))
	require.Nil(t, reserved())
	requireCode(t, fails(t, a.elb.DescribeCapacityReservation, &elb.DescribeCapacityReservationInput{LoadBalancerArn: new(lbARN)}), "LoadBalancerNotFound", "")

	pools := &elb.ModifyIpPoolsInput{LoadBalancerArn: lb, RemoveIpamPools: []types.RemoveIpamPoolEnum{types.RemoveIpamPoolEnumIpv4}}
	do(t, a.elb.ModifyIpPools, pools)
	pools.IpamPools = &types.IpamPools{Ipv4IpamPoolId: new("ipam-pool-1")}
	requireCode(t, fails(t, a.elb.ModifyIpPools, pools), "ValidationError", "")
}

func TestThereAreNoTrustStores(t *testing.T) {
	a := open(t, awssim.Options{})
	require.Empty(t, do(t, a.elb.DescribeTrustStores, nil).TrustStores)
	store := new("arn:aws:elasticloadbalancing:ap-northeast-3:123456789012:truststore/x/0123456789abcdef")
	for action, err := range map[string]error{
		"DescribeTrustStores":               fails(t, a.elb.DescribeTrustStores, &elb.DescribeTrustStoresInput{Names: []string{"x"}}),
		"DescribeTrustStoreAssociations":    fails(t, a.elb.DescribeTrustStoreAssociations, &elb.DescribeTrustStoreAssociationsInput{TrustStoreArn: store}),
		"DescribeTrustStoreRevocations":     fails(t, a.elb.DescribeTrustStoreRevocations, &elb.DescribeTrustStoreRevocationsInput{TrustStoreArn: store}),
		"DeleteTrustStore":                  fails(t, a.elb.DeleteTrustStore, &elb.DeleteTrustStoreInput{TrustStoreArn: store}),
		"GetTrustStoreCaCertificatesBundle": fails(t, a.elb.GetTrustStoreCaCertificatesBundle, &elb.GetTrustStoreCaCertificatesBundleInput{TrustStoreArn: store}),
		"RemoveTrustStoreRevocations": fails(t, a.elb.RemoveTrustStoreRevocations,
			&elb.RemoveTrustStoreRevocationsInput{TrustStoreArn: store, RevocationIds: []int64{1}}),
	} {
		require.ErrorContains(t, err, "TrustStoreNotFound", action)
	}
	requireCode(t, fails(t, a.elb.CreateTrustStore, &elb.CreateTrustStoreInput{
		Name: new("x"), CaCertificatesBundleS3Bucket: new("b"), CaCertificatesBundleS3Key: new("k"),
	}), "CaCertificatesBundleNotFound", "")
	requireCode(t, fails(t, a.elb.GetResourcePolicy, &elb.GetResourcePolicyInput{ResourceArn: store}), "ResourceNotFound", "")
}

func TestNetworkAround(t *testing.T) {
	a := open(t, awssim.Options{PrefixLists: map[string][]string{"pl-1": {"198.51.100.0/24"}, "pl-6": {"2001:db8::/32"}}})
	gateways := do(t, a.ec2.DescribeInternetGateways, &ec2.DescribeInternetGatewaysInput{
		Filters: []ec2types.Filter{filter("attachment.vpc-id", "vpc-1", "vpc-2")},
	}).InternetGateways
	require.Len(t, gateways, 1, "vpc-2 has none")
	require.Equal(t, "igw-1", *gateways[0].InternetGatewayId)
	require.Equal(t, "vpc-1", *gateways[0].Attachments[0].VpcId)
	tables := do(t, a.ec2.DescribeRouteTables, &ec2.DescribeRouteTablesInput{Filters: []ec2types.Filter{filter("route.gateway-id", "igw-1")}}).RouteTables
	require.Len(t, tables, 1)
	require.Len(t, tables[0].Associations, 2)
	require.Len(t, do(t, a.ec2.DescribeRouteTables, &ec2.DescribeRouteTablesInput{Filters: []ec2types.Filter{filter("association.main", "true")}}).RouteTables, 2)

	attributes := do(t, a.ec2.DescribeAccountAttributes, &ec2.DescribeAccountAttributesInput{
		AttributeNames: []ec2types.AccountAttributeName{ec2types.AccountAttributeNameSupportedPlatforms},
	}).AccountAttributes
	require.Len(t, attributes, 1)
	require.Equal(t, "VPC", *attributes[0].AttributeValues[0].AttributeValue)

	a.securityGroup(t, "lb")
	groups := do(t, a.ec2.GetSecurityGroupsForVpc, &ec2.GetSecurityGroupsForVpcInput{
		VpcId: new("vpc-1"), Filters: []ec2types.Filter{filter("group-name", "lb")},
	}).SecurityGroupForVpcs
	require.Len(t, groups, 1)
	require.Equal(t, "vpc-1", *groups[0].PrimaryVpcId)
	requireCode(t, fails(t, a.ec2.GetSecurityGroupsForVpc, &ec2.GetSecurityGroupsForVpcInput{VpcId: new("vpc-9")}), "InvalidVpcID.NotFound", "")

	lists := do(t, a.ec2.DescribeManagedPrefixLists, nil).PrefixLists
	require.Len(t, lists, 2)
	require.Equal(t, "IPv6", *lists[1].AddressFamily)
	requireCode(t, fails(t, a.ec2.DescribeManagedPrefixLists, &ec2.DescribeManagedPrefixListsInput{PrefixListIds: []string{"pl-9"}}),
		"InvalidPrefixListID.NotFound", "")
}

func TestWhatTheAccountDoesNotHave(t *testing.T) {
	a := open(t, awssim.Options{})
	in := []ec2types.Filter{filter("vpc-id", "vpc-1")}
	require.Empty(t, do(t, a.ec2.DescribeAddresses, &ec2.DescribeAddressesInput{Filters: in}).Addresses)
	require.Empty(t, do(t, a.ec2.DescribeVpcPeeringConnections, &ec2.DescribeVpcPeeringConnectionsInput{Filters: in}).VpcPeeringConnections)
	require.Empty(t, do(t, a.ec2.DescribeCoipPools, nil).CoipPools)
	require.Empty(t, do(t, a.ec2.DescribeIpamPools, nil).IpamPools)
	require.Empty(t, do(t, a.ec2.DescribeInstances, nil).Reservations)
	for code, err := range map[string]error{
		"InvalidAllocationID.NotFound": fails(t, a.ec2.DescribeAddresses, &ec2.DescribeAddressesInput{AllocationIds: []string{"eipalloc-1"}}),
		"InvalidAddress.NotFound":      fails(t, a.ec2.DescribeAddresses, &ec2.DescribeAddressesInput{PublicIps: []string{"192.0.2.1"}}),
		"InvalidVpcPeeringConnectionID.NotFound": fails(t, a.ec2.DescribeVpcPeeringConnections,
			&ec2.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: []string{"pcx-1"}}),
		"InvalidPoolID.NotFound":     fails(t, a.ec2.GetCoipPoolUsage, &ec2.GetCoipPoolUsageInput{PoolId: new("ipv4pool-coip-1")}),
		"InvalidIpamPoolId.NotFound": fails(t, a.ec2.DescribeIpamPools, &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{"ipam-pool-1"}}),
	} {
		requireCode(t, err, code, "")
	}
}
