package awssim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: &name, Values: values}
}

func (a account) securityGroup(t *testing.T, name string) *string {
	t.Helper()
	return do(t, a.ec2.CreateSecurityGroup, newSecurityGroup(name)).GroupId
}

func newSecurityGroup(name string) *ec2.CreateSecurityGroupInput {
	return &ec2.CreateSecurityGroupInput{GroupName: &name, Description: new("for tests"), VpcId: new("vpc-1")}
}

func TestDescribeNetwork(t *testing.T) {
	a := open(t, awssim.Options{})
	vpcs := do(t, a.ec2.DescribeVpcs, &ec2.DescribeVpcsInput{Filters: []types.Filter{filter("tag:Name", "ma*")}}).Vpcs
	require.Len(t, vpcs, 1)
	require.Equal(t, "10.0.0.0/16", *vpcs[0].CidrBlock)
	require.Len(t, vpcs[0].CidrBlockAssociationSet, 2)
	require.Equal(t, "main", *vpcs[0].Tags[0].Value)
	requireCode(t, fails(t, a.ec2.DescribeVpcs, &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-9"}}), "InvalidVpcID.NotFound",
		"The vpc ID 'vpc-9' does not exist")

	subnets := func(filters ...types.Filter) string {
		var ids []string
		for _, s := range do(t, a.ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{Filters: filters}).Subnets {
			ids = append(ids, *s.SubnetId)
		}
		return strings.Join(ids, " ")
	}
	require.Equal(t, "subnet-x subnet-y", subnets(filter("vpc-id", "vpc-2")))
	require.Equal(t, "subnet-a subnet-b", subnets(filter("vpc-id", "vpc-1"), filter("tag:kubernetes.io/role/elb", "", "1")))
	require.Equal(t, "subnet-a", subnets(filter("tag:kubernetes.io/role/elb", "1")))
	require.Equal(t, "subnet-a subnet-b", subnets(filter("tag-key", "kubernetes.io/*")))
	require.Equal(t, "subnet-b subnet-b2", subnets(filter("availability-zone", region+"b"), filter("vpc-id", "vpc-1")))
	require.Equal(t, "subnet-c", subnets(filter("subnet-id", "subnet-c", "subnet-d")))
	require.Empty(t, subnets(filter("tag-value", "2")))
	requireCode(t, fails(t, a.ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{Filters: []types.Filter{filter("color", "red")}}),
		"InvalidParameterValue", "The filter 'color' is invalid")
	requireCode(t, fails(t, a.ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-a", "subnet-q"}}),
		"InvalidSubnetID.NotFound", "The subnet ID 'subnet-q' does not exist")
	requireCode(t, fails(t, a.ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: []string{"net"}}), "InvalidSubnetID.Malformed", "")

	one := do(t, a.ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-b"}}).Subnets[0]
	require.Equal(t, "apne3-az2", *one.AvailabilityZoneId)
	require.Equal(t, "10.0.2.0/24", *one.CidrBlock)
	require.Equal(t, "vpc-1", *one.VpcId)

	zones := do(t, a.ec2.DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{}).AvailabilityZones
	require.Len(t, zones, 3)
	require.Equal(t, types.AvailabilityZoneStateAvailable, zones[0].State)
	zones = do(t, a.ec2.DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{ZoneIds: []string{"apne3-az3"}}).AvailabilityZones
	require.Equal(t, region+"c", *zones[0].ZoneName)
	requireCode(t, fails(t, a.ec2.DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{ZoneNames: []string{"us-east-1a"}}),
		"InvalidParameterValue", "")

	tables := do(t, a.ec2.DescribeRouteTables, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{filter("association.subnet-id", "subnet-a")}}).RouteTables
	require.Len(t, tables, 1)
	require.Equal(t, "igw-1", *tables[0].Routes[2].GatewayId)
	tables = do(t, a.ec2.DescribeRouteTables, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{filter("vpc-id", "vpc-2")}}).RouteTables
	require.Len(t, tables, 1)
	require.True(t, *tables[0].Associations[0].Main)
	require.Len(t, tables[0].Routes, 1)
}

