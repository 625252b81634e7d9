package awssim

import (
	"net/netip"
	"slices"
	"strconv"
)

type describeVpcsParams struct {
	VpcIds []string `name:"VpcId"`
	listParams
}

type describeSubnetsParams struct {
	SubnetIds []string `name:"SubnetId"`
	listParams
}

type describeZonesParams struct {
	ZoneNames            []string       `name:"ZoneName"`
	ZoneIds              []string       `name:"ZoneId"`
	Filters              []filterParams `name:"Filter"`
	AllAvailabilityZones bool
	dryRunParams
}

type describeRouteTablesParams struct {
	RouteTableIds []string `name:"RouteTableId"`
	listParams
}

type stateResult struct{ State string }

type vpcResult struct {
	VpcId                       string
	State                       string
	CidrBlock                   string
	CidrBlockAssociationSet     []blockResult
	Ipv6CidrBlockAssociationSet []ipv6BlockResult
	DhcpOptionsId               string
	InstanceTenancy             string
	IsDefault                   bool
	OwnerId                     string
	TagSet                      []ec2TagResult
}

type ipv6BlockResult struct {
	Ipv6CidrBlock      string
	Ipv6CidrBlockState stateResult
}

func ipv6BlockResults(blocks ...netip.Prefix) []ipv6BlockResult {
	results := []ipv6BlockResult{}
	for _, b := range blocks {
		if b.IsValid() {
			results = append(results, ipv6BlockResult{b.String(), stateResult{"associated"}})
		}
	}
	return results
}

type blockResult struct {
	CidrBlock      string
	CidrBlockState stateResult
}

var vpcListing = listing[*vpc]{
	kind: vpcKind,
	id:   func(v *vpc) string { return v.id },
	tags: func(v *vpc) tagList { return v.tags },
	filters: map[string]func(*vpc) []string{
		"vpc-id": one(func(v *vpc) string { return v.id }),
		"cidr":   one(func(v *vpc) string { return v.cidrs[0].String() }),
		"cidr-block-association.cidr-block": func(v *vpc) []string {
			var blocks []string
			for _, c := range v.cidrs {
				blocks = append(blocks, c.String())
			}
			return blocks
		},
		"is-default": one(func(*vpc) string { return "false" }),
		"state":      one(func(*vpc) string { return "available" }),
	},
}

func (s *Sim) describeVpcsLocked(p *describeVpcsParams) (any, error) {
	shown, next, err := vpcListing.list(sorted(s.vpcs), p.VpcIds, p.listParams)
	if err != nil {
		return nil, err
	}
	results := make([]vpcResult, 0, len(shown))
	for _, v := range shown {
		result := vpcResult{
			VpcId: v.id, State: "available", CidrBlock: v.cidrs[0].String(), DhcpOptionsId: "default",
			InstanceTenancy: "default", OwnerId: s.opts.AccountID, TagSet: v.tags.ec2Results(),
			Ipv6CidrBlockAssociationSet: ipv6BlockResults(v.v6...),
		}
		for _, c := range v.cidrs {
			result.CidrBlockAssociationSet = append(result.CidrBlockAssociationSet, blockResult{c.String(), stateResult{"associated"}})
		}
		results = append(results, result)
	}
	return struct {
		VpcSet    []vpcResult
		NextToken string
	}{results, next}, nil
}

type subnetResult struct {
	SubnetId                    string
	SubnetArn                   string
	VpcId                       string
	State                       string
	CidrBlock                   string
	AvailabilityZone            string
	AvailabilityZoneId          string
	AvailableIpAddressCount     int
	Ipv6CidrBlockAssociationSet []ipv6BlockResult
	DefaultForAz                bool
	MapPublicIpOnLaunch         bool
	OwnerId                     string
	TagSet                      []ec2TagResult
}

var subnetListing = listing[*subnet]{
	kind: subnetKind,
	id:   func(sub *subnet) string { return sub.id },
	tags: func(sub *subnet) tagList { return sub.tags },
	filters: map[string]func(*subnet) []string{
		"availability-zone":    one(func(sub *subnet) string { return sub.zone }),
		"availabilityZone":     one(func(sub *subnet) string { return sub.zone }),
		"availability-zone-id": one(func(sub *subnet) string { return sub.zoneID }),
		"cidr-block":           one(func(sub *subnet) string { return sub.cidr.String() }),
		"state":                one(func(*subnet) string { return "available" }),
		"subnet-id":            one(func(sub *subnet) string { return sub.id }),
		"vpc-id":               one(func(sub *subnet) string { return sub.vpc.id }),
	},
}

func (s *Sim) describeSubnetsLocked(p *describeSubnetsParams) (any, error) {
	shown, next, err := subnetListing.list(sorted(s.subnets), p.SubnetIds, p.listParams)
	if err != nil {
		return nil, err
	}
	results := make([]subnetResult, 0, len(shown))
	for _, sub := range shown {
		results = append(results, subnetResult{
			SubnetId: sub.id, SubnetArn: s.ec2ARN("subnet/" + sub.id), VpcId: sub.vpc.id, State: "available",
			CidrBlock: sub.cidr.String(), AvailabilityZone: sub.zone, AvailabilityZoneId: sub.zoneID,
			AvailableIpAddressCount: s.availableLocked(sub), MapPublicIpOnLaunch: sub.public,
			OwnerId: s.opts.AccountID, TagSet: sub.tags.ec2Results(), Ipv6CidrBlockAssociationSet: ipv6BlockResults(sub.v6),
		})
	}
	return struct {
		SubnetSet []subnetResult
		NextToken string
	}{results, next}, nil
}

