package awssim

import (
	"slices"
	"strings"
	"time"
)

type subnetMapping struct {
	SubnetId            string `check:"required"`
	AllocationId        unsupported
	IPv6Address         unsupported
	PrivateIPv4Address  unsupported
	SourceNatIpv6Prefix unsupported
}

type createLoadBalancerParams struct {
	Name                         string `check:"required"`
	Subnets                      []string
	SubnetMappings               []subnetMapping
	SecurityGroups               []string
	Scheme                       string `check:"enum=internet-facing|internal"`
	Type                         string `check:"enum=application|network|gateway"`
	IpAddressType                string `check:"enum=ipv4|dualstack|dualstack-without-public-ipv4"`
	Tags                         []tagParams
	CustomerOwnedIpv4Pool        unsupported
	EnablePrefixForIpv6SourceNat unsupported
	IpamPools                    unsupported
}

type describeLoadBalancersParams struct {
	LoadBalancerArns []string `check:"max=20"`
	Names            []string
	pageParams
}

type loadBalancerParams struct {
	LoadBalancerArn string `check:"required"`
}

type setSecurityGroupsParams struct {
	LoadBalancerArn string   `check:"required"`
	SecurityGroups  []string `check:"required"`

	EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic unsupported
}

type setSubnetsParams struct {
	LoadBalancerArn              string `check:"required"`
	Subnets                      []string
	SubnetMappings               []subnetMapping
	IpAddressType                string `check:"enum=ipv4|dualstack|dualstack-without-public-ipv4"`
	EnablePrefixForIpv6SourceNat unsupported
}

type setIPAddressTypeParams struct {
	LoadBalancerArn string `check:"required"`
	IpAddressType   string `check:"required,enum=ipv4|dualstack|dualstack-without-public-ipv4"`
}

// newLoadBalancerLocked is the load balancer that p asks for, checked, and not
// yet part of the account.
func (s *Sim) newLoadBalancerLocked(p *createLoadBalancerParams) (*loadBalancer, error) {
	if err := checkName("Load balancer", p.Name); err != nil {
		return nil, err
	}
	if strings.HasPrefix(p.Name, "internal-") {
		return nil, errValidation("Load balancer name '%s' cannot begin with 'internal-'", p.Name)
	}
	if p.Type != "" && p.Type != "application" {
		return nil, errValidation("Load balancers of type '%s' are not supported by this simulator", p.Type)
	}
	lb := &loadBalancer{
		name:          p.Name,
		scheme:        orElse(p.Scheme, "internet-facing"),
		ipAddressType: orElse(p.IpAddressType, ipv4Type),
		attributes:    loadBalancerAttributes.defaults(),
	}
	var err error
	if lb.tags, err = s.newTagsLocked(nil, p.Tags); err != nil {
		return nil, err
	}
	if lb.subnets, err = s.chooseSubnetsLocked(p.Subnets, p.SubnetMappings); err != nil {
		return nil, err
	}
	if err := lb.checkFamily(lb.ipAddressType, lb.subnets); err != nil {
		return nil, err
	}
	v := lb.subnets[0].vpc
	lb.vpcID = v.id
	if lb.scheme == "internet-facing" && !v.gateway {
		return nil, errAPI("InvalidSubnet", "VPC %s has no internet gateway", v.id)
	}
	lb.securityGroups = p.SecurityGroups
	if len(p.SecurityGroups) == 0 {
		lb.securityGroups = []string{s.defaultGroupLocked(v.id).id}
	}
	return lb, s.checkSecurityGroupsLocked(v.id, lb.securityGroups)
}

// chooseSubnetsLocked finds the subnets of a load balancer: at least two, each in
// a zone of its own, all in one VPC.
func (s *Sim) chooseSubnetsLocked(ids []string, mappings []subnetMapping) ([]*subnet, error) {
	if len(ids) > 0 && len(mappings) > 0 {
		return nil, errValidation("You can specify either 'Subnets' or 'SubnetMappings', not both")
	}
	for _, m := range mappings {
		ids = append(ids, m.SubnetId)
	}
	zones := map[string]bool{}
	var subnets []*subnet
	for _, id := range ids {
		sub, ok := s.subnets[id]
		switch {
		case !ok:
			return nil, errAPI("SubnetNotFound", "The subnet ID '%s' does not exist", id)
		case sub.vpc != s.subnets[ids[0]].vpc:
			return nil, errAPI("InvalidConfigurationRequest", "All subnets must belong to the same VPC: '%s'", s.subnets[ids[0]].vpc.id)
		case zones[sub.zone]:
			return nil, errAPI("InvalidConfigurationRequest",
				"A load balancer cannot be attached to multiple subnets in the same Availability Zone")
		}
		zones[sub.zone] = true
		subnets = append(subnets, sub)
	}
	if len(subnets) == 0 || len(subnets) < 2 && !s.opts.Switches.SingleSubnet {
		return nil, errValidation("At least two subnets in two different Availability Zones must be specified")
	}
	return subnets, nil
}

