package awsapi

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// routeTablePageSize is the most route tables that EC2 puts on a page.
const routeTablePageSize = 100

// Routes say which subnets of a VPC have a way to an internet gateway.
type Routes struct {
	bySubnet map[string]bool
	main     bool // of subnets that no table names
}

// Public reports whether what stands in a subnet can be reached from the internet.
func (r Routes) Public(subnetID string) bool {
	public, named := r.bySubnet[subnetID]
	if !named {
		return r.main
	}
	return public
}

// DescribeRouteTables returns the routes of a VPC.
func (c *EC2) DescribeRouteTables(ctx context.Context, vpcID string) (Routes, error) {
	p := ec2.NewDescribeRouteTablesPaginator(c.read, &ec2.DescribeRouteTablesInput{
		Filters: filters(vpcID, nil), MaxResults: aws.Int32(routeTablePageSize),
	})
	tables, err := pages(ctx, p, func(out *ec2.DescribeRouteTablesOutput) []types.RouteTable { return out.RouteTables })
	routes := Routes{bySubnet: map[string]bool{}}
	for _, t := range tables {
		public := hasInternetGateway(t)
		for _, a := range t.Associations {
			switch {
			case a.SubnetId != nil:
				routes.bySubnet[*a.SubnetId] = public
			case aws.ToBool(a.Main):
				routes.main = public
			}
		}
	}
	return routes, wrap("DescribeRouteTables", "of "+vpcID, err)
}

func hasInternetGateway(t types.RouteTable) bool {
	for _, r := range t.Routes {
		if strings.HasPrefix(aws.ToString(r.GatewayId), "igw-") {
			return true
		}
	}
	return false
}