type zoneInfo struct {
	ZoneName           string
	ZoneId             string
	ZoneState          string
	ZoneType           string
	RegionName         string
	GroupName          string
	NetworkBorderGroup string
	OptInStatus        string
}

var zoneListing = listing[zoneInfo]{
	id: func(z zoneInfo) string { return z.ZoneName },
	filters: map[string]func(zoneInfo) []string{
		"region-name": one(func(z zoneInfo) string { return z.RegionName }),
		"state":       one(func(z zoneInfo) string { return z.ZoneState }),
		"zone-id":     one(func(z zoneInfo) string { return z.ZoneId }),
		"zone-name":   one(func(z zoneInfo) string { return z.ZoneName }),
		"zone-type":   one(func(z zoneInfo) string { return z.ZoneType }),
	},
}

// describeZonesLocked lists the zones a, b and c, and those that have a subnet.
func (s *Sim) describeZonesLocked(p *describeZonesParams) (any, error) {
	names := map[string]bool{}
	for _, letter := range "abc" {
		names[s.opts.Region+string(letter)] = true
	}
	for _, sub := range s.subnets {
		names[sub.zone] = true
	}
	var zones []zoneInfo
	for _, name := range sortedKeys(names) {
		wanted := len(p.ZoneNames)+len(p.ZoneIds) == 0
		if wanted || slices.Contains(p.ZoneNames, name) || slices.Contains(p.ZoneIds, zoneID(name)) {
			zones = append(zones, zoneInfo{
				name, zoneID(name), "available", "availability-zone", s.opts.Region, s.opts.Region + "-zg-1", s.opts.Region, "opt-in-not-required",
			})
		}
	}
	if len(zones) < max(distinct(p.ZoneNames), distinct(p.ZoneIds)) {
		return nil, errInvalidValue("Invalid availability zone: %s", quoted(append(p.ZoneNames, p.ZoneIds...)))
	}
	shown, _, err := zoneListing.list(zones, nil, listParams{Filters: p.Filters})
	if err != nil {
		return nil, err
	}
	return struct{ AvailabilityZoneInfo []zoneInfo }{shown}, nil
}

type routeTableResult struct {
	RouteTableId   string
	VpcId          string
	OwnerId        string
	RouteSet       []routeResult
	AssociationSet []associationResult
	TagSet         []ec2TagResult
}

type routeResult struct {
	DestinationCidrBlock string
	GatewayId            string
	State                string
	Origin               string
}

type associationResult struct {
	RouteTableAssociationId string
	RouteTableId            string
	SubnetId                string
	Main                    bool
	AssociationState        stateResult
}

var tableListing = listing[routeTableResult]{
	kind: tableKind,
	id:   func(t routeTableResult) string { return t.RouteTableId },
	filters: map[string]func(routeTableResult) []string{
		"vpc-id":           one(func(t routeTableResult) string { return t.VpcId }),
		"route-table-id":   one(func(t routeTableResult) string { return t.RouteTableId }),
		"association.main": one(func(t routeTableResult) string { return strconv.FormatBool(t.AssociationSet[0].Main) }),
		"route.gateway-id": func(t routeTableResult) []string {
			var ids []string
			for _, r := range t.RouteSet {
				ids = append(ids, r.GatewayId)
			}
			return ids
		},
		"association.subnet-id": func(t routeTableResult) []string {
			var ids []string
			for _, a := range t.AssociationSet {
				ids = append(ids, a.SubnetId)
			}
			return ids
		},
	},
}

// tableLocked is a route table of a VPC: the main one, which has the local routes
// alone, or the one of its public subnets.
func (s *Sim) tableLocked(v *vpc, public bool) routeTableResult {
	t := routeTableResult{RouteTableId: "rtb-" + v.id[len("vpc-"):], VpcId: v.id, OwnerId: s.opts.AccountID}
	for _, c := range v.cidrs {
		t.RouteSet = append(t.RouteSet, routeResult{c.String(), "local", "active", "CreateRouteTable"})
	}
	if !public {
		t.AssociationSet = []associationResult{{"rtbassoc-" + v.id, t.RouteTableId, "", true, stateResult{"associated"}}}
		return t
	}
	t.RouteTableId += "-public"
	anywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0).String()
	t.RouteSet = append(t.RouteSet, routeResult{anywhere, v.gatewayID(), "active", "CreateRoute"})
	for _, sub := range sorted(s.subnets) {
		if sub.vpc == v && sub.public {
			t.AssociationSet = append(t.AssociationSet,
				associationResult{"rtbassoc-" + sub.id, t.RouteTableId, sub.id, false, stateResult{"associated"}})
		}
	}
	return t
}

func (s *Sim) describeRouteTablesLocked(p *describeRouteTablesParams) (any, error) {
	var tables []routeTableResult
	for _, v := range sorted(s.vpcs) {
		tables = append(tables, s.tableLocked(v, false))
		if public := s.tableLocked(v, true); len(public.AssociationSet) > 0 && v.gateway {
			tables = append(tables, public)
		}
	}
	shown, next, err := tableListing.list(tables, p.RouteTableIds, p.listParams)
	if err != nil {
		return nil, err
	}
	return struct {
		RouteTableSet []routeTableResult
		NextToken     string
	}{shown, next}, nil
}