func TestListingsInPages(t *testing.T) {
	a := open(t, awssim.Options{})
	for i := range 11 {
		a.securityGroup(t, fmt.Sprintf("group %d", i))
	}
	seen := map[string]bool{}
	pages := ec2.NewDescribeSecurityGroupsPaginator(a.ec2, &ec2.DescribeSecurityGroupsInput{MaxResults: new(int32(5))})
	n := 0
	for page := range pagesOf(t, pages) {
		n++
		for _, g := range page.SecurityGroups {
			seen[*g.GroupId] = true
		}
	}
	require.Len(t, seen, 13, "with the default groups of two VPCs")
	require.Equal(t, 3, n)
	all := do(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{})
	require.Len(t, all.SecurityGroups, 13)
	require.Nil(t, all.NextToken)
	requireCode(t, fails(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{MaxResults: new(int32(4))}), "InvalidParameterValue", "")
	requireCode(t, fails(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{NextToken: new("?")}), "InvalidNextToken", "")
	requireCode(t, fails(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{
		MaxResults: new(int32(5)), GroupIds: []string{*all.SecurityGroups[0].GroupId},
	}), "InvalidParameterCombination", "")
	requireCode(t, fails(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{DryRun: new(true)}), "UnsupportedOperation", "")
}

func TestSecurityGroupLifeCycle(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{SecurityGroups: 4}})
	initial := do(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{filter("vpc-id", "vpc-1"), filter("group-name", "default")},
	}).SecurityGroups[0]
	require.Equal(t, *initial.GroupId, *initial.IpPermissions[0].UserIdGroupPairs[0].GroupId)
	require.Equal(t, "-1", *initial.IpPermissions[0].IpProtocol)
	require.Nil(t, initial.IpPermissions[0].FromPort)
	requireCode(t, fails(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: initial.GroupId}), "CannotDelete", "")

	in := newSecurityGroup("lb")
	in.TagSpecifications = []types.TagSpecification{{
		ResourceType: types.ResourceTypeSecurityGroup, Tags: []types.Tag{{Key: new("cluster"), Value: new("demo")}, {Key: new("empty")}},
	}}
	created := do(t, a.ec2.CreateSecurityGroup, in)
	require.Regexp(t, `^sg-[0-9a-f]{17}$`, *created.GroupId)
	requireCode(t, fails(t, a.ec2.CreateSecurityGroup, in), "InvalidGroup.Duplicate", "The security group 'lb' already exists for VPC 'vpc-1'")
	found := do(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{filter("vpc-id", "vpc-1"), filter("tag:cluster", "demo")},
	}).SecurityGroups
	require.Len(t, found, 1)
	require.Equal(t, "for tests", *found[0].Description)
	require.Len(t, found[0].Tags, 2)
	require.Empty(t, *found[0].Tags[1].Value)
	require.Equal(t, "0.0.0.0/0", *found[0].IpPermissionsEgress[0].IpRanges[0].CidrIp)
	require.Empty(t, found[0].IpPermissions)

	a.securityGroup(t, "other")
	requireCode(t, fails(t, a.ec2.CreateSecurityGroup, newSecurityGroup("fifth")), "SecurityGroupLimitExceeded", "")
	do(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: created.GroupId})
	missing := "The security group '" + *created.GroupId + "' does not exist"
	requireCode(t, fails(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: created.GroupId}), "InvalidGroup.NotFound", missing)
	requireCode(t, fails(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*created.GroupId}}),
		"InvalidGroup.NotFound", missing)
	requireCode(t, fails(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: new("lb")}), "InvalidGroupId.Malformed", "")

	for name, c := range map[string]struct {
		change func(*ec2.CreateSecurityGroupInput)
		code   string
	}{
		"like an ID":  {func(i *ec2.CreateSecurityGroupInput) { i.GroupName = new("sg-x") }, "InvalidParameterValue"},
		"reserved":    {func(i *ec2.CreateSecurityGroupInput) { i.GroupName = new("default") }, "InvalidGroup.Reserved"},
		"character":   {func(i *ec2.CreateSecurityGroupInput) { i.GroupName = new("naïve") }, "InvalidParameterValue"},
		"description": {func(i *ec2.CreateSecurityGroupInput) { i.Description = new("a|b") }, "InvalidParameterValue"},
		"none":        {func(i *ec2.CreateSecurityGroupInput) { i.Description = new("") }, "MissingParameter"},
		"no VPC":      {func(i *ec2.CreateSecurityGroupInput) { i.VpcId = nil }, "VPCIdNotSpecified"},
		"unknown VPC": {func(i *ec2.CreateSecurityGroupInput) { i.VpcId = new("vpc-9") }, "InvalidVpcID.NotFound"},
		"tags of another": {func(i *ec2.CreateSecurityGroupInput) {
			i.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeVpc}}
		}, "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			in := newSecurityGroup("new")
			c.change(in)
			requireCode(t, fails(t, a.ec2.CreateSecurityGroup, in), c.code, "")
		})
	}
}

