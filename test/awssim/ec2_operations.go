package awssim

// ec2Operations are the simulated actions of EC2. Every other action answers
// InvalidAction.
var ec2Operations = map[string]operation{
	"AuthorizeSecurityGroupIngress": op(ec2PermissionRate, (*Sim).authorizeLocked),
	"CreateSecurityGroup":           op(ec2WriteRate, (*Sim).createGroupLocked),
	"CreateTags":                    op(ec2TagRate, (*Sim).createTagsLocked),
	"DeleteSecurityGroup":           op(ec2WriteRate, (*Sim).deleteGroupLocked),
	"DeleteTags":                    op(ec2TagRate, (*Sim).deleteTagsLocked),
	"DescribeAccountAttributes":     op(ec2ReadRate, (*Sim).describeAccountAttributesLocked),
	"DescribeAddresses":             op(ec2ReadRate, (*Sim).describeAddressesLocked),
	"DescribeAvailabilityZones":     op(ec2ReadRate, (*Sim).describeZonesLocked),
	"DescribeCoipPools":             op(ec2ReadRate, (*Sim).describeCoipPoolsLocked),
	"DescribeInstances":             op(ec2ReadRate, (*Sim).describeInstancesLocked),
	"DescribeInternetGateways":      op(ec2ReadRate, (*Sim).describeGatewaysLocked),
	"DescribeIpamPools":             op(ec2ReadRate, (*Sim).describeIpamPoolsLocked),
	"DescribeManagedPrefixLists":    op(ec2ReadRate, (*Sim).describePrefixListsLocked),
	"DescribeNetworkInterfaces":     op(ec2ReadRate, (*Sim).describeInterfacesLocked),
	"DescribeRouteTables":           op(ec2ReadRate, (*Sim).describeRouteTablesLocked),
	"DescribeSecurityGroupRules":    op(ec2ReadRate, (*Sim).describeGroupRulesLocked),
	"DescribeSecurityGroups":        op(ec2ReadRate, (*Sim).describeGroupsLocked),
	"DescribeSubnets":               op(ec2ReadRate, (*Sim).describeSubnetsLocked),
	"DescribeTags":                  op(ec2ReadRate, (*Sim).describeEC2TagsLocked),
	"DescribeVpcPeeringConnections": op(ec2ReadRate, (*Sim).describePeeringsLocked),
	"DescribeVpcs":                  op(ec2ReadRate, (*Sim).describeVpcsLocked),
	"GetCoipPoolUsage":              op(ec2ReadRate, (*Sim).coipPoolUsageLocked),
	"GetSecurityGroupsForVpc":       op(ec2ReadRate, (*Sim).groupsForVpcLocked),
	"RevokeSecurityGroupIngress":    op(ec2PermissionRate, (*Sim).revokeLocked),
}
