package awsapi

import (
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

// attributes are set one by one, and the others stay.
func (a *account) attributes() {
	for name, c := range map[string]struct {
		of     string
		key    string
		modify func(arn string, attributes Attributes) error
		read   func(arn string) (Attributes, error)
	}{
		"load balancer": {
			of: a.lb.ARN, key: "idle_timeout.timeout_seconds",
			modify: func(arn string, attributes Attributes) error {
				return a.ELB.ModifyLoadBalancerAttributes(a.ctx, arn, attributes)
			},
			read: func(arn string) (Attributes, error) { return a.ELB.DescribeLoadBalancerAttributes(a.ctx, arn) },
		},
		"target group": {
			of: a.tg.ARN, key: "deregistration_delay.timeout_seconds",
			modify: func(arn string, attributes Attributes) error {
				return a.ELB.ModifyTargetGroupAttributes(a.ctx, arn, attributes)
			},
			read: func(arn string) (Attributes, error) { return a.ELB.DescribeTargetGroupAttributes(a.ctx, arn) },
		},
		"listener": {
			of: a.on.ARN, key: "routing.http.response.server.enabled",
			modify: func(arn string, attributes Attributes) error {
				return a.ELB.ModifyListenerAttributes(a.ctx, arn, attributes)
			},
			read: func(arn string) (Attributes, error) { return a.ELB.DescribeListenerAttributes(a.ctx, arn) },
		},
	} {
		value := map[bool]string{true: "false", false: "77"}[name == "listener"]
		want, err := c.read(c.of)
		require.NoError(a.t, err, name)
		require.NotEqual(a.t, value, want[c.key], name)
		require.NoError(a.t, c.modify(c.of, Attributes{c.key: value}), name)
		want[c.key] = value
		got, err := c.read(c.of)
		require.NoError(a.t, err, name)
		require.Equal(a.t, want, got, name)
		require.Equal(a.t, Invalid, ClassOf(c.modify(c.of, Attributes{"no.such.key": "1"})), name)
	}
}

// certificates of a listener over TLS: the default one, and others beside it.
func (a *account) certificates() {
	var arns []string
	for _, name := range []string{"a.example", "b.example"} {
		arn, err := a.sim.AddCertificate(awssim.Certificate{Names: []string{name}})
		require.NoError(a.t, err)
		arns = append(arns, arn)
	}
	all, err := a.ACM.ListCertificates(a.ctx)
	require.NoError(a.t, err)
	require.ElementsMatch(a.t, []Certificate{{ARN: arns[0], Domains: []string{"a.example"}}, {ARN: arns[1], Domains: []string{"b.example"}}}, all)
	one, err := a.ACM.DescribeCertificate(a.ctx, arns[1])
	require.NoError(a.t, err)
	require.Equal(a.t, []string{"b.example"}, one.Domains)

	l, err := a.ELB.CreateListener(a.ctx, Listener{
		LoadBalancerARN: a.lb.ARN, Port: 443, Protocol: "HTTPS", SSLPolicy: "ELBSecurityPolicy-TLS13-1-2-2021-06",
		CertificateARN: arns[0], DefaultActions: []Action{notFound},
	})
	require.NoError(a.t, err)
	require.Equal(a.t, []string{arns[0], "ELBSecurityPolicy-TLS13-1-2-2021-06"}, []string{l.CertificateARN, l.SSLPolicy})
	require.NoError(a.t, a.ELB.AddListenerCertificate(a.ctx, l.ARN, arns[1]))
	require.NoError(a.t, a.ELB.AddListenerCertificate(a.ctx, l.ARN, arns[1]), "it can be repeated")
	more, err := a.ELB.DescribeListenerCertificates(a.ctx, l.ARN)
	require.NoError(a.t, err)
	require.Equal(a.t, arns[1:], more)
	require.NoError(a.t, a.ELB.RemoveListenerCertificate(a.ctx, l.ARN, arns[1]))
	more, err = a.ELB.DescribeListenerCertificates(a.ctx, l.ARN)
	require.NoError(a.t, err)
	require.Empty(a.t, more)
	require.Equal(a.t, Denied, ClassOf(a.ELB.RemoveListenerCertificate(a.ctx, l.ARN, arns[0])))
	require.NoError(a.t, a.ELB.DeleteListener(a.ctx, l.ARN))
}

// network is what a load balancer stands in and what it reaches.
func (a *account) network() {
	require.NoError(a.t, a.ELB.SetIPAddressType(a.ctx, a.lb.ARN, "ipv4"))
	routes, err := a.EC2.DescribeRouteTables(a.ctx, vpcID)
	require.NoError(a.t, err)
	require.False(a.t, routes.Public("subnet-a"))

	require.NoError(a.t, a.EC2.TagSecurityGroup(a.ctx, a.group, Tags{"Name": "front"}))
	found, err := a.EC2.FindSecurityGroups(a.ctx, vpcID, []string{a.group}, []string{"front", "back"})
	require.NoError(a.t, err)
	require.Len(a.t, found, 2, "one by its ID, one by its name")
	require.Equal(a.t, "front", found[1].Tags["Name"])

	interfaces, err := a.EC2.DescribeNetworkInterfaces(a.ctx, vpcID, []string{"10.0.77.77"})
	require.NoError(a.t, err)
	require.Empty(a.t, interfaces)
	interfaces, err = a.EC2.DescribeNetworkInterfacesOf(a.ctx, vpcID, []string{"i-0123456789abcdef0"})
	require.NoError(a.t, err)
	require.Empty(a.t, interfaces)
}
