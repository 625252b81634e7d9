package awssim

import (
	"cmp"
	"slices"
)

type describeInstancesParams struct {
	InstanceIds             []string `name:"InstanceId"`
	IncludeManagedResources bool
	listParams
}

func (p *describeInstancesParams) scans() bool { return p.unlimited() }

type reservationResult struct {
	ReservationId string
	OwnerId       string
	GroupSet      []groupNameResult
	InstancesSet  []instanceResult
}

type instanceResult struct {
	InstanceId          string
	InstanceState       instanceState
	VpcId               string
	SubnetId            string
	PrivateIpAddress    string
	Placement           placementResult
	GroupSet            []groupNameResult
	NetworkInterfaceSet []interfaceOfInstance
	TagSet              []ec2TagResult
}

type instanceState struct {
	Code int
	Name string
}

type placementResult struct{ AvailabilityZone string }

type interfaceOfInstance struct {
	NetworkInterfaceId    string
	SubnetId              string
	VpcId                 string
	Status                string
	PrivateIpAddress      string
	PrivateIpAddressesSet []privateAddressResult
	Ipv4PrefixSet         []prefixResult
	GroupSet              []groupNameResult
}

// running is the state of every instance.
var running = instanceState{16, "running"}

var instanceKind = ec2Kind{"i-", "instance ID", "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"}

var instanceListing = listing[instanceResult]{
	kind: instanceKind,
	id:   func(i instanceResult) string { return i.InstanceId },
	filters: map[string]func(instanceResult) []string{
		"availability-zone":   one(func(i instanceResult) string { return i.Placement.AvailabilityZone }),
		"instance-id":         one(func(i instanceResult) string { return i.InstanceId }),
		"instance-state-name": one(func(i instanceResult) string { return i.InstanceState.Name }),
		"private-ip-address":  one(func(i instanceResult) string { return i.PrivateIpAddress }),
		"subnet-id":           one(func(i instanceResult) string { return i.SubnetId }),
		"vpc-id":              one(func(i instanceResult) string { return i.VpcId }),
	},
	tags: func(i instanceResult) tagList {
		var tags tagList
		for _, t := range i.TagSet {
			tags = append(tags, tag{*t.Key, *t.Value})
		}
		return tags
	},
}

// describeInstancesLocked lists the nodes that interfaces are attached to. The first
// interface, by ID, is an instance's own, and gives it its tags.
func (s *Sim) describeInstancesLocked(p *describeInstancesParams) (any, error) {
	var all []instanceResult
	for _, n := range s.interfacesLocked() {
		if n.instance == "" {
			continue
		}
		i := slices.IndexFunc(all, func(known instanceResult) bool { return known.InstanceId == n.instance })
		if i < 0 {
			i = len(all)
			all = append(all, s.instanceLocked(n))
		}
		r := s.interfaceResultLocked(n)
		all[i].NetworkInterfaceSet = append(all[i].NetworkInterfaceSet, interfaceOfInstance{
			r.NetworkInterfaceId, r.SubnetId, r.VpcId, r.Status, r.PrivateIpAddress, r.PrivateIpAddressesSet, r.Ipv4PrefixSet, r.GroupSet,
		})
	}
	slices.SortFunc(all, func(a, b instanceResult) int { return cmp.Compare(a.InstanceId, b.InstanceId) })
	shown, next, err := instanceListing.list(all, p.InstanceIds, p.listParams)
	if err != nil {
		return nil, err
	}
	reservations := make([]reservationResult, 0, len(shown))
	for _, i := range shown {
		reservations = append(reservations, reservationResult{
			"r-" + i.InstanceId[len(instanceKind.prefix):], s.opts.AccountID, []groupNameResult{}, []instanceResult{i},
		})
	}
	return struct {
		ReservationSet []reservationResult
		NextToken      string
	}{reservations, next}, nil
}

func (s *Sim) instanceLocked(n *networkInterface) instanceResult {
	r := s.interfaceResultLocked(n)
	return instanceResult{
		InstanceId: n.instance, InstanceState: running, VpcId: r.VpcId, SubnetId: r.SubnetId, PrivateIpAddress: r.PrivateIpAddress,
		Placement: placementResult{r.AvailabilityZone}, GroupSet: r.GroupSet, TagSet: r.TagSet,
	}
}
