package awssim

type describeInterfacesParams struct {
	NetworkInterfaceIds     []string `name:"NetworkInterfaceId"`
	IncludeManagedResources bool
	listParams
}

func (p *describeInterfacesParams) scans() bool { return p.unlimited() }

type interfaceResult struct {
	NetworkInterfaceId string
	SubnetId           string
	VpcId              string
	AvailabilityZone   string
	Description        string
	OwnerId            string
	RequesterId        string
	RequesterManaged   bool
	Status             string
	PrivateIpAddress   string
	SourceDestCheck    bool
	InterfaceType      string
	GroupSet           []groupNameResult
	TagSet             []ec2TagResult
}

type groupNameResult struct{ GroupId, GroupName string }

var interfaceListing = listing[*networkInterface]{
	kind: interfaceKind,
	id:   func(n *networkInterface) string { return n.id },
	filters: map[string]func(*networkInterface) []string{
		"availability-zone":    one(func(n *networkInterface) string { return n.subnet.zone }),
		"description":          one(func(n *networkInterface) string { return n.description }),
		"group-id":             (*networkInterface).groups,
		"network-interface-id": one(func(n *networkInterface) string { return n.id }),
		"private-ip-address":   one(func(n *networkInterface) string { return n.address.String() }),
		"requester-id":         one(func(*networkInterface) string { return interfaceRequester }),
		"status":               one(func(*networkInterface) string { return "in-use" }),
		"subnet-id":            one(func(n *networkInterface) string { return n.subnet.id }),
		"vpc-id":               one(func(n *networkInterface) string { return n.subnet.vpc.id }),
	},
	tags: func(*networkInterface) tagList { return nil },
}

// interfaceRequester is who makes the interfaces of load balancers.
const interfaceRequester = "amazon-elb"

func (s *Sim) describeInterfacesLocked(p *describeInterfacesParams) (any, error) {
	shown, next, err := interfaceListing.list(s.interfacesLocked(), p.NetworkInterfaceIds, p.listParams)
	if err != nil {
		return nil, err
	}
	results := make([]interfaceResult, 0, len(shown))
	for _, n := range shown {
		result := interfaceResult{
			NetworkInterfaceId: n.id, SubnetId: n.subnet.id, VpcId: n.subnet.vpc.id, AvailabilityZone: n.subnet.zone,
			Description: n.description, OwnerId: s.opts.AccountID, RequesterId: interfaceRequester, RequesterManaged: true,
			Status: "in-use", PrivateIpAddress: n.address.String(), SourceDestCheck: true, InterfaceType: "interface",
			GroupSet: []groupNameResult{}, TagSet: []ec2TagResult{},
		}
		for _, id := range n.groups() {
			result.GroupSet = append(result.GroupSet, groupNameResult{id, s.securityGroups[id].name})
		}
		results = append(results, result)
	}
	return struct {
		NetworkInterfaceSet []interfaceResult
		NextToken           string
	}{results, next}, nil
}