func tcp(port int32, cidrs ...string) types.IpPermission {
	p := types.IpPermission{IpProtocol: new("tcp"), FromPort: &port, ToPort: &port}
	for _, c := range cidrs {
		p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: &c, Description: new("from " + c)})
	}
	return p
}

func TestPermissions(t *testing.T) {
	a := open(t, awssim.Options{})
	sg, peer := a.securityGroup(t, "lb"), a.securityGroup(t, "nodes")
	allow := func(permissions ...types.IpPermission) *ec2.AuthorizeSecurityGroupIngressInput {
		return &ec2.AuthorizeSecurityGroupIngressInput{GroupId: sg, IpPermissions: permissions}
	}
	revoke := func(permissions ...types.IpPermission) *ec2.RevokeSecurityGroupIngressInput {
		return &ec2.RevokeSecurityGroupIngressInput{GroupId: sg, IpPermissions: permissions}
	}
	v6 := types.IpPermission{IpProtocol: new("6"), FromPort: new(int32(80)), ToPort: new(int32(80)), Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: new("2001:DB8::1/32")}}}
	fromPeer := types.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: peer, Description: new("nodes")}}}
	list := types.IpPermission{IpProtocol: new("tcp"), FromPort: new(int32(0)), ToPort: new(int32(65535)), PrefixListIds: []types.PrefixListId{{PrefixListId: new("pl-1")}}}
	rules := do(t, a.ec2.AuthorizeSecurityGroupIngress, allow(tcp(80, "100.68.0.18/18", "10.0.0.0/8"), v6, fromPeer, list)).SecurityGroupRules
	require.Len(t, rules, 5)
	require.Equal(t, "100.68.0.0/18", *rules[0].CidrIpv4)
	require.Equal(t, int32(-1), *rules[3].FromPort)
	require.Equal(t, *peer, *rules[3].ReferencedGroupInfo.GroupId)

	group := func() types.SecurityGroup {
		return do(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*sg}}).SecurityGroups[0]
	}
	permissions := group().IpPermissions
	require.Len(t, permissions, 3, "rules with the same ports are one permission")
	require.Equal(t, "tcp", *permissions[0].IpProtocol)
	require.Equal(t, int32(80), *permissions[0].FromPort)
	require.Equal(t, []types.IpRange{
		{CidrIp: new("100.68.0.0/18"), Description: new("from 100.68.0.18/18")}, {CidrIp: new("10.0.0.0/8"), Description: new("from 10.0.0.0/8")},
	}, permissions[0].IpRanges)
	require.Equal(t, "2001:db8::/32", *permissions[0].Ipv6Ranges[0].CidrIpv6)
	require.Equal(t, "nodes", *permissions[1].UserIdGroupPairs[0].Description)
	require.Nil(t, permissions[1].FromPort)
	require.Zero(t, *permissions[2].FromPort)
	require.Equal(t, "pl-1", *permissions[2].PrefixListIds[0].PrefixListId)

	for name, value := range map[string]string{
		"ip-permission.cidr": "100.68.0.0/18", "ip-permission.group-id": *peer, "ip-permission.protocol": "tcp", "description": "for tests",
	} {
		found := do(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{
			Filters: []types.Filter{filter(name, value), filter("group-id", *sg)},
		}).SecurityGroups
		require.Len(t, found, 1, name)
	}
	ping := types.IpPermission{IpProtocol: new("icmp"), IpRanges: tcp(1, "192.0.2.0/24").IpRanges}
	do(t, a.ec2.AuthorizeSecurityGroupIngress, allow(ping))
	require.Equal(t, int32(-1), *group().IpPermissions[3].ToPort)
	do(t, a.ec2.RevokeSecurityGroupIngress, revoke(ping))

	requireCode(t, fails(t, a.ec2.AuthorizeSecurityGroupIngress, allow(tcp(81, "10.0.0.0/8"), tcp(80, "100.68.0.1/18"))), "InvalidPermission.Duplicate",
		`the specified rule "peer: 100.68.0.0/18, TCP, from port: 80, to port: 80, ALLOW" already exists`)
	requireCode(t, fails(t, a.ec2.AuthorizeSecurityGroupIngress, allow(tcp(82, "10.0.0.0/8"), tcp(82, "10.1.0.0/8"))), "InvalidParameterValue",
		"The same permission must not appear multiple times")
	requireCode(t, fails(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: peer}), "DependencyViolation", "")
	requireCode(t, fails(t, a.ec2.RevokeSecurityGroupIngress, revoke(tcp(80, "10.0.0.0/8"), tcp(80, "11.0.0.0/8"))), "InvalidPermission.NotFound",
		"The specified rule does not exist in this security group.")
	require.Len(t, group().IpPermissions[0].IpRanges, 2, "all or nothing")

	undescribed := tcp(80, "10.0.0.0/8")
	undescribed.IpRanges[0].Description = nil // The description is not part of what a rule allows.
	do(t, a.ec2.RevokeSecurityGroupIngress, revoke(undescribed, fromPeer))
	do(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: peer})
	byID := &ec2.RevokeSecurityGroupIngressInput{GroupId: sg, SecurityGroupRuleIds: []string{*rules[0].SecurityGroupRuleId}}
	do(t, a.ec2.RevokeSecurityGroupIngress, byID)
	requireCode(t, fails(t, a.ec2.RevokeSecurityGroupIngress, byID), "InvalidSecurityGroupRuleId.NotFound", "")
	left := do(t, a.ec2.DescribeSecurityGroupRules, &ec2.DescribeSecurityGroupRulesInput{Filters: []types.Filter{filter("group-id", *sg)}}).SecurityGroupRules
	require.Len(t, slices.DeleteFunc(left, func(r types.SecurityGroupRule) bool { return *r.IsEgress }), 2)
}

