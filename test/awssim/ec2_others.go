package awssim

import (
	"slices"
	"strings"
)

type describeGatewaysParams struct {
	InternetGatewayIds []string `name:"InternetGatewayId"`
	listParams
}

type gatewayResult struct {
	InternetGatewayId string
	OwnerId           string
	AttachmentSet     []gatewayAttachment
	TagSet            []ec2TagResult
}

type gatewayAttachment struct{ VpcId, State string }

var gatewayKind = ec2Kind{"igw-", "internetGateway ID", "InvalidInternetGatewayID.NotFound", "InvalidInternetGatewayId.Malformed"}

var gatewayListing = listing[gatewayResult]{
	kind: gatewayKind,
	id:   func(g gatewayResult) string { return g.InternetGatewayId },
	filters: map[string]func(gatewayResult) []string{
		"attachment.state":    one(func(g gatewayResult) string { return g.AttachmentSet[0].State }),
		"attachment.vpc-id":   one(func(g gatewayResult) string { return g.AttachmentSet[0].VpcId }),
		"internet-gateway-id": one(func(g gatewayResult) string { return g.InternetGatewayId }),
		"owner-id":            one(func(g gatewayResult) string { return g.OwnerId }),
	},
	tags: func(gatewayResult) tagList { return nil },
}

// gatewayID is the internet gateway of a VPC that has one.
func (v *vpc) gatewayID() string { return gatewayKind.prefix + v.id[len(vpcKind.prefix):] }

func (s *Sim) describeGatewaysLocked(p *describeGatewaysParams) (any, error) {
	var all []gatewayResult
	for _, v := range sorted(s.vpcs) {
		if v.gateway {
			all = append(all, gatewayResult{v.gatewayID(), s.opts.AccountID, []gatewayAttachment{{v.id, "available"}}, []ec2TagResult{}})
		}
	}
	shown, next, err := gatewayListing.list(all, p.InternetGatewayIds, p.listParams)
	if err != nil {
		return nil, err
	}
	return struct {
		InternetGatewaySet []gatewayResult
		NextToken          string
	}{shown, next}, nil
}

type accountAttributesParams struct {
	AttributeNames []string `name:"AttributeName"`
	dryRunParams
}

type accountAttribute struct {
	AttributeName     string
	AttributeValueSet []attributeValue
}

type attributeValue struct{ AttributeValue string }

// accountAttributes are those of an account without a default VPC.
var accountAttributes = []accountAttribute{
	{"default-vpc", []attributeValue{{"none"}}},
	{"max-elastic-ips", []attributeValue{{"5"}}},
	{"max-instances", []attributeValue{{"20"}}},
	{"supported-platforms", []attributeValue{{"VPC"}}},
	{"vpc-max-elastic-ips", []attributeValue{{"5"}}},
	{"vpc-max-security-groups-per-interface", []attributeValue{{"5"}}},
}

func (s *Sim) describeAccountAttributesLocked(p *accountAttributesParams) (any, error) {
	shown := slices.DeleteFunc(slices.Clone(accountAttributes), func(a accountAttribute) bool {
		return len(p.AttributeNames) > 0 && !slices.Contains(p.AttributeNames, a.AttributeName)
	})
	if len(shown) < distinct(p.AttributeNames) {
		return nil, errInvalidValue("Value (%s) for parameter attributeName is invalid.", strings.Join(p.AttributeNames, ", "))
	}
	return struct{ AccountAttributeSet []accountAttribute }{shown}, nil
}

type groupsForVpcParams struct {
	VpcId string `check:"required"`
	listParams
}

type groupForVpcResult struct {
	GroupId      string
	GroupName    string
	Description  string
	OwnerId      string
	PrimaryVpcId string
	TagSet       []ec2TagResult
}

// groupsForVpcLocked lists the groups that interfaces in a VPC can have.
func (s *Sim) groupsForVpcLocked(p *groupsForVpcParams) (any, error) {
	if _, ok := s.vpcs[p.VpcId]; !ok {
		return nil, vpcKind.missing(p.VpcId)
	}
	groups := slices.DeleteFunc(sorted(s.securityGroups), func(g *securityGroup) bool { return g.vpcID != p.VpcId || !s.visible(g.created) })
	shown, next, err := groupListing.list(groups, nil, p.listParams)
	if err != nil {
		return nil, err
	}
	results := make([]groupForVpcResult, 0, len(shown))
	for _, g := range shown {
		results = append(results, groupForVpcResult{g.id, g.name, g.description, s.opts.AccountID, g.vpcID, g.tags.ec2Results()})
	}
	return struct {
		SecurityGroupForVpcSet []groupForVpcResult
		NextToken              string
	}{results, next}, nil
}

type describePrefixListsParams struct {
	PrefixListIds []string `name:"PrefixListId"`
	listParams
}

type managedPrefixList struct {
	PrefixListId   string
	PrefixListName string
	PrefixListArn  string
	AddressFamily  string
	MaxEntries     int
	OwnerId        string
	State          string
	TagSet         []ec2TagResult
}

var prefixListKind = ec2Kind{"pl-", "prefixList ID", "InvalidPrefixListID.NotFound", "InvalidPrefixListId.Malformed"}

var prefixListListing = listing[managedPrefixList]{
	kind: prefixListKind,
	id:   func(l managedPrefixList) string { return l.PrefixListId },
	filters: map[string]func(managedPrefixList) []string{
		"owner-id":         one(func(l managedPrefixList) string { return l.OwnerId }),
		"prefix-list-id":   one(func(l managedPrefixList) string { return l.PrefixListId }),
		"prefix-list-name": one(func(l managedPrefixList) string { return l.PrefixListName }),
	},
	tags: func(managedPrefixList) tagList { return nil },
}

// describePrefixListsLocked lists Options.PrefixLists.
func (s *Sim) describePrefixListsLocked(p *describePrefixListsParams) (any, error) {
	var all []managedPrefixList
	for _, id := range sortedKeys(s.opts.PrefixLists) {
		family := "IPv4"
		if slices.ContainsFunc(s.opts.PrefixLists[id], func(block string) bool { return strings.Contains(block, ":") }) {
			family = "IPv6"
		}
		all = append(all, managedPrefixList{
			PrefixListId: id, PrefixListName: id, PrefixListArn: s.ec2ARN("prefix-list/" + id), AddressFamily: family,
			MaxEntries: len(s.opts.PrefixLists[id]), OwnerId: s.opts.AccountID, State: "create-complete", TagSet: []ec2TagResult{},
		})
	}
	shown, next, err := prefixListListing.list(all, p.PrefixListIds, p.listParams)
	if err != nil {
		return nil, err
	}
	return struct {
		PrefixListSet []managedPrefixList
		NextToken     string
	}{shown, next}, nil
}
