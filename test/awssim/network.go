package awssim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// reservedAddresses are the addresses of a subnet that AWS keeps for itself: the
// first four and the last.
const reservedAddresses = 5

// addVPC builds what the options describe. Only New calls it.
func (s *Sim) addVPC(o VPC) error {
	if err := checkNew("vpc-", o.ID, s.vpcs); err != nil {
		return err
	}
	v := &vpc{id: o.ID, gateway: !o.NoInternetGateway, tags: tagsOf(o.Tags)}
	for _, text := range o.CIDRs {
		cidr, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("block: %w", err)
		}
		v.cidrs = append(v.cidrs, cidr.Masked())
	}
	for _, text := range o.IPv6CIDRs {
		cidr, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("IPv6 block: %w", err)
		}
		v.v6 = append(v.v6, cidr.Masked())
	}
	if len(v.cidrs) == 0 {
		return errors.New("has no block")
	}
	s.vpcs[v.id] = v
	for _, sub := range o.Subnets {
		if err := s.addSubnet(v, sub); err != nil {
			return fmt.Errorf("subnet %s: %w", sub.ID, err)
		}
	}
	g := s.newGroupLocked("default", "default VPC security group", v.id, nil)
	g.ingress = []ipPermission{{ruleID: s.newIDLocked("sgr-", g.id), protocol: anyProtocol, groupID: g.id}}
	return nil
}

func (s *Sim) addSubnet(v *vpc, o Subnet) error {
	if err := checkNew("subnet-", o.ID, s.subnets); err != nil {
		return err
	}
	cidr, err := s.subnetBlock(v, o.CIDR)
	if err != nil {
		return err
	}
	zone, ok := strings.CutPrefix(o.Zone, s.opts.Region)
	if !ok || len(zone) != 1 || zone[0] < 'a' || zone[0] > 'z' {
		return fmt.Errorf("zone %q is not in %s", o.Zone, s.opts.Region)
	}
	v6, err := subnetV6(v, o.IPv6CIDR)
	if err != nil {
		return err
	}
	s.subnets[o.ID] = &subnet{
		id: o.ID, vpc: v, zone: o.Zone, zoneID: zoneID(o.Zone), cidr: cidr, v6: v6, public: o.Public, tags: tagsOf(o.Tags),
	}
	return nil
}

// subnetV6 parses the IPv6 block of a new subnet, which is inside one of the VPC's.
func subnetV6(v *vpc, text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	cidr, err := netip.ParsePrefix(text)
	if err != nil {
		return cidr, fmt.Errorf("IPv6 block: %w", err)
	}
	if !slices.ContainsFunc(v.v6, func(c netip.Prefix) bool { return c.Contains(cidr.Addr()) && c.Bits() <= cidr.Bits() }) {
		return cidr, fmt.Errorf("IPv6 block %s is not in the VPC", cidr)
	}
	return cidr.Masked(), nil
}

// subnetBlock parses the block of a new subnet. It is inside one of the VPC's, and
// apart from those of the other subnets.
func (s *Sim) subnetBlock(v *vpc, text string) (netip.Prefix, error) {
	cidr, err := netip.ParsePrefix(text)
	if err != nil {
		return cidr, fmt.Errorf("block: %w", err)
	}
	cidr = cidr.Masked()
	if !cidr.Addr().Is4() {
		return cidr, fmt.Errorf("block %s is not IPv4", cidr)
	}
	if !slices.ContainsFunc(v.cidrs, func(c netip.Prefix) bool { return c.Contains(cidr.Addr()) && c.Bits() <= cidr.Bits() }) {
		return cidr, fmt.Errorf("block %s is not in the VPC", cidr)
	}
	for _, other := range s.subnets {
		if other.vpc == v && other.cidr.Overlaps(cidr) {
			return cidr, fmt.Errorf("block %s overlaps that of %s", cidr, other.id)
		}
	}
	return cidr, nil
}

func checkNew[T any](prefix, id string, existing map[string]T) error {
	if !strings.HasPrefix(id, prefix) {
		return fmt.Errorf("id does not begin with %s", prefix)
	}
	if _, ok := existing[id]; ok {
		return fmt.Errorf("%s is described twice", id)
	}
	return nil
}

