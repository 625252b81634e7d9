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

// simulated is the simulated account with two groups of pods, and what the loop is told.
type simulated struct {
	t       *testing.T
	sim     *awssim.Sim
	clients *awsapi.Clients
	ids     map[string]string // of the groups, by name
	board   *Board
	marked  int // calls seen by the last look
}

// newSimulated makes an account with a node behind the group one, and a pod with an
// interface of its own behind the group two.
func newSimulated(t *testing.T) *simulated {
	t.Helper()
	s := &simulated{t: t, ids: map[string]string{}, board: NewBoard()}
	var err error
	s.sim, err = awssim.New(awssim.Options{VPCs: []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
		{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.1.0/24"},
	}}}})
	require.NoError(t, err)
	s.clients, err = awsapi.New(t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: s.sim.Transport()}})
	require.NoError(t, err)
	for _, name := range []string{"one", "two"} {
		s.ids[name], err = s.clients.EC2.CreateSecurityGroup(t.Context(), awsapi.SecurityGroup{
			Name: name, Description: name, VPCID: vpcID, Tags: awsapi.Tags{clusterTag + cluster: "owned"},
		})
		require.NoError(t, err)
	}
	time.Sleep(time.Minute)
	for _, o := range []awssim.Interface{
		{ID: "eni-1", SubnetID: "subnet-a", InstanceID: "i-1", Addresses: []string{"10.0.1.1"}, SecurityGroups: []string{s.ids["one"]}},
		{ID: "eni-2", SubnetID: "subnet-a", Addresses: []string{"10.0.1.9"}, SecurityGroups: []string{s.ids["two"]}},
	} {
		require.NoError(t, s.sim.SetInterface(o))
	}
	s.board.Complete()
	s.writes()
	return s
}

// rules are those of a group.
func (s *simulated) rules(name string) []awsapi.Permission {
	found, err := s.clients.EC2.FindSecurityGroups(s.t.Context(), vpcID, []string{s.ids[name]}, nil)
	require.NoError(s.t, err)
	return found[0].Ingress
}

// writes are the mutating calls since the last look.
func (s *simulated) writes() (all []string) {
	calls := s.sim.Calls()
	for _, c := range calls[s.marked:] {
		if !strings.HasPrefix(c.Action, "Describe") {
			all = append(all, c.Action)
		}
	}
	s.marked = len(calls)
	return all
}

// run runs a fresh loop.
func (s *simulated) run(during func(*Backend)) {
	s.t.Helper()
	b := NewBackend(BackendOptions{EC2: s.clients.EC2, VPCID: vpcID, Cluster: cluster})
	ctx, cancel := context.WithCancel(s.t.Context())
	l := New(Options{
		EC2: s.clients.EC2, VPCID: vpcID, Cluster: cluster, Sources: []Source{s.board}, Synced: func() bool { return true },
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
	require.NoError(s.t, <-ended)
}

// TestOnTheSimulatedAccount goes through a life: the backend group is made and pods of two
// groups are opened to it, a restart has nothing to write, and in the end all is gone.
func TestOnTheSimulatedAccount(t *testing.T) {
	for k, v := range map[string]string{
		"AWS_REGION": "ap-northeast-3", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(k, v)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSimulated(t)
		s.run(func(b *Backend) {
			id, err := b.Get(t.Context())
			require.NoError(t, err)
			s.board.Show("x", []Need{needOf("web", Opening{Peer{Group: id}, []Port{tcp(80), tcp(8080)}})})
			time.Sleep(time.Minute)
			want := []awsapi.Permission{{Protocol: "tcp", FromPort: 80, ToPort: 8080, GroupID: id, Description: shared}}
			require.Equal(t, want, s.rules("one"))
			require.Equal(t, want, s.rules("two"))
		})
		require.Equal(t, []string{"CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupIngress"}, s.writes())
		s.run(func(*Backend) { time.Sleep(3 * time.Hour) })
		require.Empty(t, s.writes())
		s.run(func(*Backend) {
			s.board.Show("x", nil)
			time.Sleep(10 * time.Minute)
		})
		require.Empty(t, s.rules("one"))
		require.Empty(t, s.rules("two"))
		found, err := s.clients.EC2.DescribeSecurityGroups(t.Context(), vpcID, awsapi.Tags{tagResource: backendResource})
		require.NoError(t, err)
		require.Empty(t, found)
	})
}
