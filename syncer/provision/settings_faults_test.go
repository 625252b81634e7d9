package provision

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// settings are what listeners, attributes, subnets and addresses go through.
var settings = []func(*ingress.LoadBalancer, *ingress.TargetGroup){
	func(lb *ingress.LoadBalancer, tg *ingress.TargetGroup) {
		lb.Attributes, tg.Attributes = map[string]string{idle: "61"}, map[string]string{sticky: "true"}
		secure := https(443, "a", "b")
		secure.Attributes = map[string]string{server: "false"}
		lb.Listeners = append(lb.Listeners, secure)
	},
	func(lb *ingress.LoadBalancer, tg *ingress.TargetGroup) {
		lb.Attributes, tg.Attributes = map[string]string{idle: "62"}, map[string]string{slowStart: "30"}
		lb.Tags["more"] = "x"
		lb.Subnets.Named, lb.IPAddressType = []string{"subnet-c", "first"}, "dualstack"
		secure := https(443, "b", "a", "c")
		secure.SSLPolicy = policyTLS
		lb.Listeners = append(lb.Listeners, secure)
	},
	func(lb *ingress.LoadBalancer, _ *ingress.TargetGroup) {
		lb.Subnets.Tags = map[string][]string{"tier": {"x"}}
		lb.Listeners = []ingress.Listener{https(80, "c"), https(444, "d", "e")}
	},
	func(*ingress.LoadBalancer, *ingress.TargetGroup) {},
}

// insist tries until the account is as the model says, restarting after a crash.
func (s *site) insist() {
	s.t.Helper()
	var last any
	for range 10 {
		x, err := s.try()
		if err == nil && len(x.refused)+len(x.waiting) == 0 {
			return
		}
		if last = err; err == nil {
			last = x.refused
		}
		if s.wire.revive() {
			s.restart()
		}
		time.Sleep(time.Second)
	}
	require.Fail(s.t, "it does not heal", "%v", last)
}

// holding tells what the settings of the account are.
func (s *site) holding() []string {
	s.t.Helper()
	ctx, b := s.t.Context(), s.balancer()
	slices.Sort(b.SubnetIDs)
	tags, err := s.aws.ELB.DescribeTags(ctx, []string{b.ARN})
	require.NoError(s.t, err)
	out := []string{
		fmt.Sprintf("%s %v %v", b.IPAddressType, b.SubnetIDs, tags[b.ARN]),
		s.attribute(s.aws.ELB.DescribeLoadBalancerAttributes, b.ARN, idle),
	}
	groups, err := s.aws.ELB.DescribeTargetGroups(ctx)
	require.NoError(s.t, err)
	for _, g := range groups {
		for _, key := range []string{sticky, slowStart} {
			out = append(out, s.attribute(s.aws.ELB.DescribeTargetGroupAttributes, g.ARN, key))
		}
	}
	listeners, err := s.aws.ELB.DescribeListeners(ctx, b.ARN)
	require.NoError(s.t, err)
	slices.SortFunc(listeners, func(a, b awsapi.Listener) int { return int(a.Port - b.Port) })
	for _, l := range listeners {
		out = append(out, strconv.Itoa(int(l.Port)), s.secured(l.Port), s.attribute(s.aws.ELB.DescribeListenerAttributes, l.ARN, server))
	}
	return out
}

// change goes through the settings with one failure and returns what AWS holds after
// each of them, and how many requests that took.
func changeSettings(t *testing.T, way failing, at int) (held [][]string, requests int) {
	t.Helper()
	onSite(t, awssim.Options{VPCs: threeSubnets}, func(s *site) {
		s.ec2 = dualStack{s.clients.EC2, map[string]bool{"subnet-a": true, "subnet-b": true, "subnet-c": true}}
		begun := s.wire.n
		s.wire.way, s.wire.at = way, begun+at
		for _, to := range settings {
			s.m = aSite()
			to(s.m.LoadBalancer, s.m.TargetGroups["ns/a-s:80"])
			s.insist()
			held = append(held, s.holding())
		}
		s.insist()
		requests = s.wire.n - begun
	})
	return held, requests
}

// Whatever call fails, in whatever way, the settings become what they become without
// failures.
func TestEveryFailureOfASettingHeals(t *testing.T) {
	want, requests := changeSettings(t, "", 0)
	require.Greater(t, requests, 25)
	require.Equal(t, []string{"dualstack [subnet-a subnet-c]", "HTTPS " + policyTLS + " b [a,b,c]"}, []string{want[1][0][:29], want[1][8]})
	for _, way := range []failing{cutAfter, invalid, notFound, crash} {
		for at := 1; at <= requests; at++ {
			t.Run(fmt.Sprintf("%s/%d", way, at), func(t *testing.T) {
				t.Parallel()
				got, _ := changeSettings(t, way, at)
				require.Equal(t, want, got)
			})
		}
	}
}
