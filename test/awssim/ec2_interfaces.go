package awssim

import "net/netip"

type describeInterfacesParams struct {
	NetworkInterfaceIds     []string `name:"NetworkInterfaceId"`
	IncludeManagedResources bool
	listParams
}

func (p *describeInterfacesParams) scans() bool { return p.unlimited() }

type interfaceResult struct {
	NetworkInterfaceId    string
	SubnetId              string
	VpcId                 string
	AvailabilityZone      string
	Description           string
	OwnerId               string
	RequesterId           string
	RequesterManaged      bool
	Status                string
	PrivateIpAddress      string
	PrivateIpAddressesSet []privateAddressResult
	Ipv4PrefixSet         []prefixResult
	Ipv6AddressesSet      []ipv6AddressResult
	Ipv6PrefixSet         []ipv6PrefixResult
	SourceDestCheck       bool
	InterfaceType         string
	Attachment            attachmentResult
	GroupSet              []groupNameResult
	TagSet                []ec2TagResult
}

type privateAddressResult struct {
	PrivateIpAddress string
	Primary          bool
}

type prefixResult struct{ Ipv4Prefix string }

type ipv6AddressResult struct{ Ipv6Address string }

type ipv6PrefixResult struct{ Ipv6Prefix string }

type attachmentResult struct {
	AttachmentId    string
	InstanceId      string
	InstanceOwnerId string
	Status          string
}

type groupNameResult struct{ GroupId, GroupName string }

var interfaceListing = listing[*networkInterface]{
	kind: interfaceKind,
	id:   func(n *networkInterface) string { return n.id },
	filters: map[string]func(*networkInterface) []string{
		"addresses.private-ip-address": (*networkInterface).ipv4,
		"attachment.instance-id":       one(func(n *networkInterface) string { return n.instance }),
		"attachment.status":            one(func(*networkInterface) string { return "attached" }),
		"availability-zone":            one(func(n *networkInterface) string { return n.subnet.zone }),
		"description":                  one(func(n *networkInterface) string { return n.description }),
		"group-id":                     (*networkInterface).groups,
		"interface-type":               one(func(*networkInterface) string { return "interface" }),
		"ipv6-addresses.ipv6-address":  (*networkInterface).ipv6,
		"network-interface-id":         one(func(n *networkInterface) string { return n.id }),
		"private-ip-address":           func(n *networkInterface) []string { return n.ipv4()[:min(1, len(n.ipv4()))] },
		"requester-id":                 one((*networkInterface).requester),
		"status":                       one(func(*networkInterface) string { return "in-use" }),
		"subnet-id":                    one(func(n *networkInterface) string { return n.subnet.id }),
		"vpc-id":                       one(func(n *networkInterface) string { return n.subnet.vpc.id }),
	},
	tags: func(n *networkInterface) tagList { return n.tags },
}

// interfaceRequester is who makes the interfaces of load balancers.
const interfaceRequester = "amazon-elb"

func (n *networkInterface) requester() string {
	if n.lb == nil {
		return ""
	}
	return interfaceRequester
}

func (n *networkInterface) ipv4() []string { return n.texts(netip.Addr.Is4) }
func (n *networkInterface) ipv6() []string { return n.texts(netip.Addr.Is6) }

func (n *networkInterface) texts(family func(netip.Addr) bool) []string {
	var list []string
	for _, a := range n.addresses {
		if family(a) {
			list = append(list, a.String())
		}
	}
	return list
}

func (s *Sim) describeInterfacesLocked(p *describeInterfacesParams) (any, error) {
	shown, next, err := interfaceListing.list(s.interfacesLocked(), p.NetworkInterfaceIds, p.listParams)
	if err != nil {
		return nil, err
	}
	results := make([]interfaceResult, 0, len(shown))
	for _, n := range shown {
		results = append(results, s.interfaceResultLocked(n))
	}
	return struct {
		NetworkInterfaceSet []interfaceResult
		NextToken           string
	}{results, next}, nil
}

func (s *Sim) interfaceResultLocked(n *networkInterface) interfaceResult {
	result := interfaceResult{
		NetworkInterfaceId: n.id, SubnetId: n.subnet.id, VpcId: n.subnet.vpc.id, AvailabilityZone: n.subnet.zone,
		Description: n.description, OwnerId: s.opts.AccountID, RequesterId: n.requester(), RequesterManaged: n.lb != nil,
		Status: "in-use", SourceDestCheck: true, InterfaceType: "interface",
		Attachment: attachmentResult{"eni-attach-" + n.id[len(interfaceKind.prefix):], n.instance, orElse(n.requester(), s.opts.AccountID), "attached"},
		GroupSet:   s.groupNamesLocked(n.groups()), TagSet: n.tags.ec2Results(),
		PrivateIpAddressesSet: []privateAddressResult{}, Ipv4PrefixSet: []prefixResult{},
		Ipv6AddressesSet: []ipv6AddressResult{}, Ipv6PrefixSet: []ipv6PrefixResult{},
	}
	for i, text := range n.ipv4() {
		result.PrivateIpAddress = orElse(result.PrivateIpAddress, text)
		result.PrivateIpAddressesSet = append(result.PrivateIpAddressesSet, privateAddressResult{text, i == 0})
	}
	for _, text := range n.ipv6() {
		result.Ipv6AddressesSet = append(result.Ipv6AddressesSet, ipv6AddressResult{text})
	}
	for _, prefix := range n.prefixes {
		if prefix.Addr().Is4() {
			result.Ipv4PrefixSet = append(result.Ipv4PrefixSet, prefixResult{prefix.String()})
		} else {
			result.Ipv6PrefixSet = append(result.Ipv6PrefixSet, ipv6PrefixResult{prefix.String()})
		}
	}
	return result
}

func (s *Sim) groupNamesLocked(ids []string) []groupNameResult {
	names := make([]groupNameResult, 0, len(ids))
	for _, id := range ids {
		names = append(names, groupNameResult{id, s.securityGroups[id].name})
	}
	return names
}