// checkFamily checks that a load balancer may have an IP address type.
func (lb *loadBalancer) checkFamily(addressType string, subnets []*subnet) error {
	if addressType == ipv4Type {
		for g := range forwardedGroups(lb) {
			if g.ipAddressType == ipv6Type {
				return errAPI("InvalidConfigurationRequest", "Load balancer '%s' has a target group with IP address type ipv6: '%s'", lb.arn, g.arn)
			}
		}
		return nil
	}
	for _, sub := range subnets {
		if len(sub.vpc.v6) > 0 && !sub.v6.IsValid() {
			return errAPI("InvalidSubnet", "Subnet '%s' has no IPv6 CIDR block", sub.id)
		}
	}
	return nil
}

// minFreeAddresses is what a subnet needs for a load balancer.
const minFreeAddresses = 8

func (s *Sim) checkSpaceLocked(subnets []*subnet) error {
	for _, sub := range subnets {
		if s.availableLocked(sub) < minFreeAddresses {
			return errAPI("InvalidSubnet", "Not enough IP space available in %s. ELB requires at least %d free IP addresses in each subnet.",
				sub.id, minFreeAddresses)
		}
	}
	return nil
}

func (s *Sim) checkSecurityGroupsLocked(vpcID string, ids []string) error {
	if limit := s.quotas.SecurityGroupsPerBalancer; len(ids) > limit {
		return errAPI("InvalidConfigurationRequest", "You cannot associate more than %d security groups with a load balancer", limit)
	}
	for _, id := range ids {
		g, ok := s.securityGroups[id]
		if !ok || g.vpcID != vpcID || !s.visible(g.created) {
			return errAPI("InvalidSecurityGroup", "One or more security groups are invalid: '%s'", id)
		}
	}
	return nil
}

// sameSettings tells whether a second create would make the same load balancer.
func (lb *loadBalancer) sameSettings(other *loadBalancer) bool {
	return lb.scheme == other.scheme && lb.ipAddressType == other.ipAddressType &&
		sameSet(lb.subnets, other.subnets) && sameSet(lb.securityGroups, other.securityGroups) && lb.tags.equal(other.tags)
}

func sameSet[T comparable](a, b []T) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x T) bool { return !slices.Contains(b, x) })
}

func (s *Sim) createLoadBalancerLocked(p *createLoadBalancerParams) (any, error) {
	lb, err := s.newLoadBalancerLocked(p)
	if err != nil {
		return nil, err
	}
	for _, old := range s.loadBalancers {
		if old.name != lb.name {
			continue
		}
		if !old.sameSettings(lb) {
			return nil, errAPI("DuplicateLoadBalancerName",
				"A load balancer with the same name '%s' exists, but with different settings", lb.name)
		}
		return loadBalancersResult{LoadBalancers: []loadBalancerResult{old.result(s.now())}}, nil
	}
	if limit := s.quotas.LoadBalancers; len(s.loadBalancers) >= limit {
		return nil, errAPI("TooManyLoadBalancers", "The maximum number of load balancers, %d, has been reached", limit)
	}
	if err := s.checkSpaceLocked(lb.subnets); err != nil {
		return nil, err
	}
	s.addLoadBalancerLocked(lb)
	result := lb.result(s.now())
	result.State.Code = "provisioning" // However short it is, the create call shows it.
	return loadBalancersResult{LoadBalancers: []loadBalancerResult{result}}, nil
}

func (s *Sim) addLoadBalancerLocked(lb *loadBalancer) {
	path := "app/" + lb.name + "/" + s.newSuffixLocked("loadbalancer/"+lb.name)
	lb.arn = s.elbARN("loadbalancer/" + path)
	host := lb.name + "-" + s.newDigitsLocked("dns/"+lb.name)
	if lb.scheme == "internal" {
		host = "internal-" + host
	}
	lb.dnsName = host + "." + s.opts.Region + ".elb.amazonaws.com"
	lb.created = time.Now()
	lb.activeAt = lb.created.Add(s.opts.Switches.ProvisioningTime)
	s.loadBalancers[lb.arn] = lb
	for _, sub := range lb.subnets {
		s.attachInterfaceLocked(lb, sub)
	}
}

