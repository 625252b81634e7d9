package awsapi

import (
	"context"
	"maps"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// ec2PageSize is the most rows that EC2 puts on a page. Sending it also keeps
// DescribeSecurityGroups in the larger of its two buckets.
const ec2PageSize = 1000

// DescribeSubnets returns the subnets of a VPC.
func (c *EC2) DescribeSubnets(ctx context.Context, vpcID string) ([]Subnet, error) {
	p := ec2.NewDescribeSubnetsPaginator(c.read, &ec2.DescribeSubnetsInput{
		Filters:    filters(vpcID, nil),
		MaxResults: aws.Int32(ec2PageSize),
	})
	all, err := pages(ctx, p, func(out *ec2.DescribeSubnetsOutput) []Subnet {
		return each(out.Subnets, readSubnet)
	})
	return all, wrap("DescribeSubnets", "of "+vpcID, err)
}

// DescribeSecurityGroups returns the security groups of a VPC ("": of all) that carry
// all of the tags; nil tags: all groups. A group can be missing for seconds after its
// creation.
func (c *EC2) DescribeSecurityGroups(ctx context.Context, vpcID string, tags Tags) ([]SecurityGroup, error) {
	p := ec2.NewDescribeSecurityGroupsPaginator(c.read, &ec2.DescribeSecurityGroupsInput{
		Filters:    filters(vpcID, tags),
		MaxResults: aws.Int32(ec2PageSize),
	})
	all, err := pages(ctx, p, func(out *ec2.DescribeSecurityGroupsOutput) []SecurityGroup {
		return each(out.SecurityGroups, readSecurityGroup)
	})
	return all, wrap("DescribeSecurityGroups", "of "+vpcID, err)
}

// FindSecurityGroups returns the security groups of a VPC that have one of the IDs, or
// one of the values in their tag Name. What does not exist is left out.
func (c *EC2) FindSecurityGroups(ctx context.Context, vpcID string, ids, names []string) ([]SecurityGroup, error) {
	all, err := c.securityGroupsBy(ctx, vpcID, "group-id", ids)
	if err != nil {
		return nil, err
	}
	named, err := c.securityGroupsBy(ctx, vpcID, "tag:Name", names)
	return append(all, named...), err
}

// securityGroupsBy makes no call without values.
func (c *EC2) securityGroupsBy(ctx context.Context, vpcID, filter string, values []string) ([]SecurityGroup, error) {
	var all []SecurityGroup
	for batch := range slices.Chunk(values, filterValues) {
		p := ec2.NewDescribeSecurityGroupsPaginator(c.read, &ec2.DescribeSecurityGroupsInput{
			Filters:    append(filters(vpcID, nil), types.Filter{Name: &filter, Values: batch}),
			MaxResults: aws.Int32(ec2PageSize),
		})
		found, err := pages(ctx, p, func(out *ec2.DescribeSecurityGroupsOutput) []SecurityGroup {
			return each(out.SecurityGroups, readSecurityGroup)
		})
		if err != nil {
			return nil, wrap("DescribeSecurityGroups", some(batch), err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// TagSecurityGroup sets tags on a security group; other tags stay. It can be repeated.
// Without tags it costs no call.
func (c *EC2) TagSecurityGroup(ctx context.Context, id string, tags Tags) error {
	if len(tags) == 0 {
		return nil
	}
	_, err := c.write.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: ec2Tags(tags)})
	return wrap("CreateTags", id, err)
}

// CreateSecurityGroup creates a security group with its tags and returns its ID.
// Ingress is AuthorizeIngress's business. It is not idempotent: a name taken in
// the VPC is Duplicate. For seconds after it, calls that name the new group can
// be NotFound.
func (c *EC2) CreateSecurityGroup(ctx context.Context, g SecurityGroup) (id string, err error) {
	in := &ec2.CreateSecurityGroupInput{GroupName: &g.Name, Description: &g.Description, VpcId: &g.VPCID}
	if len(g.Tags) > 0 {
		in.TagSpecifications = []types.TagSpecification{
			{ResourceType: types.ResourceTypeSecurityGroup, Tags: ec2Tags(g.Tags)},
		}
	}
	out, err := c.write.CreateSecurityGroup(ctx, in)
	if err != nil {
		return "", wrap("CreateSecurityGroup", g.Name, err)
	}
	return aws.ToString(out.GroupId), nil
}

// DeleteSecurityGroup deletes a security group. It is InUse while a network
// interface or another group's rule refers to it, which lasts for seconds to
// minutes after DeleteLoadBalancer, and NotFound if it is gone already.
func (c *EC2) DeleteSecurityGroup(ctx context.Context, id string) error {
	_, err := c.write.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id})
	return wrap("DeleteSecurityGroup", id, err)
}

// AuthorizeIngress adds inbound rules, all or none of them. It is not idempotent:
// one rule that exists makes the call Duplicate. An empty list costs no call.
func (c *EC2) AuthorizeIngress(ctx context.Context, id string, rules []Permission) error {
	if len(rules) == 0 {
		return nil
	}
	_, err := c.write.AuthorizeSecurityGroupIngress(ctx,
		&ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: each(rules, ec2Permission)})
	return wrap("AuthorizeSecurityGroupIngress", id, err)
}

