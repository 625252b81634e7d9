package awsapi

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/target"
)

var (
	echo0    = target.Target{IP: netip.MustParseAddr("10.0.1.2"), Port: 8080}
	echo1    = target.Target{IP: netip.MustParseAddr("2001:db8::1"), Port: 9090}
	notFound = Action{Type: "fixed-response", FixedResponse: &FixedResponse{StatusCode: "404", ContentType: "text/plain"}}
	split    = Action{Type: "forward", Forward: []WeightedTargetGroup{{ARN: "arn:a", Weight: 0}, {ARN: "arn:b", Weight: 7}}}
)

// writes holds what a write puts on the wire, to the last field.
var writes = map[string]struct {
	do   func(ctx context.Context, c *Clients) error
	want string // the form without Action and Version, sorted, decoded, one field per line
}{
	"load balancer": {
		do: func(ctx context.Context, c *Clients) error {
			return second(c.ELB.CreateLoadBalancer(ctx, LoadBalancer{
				Name: "lb", Type: "application", Scheme: "internal", IPAddressType: "ipv4",
				SubnetIDs: []string{"subnet-1", "subnet-2"}, SecurityGroups: []string{"sg-1"},
				Tags: Tags{"b": "2", "a": "1"},
			}))
		},
		want: `IpAddressType=ipv4 Name=lb Scheme=internal SecurityGroups.member.1=sg-1
			Subnets.member.1=subnet-1 Subnets.member.2=subnet-2
			Tags.member.1.Key=a Tags.member.1.Value=1 Tags.member.2.Key=b Tags.member.2.Value=2 Type=application`,
	},
	"listener": {
		do: func(ctx context.Context, c *Clients) error {
			return second(c.ELB.CreateListener(ctx, Listener{
				LoadBalancerARN: "arn:lb", Port: 80, Protocol: "HTTP", DefaultActions: []Action{notFound},
			}))
		},
		want: `DefaultActions.member.1.FixedResponseConfig.ContentType=text/plain
			DefaultActions.member.1.FixedResponseConfig.StatusCode=404 DefaultActions.member.1.Type=fixed-response
			LoadBalancerArn=arn:lb Port=80 Protocol=HTTP`,
	},
	"default actions": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.ModifyListener(ctx, Listener{ARN: "arn:listener", DefaultActions: []Action{notFound}})
		},
		want: `DefaultActions.member.1.FixedResponseConfig.ContentType=text/plain
			DefaultActions.member.1.FixedResponseConfig.StatusCode=404 DefaultActions.member.1.Type=fixed-response
			ListenerArn=arn:listener`,
	},
	"rule": {
		do: func(ctx context.Context, c *Clients) error {
			return second(c.ELB.CreateRule(ctx, "arn:listener", Rule{
				Priority: 3,
				Conditions: []Condition{
					{Field: "host-header", Values: []string{"a.example", "*.b.example"}},
					{Field: "path-pattern", Values: []string{"/echo0"}},
					{Field: "source-ip", Values: []string{"10.0.0.0/8"}},
				},
				Actions: []Action{split},
			}))
		},
		want: `Actions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn=arn:a
			Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight=0
			Actions.member.1.ForwardConfig.TargetGroups.member.2.TargetGroupArn=arn:b
			Actions.member.1.ForwardConfig.TargetGroups.member.2.Weight=7
			Actions.member.1.Type=forward Conditions.member.1.Field=host-header
			Conditions.member.1.HostHeaderConfig.Values.member.1=a.example
			Conditions.member.1.HostHeaderConfig.Values.member.2=*.b.example
			Conditions.member.2.Field=path-pattern Conditions.member.2.PathPatternConfig.Values.member.1=/echo0
			Conditions.member.3.Field=source-ip Conditions.member.3.SourceIpConfig.Values.member.1=10.0.0.0/8
			ListenerArn=arn:listener Priority=3`,
	},
	"actions in their order": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.ModifyRule(ctx, Rule{ARN: "arn:rule", Actions: []Action{{Type: "authenticate-oidc"}, {Type: "forward"}}})
		},
		want: `Actions.member.1.Order=1 Actions.member.1.Type=authenticate-oidc
			Actions.member.2.Order=2 Actions.member.2.Type=forward RuleArn=arn:rule`,
	},
	"every kind of condition, stickiness, and a redirect": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.ModifyRule(ctx, Rule{
				ARN: "arn:rule",
				Conditions: []Condition{
					{Field: "http-header", Header: "X-Kind", Values: []string{"a*"}},
					{Field: "http-request-method", Values: []string{"GET"}},
					{Field: "query-string", Queries: []QueryValue{{Key: "k", Value: "v"}, {Value: "any"}}},
				},
				Actions: []Action{
					{Type: "forward", StickySeconds: 60, Forward: []WeightedTargetGroup{{ARN: "arn:a", Weight: 1}}},
					{Type: "redirect", Redirect: &Redirect{StatusCode: "HTTP_301", Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/#{path}"}},
				},
			})
		},
		want: `Actions.member.1.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds=60
			Actions.member.1.ForwardConfig.TargetGroupStickinessConfig.Enabled=true
			Actions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn=arn:a
			Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight=1 Actions.member.1.Order=1 Actions.member.1.Type=forward
			Actions.member.2.Order=2 Actions.member.2.RedirectConfig.Host=#{host} Actions.member.2.RedirectConfig.Path=/#{path}
			Actions.member.2.RedirectConfig.Port=443 Actions.member.2.RedirectConfig.Protocol=HTTPS
			Actions.member.2.RedirectConfig.Query= Actions.member.2.RedirectConfig.StatusCode=HTTP_301 Actions.member.2.Type=redirect
			Conditions.member.1.Field=http-header Conditions.member.1.HttpHeaderConfig.HttpHeaderName=X-Kind
			Conditions.member.1.HttpHeaderConfig.Values.member.1=a* Conditions.member.2.Field=http-request-method
			Conditions.member.2.HttpRequestMethodConfig.Values.member.1=GET Conditions.member.3.Field=query-string
			Conditions.member.3.QueryStringConfig.Values.member.1.Key=k Conditions.member.3.QueryStringConfig.Values.member.1.Value=v
			Conditions.member.3.QueryStringConfig.Values.member.2.Value=any RuleArn=arn:rule`,
	},
	"TLS listener": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.ModifyListener(ctx, Listener{ARN: "arn:listener", Protocol: "HTTPS", SSLPolicy: "p", CertificateARN: "arn:c"})
		},
		want: `Certificates.member.1.CertificateArn=arn:c ListenerArn=arn:listener Protocol=HTTPS SslPolicy=p`,
	},
	"attributes": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.ModifyTargetGroupAttributes(ctx, "arn:tg", Attributes{"b": "", "a": "1"})
		},
		want: `Attributes.member.1.Key=a Attributes.member.1.Value=1 Attributes.member.2.Key=b Attributes.member.2.Value=
			TargetGroupArn=arn:tg`,
	},
	"gRPC's codes": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.ModifyTargetGroup(ctx, "arn:tg", HealthCheck{Matcher: "12,0-5"})
		},
		want: `Matcher.GrpcCode=12,0-5 TargetGroupArn=arn:tg`,
	},
	"priorities": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.SetRulePriorities(ctx, []RulePriority{{"arn:1", 2}, {"arn:2", 1}})
		},
		want: `RulePriorities.member.1.Priority=2 RulePriorities.member.1.RuleArn=arn:1
			RulePriorities.member.2.Priority=1 RulePriorities.member.2.RuleArn=arn:2`,
	},
	"target group": {
		do: func(ctx context.Context, c *Clients) error {
			return second(c.ELB.CreateTargetGroup(ctx, TargetGroup{
				Name: "tg", Port: 80, Protocol: "HTTP", ProtocolVersion: "HTTP1", TargetType: "ip", IPAddressType: "ipv4",
				VPCID: "vpc-1", HealthCheck: wholeCheck, Tags: Tags{"a": ""},
			}))
		},
		want: `HealthCheckIntervalSeconds=15 HealthCheckPath=/up HealthCheckPort=traffic-port HealthCheckProtocol=HTTP
			HealthCheckTimeoutSeconds=5 HealthyThresholdCount=2 IpAddressType=ipv4 Matcher.HttpCode=200-299
			Name=tg Port=80 Protocol=HTTP ProtocolVersion=HTTP1 Tags.member.1.Key=a Tags.member.1.Value=
			TargetType=ip UnhealthyThresholdCount=3 VpcId=vpc-1`,
	},
	"target group, the rest left to AWS": {
		do: func(ctx context.Context, c *Clients) error {
			return second(c.ELB.CreateTargetGroup(ctx, TargetGroup{Name: "tg"}))
		},
		want: `Name=tg`,
	},
	"health check": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.ModifyTargetGroup(ctx, "arn:tg", wholeCheck)
		},
		want: `HealthCheckIntervalSeconds=15 HealthCheckPath=/up HealthCheckPort=traffic-port HealthCheckProtocol=HTTP
			HealthCheckTimeoutSeconds=5 HealthyThresholdCount=2 Matcher.HttpCode=200-299
			TargetGroupArn=arn:tg UnhealthyThresholdCount=3`,
	},
	"targets": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.RegisterTargets(ctx, "arn:tg", []target.Target{echo0, echo1}, nil)
		},
		want: `TargetGroupArn=arn:tg Targets.member.1.Id=10.0.1.2 Targets.member.1.Port=8080
			Targets.member.2.Id=2001:db8::1 Targets.member.2.Port=9090`,
	},
	"targets that leave": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.DeregisterTargets(ctx, "arn:tg", []target.Target{echo0})
		},
		want: `TargetGroupArn=arn:tg Targets.member.1.Id=10.0.1.2 Targets.member.1.Port=8080`,
	},
	"tags": {
		do: func(ctx context.Context, c *Clients) error {
			return c.ELB.RemoveTags(ctx, []string{"arn:tg"}, []string{"k", "l"})
		},
		want: `ResourceArns.member.1=arn:tg TagKeys.member.1=k TagKeys.member.2=l`,
	},
	"security group": {
		do: func(ctx context.Context, c *Clients) error {
			return second(c.EC2.CreateSecurityGroup(ctx, SecurityGroup{
				Name: "sg", Description: "ours", VPCID: "vpc-1", Tags: Tags{"a": "1"},
			}))
		},
		want: `GroupDescription=ours GroupName=sg TagSpecification.1.ResourceType=security-group
			TagSpecification.1.Tag.1.Key=a TagSpecification.1.Tag.1.Value=1 VpcId=vpc-1`,
	},
	"ingress": {
		do: func(ctx context.Context, c *Clients) error { return c.EC2.AuthorizeIngress(ctx, "sg-1", sources) },
		want: `GroupId=sg-1
			IpPermissions.1.FromPort=80 IpPermissions.1.IpProtocol=tcp IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0
			IpPermissions.1.IpRanges.1.Description=world IpPermissions.1.ToPort=80
			IpPermissions.2.FromPort=80 IpPermissions.2.IpProtocol=tcp IpPermissions.2.Ipv6Ranges.1.CidrIpv6=::/0
			IpPermissions.2.ToPort=80
			IpPermissions.3.FromPort=80 IpPermissions.3.IpProtocol=tcp IpPermissions.3.PrefixListIds.1.PrefixListId=pl-1
			IpPermissions.3.ToPort=80
			IpPermissions.4.FromPort=0 IpPermissions.4.Groups.1.Description=backends IpPermissions.4.Groups.1.GroupId=sg-2
			IpPermissions.4.IpProtocol=-1 IpPermissions.4.ToPort=0`,
	},
	"ingress that goes": {
		do: func(ctx context.Context, c *Clients) error { return c.EC2.RevokeIngress(ctx, "sg-1", sources[:1]) },
		want: `GroupId=sg-1 IpPermissions.1.FromPort=80 IpPermissions.1.IpProtocol=tcp
			IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0 IpPermissions.1.ToPort=80`,
	},
}