func TestPermissionsRejected(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{RulesPerSecurityGroup: 2}})
	sg := a.securityGroup(t, "lb")
	tests := map[string]struct {
		permission types.IpPermission
		code       string
	}{
		"not a block":      {tcp(80, "10.0.0"), "InvalidParameterValue"},
		"IPv6 as IPv4":     {tcp(80, "2001:db8::/32"), "InvalidParameterValue"},
		"no source":        {tcp(80), "MissingParameter"},
		"no ports":         {types.IpPermission{IpProtocol: new("tcp"), IpRanges: tcp(1, "10.0.0.0/8").IpRanges}, "InvalidParameterValue"},
		"port 65536":       {tcp(65536, "10.0.0.0/8"), "InvalidParameterValue"},
		"unknown protocol": {types.IpPermission{IpProtocol: new("quic"), IpRanges: tcp(1, "10.0.0.0/8").IpRanges}, "InvalidParameterValue"},
		"no protocol":      {types.IpPermission{IpRanges: tcp(1, "10.0.0.0/8").IpRanges}, "MissingParameter"},
		"unknown group": {
			types.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: new("sg-9")}}},
			"InvalidGroup.NotFound",
		},
		"too many":              {tcp(80, "10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"), "RulesPerSecurityGroupLimitExceeded"},
		"what is not simulated": {types.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: sg, VpcId: new("vpc-1")}}}, "UnsupportedOperation"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			requireCode(t, fails(t, a.ec2.AuthorizeSecurityGroupIngress,
				&ec2.AuthorizeSecurityGroupIngressInput{GroupId: sg, IpPermissions: []types.IpPermission{c.permission}}), c.code, "")
		})
	}
	// IPv4 and IPv6 are counted apart.
	both := tcp(80, "10.0.0.0/8", "11.0.0.0/8")
	both.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: new("::/0")}, {CidrIpv6: new("2001:db8::/32")}}
	do(t, a.ec2.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: sg, IpPermissions: []types.IpPermission{both}})
	requireCode(t, fails(t, a.ec2.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: sg}), "MissingParameter", "")
}

