package provision

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/test/awssim"
)

// site is an account that is brought to one model after another, without Ingresses.
type site struct {
	*world
	m         *ingress.Model
	inventory *inventory
	clients   *awsapi.Clients // over the wire that fails
	ec2       EC2
	backend   *securitygroup.Backend
	leaving   []*networkingv1.Ingress
}

// onSite runs a test with an account that is as aModel says, served from the two
// subnets of the world.
func onSite(t *testing.T, o awssim.Options, test func(*site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		clients, err := awsapi.New(t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: w.wire}})
		require.NoError(t, err)
		s := &site{world: w, m: aSite(), clients: clients, ec2: clients.EC2}
		s.restart()
		s.bring()
		w.calls()
		test(s)
	})
}

// aSite is a model that AWS takes.
func aSite() *ingress.Model {
	m := aModel()
	owned := func(resource string) map[string]string {
		return map[string]string{ingress.TagCluster: cluster, ingress.TagStack: "g", ingress.TagResource: resource}
	}
	lb := m.LoadBalancer
	lb.Name, lb.Tags, lb.IPAddressType = "k8s-lb", owned(ingress.ResourceLoadBalancer), "ipv4"
	lb.SecurityGroups.Managed.Description, lb.SecurityGroups.Managed.Tags = "x", owned(ingress.ResourceSecurityGroup)
	lb.Listeners[0].DefaultAction.FixedResponse.ContentType = "text/plain"
	tg := m.TargetGroups["ns/a-s:80"]
	tg.Name, tg.Port, tg.Protocol, tg.ProtocolVersion, tg.TargetType, tg.IPAddressType = "k8s-tg", 80, "HTTP", "HTTP1", "ip", "ipv4"
	tg.HealthCheck = ingress.HealthCheck{
		Protocol: "HTTP", Port: "traffic-port", Path: "/", IntervalSeconds: 15, TimeoutSeconds: 5, HealthyThreshold: 2, UnhealthyThreshold: 2, Matcher: "200",
	}
	tg.Tags = owned(tg.ID)
	return m
}

// restart forgets what is known of the account, and reads it.
func (s *site) restart() {
	s.t.Helper()
	o := Options{ELB: s.clients.ELB, EC2: s.clients.EC2, VPCID: vpcID, Settings: ingress.Settings{ClusterName: cluster}}
	s.backend = securitygroup.NewBackend(securitygroup.BackendOptions{EC2: o.EC2, VPCID: vpcID, Cluster: cluster})
	o.Backend = s.backend
	s.inventory = newInventory(o)
	require.NoError(s.t, s.inventory.load(s.t.Context(), map[string]bool{s.m.LoadBalancer.Name: true}))
}

// try takes the account to the model as a pass does, and returns what was refused.
func (s *site) try() (*executor, error) {
	st, err := s.inventory.stack(s.t.Context(), "g")
	if err != nil {
		return nil, err
	}
	x := &executor{
		elb: s.clients.ELB, ec2: s.ec2, vpcID: vpcID, inventory: s.inventory, backend: s.backend, stack: st, log: s.log,
		owned:   awsapi.Tags{ingress.TagCluster: cluster, ingress.TagStack: "g"},
		group:   ingress.Group{ID: ingress.GroupID{Name: "g"}, Leaving: s.leaving},
		publish: func() {}, announce: func(string, string) {},
	}
	err = x.converge(s.t.Context(), s.m)
	if !keepsPicture(err) || slices.ContainsFunc(x.refused, func(err error) bool { return !keepsPicture(err) }) {
		s.inventory.forget("g")
	}
	return x, err
}

// bring takes the account to the model, and a second time for nothing.
func (s *site) bring() {
	s.t.Helper()
	x, err := s.try()
	require.NoError(s.t, err)
	require.Empty(s.t, x.refused)
	require.Empty(s.t, x.waiting)
	calls := len(s.sim.Calls())
	x, err = s.try()
	require.NoError(s.t, err)
	require.Zero(s.t, x.done)
	require.Len(s.t, s.sim.Calls(), calls, "nothing has changed")
}

// refused takes the account to the model as far as it goes, and returns what was
// refused.
func (s *site) refused() string {
	s.t.Helper()
	x, err := s.try()
	require.NoError(s.t, err)
	texts := make([]string, 0, len(x.refused))
	for _, err := range x.refused {
		texts = append(texts, transport.ReplaceAllString(err.Error(), ""))
	}
	return strings.Join(texts, "\n")
}

// balancer is the load balancer as AWS has it.
func (s *site) balancer() awsapi.LoadBalancer {
	s.t.Helper()
	all, err := s.aws.ELB.DescribeLoadBalancers(s.t.Context())
	require.NoError(s.t, err)
	require.Len(s.t, all, 1)
	return all[0]
}

// listener is the listener of a port as AWS has it.
func (s *site) listener(port int32) awsapi.Listener {
	s.t.Helper()
	all, err := s.aws.ELB.DescribeListeners(s.t.Context(), s.balancer().ARN)
	require.NoError(s.t, err)
	i := slices.IndexFunc(all, func(l awsapi.Listener) bool { return l.Port == port })
	require.GreaterOrEqual(s.t, i, 0, "port %d", port)
	return all[i]
}

// secured tells what a port presents: protocol, policy, default certificate and the
// list, certificates by the end of their ARNs.
func (s *site) secured(port int32) string {
	s.t.Helper()
	l := s.listener(port)
	short := func(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
	list := ""
	if l.Protocol == "HTTPS" {
		arns, err := s.aws.ELB.DescribeListenerCertificates(s.t.Context(), l.ARN)
		require.NoError(s.t, err)
		for i, arn := range arns {
			arns[i] = short(arn)
		}
		slices.Sort(arns)
		list = strings.Join(arns, ",")
	}
	return fmt.Sprintf("%s %s %s [%s]", l.Protocol, l.SSLPolicy, short(l.CertificateARN), list)
}

func cert(names ...string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, "arn:aws:acm:ap-northeast-3:123456789012:certificate/"+n)
	}
	return out
}

func https(port int32, certificates ...string) ingress.Listener {
	l := aSite().LoadBalancer.Listeners[0]
	l.Port, l.Protocol, l.SSLPolicy, l.Certificates = port, "HTTPS", "ELBSecurityPolicy-2016-08", cert(certificates...)
	return l
}
