package awssim

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// admitsClientLocked tells whether a security group of the load balancer lets a client
// in. Without Options.EnforceSecurityGroups everybody may come.
func (s *Sim) admitsClientLocked(lb *loadBalancer, port int, remote string) bool {
	if !s.opts.EnforceSecurityGroups {
		return true
	}
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	from := origin{addresses: clientAddresses(peer.Addr())}
	for _, a := range from.addresses {
		if n := s.interfaceOfLocked(lb.vpcID, a); n != nil {
			from.groups = append(from.groups, n.groups()...)
		}
	}
	return s.allowLocked(lb.securityGroups, port, from)
}

// admitsTargetLocked tells whether a load balancer reaches a target: whether a security
// group of the target's interface lets it in. A target of no interface is open.
func (s *Sim) admitsTargetLocked(lb *loadBalancer, target netip.AddrPort) bool {
	if !s.opts.EnforceSecurityGroups {
		return true
	}
	n := s.interfaceOfLocked(lb.vpcID, target.Addr())
	if n == nil {
		return true
	}
	from := origin{groups: lb.securityGroups}
	for _, own := range s.interfaces {
		if own.lb == lb && own.gone.IsZero() {
			from.addresses = append(from.addresses, own.addresses...)
		}
	}
	return s.allowLocked(n.groups(), int(target.Port()), from)
}

// dialTarget connects a load balancer (nil: one that is gone by now) to a target. What no security group lets through
// is lost: there is no answer.
func (s *Sim) dialTarget(ctx context.Context, lb *loadBalancer, address string) (net.Conn, error) {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial target: %w", err)
	}
	s.mu.Lock()
	admitted := lb == nil || s.admitsTargetLocked(lb, target)
	s.mu.Unlock()
	if !admitted {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.opts.Dial(ctx, "tcp", address)
}

// origin is where traffic comes from, as far as rules ask.
type origin struct {
	addresses []netip.Addr
	groups    []string
}

// allowLocked tells whether an inbound rule of one of the groups lets traffic to a TCP
// port in.
func (s *Sim) allowLocked(groups []string, port int, from origin) bool {
	for _, id := range groups {
		g := s.securityGroups[id]
		if g != nil && slices.ContainsFunc(g.ingress, func(p ipPermission) bool { return p.covers(port) && s.isFromLocked(p, from) }) {
			return true
		}
	}
	return false
}

func (p ipPermission) covers(port int) bool {
	return p.protocol == anyProtocol || p.protocol == "tcp" && p.fromPort <= port && port <= p.toPort
}

// isFromLocked tells whether a rule's source fits.
func (s *Sim) isFromLocked(p ipPermission, from origin) bool {
	blocks := slices.Concat([]string{p.cidr, p.cidrV6}, s.opts.PrefixLists[p.prefixListID])
	return slices.Contains(from.groups, p.groupID) ||
		slices.ContainsFunc(blocks, func(block string) bool { return inBlock(block, from.addresses) })
}

// interfaceOfLocked is the interface in a VPC that an address belongs to, nil if the
// account was told of none.
func (s *Sim) interfaceOfLocked(vpcID string, a netip.Addr) *networkInterface {
	for _, n := range s.interfaces {
		if n.subnet.vpc.id == vpcID && n.gone.IsZero() && n.has(a) {
			return n
		}
	}
	return nil
}

func (n *networkInterface) has(a netip.Addr) bool {
	return slices.Contains(n.addresses, a) || slices.ContainsFunc(n.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}
