package securitygroup

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/test/awssim"
)

// TestOnTheSimulatedAccount goes through a life: the backend group is made and pods of two
// nodes are opened to it, a restart has nothing to write, and in the end all is gone.
func TestOnTheSimulatedAccount(t *testing.T) {
	for k, v := range map[string]string{
		"AWS_REGION": "ap-northeast-3", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(k, v)
	}
	synctest.Test(t, func(t *testing.T) {
		sim, err := awssim.New(awssim.Options{VPCs: []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
			{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.1.0/24"},
		}}}})
		require.NoError(t, err)
		clients, err := awsapi.New(t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: sim.Transport()}})
		require.NoError(t, err)
		ids := map[string]string{}
		for _, name := range []string{"one", "two"} {
			ids[name], err = clients.EC2.CreateSecurityGroup(t.Context(), awsapi.SecurityGroup{
				Name: name, Description: name, VPCID: vpcID, Tags: awsapi.Tags{clusterTag + cluster: "owned"},
			})
			require.NoError(t, err)
		}
		time.Sleep(time.Minute)
		require.NoError(t, sim.SetInterface(awssim.Interface{
			ID: "eni-1", SubnetID: "subnet-a", InstanceID: "i-1", Addresses: []string{"10.0.1.1"}, SecurityGroups: []string{ids["one"]},
		}))
		require.NoError(t, sim.SetInterface(awssim.Interface{
			ID: "eni-2", SubnetID: "subnet-a", Addresses: []string{"10.0.1.9"}, SecurityGroups: []string{ids["two"]},
		}))
		rules := func(name string) (open []awsapi.Permission) {
			found, err := clients.EC2.FindSecurityGroups(t.Context(), vpcID, []string{ids[name]}, nil)
			require.NoError(t, err)
			return found[0].Ingress
		}
		marked := 0
		writes := func() (all []string) {
			calls := sim.Calls()
			for _, c := range calls[marked:] {
				if !strings.HasPrefix(c.Action, "Describe") {
					all = append(all, c.Action)
				}
			}
			marked = len(calls)
			return all
		}
		writes()

		board := NewBoard()
		board.Complete()
		run := func(during func(*Backend)) {
			b := NewBackend(BackendOptions{EC2: clients.EC2, VPCID: vpcID, Cluster: cluster})
			ctx, cancel := context.WithCancel(t.Context())
			l := New(Options{
				EC2: clients.EC2, VPCID: vpcID, Cluster: cluster, Sources: []Source{board}, Synced: func() bool { return true },
				Pods: func(Need) []Pod {
					return []Pod{
						{UID: "a", Node: "n", Address: netip.MustParseAddr("10.0.1.77")},
						{UID: "b", Node: "n", Address: netip.MustParseAddr("10.0.1.9"), Own: true},
					}
				},
				Node: func(string) (Node, bool) { return Node{Instance: "i-1"}, true }, Backend: b, AuditInterval: time.Hour,
				Log: slog.New(slog.DiscardHandler),
			})
			ended := make(chan error, 1)
			go func() { ended <- l.Run(ctx) }()
			time.Sleep(time.Second)
			during(b)
			cancel()
			require.NoError(t, <-ended)
		}
		run(func(b *Backend) {
			id, err := b.Get(t.Context())
			require.NoError(t, err)
			board.Show("x", []Need{needOf("web", Opening{Peer{Group: id}, []Port{tcp(80), tcp(8080)}})})
			time.Sleep(time.Minute)
			want := []awsapi.Permission{{Protocol: "tcp", FromPort: 80, ToPort: 8080, GroupID: id, Description: shared}}
			require.Equal(t, want, rules("one"))
			require.Equal(t, want, rules("two"))
		})
		require.Equal(t, []string{"CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupIngress"}, writes())
		run(func(*Backend) { time.Sleep(3 * time.Hour) })
		require.Empty(t, writes())
		run(func(*Backend) {
			board.Show("x", nil)
			time.Sleep(10 * time.Minute)
		})
		require.Empty(t, rules("one"))
		require.Empty(t, rules("two"))
		found, err := clients.EC2.DescribeSecurityGroups(t.Context(), vpcID, awsapi.Tags{tagResource: backendResource})
		require.NoError(t, err)
		require.Empty(t, found)
	})
}
