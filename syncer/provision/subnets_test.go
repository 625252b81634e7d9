package provision

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
)

func aSubnet(id, zone string, tags awsapi.Tags) awsapi.Subnet {
	return awsapi.Subnet{ID: id, Zone: zone, AvailableIPAddresses: 8, Tags: tags}
}

func TestChooseSubnets(t *testing.T) {
	public, internal := awsapi.Tags{publicRole: "1"}, awsapi.Tags{internalRole: ""}
	tests := map[string]struct {
		subnets []awsapi.Subnet
		scheme  string
		want    []string
		err     string
	}{
		"by role, one in each zone, the lowest ID": {
			subnets: []awsapi.Subnet{
				aSubnet("subnet-3", "a", public), aSubnet("subnet-2", "a", public), aSubnet("subnet-1", "b", public),
				aSubnet("subnet-0", "a", internal), aSubnet("subnet-4", "c", nil),
			},
			scheme: "internet-facing", want: []string{"subnet-2", "subnet-1"},
		},
		"internal": {
			subnets: []awsapi.Subnet{aSubnet("subnet-1", "b", internal), aSubnet("subnet-2", "a", internal), aSubnet("subnet-0", "a", public)},
			scheme:  "internal", want: []string{"subnet-2", "subnet-1"},
		},
		"the cluster's own first, never another's": {
			subnets: []awsapi.Subnet{
				aSubnet("subnet-1", "a", public),
				aSubnet("subnet-2", "a", awsapi.Tags{publicRole: "", clusterPrefix + "demo": "shared", clusterPrefix + "other": "shared"}),
				aSubnet("subnet-3", "b", awsapi.Tags{publicRole: "", clusterPrefix + "other": "owned"}),
				aSubnet("subnet-4", "b", public),
			},
			scheme: "internet-facing", want: []string{"subnet-2", "subnet-4"},
		},
		"one zone": {
			subnets: []awsapi.Subnet{aSubnet("subnet-1", "a", public), aSubnet("subnet-2", "b", awsapi.Tags{publicRole: "no"})},
			scheme:  "internet-facing",
			err: `looked for subnets with tag kubernetes.io/role/elb (value "" or "1") and 8 free addresses in at least 2 availability zones; ` +
				`usable: subnet-1 in a; not usable: subnet-2 has it with value "no"`,
		},
		"full": {
			subnets: []awsapi.Subnet{{ID: "subnet-1", Zone: "a", AvailableIPAddresses: 7, Tags: internal}},
			scheme:  "internal",
			err: `looked for subnets with tag kubernetes.io/role/internal-elb (value "" or "1") and 8 free addresses in at least 2 availability zones; ` +
				`usable: none; not usable: subnet-1 has only 7 free addresses`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := chooseSubnets(test.subnets, test.scheme, "demo")
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}
