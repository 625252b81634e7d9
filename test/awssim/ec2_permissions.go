package awssim

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

type permissionParams struct {
	IpProtocol    string `check:"required"`
	FromPort      *int
	ToPort        *int
	IpRanges      []cidrParams
	Ipv6Ranges    []cidrV6Params
	Groups        []groupParams
	PrefixListIds []prefixListParams
}

type cidrParams struct {
	CidrIp      string `check:"required"`
	Description string `check:"max=255"`
}

type cidrV6Params struct {
	CidrIpv6    string `check:"required"`
	Description string `check:"max=255"`
}

type prefixListParams struct {
	PrefixListId string `check:"required"`
	Description  string `check:"max=255"`
}

type groupParams struct {
	GroupId                string `check:"required"`
	UserId                 string
	Description            string `check:"max=255"`
	GroupName              unsupported
	PeeringStatus          unsupported
	VpcId                  unsupported
	VpcPeeringConnectionId unsupported
}

// shorthandParams are an older way to write one permission.
type shorthandParams struct {
	CidrIp                     unsupported
	FromPort                   unsupported
	ToPort                     unsupported
	IpProtocol                 unsupported
	GroupName                  unsupported
	SourceSecurityGroupName    unsupported
	SourceSecurityGroupOwnerId unsupported
}

type authorizeParams struct {
	GroupId           string             `check:"required"`
	IpPermissions     []permissionParams `check:"required"`
	TagSpecifications unsupported        `name:"TagSpecification"`
	shorthandParams
	dryRunParams
}

type revokeParams struct {
	GroupId              string `check:"required"`
	IpPermissions        []permissionParams
	SecurityGroupRuleIds []string `name:"SecurityGroupRuleId"`
	shorthandParams
	dryRunParams
}

// anyProtocol is all traffic. It has no ports.
const anyProtocol = "-1"

// protocolNames are the names that AWS gives to protocol numbers.
var protocolNames = map[string]string{"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": anyProtocol}

// expand is a permission as rules with one source each, in AWS's form.
func (p permissionParams) expand() ([]ipPermission, error) {
	base := ipPermission{protocol: strings.ToLower(p.IpProtocol)}
	base.protocol = orElse(protocolNames[base.protocol], base.protocol)
	if err := p.setPorts(&base); err != nil {
		return nil, err
	}
	var rules []ipPermission
	add := func(description string, source func(*ipPermission)) {
		r := base
		r.description = description
		source(&r)
		rules = append(rules, r)
	}
	for _, c := range p.IpRanges {
		cidr, err := canonical(c.CidrIp, netip.Addr.Is4)
		if err != nil {
			return nil, err
		}
		add(c.Description, func(r *ipPermission) { r.cidr = cidr })
	}
	for _, c := range p.Ipv6Ranges {
		cidr, err := canonical(c.CidrIpv6, netip.Addr.Is6)
		if err != nil {
			return nil, err
		}
		add(c.Description, func(r *ipPermission) { r.cidrV6 = cidr })
	}
	for _, g := range p.Groups {
		add(g.Description, func(r *ipPermission) { r.groupID = g.GroupId })
	}
	for _, l := range p.PrefixListIds {
		add(l.Description, func(r *ipPermission) { r.prefixListID = l.PrefixListId })
	}
	if len(rules) == 0 {
		return nil, errAPI("MissingParameter", "Source group or CIDR range missing")
	}
	return rules, nil
}