// What a write puts on the wire, to the last field: what is zero is not sent.
func TestWrites(t *testing.T) {
	for name, tc := range writes {
		t.Run(name, func(t *testing.T) {
			w := &wire{}
			require.NoError(t, tc.do(t.Context(), clients(t, Options{HTTPClient: w})))
			require.Len(t, w.forms, 1)
			require.Equal(t, strings.Fields(tc.want), fields(t, w.forms[0]))
		})
	}
}

var (
	wholeCheck = HealthCheck{
		Protocol: "HTTP", Port: "traffic-port", Path: "/up", IntervalSeconds: 15, TimeoutSeconds: 5,
		HealthyThreshold: 2, UnhealthyThreshold: 3, Matcher: "200-299",
	}
	sources = []Permission{
		{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: "0.0.0.0/0", Description: "world"},
		{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDRv6: "::/0"},
		{Protocol: "tcp", FromPort: 80, ToPort: 80, PrefixListID: "pl-1"},
		{Protocol: "-1", GroupID: "sg-2", Description: "backends"},
	}
)

// fields returns a form as "key=value", in the order of the encoded keys.
func fields(t *testing.T, form url.Values) []string {
	t.Helper()
	form.Del("Action")
	form.Del("Version")
	var all []string
	for pair := range strings.SplitSeq(form.Encode(), "&") {
		decoded, err := url.QueryUnescape(pair)
		require.NoError(t, err)
		all = append(all, decoded)
	}
	return all
}
