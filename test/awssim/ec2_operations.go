package awssim

// ec2Operations are the simulated actions of EC2. Every other action answers
// InvalidAction.
var ec2Operations = map[string]operation{
	"AuthorizeSecurityGroupIngress": op(ec2PermissionRate, (*Sim).authorizeLocked),
	"CreateSecurityGroup":           op(ec2WriteRate, (*Sim).createGroupLocked),
	"CreateTags":                    op(ec2TagRate, (*Sim).createTagsLocked),
	"DeleteSecurityGroup":           op(ec2WriteRate, (*Sim).deleteGroupLocked),
	"DeleteTags":                    op(ec2TagRate, (*Sim).deleteTagsLocked),
	"DescribeAvailabilityZones":     op(ec2ReadRate, (*Sim).describeZonesLocked),
	"DescribeInstances":             op(ec2ReadRate, (*Sim).describeInstancesLocked),
	"DescribeNetworkInterfaces":     op(ec2ReadRate, (*Sim).describeInterfacesLocked),
	"DescribeRouteTables":           op(ec2ReadRate, (*Sim).describeRouteTablesLocked),
	"DescribeSecurityGroupRules":    op(ec2ReadRate, (*Sim).describeGroupRulesLocked),
	"DescribeSecurityGroups":        op(ec2ReadRate, (*Sim).describeGroupsLocked),
	"DescribeSubnets":               op(ec2ReadRate, (*Sim).describeSubnetsLocked),
	"DescribeTags":                  op(ec2ReadRate, (*Sim).describeEC2TagsLocked),
	"DescribeVpcs":                  op(ec2ReadRate, (*Sim).describeVpcsLocked),
	"RevokeSecurityGroupIngress":    op(ec2PermissionRate, (*Sim).revokeLocked),
}
