package provision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tgsync/tgsync/awsapi"
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
)

// chooseSubnets returns a subnet for each availability zone, by zone: of those
// that are tagged for the role, that are not tagged for other clusters alone and
// that have room, one tagged for this cluster before others, then the lowest ID.
func chooseSubnets(subnets []awsapi.Subnet, scheme, cluster string) ([]string, error) {
	role := internalRole
	if scheme == "internet-facing" {
		role = publicRole
	}
	best := map[string]awsapi.Subnet{}
	var rejected []string
	for _, s := range subnets {
		if why := unfit(s, role, cluster); why != "" {
			rejected = append(rejected, s.ID+" "+why)
			continue
		}
		if have, ok := best[s.Zone]; !ok || compareSubnets(s, have, cluster) < 0 {
			best[s.Zone] = s
		}
	}
	chosen := make([]awsapi.Subnet, 0, len(best))
	for _, s := range best {
		chosen = append(chosen, s)
	}
	slices.SortFunc(chosen, func(a, b awsapi.Subnet) int { return cmp.Compare(a.Zone, b.Zone) })
	if len(chosen) < minZones {
		return nil, tooFewZones(chosen, rejected, role)
	}
	ids := make([]string, 0, len(chosen))
	for _, s := range chosen {
		ids = append(ids, s.ID)
	}
	return ids, nil
}

// unfit says why a load balancer cannot stand in a subnet, "" if it can.
func unfit(s awsapi.Subnet, role, cluster string) string {
	value, ok := s.Tags[role]
	switch {
	case !ok:
		return "has no such tag"
	case value != "" && value != "1":
		return fmt.Sprintf("has it with value %q", value)
	case !forCluster(s, cluster):
		return "is tagged for another cluster"
	case s.AvailableIPAddresses < minFreeAddresses:
		return fmt.Sprintf("has only %d free addresses", s.AvailableIPAddresses)
	}
	return ""
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

func compareSubnets(a, b awsapi.Subnet, cluster string) int {
	_, ours := a.Tags[clusterPrefix+cluster]
	_, theirs := b.Tags[clusterPrefix+cluster]
	if ours != theirs {
		if ours {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.ID, b.ID)
}

func tooFewZones(found []awsapi.Subnet, rejected []string, role string) error {
	usable := make([]string, 0, len(found))
	for _, s := range found {
		usable = append(usable, s.ID+" in "+s.Zone)
	}
	slices.Sort(rejected)
	return subnetsError{fmt.Sprintf(
		"looked for subnets with tag %s (value \"\" or \"1\") and %d free addresses in at least %d availability zones; usable: %s; not usable: %s",
		role, minFreeAddresses, minZones, listed(usable), listed(rejected))}
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