// setPorts takes the ports over for the protocols that have some.
func (p permissionParams) setPorts(rule *ipPermission) error {
	switch rule.protocol {
	case anyProtocol:
		return nil
	case "icmp", "icmpv6":
		rule.fromPort, rule.toPort = -1, -1
		set(&rule.fromPort, p.FromPort)
		set(&rule.toPort, p.ToPort)
		return nil
	case "tcp", "udp":
	default:
		return errInvalidValue("Invalid value '%s' for IP protocol. Unknown protocol.", rule.protocol)
	}
	if p.FromPort == nil || p.ToPort == nil {
		return errInvalidValue("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
	}
	rule.fromPort, rule.toPort = *p.FromPort, *p.ToPort
	if rule.fromPort < 0 || rule.toPort > 65535 || rule.fromPort > rule.toPort {
		return errInvalidValue("Invalid TCP/UDP port range (%d:%d)", rule.fromPort, rule.toPort)
	}
	return nil
}

// canonical is a block without host bits, as AWS stores it.
func canonical(cidr string, family func(netip.Addr) bool) (string, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !family(p.Addr()) {
		return "", errInvalidValue("CIDR block %s is malformed", cidr)
	}
	return p.Masked().String(), nil
}

// expandAllLocked expands permissions and checks what they name. The same rule
// twice in a call is an error of its own.
func (s *Sim) expandAllLocked(params []permissionParams) ([]ipPermission, error) {
	var all []ipPermission
	for _, p := range params {
		rules, err := p.expand()
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			if slices.ContainsFunc(all, r.same) {
				return nil, errInvalidValue("The same permission must not appear multiple times")
			}
			if r.prefixListID != "" && !strings.HasPrefix(r.prefixListID, "pl-") {
				return nil, errNotFound("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", r.prefixListID)
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// same tells whether two rules allow the same: neither the description nor the
// identifier counts.
func (p ipPermission) same(other ipPermission) bool {
	p.description, p.ruleID = other.description, other.ruleID
	return p == other
}

// String is a rule as AWS names it in messages.
func (p ipPermission) String() string {
	peer := cmp.Or(p.cidr, p.cidrV6, p.groupID, p.prefixListID)
	if p.protocol == anyProtocol {
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	}
	return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", peer, strings.ToUpper(p.protocol), p.fromPort, p.toPort)
}

func (s *Sim) authorizeLocked(p *authorizeParams) (any, error) {
	g, err := s.findGroupLocked(p.GroupId)
	if err != nil {
		return nil, err
	}
	added, err := s.expandAllLocked(p.IpPermissions)
	if err != nil {
		return nil, err
	}
	for _, r := range added {
		if slices.ContainsFunc(g.ingress, r.same) {
			return nil, errAPI("InvalidPermission.Duplicate", "the specified rule %q already exists", r)
		}
		if r.groupID == "" {
			continue
		}
		if source, err := s.findGroupLocked(r.groupID); err != nil || source.vpcID != g.vpcID {
			return nil, groupKind.missing(r.groupID)
		}
	}
	for i := range added {
		added[i].ruleID = s.newIDLocked(groupRuleKind.prefix, g.id)
	}
	all := slices.Concat(g.ingress, added)
	if exceeds(all, s.quotas.RulesPerSecurityGroup) {
		return nil, errAPI("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	g.ingress = all
	return struct {
		Return               bool
		SecurityGroupRuleSet []groupRuleResult
	}{true, s.groupRuleResults(g, added, false)}, nil
}

// exceeds counts IPv4 and IPv6 apart. A rule whose source is a group or a list
// counts for both.
func exceeds(rules []ipPermission, limit int) bool {
	var v4, v6 int
	for _, r := range rules {
		if r.cidrV6 == "" {
			v4++
		}
		if r.cidr == "" {
			v6++
		}
	}
	return max(v4, v6) > limit
}

// revokeLocked takes rules away, all or none.
func (s *Sim) revokeLocked(p *revokeParams) (any, error) {
	g, err := s.findGroupLocked(p.GroupId)
	if err != nil {
		return nil, err
	}
	doomed, err := s.expandAllLocked(p.IpPermissions)
	if err != nil {
		return nil, err
	}
	if len(p.IpPermissions)+len(p.SecurityGroupRuleIds) == 0 {
		return nil, errAPI("MissingParameter", "The request must contain the parameter ipPermissions or securityGroupRuleIds")
	}
	rest := g.ingress
	for _, d := range doomed {
		kept := slices.DeleteFunc(slices.Clone(rest), d.same)
		if len(kept) == len(rest) {
			return nil, errNotFound("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		rest = kept
	}
	for _, id := range p.SecurityGroupRuleIds {
		kept := slices.DeleteFunc(slices.Clone(rest), func(r ipPermission) bool { return r.ruleID == id })
		if len(kept) == len(rest) {
			return nil, groupRuleKind.missing(id)
		}
		rest = kept
	}
	g.ingress = rest
	return returnResult{true}, nil
}