func TestEC2Tags(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{TagsPerResource: 3}})
	sg := a.securityGroup(t, "lb")
	create := func(ids []string, pairs ...string) *ec2.CreateTagsInput {
		in := &ec2.CreateTagsInput{Resources: ids}
		for i := 0; i < len(pairs); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
		}
		return in
	}
	do(t, a.ec2.CreateTags, create([]string{*sg, "subnet-c", "vpc-2"}, "a", "1", "b", "2"))
	describe := func(filters ...types.Filter) []string {
		var list []string
		for _, d := range do(t, a.ec2.DescribeTags, &ec2.DescribeTagsInput{Filters: filters}).Tags {
			list = append(list, fmt.Sprintf("%s %s=%s", d.ResourceType, *d.Key, *d.Value))
		}
		return list
	}
	require.Equal(t, []string{"security-group a=1", "subnet a=1", "vpc a=1"}, describe(filter("key", "a")))
	do(t, a.ec2.DeleteTags, &ec2.DeleteTagsInput{Resources: []string{*sg, "vpc-2"}, Tags: []types.Tag{{Key: new("a"), Value: new("9")}, {Key: new("b")}}})
	require.Equal(t, []string{"security-group a=1"}, describe(filter("resource-id", *sg)))
	do(t, a.ec2.DeleteTags, &ec2.DeleteTagsInput{Resources: []string{"vpc-2"}})
	require.Empty(t, describe(filter("resource-id", "vpc-2")))
	require.Equal(t, []string{"security-group a=1", "subnet a=1"}, describe(filter("tag:a", "1")))

	requireCode(t, fails(t, a.ec2.CreateTags, create([]string{*sg, "subnet-c"}, "c", "3", "d", "4")), "TagLimitExceeded", "")
	require.Equal(t, []string{"security-group a=1"}, describe(filter("resource-id", *sg)), "all or nothing")
	requireCode(t, fails(t, a.ec2.CreateTags, create([]string{*sg}, "aws:c", "3")), "InvalidParameterValue", "")
	requireCode(t, fails(t, a.ec2.CreateTags, create([]string{*sg}, "c", "3", "c", "4")), "InvalidParameterValue", "")
	requireCode(t, fails(t, a.ec2.CreateTags, create([]string{"i-1"}, "c", "3")), "InvalidID", "")
	requireCode(t, fails(t, a.ec2.CreateTags, create([]string{"subnet-q"}, "c", "3")), "InvalidSubnetID.NotFound", "")
	requireCode(t, fails(t, a.ec2.CreateTags, create([]string{"sg-q"}, "c", "3")), "InvalidGroup.NotFound", "")
}
