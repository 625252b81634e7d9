package provision

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// What AWS asks of the subnets of an Application Load Balancer ("Subnets for your
// load balancer" in its user guide).
const (
	minZones         = 2
	minFreeAddresses = 8
)

// Tags of subnets.
const (
	publicRole    = "kubernetes.io/role/elb"
	internalRole  = "kubernetes.io/role/internal-elb"
	clusterPrefix = "kubernetes.io/cluster/"
	nameTag       = "Name"
)

// SubnetSettings say how subnets are found for a load balancer whose Ingresses name
// none.
type SubnetSettings struct {
	// ClusterTagCheck leaves out subnets that are tagged for other clusters alone.
	ClusterTagCheck bool
	// ByReachability takes, if no subnet is tagged for the role, those that the internet
	// can reach, or cannot.
	ByReachability bool
	// SingleSubnet lets a load balancer stand in one zone only. AWS has to allow that to
	// the account.
	SingleSubnet bool
}

// findSubnets returns the subnets of a load balancer. Those that it has already are
// preferred.
func (x *executor) findSubnets(ctx context.Context, want *ingress.LoadBalancer, current []string) ([]string, error) {
	all, err := x.ec2.DescribeSubnets(ctx, x.vpcID)
	if err != nil {
		return nil, err
	}
	search := subnetSearch{SubnetSettings: x.subnets, all: all, want: want, current: current, cluster: x.owned[ingress.TagCluster]}
	if search.needsRoutes() {
		routes, err := x.ec2.DescribeRouteTables(ctx, x.vpcID)
		if err != nil {
			return nil, err
		}
		search.public = routes.Public
	}
	found, err := search.choose()
	if err != nil {
		return nil, blameSubnets(want, err)
	}
	ids := make([]string, 0, len(found))
	for _, s := range found {
		ids = append(ids, s.ID)
	}
	return ids, nil
}

// subnetSearch looks for the subnets of one load balancer: those that are named; or
// those with the tags that are named; or those that are tagged for the role; or
// those that the internet reaches, or does not.
type subnetSearch struct {
	SubnetSettings
	all     []awsapi.Subnet // of the VPC
	want    *ingress.LoadBalancer
	current []string // where the load balancer stands
	cluster string
	public  func(subnetID string) bool // nil: not known
}

func (s *subnetSearch) role() string {
	if s.internetFacing() {
		return publicRole
	}
	return internalRole
}

func (s *subnetSearch) internetFacing() bool { return s.want.Scheme == "internet-facing" }

// needsRoutes reports whether nothing but reachability is left to tell.
func (s *subnetSearch) needsRoutes() bool {
	role := s.role()
	return s.ByReachability && len(s.want.Subnets.Named)+len(s.want.Subnets.Tags) == 0 &&
		!slices.ContainsFunc(s.all, func(n awsapi.Subnet) bool { return hasRole(n, role) })
}

// hasRole reports whether a subnet is tagged for a role.
func hasRole(n awsapi.Subnet, role string) bool {
	value, ok := n.Tags[role]
	return ok && (value == "" || value == "1")
}

// choose returns the subnets, by zone.
func (s *subnetSearch) choose() ([]awsapi.Subnet, error) {
	if len(s.want.Subnets.Named) > 0 {
		return s.named()
	}
	var fit []awsapi.Subnet
	var rejected []string
	for _, n := range s.all {
		if why := s.unfit(n); why != "" {
			rejected = append(rejected, n.ID+" "+why)
			continue
		}
		fit = append(fit, n)
	}
	// A load balancer does not stand in local zones and in the Region itself.
	mixed := slices.ContainsFunc(fit, inRegion)
	best := map[string]awsapi.Subnet{}
	for _, n := range fit {
		if mixed && !inRegion(n) {
			rejected = append(rejected, n.ID+" is in a local zone or an Outpost")
		} else if have, ok := best[n.Zone]; !ok || s.compare(n, have) < 0 {
			best[n.Zone] = n
		}
	}
	chosen := slices.SortedFunc(maps.Values(best), byZone)
	if len(chosen) < s.minZones(chosen) {
		return nil, s.tooFewZones(chosen, rejected)
	}
	return chosen, nil
}

func inRegion(n awsapi.Subnet) bool { return !n.LocalZone }

func byZone(a, b awsapi.Subnet) int { return cmp.Compare(a.Zone, b.Zone) }

// minZones is how many zones a load balancer needs. A local zone or an Outpost has
// no second one.
func (s *subnetSearch) minZones(chosen []awsapi.Subnet) int {
	if s.SingleSubnet || len(chosen) > 0 && !slices.ContainsFunc(chosen, inRegion) {
		return 1
	}
	return minZones
}

// named returns the subnets that were named, each by its ID or its tag Name.
func (s *subnetSearch) named() ([]awsapi.Subnet, error) {
	var found []awsapi.Subnet
	for _, name := range s.want.Subnets.Named {
		var matches []awsapi.Subnet
		for _, n := range s.all {
			if n.ID == name || n.Tags[nameTag] == name {
				matches = append(matches, n)
			}
		}
		switch len(matches) {
		case 0:
			return nil, subnetsError{fmt.Sprintf("looked for subnets %s by ID and by tag %s; there is no %q in the VPC",
				strings.Join(s.want.Subnets.Named, ", "), nameTag, name)}
		case 1:
			found = append(found, matches[0])
		default:
			return nil, subnetsError{fmt.Sprintf("subnet name %q is that of %s", name, listed(places(matches)))}
		}
	}
	slices.SortFunc(found, byZone)
	for i, n := range found[1:] {
		if n.Zone == found[i].Zone {
			return nil, subnetsError{fmt.Sprintf("subnets %s and %s are both in %s: a load balancer has one in each zone", found[i].ID, n.ID, n.Zone)}
		}
	}
	if least := s.minZones(found); len(found) < least {
		return nil, subnetsError{fmt.Sprintf("looked for subnets in at least %d availability zones; named: %s", least, listed(places(found)))}
	}
	return found, checkIPv6(found, s.want.IPAddressType)
}

