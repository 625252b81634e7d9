package provision

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

func aSubnet(id, zone string, tags awsapi.Tags) awsapi.Subnet {
	return awsapi.Subnet{ID: id, Zone: zone, AvailableIPAddresses: 8, Tags: tags}
}

// inZone is a subnet with a name.
func inZone(id, zone string) awsapi.Subnet {
	return aSubnet(id, zone, awsapi.Tags{nameTag: "name-of-" + id})
}

// lookedFor is what an error says at first when the role counts.
func lookedFor(role string) string {
	return "load balancer lb: looked for subnets with tag " + role + ` (value "" or "1") and 8 free addresses in at least 2 availability zones; `
}

var (
	public   = awsapi.Tags{publicRole: "1"}
	internal = awsapi.Tags{internalRole: ""}
)

func routed(ids ...string) func(string) bool {
	return func(id string) bool { return slices.Contains(ids, id) }
}

// searches tell which subnets are found.
var searches = map[string]struct {
	subnets  []awsapi.Subnet
	scheme   string // internet-facing if empty
	settings SubnetSettings
	want     ingress.Subnets
	address  string
	current  []string
	public   func(string) bool
	found    []string
	err      string
}{
	"by role, one in each zone, the lowest ID": {
		subnets: []awsapi.Subnet{
			aSubnet("subnet-3", "a", public), aSubnet("subnet-2", "a", public), aSubnet("subnet-1", "b", public),
			aSubnet("subnet-0", "a", internal), aSubnet("subnet-4", "c", nil),
		},
		found: []string{"subnet-2", "subnet-1"},
	},
	"internal": {
		subnets: []awsapi.Subnet{aSubnet("subnet-1", "b", internal), aSubnet("subnet-2", "a", internal), aSubnet("subnet-0", "a", public)},
		scheme:  "internal", found: []string{"subnet-2", "subnet-1"},
	},
	"the cluster's own first, never another's": {
		subnets: []awsapi.Subnet{
			aSubnet("subnet-1", "a", public),
			aSubnet("subnet-2", "a", awsapi.Tags{publicRole: "", clusterPrefix + "demo": "shared", clusterPrefix + "other": "shared"}),
			aSubnet("subnet-3", "b", awsapi.Tags{publicRole: "", clusterPrefix + "other": "owned"}),
			aSubnet("subnet-4", "b", public),
		},
		settings: SubnetSettings{ClusterTagCheck: true}, found: []string{"subnet-2", "subnet-4"},
	},
	"another cluster's if nobody minds": {
		subnets: []awsapi.Subnet{
			aSubnet("subnet-1", "a", public), aSubnet("subnet-3", "b", awsapi.Tags{publicRole: "", clusterPrefix + "other": "owned"}),
		},
		found: []string{"subnet-1", "subnet-3"},
	},
	"one zone": {
		subnets: []awsapi.Subnet{aSubnet("subnet-1", "a", public), aSubnet("subnet-2", "b", awsapi.Tags{publicRole: "no"})},
		err:     lookedFor(publicRole) + `usable: subnet-1 in a; not usable: subnet-2 has it with value "no"`,
	},
	"one zone is enough": {
		subnets:  []awsapi.Subnet{aSubnet("subnet-1", "a", public)},
		settings: SubnetSettings{SingleSubnet: true}, found: []string{"subnet-1"},
	},
	"a local zone is alone": {
		subnets: []awsapi.Subnet{{ID: "subnet-1", Zone: "a-local", LocalZone: true, AvailableIPAddresses: 8, Tags: public}},
		found:   []string{"subnet-1"},
	},
	"no local zone beside others": {
		subnets: []awsapi.Subnet{
			{ID: "subnet-1", Zone: "a-local", LocalZone: true, AvailableIPAddresses: 8, Tags: public},
			aSubnet("subnet-2", "a", public), aSubnet("subnet-3", "b", public),
		},
		found: []string{"subnet-2", "subnet-3"},
	},
	"full": {
		subnets: []awsapi.Subnet{{ID: "subnet-1", Zone: "a", AvailableIPAddresses: 7, Tags: internal}},
		scheme:  "internal",
		err:     lookedFor(internalRole) + "usable: none; not usable: subnet-1 has only 7 free addresses",
	},
	"IPv6": {
		subnets: []awsapi.Subnet{
			aSubnet("subnet-1", "a", public),
			{ID: "subnet-2", Zone: "a", CIDRv6: "2001:db8::/64", AvailableIPAddresses: 8, Tags: public},
			{ID: "subnet-3", Zone: "b", CIDRv6: "2001:db8:1::/64", AvailableIPAddresses: 8, Tags: public},
		},
		address: "dualstack", found: []string{"subnet-2", "subnet-3"},
	},
	"by name and ID, whatever their tags and however full": {
		subnets: []awsapi.Subnet{inZone("subnet-1", "b"), {ID: "subnet-2", Zone: "a"}, aSubnet("subnet-3", "c", public)},
		want:    ingress.Subnets{Named: []string{"name-of-subnet-1", "subnet-2"}}, found: []string{"subnet-2", "subnet-1"},
	},
	"a name that is not there": {
		subnets: []awsapi.Subnet{inZone("subnet-1", "b")},
		want:    ingress.Subnets{Named: []string{"subnet-1", "none"}},
		err:     `load balancer lb: looked for subnets subnet-1, none by ID and by tag Name; there is no "none" in the VPC`,
	},
	"a name of two": {
		subnets: []awsapi.Subnet{aSubnet("subnet-1", "a", awsapi.Tags{nameTag: "x"}), aSubnet("subnet-2", "b", awsapi.Tags{nameTag: "x"})},
		want:    ingress.Subnets{Named: []string{"x"}},
		err:     `load balancer lb: subnet name "x" is that of subnet-1 in a, subnet-2 in b`,
	},
	"named in one zone": {
		subnets: []awsapi.Subnet{inZone("subnet-1", "b"), inZone("subnet-2", "b")},
		want:    ingress.Subnets{Named: []string{"subnet-1", "subnet-2"}},
		err:     "load balancer lb: subnets subnet-1 and subnet-2 are both in b: a load balancer has one in each zone",
	},
	"one is named": {
		subnets: []awsapi.Subnet{inZone("subnet-1", "b")},
		want:    ingress.Subnets{Named: []string{"subnet-1"}},
		err:     "load balancer lb: looked for subnets in at least 2 availability zones; named: subnet-1 in b",
	},
	"named without IPv6": {
		subnets: []awsapi.Subnet{inZone("subnet-1", "a"), {ID: "subnet-2", Zone: "b", CIDRv6: "2001:db8::/64"}},
		want:    ingress.Subnets{Named: []string{"subnet-1", "subnet-2"}}, address: "dualstack",
		err: "load balancer lb: address type dualstack needs subnets with IPv6 addresses; without: subnet-1 in a",
	},
	"by tags, without a role": {
		subnets: []awsapi.Subnet{
			aSubnet("subnet-1", "a", awsapi.Tags{"tier": "x", "any": ""}), aSubnet("subnet-2", "b", awsapi.Tags{"tier": "y", "any": "z"}),
			aSubnet("subnet-3", "c", awsapi.Tags{"tier": "z", "any": ""}), aSubnet("subnet-4", "d", awsapi.Tags{"tier": "x"}),
		},
		want: ingress.Subnets{Tags: map[string][]string{"tier": {"x", "y"}, "any": nil}}, found: []string{"subnet-1", "subnet-2"},
	},
	"by tags, where it stands": {
		subnets: []awsapi.Subnet{
			aSubnet("subnet-1", "a", awsapi.Tags{"tier": "x"}),
			{ID: "subnet-2", Zone: "a", Tags: awsapi.Tags{"tier": "x"}},
			aSubnet("subnet-3", "b", awsapi.Tags{"tier": "x"}),
		},
		want: ingress.Subnets{Tags: map[string][]string{"tier": {"x"}}}, current: []string{"subnet-2", "subnet-3"},
		found: []string{"subnet-2", "subnet-3"},
	},
	"nothing has the tags": {
		subnets: []awsapi.Subnet{aSubnet("subnet-1", "a", public)},
		want:    ingress.Subnets{Tags: map[string][]string{"tier": {"x"}}},
		err: `load balancer lb: looked for subnets with tags tier (any of ["x"]) and 8 free addresses in at least 2 availability zones; ` +
			"usable: none; not usable: subnet-1 does not have tag tier with such a value",
	},
	"by reachability": {
		subnets: []awsapi.Subnet{aSubnet("subnet-1", "a", nil), aSubnet("subnet-2", "b", internal), aSubnet("subnet-3", "a", nil)},
		public:  routed("subnet-2", "subnet-3"), found: []string{"subnet-3", "subnet-2"},
	},
	"out of reach": {
		subnets: []awsapi.Subnet{aSubnet("subnet-1", "a", nil), aSubnet("subnet-2", "b", nil), aSubnet("subnet-3", "a", nil)},
		scheme:  "internal", public: routed("subnet-3"), found: []string{"subnet-1", "subnet-2"},
	},
	"nothing is reachable": {
		subnets: []awsapi.Subnet{aSubnet("subnet-1", "a", nil)},
		public:  routed(),
		err: "load balancer lb: looked for subnets that are public (routed to an internet gateway), since none has tag kubernetes.io/role/elb, " +
			"and 8 free addresses in at least 2 availability zones; usable: none; not usable: subnet-1 is not public (routed to an internet gateway)",
	},
}

