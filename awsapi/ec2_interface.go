package awsapi

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// filterValues is the most values that one of EC2's filters takes.
const filterValues = 200

// DescribeNetworkInterfaces returns the network interfaces of a VPC that have one of
// the private addresses. An address out of a prefix that an interface was given does
// not count: see DescribeNetworkInterfacesOf.
func (c *EC2) DescribeNetworkInterfaces(ctx context.Context, vpcID string, addresses []string) ([]NetworkInterface, error) {
	var v4, v6 []string
	for _, a := range addresses {
		if strings.Contains(a, ":") {
			v6 = append(v6, a)
		} else {
			v4 = append(v4, a)
		}
	}
	all, err := c.interfaces(ctx, vpcID, "addresses.private-ip-address", v4)
	if err != nil {
		return nil, err
	}
	more, err := c.interfaces(ctx, vpcID, "ipv6-addresses.ipv6-address", v6)
	return append(all, more...), err
}

// DescribeNetworkInterfacesOf returns the network interfaces of a VPC that are attached
// to one of the instances.
func (c *EC2) DescribeNetworkInterfacesOf(ctx context.Context, vpcID string, instanceIDs []string) ([]NetworkInterface, error) {
	return c.interfaces(ctx, vpcID, "attachment.instance-id", instanceIDs)
}

// interfaces makes no call without values.
func (c *EC2) interfaces(ctx context.Context, vpcID, filter string, values []string) ([]NetworkInterface, error) {
	var all []NetworkInterface
	for batch := range slices.Chunk(values, filterValues) {
		p := ec2.NewDescribeNetworkInterfacesPaginator(c.read, &ec2.DescribeNetworkInterfacesInput{
			Filters:    append(filters(vpcID, nil), types.Filter{Name: &filter, Values: batch}),
			MaxResults: aws.Int32(ec2PageSize),
		})
		found, err := pages(ctx, p, func(out *ec2.DescribeNetworkInterfacesOutput) []NetworkInterface {
			return each(out.NetworkInterfaces, readInterface)
		})
		if err != nil {
			return nil, wrap("DescribeNetworkInterfaces", "of "+some(batch), err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func readInterface(n types.NetworkInterface) NetworkInterface {
	out := NetworkInterface{
		ID:             aws.ToString(n.NetworkInterfaceId),
		SecurityGroups: each(n.Groups, func(g types.GroupIdentifier) string { return aws.ToString(g.GroupId) }),
	}
	if n.Attachment != nil {
		out.InstanceID = aws.ToString(n.Attachment.InstanceId)
	}
	for _, a := range n.PrivateIpAddresses {
		out.Addresses = append(out.Addresses, aws.ToString(a.PrivateIpAddress))
	}
	for _, a := range n.Ipv6Addresses {
		out.Addresses = append(out.Addresses, aws.ToString(a.Ipv6Address))
	}
	for _, p := range n.Ipv4Prefixes {
		out.Prefixes = append(out.Prefixes, aws.ToString(p.Ipv4Prefix))
	}
	for _, p := range n.Ipv6Prefixes {
		out.Prefixes = append(out.Prefixes, aws.ToString(p.Ipv6Prefix))
	}
	return out
}