// checkIPv6 refuses subnets that lack the addresses of a dual-stack load balancer.
func checkIPv6(subnets []awsapi.Subnet, addressType string) error {
	lacking := slices.DeleteFunc(slices.Clone(subnets), func(n awsapi.Subnet) bool { return n.CIDRv6 != "" })
	if len(lacking) == 0 || addressType == addressTypeIPv4 || addressType == "" {
		return nil
	}
	return subnetsError{fmt.Sprintf("address type %s needs subnets with IPv6 addresses; without: %s", addressType, listed(places(lacking)))}
}

// unfit says why a load balancer cannot stand in a subnet that nobody named, "" if it
// can.
func (s *subnetSearch) unfit(n awsapi.Subnet) string {
	if why := s.unasked(n); why != "" {
		return why
	}
	switch {
	case s.ClusterTagCheck && !forCluster(n, s.cluster):
		return "is tagged for another cluster"
	case n.AvailableIPAddresses < minFreeAddresses && !slices.Contains(s.current, n.ID):
		return fmt.Sprintf("has only %d free addresses", n.AvailableIPAddresses)
	case checkIPv6([]awsapi.Subnet{n}, s.want.IPAddressType) != nil:
		return "has no IPv6 addresses"
	}
	return ""
}

// unasked says why a subnet is not one of those that were asked for.
func (s *subnetSearch) unasked(n awsapi.Subnet) string {
	if selectors := s.want.Subnets.Tags; len(selectors) > 0 {
		for _, key := range slices.Sorted(maps.Keys(selectors)) {
			value, ok := n.Tags[key]
			if values := selectors[key]; !ok || len(values) > 0 && !slices.Contains(values, value) {
				return fmt.Sprintf("does not have tag %s with such a value", key)
			}
		}
		return ""
	}
	if s.public != nil {
		if s.public(n.ID) != s.internetFacing() {
			return "is not " + s.reach()
		}
		return ""
	}
	role := s.role()
	value, ok := n.Tags[role]
	switch {
	case !ok:
		return "has no such tag"
	case !hasRole(n, role):
		return fmt.Sprintf("has it with value %q", value)
	}
	return ""
}

// reach says what the routes of a subnet have to be like.
func (s *subnetSearch) reach() string {
	if s.internetFacing() {
		return "public (routed to an internet gateway)"
	}
	return "private (not routed to an internet gateway)"
}

// forCluster reports whether a subnet names this cluster in its tags, or none.
func forCluster(s awsapi.Subnet, cluster string) bool {
	if _, ours := s.Tags[clusterPrefix+cluster]; ours {
		return true
	}
	for key := range s.Tags {
		if strings.HasPrefix(key, clusterPrefix) {
			return false
		}
	}
	return true
}

// compare orders the subnets of a zone: where the load balancer stands, the cluster's
// own, the lowest ID.
func (s *subnetSearch) compare(a, b awsapi.Subnet) int {
	rank := func(n awsapi.Subnet) int {
		if slices.Contains(s.current, n.ID) {
			return 0
		}
		if _, ours := n.Tags[clusterPrefix+s.cluster]; ours {
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.ID, b.ID))
}

func (s *subnetSearch) tooFewZones(found []awsapi.Subnet, rejected []string) error {
	slices.Sort(rejected)
	return subnetsError{fmt.Sprintf(
		"looked for subnets %s and %d free addresses in at least %d availability zones; usable: %s; not usable: %s",
		s.wording(), minFreeAddresses, s.minZones(found), listed(places(found)), listed(rejected))}
}

// wording says what was looked for.
func (s *subnetSearch) wording() string {
	if selectors := s.want.Subnets.Tags; len(selectors) > 0 {
		var words []string
		for _, key := range slices.Sorted(maps.Keys(selectors)) {
			words = append(words, fmt.Sprintf("%s (any of %q)", key, selectors[key]))
		}
		return "with tags " + strings.Join(words, ", ")
	}
	if s.public != nil {
		return fmt.Sprintf("that are %s, since none has tag %s,", s.reach(), s.role())
	}
	return fmt.Sprintf("with tag %s (value %q or %q)", s.role(), "", "1")
}

func places(subnets []awsapi.Subnet) []string {
	out := make([]string, 0, len(subnets))
	for _, s := range subnets {
		out = append(out, s.ID+" in "+s.Zone)
	}
	return out
}

func listed(words []string) string {
	const most = 10
	switch n := len(words); {
	case n == 0:
		return "none"
	case n > most:
		return strings.Join(words[:most], ", ") + fmt.Sprintf(" and %d more", n-most)
	}
	return strings.Join(words, ", ")
}

// subnetsError says why no subnets could be chosen.
type subnetsError struct{ text string }

func (e subnetsError) Error() string { return e.text }