func TestChooseSubnets(t *testing.T) {
	for name, test := range searches {
		t.Run(name, func(t *testing.T) {
			want := &ingress.LoadBalancer{Name: "lb", Scheme: cmp.Or(test.scheme, "internet-facing"), IPAddressType: test.address, Subnets: test.want}
			s := subnetSearch{SubnetSettings: test.settings, all: test.subnets, want: want, current: test.current, cluster: "demo", public: test.public}
			found, err := s.choose()
			if test.err != "" {
				require.EqualError(t, blameSubnets(want, err), test.err)
				return
			}
			require.NoError(t, err)
			var ids []string
			for _, n := range found {
				ids = append(ids, n.ID)
			}
			require.Equal(t, test.found, ids)
		})
	}
}

// Routes are only asked for when no tag can tell.
func TestNeedsRoutes(t *testing.T) {
	tagged := []awsapi.Subnet{aSubnet("subnet-1", "a", awsapi.Tags{publicRole: "1"})}
	tests := map[string]struct {
		search subnetSearch
		want   bool
	}{
		"no role":      {subnetSearch{want: &ingress.LoadBalancer{Scheme: "internal"}, all: tagged}, true},
		"role":         {subnetSearch{want: &ingress.LoadBalancer{Scheme: "internet-facing"}, all: tagged}, false},
		"named":        {subnetSearch{want: &ingress.LoadBalancer{Subnets: ingress.Subnets{Named: []string{"x"}}}}, false},
		"named by tag": {subnetSearch{want: &ingress.LoadBalancer{Subnets: ingress.Subnets{Tags: map[string][]string{"x": nil}}}}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.search.ByReachability = true
			require.Equal(t, test.want, test.search.needsRoutes())
			test.search.ByReachability = false
			require.False(t, test.search.needsRoutes())
		})
	}
}