// RevokeIngress removes inbound rules, whatever their descriptions. One that does
// not exist makes the call NotFound, and the others stay. An empty list costs no
// call.
func (c *EC2) RevokeIngress(ctx context.Context, id string, rules []Permission) error {
	if len(rules) == 0 {
		return nil
	}
	_, err := c.write.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
		GroupId: &id,
		IpPermissions: each(rules, func(p Permission) types.IpPermission {
			p.Description = ""
			return ec2Permission(p)
		}),
	})
	return wrap("RevokeSecurityGroupIngress", id, err)
}

// filters selects what is in a VPC and carries all of the tags; no VPC: in any.
func filters(vpcID string, tags Tags) []types.Filter {
	var out []types.Filter
	if vpcID != "" {
		out = append(out, types.Filter{Name: aws.String("vpc-id"), Values: []string{vpcID}})
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Filter{Name: aws.String("tag:" + key), Values: []string{tags[key]}})
	}
	return out
}

// regionZone is the name of an availability zone of the Region itself. Local zones
// (us-west-2-lax-1a) and wavelength zones (us-east-1-wl1-bos-wlz-1) are named after
// more than the Region ("Regions and Zones" in the EC2 user guide).
var regionZone = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-\d[a-z]$`)

func readSubnet(s types.Subnet) Subnet {
	out := Subnet{
		ID:                   aws.ToString(s.SubnetId),
		VPCID:                aws.ToString(s.VpcId),
		Zone:                 aws.ToString(s.AvailabilityZone),
		CIDR:                 aws.ToString(s.CidrBlock),
		AvailableIPAddresses: aws.ToInt32(s.AvailableIpAddressCount),
		LocalZone:            s.OutpostArn != nil || !regionZone.MatchString(aws.ToString(s.AvailabilityZone)),
		Tags:                 readEC2Tags(s.Tags),
	}
	for _, a := range s.Ipv6CidrBlockAssociationSet {
		if a.Ipv6CidrBlockState != nil && a.Ipv6CidrBlockState.State == types.SubnetCidrBlockStateCodeAssociated {
			out.CIDRv6 = aws.ToString(a.Ipv6CidrBlock)
		}
	}
	return out
}

func readSecurityGroup(g types.SecurityGroup) SecurityGroup {
	out := SecurityGroup{
		ID:          aws.ToString(g.GroupId),
		Name:        aws.ToString(g.GroupName),
		Description: aws.ToString(g.Description),
		VPCID:       aws.ToString(g.VpcId),
		Tags:        readEC2Tags(g.Tags),
	}
	for _, p := range g.IpPermissions {
		out.Ingress = append(out.Ingress, readPermission(p)...)
	}
	return out
}

// readPermission takes apart what EC2 groups by protocol and ports.
func readPermission(p types.IpPermission) []Permission {
	base := Permission{
		Protocol: aws.ToString(p.IpProtocol),
		FromPort: aws.ToInt32(p.FromPort),
		ToPort:   aws.ToInt32(p.ToPort),
	}
	var out []Permission
	from := func(source Permission, description *string) {
		source.Protocol, source.FromPort, source.ToPort = base.Protocol, base.FromPort, base.ToPort
		source.Description = aws.ToString(description)
		out = append(out, source)
	}
	for _, r := range p.IpRanges {
		from(Permission{CIDR: aws.ToString(r.CidrIp)}, r.Description)
	}
	for _, r := range p.Ipv6Ranges {
		from(Permission{CIDRv6: aws.ToString(r.CidrIpv6)}, r.Description)
	}
	for _, l := range p.PrefixListIds {
		from(Permission{PrefixListID: aws.ToString(l.PrefixListId)}, l.Description)
	}
	for _, g := range p.UserIdGroupPairs {
		from(Permission{GroupID: aws.ToString(g.GroupId)}, g.Description)
	}
	return out
}

func ec2Permission(p Permission) types.IpPermission {
	out := types.IpPermission{IpProtocol: &p.Protocol, FromPort: &p.FromPort, ToPort: &p.ToPort}
	description := given(p.Description)
	switch {
	case p.CIDR != "":
		out.IpRanges = []types.IpRange{{CidrIp: &p.CIDR, Description: description}}
	case p.CIDRv6 != "":
		out.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: &p.CIDRv6, Description: description}}
	case p.PrefixListID != "":
		out.PrefixListIds = []types.PrefixListId{{PrefixListId: &p.PrefixListID, Description: description}}
	case p.GroupID != "":
		out.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: &p.GroupID, Description: description}}
	}
	return out
}

func readEC2Tags(in []types.Tag) Tags {
	tags := make(Tags, len(in))
	for _, t := range in {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags
}

func ec2Tags(tags Tags) []types.Tag {
	return tagList(tags, func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} })
}