func (s *Sim) describeLoadBalancersLocked(p *describeLoadBalancersParams) (any, error) {
	found, err := s.selectLoadBalancersLocked(p)
	if err != nil {
		return nil, err
	}
	shown, next, err := paginate(found, func(lb *loadBalancer) string { return lb.arn }, p.pageParams)
	if err != nil {
		return nil, err
	}
	result := loadBalancersResult{LoadBalancers: make([]loadBalancerResult, 0, len(shown)), NextMarker: next}
	for _, lb := range shown {
		result.LoadBalancers = append(result.LoadBalancers, lb.result(s.now()))
	}
	return result, nil
}

func (s *Sim) selectLoadBalancersLocked(p *describeLoadBalancersParams) ([]*loadBalancer, error) {
	if len(p.LoadBalancerArns) > 0 && len(p.Names) > 0 {
		return nil, errValidation("Load balancer names and ARNs cannot be specified at the same time")
	}
	all := len(p.LoadBalancerArns)+len(p.Names) == 0
	var found []*loadBalancer
	for _, lb := range sorted(s.loadBalancers) {
		wanted := all || slices.Contains(p.LoadBalancerArns, lb.arn) || slices.Contains(p.Names, lb.name)
		if wanted && s.visible(lb.created) {
			found = append(found, lb)
		}
	}
	if len(found) < distinct(p.LoadBalancerArns) {
		return nil, errNotFound("LoadBalancerNotFound", "One or more load balancers not found")
	}
	if len(found) < distinct(p.Names) {
		return nil, errNotFound("LoadBalancerNotFound", "Load balancers %s not found", quoted(p.Names))
	}
	return found, nil
}

func (s *Sim) deleteLoadBalancerLocked(p *loadBalancerParams) (any, error) {
	if err := s.checkARN("loadbalancer", "load balancer", p.LoadBalancerArn); err != nil {
		return nil, err
	}
	lb, ok := s.loadBalancers[p.LoadBalancerArn]
	if !ok { // AWS takes this for a success.
		return struct{}{}, nil
	}
	if lb.attributes["deletion_protection.enabled"] == "true" {
		return nil, errAPI("OperationNotPermitted", "Load balancer '%s' cannot be deleted because deletion protection is enabled", lb.arn)
	}
	for _, l := range slices.Clone(lb.listeners) {
		s.removeListenerLocked(l)
	}
	s.releaseInterfacesLocked(lb, nil)
	delete(s.loadBalancers, lb.arn)
	return struct{}{}, nil
}

func (s *Sim) setSecurityGroupsLocked(p *setSecurityGroupsParams) (any, error) {
	lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	if len(p.SecurityGroups) == 0 {
		return nil, errAPI("InvalidConfigurationRequest", "At least one security group must be specified")
	}
	if err := s.checkSecurityGroupsLocked(lb.vpcID, p.SecurityGroups); err != nil {
		return nil, err
	}
	lb.securityGroups = p.SecurityGroups
	return struct{ SecurityGroupIds []string }{lb.securityGroups}, nil
}

func (s *Sim) setSubnetsLocked(p *setSubnetsParams) (any, error) {
	lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	subnets, err := s.chooseSubnetsLocked(p.Subnets, p.SubnetMappings)
	if err != nil {
		return nil, err
	}
	if subnets[0].vpc.id != lb.vpcID {
		return nil, errAPI("InvalidConfigurationRequest", "All subnets must belong to the same VPC: '%s'", lb.vpcID)
	}
	if err := lb.checkFamily(orElse(p.IpAddressType, lb.ipAddressType), subnets); err != nil {
		return nil, err
	}
	added := difference(subnets, lb.subnets)
	if err := s.checkSpaceLocked(added); err != nil {
		return nil, err
	}
	for _, sub := range difference(lb.subnets, subnets) {
		s.releaseInterfacesLocked(lb, sub)
	}
	for _, sub := range added {
		s.attachInterfaceLocked(lb, sub)
	}
	lb.subnets = subnets
	lb.ipAddressType = orElse(p.IpAddressType, lb.ipAddressType)
	return struct {
		AvailabilityZones []zoneResult
		IpAddressType     string
	}{lb.zones(), lb.ipAddressType}, nil
}

// difference is a without what is in b.
func difference[T comparable](a, b []T) []T {
	return slices.DeleteFunc(slices.Clone(a), func(x T) bool { return slices.Contains(b, x) })
}

func (s *Sim) setIPAddressTypeLocked(p *setIPAddressTypeParams) (any, error) {
	lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	if err := lb.checkFamily(p.IpAddressType, lb.subnets); err != nil {
		return nil, err
	}
	lb.ipAddressType = p.IpAddressType
	return struct{ IpAddressType string }{lb.ipAddressType}, nil
}