// zoneID is a zone's name in every account: ap-northeast-3a is apne3-az1.
func zoneID(zone string) string {
	region, letter := zone[:len(zone)-1], zone[len(zone)-1]
	parts := strings.Split(region, "-")
	var id strings.Builder
	id.WriteString(parts[0])
	for _, part := range parts[1:] {
		for _, word := range []string{"north", "south", "east", "west", "central"} {
			if strings.Contains(part, word) {
				id.WriteByte(word[0])
			}
		}
	}
	return fmt.Sprintf("%s%s-az%d", id.String(), parts[len(parts)-1], letter-'a'+1)
}

// inSubnetLocked finds the subnet of a VPC that holds ip. An address that is only
// in the VPC's block, and in no subnet, counts as outside.
func (s *Sim) inSubnetLocked(vpcID string, ip netip.Addr) (*subnet, bool) {
	for _, sub := range s.subnets {
		if sub.vpc.id == vpcID && (sub.cidr.Contains(ip) || sub.v6.Contains(ip)) {
			return sub, true
		}
	}
	return nil, false
}

// interfacesLocked are the network interfaces that exist now, by ID.
func (s *Sim) interfacesLocked() []*networkInterface {
	now := s.now()
	return slices.DeleteFunc(sorted(s.interfaces), func(n *networkInterface) bool { return n.isGone(now) })
}

func (n *networkInterface) isGone(now time.Time) bool { return !n.gone.IsZero() && !now.Before(n.gone) }

// availableLocked counts the free addresses of a subnet, as far as the simulator
// hands them out or was told of them.
func (s *Sim) availableLocked(sub *subnet) int {
	bits := min(sub.cidr.Addr().BitLen()-sub.cidr.Bits(), 24)
	free := 1<<bits - reservedAddresses
	for _, n := range s.interfacesLocked() {
		if n.subnet == sub {
			free -= len(n.addresses)
		}
	}
	return free
}

// attachInterfaceLocked gives a load balancer an address in a subnet: the highest
// free one, since pods are numbered from below.
func (s *Sim) attachInterfaceLocked(lb *loadBalancer, sub *subnet) {
	id := s.newIDLocked("eni-", lb.arn+sub.id)
	s.interfaces[id] = &networkInterface{
		id:          id,
		subnet:      sub,
		addresses:   []netip.Addr{s.freeAddressLocked(sub)},
		lb:          lb,
		description: "ELB " + resourceOf(lb.arn),
	}
}

func (s *Sim) freeAddressLocked(sub *subnet) netip.Addr {
	taken := map[netip.Addr]bool{}
	for _, n := range s.interfacesLocked() {
		for _, a := range n.addresses {
			taken[a] = true
		}
	}
	address := lastAddress(sub.cidr).Prev()
	for taken[address] {
		address = address.Prev()
	}
	return address
}

// lastAddress is the broadcast address of an IPv4 block.
func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	hosts := uint32(1)<<(32-p.Bits()) - 1
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|hosts)
	return netip.AddrFrom4(b)
}

// releaseInterfacesLocked lets a load balancer's interface in sub go, and all of them if
// sub is nil. They linger as the switch says.
func (s *Sim) releaseInterfacesLocked(lb *loadBalancer, sub *subnet) {
	now := time.Now()
	maps.DeleteFunc(s.interfaces, func(_ string, n *networkInterface) bool { return n.isGone(now) })
	for _, n := range s.interfaces {
		if n.lb == lb && n.gone.IsZero() && (sub == nil || n.subnet == sub) {
			n.securityGroups = slices.Clone(lb.securityGroups)
			n.gone = now.Add(s.opts.Switches.InterfaceLinger)
		}
	}
}

// groups are the security groups of an interface. One of a load balancer has those of
// its load balancer while that lives, the last ones after.
func (n *networkInterface) groups() []string {
	if n.lb != nil && n.gone.IsZero() {
		return n.lb.securityGroups
	}
	return n.securityGroups
}
