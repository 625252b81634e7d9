package awsapi

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reads holds AWS's answers, and what they say.
var reads = map[string]struct {
	answer string // inside the result element
	do     func(ctx context.Context, c *Clients) (any, error)
	want   any
}{
	"load balancer": {
		answer: `<LoadBalancers><member><LoadBalancerArn>arn:lb</LoadBalancerArn><LoadBalancerName>lb</LoadBalancerName>
			<DNSName>lb-1.elb.example</DNSName><Scheme>internal</Scheme><Type>application</Type>
			<State><Code>provisioning</Code></State><IpAddressType>ipv4</IpAddressType><VpcId>vpc-1</VpcId>
			<AvailabilityZones><member><SubnetId>subnet-1</SubnetId></member><member><SubnetId>subnet-2</SubnetId></member>
			</AvailabilityZones><SecurityGroups><member>sg-1</member></SecurityGroups></member></LoadBalancers>`,
		do: func(ctx context.Context, c *Clients) (any, error) { return c.ELB.DescribeLoadBalancers(ctx) },
		want: []LoadBalancer{{
			ARN: "arn:lb", Name: "lb", DNSName: "lb-1.elb.example", Scheme: "internal", Type: "application",
			State: "provisioning", IPAddressType: "ipv4", VPCID: "vpc-1",
			SubnetIDs: []string{"subnet-1", "subnet-2"}, SecurityGroups: []string{"sg-1"},
		}},
	},
	"listener": {
		answer: `<Listeners><member><ListenerArn>arn:listener</ListenerArn><LoadBalancerArn>arn:lb</LoadBalancerArn>
			<Port>80</Port><Protocol>HTTP</Protocol><DefaultActions><member><Type>fixed-response</Type><FixedResponseConfig>
			<StatusCode>503</StatusCode><ContentType>text/plain</ContentType><MessageBody>no</MessageBody>
			</FixedResponseConfig></member></DefaultActions></member></Listeners>`,
		do: func(ctx context.Context, c *Clients) (any, error) { return c.ELB.DescribeListeners(ctx, "arn:lb") },
		want: []Listener{{
			ARN: "arn:listener", LoadBalancerARN: "arn:lb", Port: 80, Protocol: "HTTP", DefaultActions: []Action{{
				Type: "fixed-response", FixedResponse: &FixedResponse{StatusCode: "503", ContentType: "text/plain", MessageBody: "no"},
			}},
		}},
	},
	"rules": {
		answer: `<Rules>
			<member><RuleArn>arn:1</RuleArn><Priority>12</Priority><IsDefault>false</IsDefault><Conditions>
			<member><Field>host-header</Field><Values><member>a.example</member></Values>
			<HostHeaderConfig><Values><member>a.example</member></Values></HostHeaderConfig></member>
			<member><Field>path-pattern</Field><PathPatternConfig><Values><member>/a</member><member>/b</member></Values>
			</PathPatternConfig></member></Conditions><Actions>
			<member><Type>forward</Type><Order>2</Order><TargetGroupArn>arn:a</TargetGroupArn><ForwardConfig><TargetGroups>
			<member><TargetGroupArn>arn:a</TargetGroupArn><Weight>0</Weight></member>
			<member><TargetGroupArn>arn:b</TargetGroupArn></member></TargetGroups></ForwardConfig></member>
			<member><Type>authenticate-oidc</Type><Order>1</Order></member></Actions></member>
			<member><RuleArn>arn:2</RuleArn><Priority>13</Priority><Conditions>
			<member><Field>path-pattern</Field><Values><member>/old</member></Values></member></Conditions>
			<Actions><member><Type>forward</Type><TargetGroupArn>arn:c</TargetGroupArn></member></Actions></member>
			<member><RuleArn>arn:3</RuleArn><Priority>default</Priority><IsDefault>true</IsDefault><Conditions/>
			<Actions><member><Type>redirect</Type></member></Actions></member></Rules>`,
		do: func(ctx context.Context, c *Clients) (any, error) { return c.ELB.DescribeRules(ctx, "arn:listener") },
		want: []Rule{
			{
				ARN: "arn:1", Priority: 12,
				Conditions: []Condition{{Field: "host-header", Values: []string{"a.example"}}, {Field: "path-pattern", Values: []string{"/a", "/b"}}},
				Actions:    []Action{{Type: "authenticate-oidc"}, {Type: "forward", Forward: []WeightedTargetGroup{{"arn:a", 0}, {"arn:b", 1}}}},
			},
			{
				ARN: "arn:2", Priority: 13, Conditions: []Condition{{Field: "path-pattern", Values: []string{"/old"}}},
				Actions: []Action{{Type: "forward", Forward: []WeightedTargetGroup{{"arn:c", 1}}}},
			},
			{ARN: "arn:3", Conditions: []Condition{}, Actions: []Action{{Type: "redirect"}}},
		},
	},
	"target group": {
		answer: `<TargetGroups><member><TargetGroupArn>arn:tg</TargetGroupArn><TargetGroupName>tg</TargetGroupName>
			<Port>80</Port><Protocol>HTTP</Protocol><ProtocolVersion>HTTP1</ProtocolVersion><TargetType>ip</TargetType>
			<IpAddressType>ipv4</IpAddressType><VpcId>vpc-1</VpcId><HealthCheckProtocol>HTTP</HealthCheckProtocol>
			<HealthCheckPort>traffic-port</HealthCheckPort><HealthCheckPath>/up</HealthCheckPath>
			<HealthCheckIntervalSeconds>15</HealthCheckIntervalSeconds><HealthCheckTimeoutSeconds>5</HealthCheckTimeoutSeconds>
			<HealthyThresholdCount>2</HealthyThresholdCount><UnhealthyThresholdCount>3</UnhealthyThresholdCount>
			<Matcher><HttpCode>200-299</HttpCode></Matcher>
			<LoadBalancerArns><member>arn:lb</member></LoadBalancerArns></member></TargetGroups>`,
		do: func(ctx context.Context, c *Clients) (any, error) { return c.ELB.DescribeTargetGroups(ctx) },
		want: []TargetGroup{{
			ARN: "arn:tg", Name: "tg", Port: 80, Protocol: "HTTP", ProtocolVersion: "HTTP1", TargetType: "ip",
			IPAddressType: "ipv4", VPCID: "vpc-1", HealthCheck: wholeCheck, LoadBalancerARNs: []string{"arn:lb"},
		}},
	},
	"target health": {
		answer: `<TargetHealthDescriptions><member><Target><Id>10.0.1.2</Id><Port>8080</Port>
			<AvailabilityZone>ap-northeast-3a</AvailabilityZone></Target><TargetHealth><State>unhealthy</State>
			<Reason>Target.Timeout</Reason><Description>Request timed out</Description></TargetHealth></member>
			<member><Target><Id>2001:db8:0::1</Id><Port>9090</Port></Target><TargetHealth><State>healthy</State></TargetHealth>
			</member></TargetHealthDescriptions>`,
		do: func(ctx context.Context, c *Clients) (any, error) { return c.ELB.DescribeTargetHealth(ctx, "arn:tg") },
		want: []TargetHealth{
			{Target: echo0, Zone: "ap-northeast-3a", State: "unhealthy", Reason: "Target.Timeout", Description: "Request timed out"},
			{Target: echo1, State: "healthy"},
		},
	},
	"every kind of condition, and a redirect": {
		answer: `<Rules><member><RuleArn>arn:1</RuleArn><Priority>1</Priority><Conditions>
			<member><Field>http-header</Field><HttpHeaderConfig><HttpHeaderName>X-Kind</HttpHeaderName><Values><member>a*</member></Values></HttpHeaderConfig></member>
			<member><Field>http-request-method</Field><HttpRequestMethodConfig><Values><member>GET</member></Values></HttpRequestMethodConfig></member>
			<member><Field>query-string</Field><QueryStringConfig><Values><member><Key>k</Key><Value>v</Value></member><member><Value>any</Value></member></Values></QueryStringConfig></member>
			<member><Field>source-ip</Field><SourceIpConfig><Values><member>10.0.0.0/8</member></Values></SourceIpConfig></member>
			<member><Field>path-pattern</Field><PathPatternConfig><RegexValues><member>^/a</member></RegexValues></PathPatternConfig></member>
			</Conditions><Actions><member><Type>redirect</Type><RedirectConfig><StatusCode>HTTP_301</StatusCode><Protocol>HTTPS</Protocol><Port>443</Port></RedirectConfig></member></Actions>
			<Transforms><member><Type>url-rewrite</Type></member></Transforms></member>
			<member><RuleArn>arn:2</RuleArn><Priority>2</Priority><Actions><member><Type>forward</Type><ForwardConfig>
			<TargetGroups><member><TargetGroupArn>arn:a</TargetGroupArn></member></TargetGroups>
			<TargetGroupStickinessConfig><Enabled>true</Enabled><DurationSeconds>60</DurationSeconds></TargetGroupStickinessConfig></ForwardConfig></member></Actions></member>
			<member><RuleArn>arn:3</RuleArn><Priority>3</Priority><Actions><member><Type>redirect</Type><RedirectConfig><StatusCode>HTTP_302</StatusCode><Host>h</Host><Query></Query></RedirectConfig></member></Actions></member></Rules>`,
		do: func(ctx context.Context, c *Clients) (any, error) { return c.ELB.DescribeRules(ctx, "arn:listener") },
		want: []Rule{
			{
				ARN: "arn:1", Priority: 1, Transforms: true, Conditions: []Condition{
					{Field: "http-header", Header: "X-Kind", Values: []string{"a*"}},
					{Field: "http-request-method", Values: []string{"GET"}},
					{Field: "query-string", Queries: []QueryValue{{Key: "k", Value: "v"}, {Value: "any"}}},
					{Field: "source-ip", Values: []string{"10.0.0.0/8"}},
					{Field: "path-pattern", Regexes: []string{"^/a"}},
				},
				Actions: []Action{{Type: "redirect", Redirect: &Redirect{
					StatusCode: "HTTP_301", Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/#{path}", Query: "#{query}",
				}}},
			},
			{ARN: "arn:2", Priority: 2, Actions: []Action{{Type: "forward", StickySeconds: 60, Forward: []WeightedTargetGroup{{"arn:a", 1}}}}},
			{ARN: "arn:3", Priority: 3, Actions: []Action{{Type: "redirect", Redirect: &Redirect{
				StatusCode: "HTTP_302", Protocol: "#{protocol}", Host: "h", Port: "#{port}", Path: "/#{path}",
			}}}},
		},
	},
	"attributes": {
		answer: `<Attributes><member><Key>idle_timeout.timeout_seconds</Key><Value>60</Value></member><member><Key>access_logs.s3.prefix</Key></member></Attributes>`,
		do: func(ctx context.Context, c *Clients) (any, error) {
			return c.ELB.DescribeLoadBalancerAttributes(ctx, "arn:lb")
		},
		want: Attributes{"idle_timeout.timeout_seconds": "60", "access_logs.s3.prefix": ""},
	},
	"certificates but the default one": {
		answer: `<Certificates><member><CertificateArn>arn:c1</CertificateArn><IsDefault>true</IsDefault></member>
			<member><CertificateArn>arn:c2</CertificateArn><IsDefault>false</IsDefault></member></Certificates>`,
		do: func(ctx context.Context, c *Clients) (any, error) {
			return c.ELB.DescribeListenerCertificates(ctx, "arn:listener")
		},
		want: []string{"arn:c2"},
	},
	"TLS listener": {
		answer: `<Listeners><member><ListenerArn>arn:listener</ListenerArn><Port>443</Port><Protocol>HTTPS</Protocol>
			<SslPolicy>ELBSecurityPolicy-2016-08</SslPolicy><Certificates><member><CertificateArn>arn:c1</CertificateArn></member></Certificates></member></Listeners>`,
		do: func(ctx context.Context, c *Clients) (any, error) { return c.ELB.DescribeListeners(ctx, "arn:lb") },
		want: []Listener{{
			ARN: "arn:listener", Port: 443, Protocol: "HTTPS", SSLPolicy: "ELBSecurityPolicy-2016-08", CertificateARN: "arn:c1",
		}},
	},
	"gRPC's codes": {
		answer: `<TargetGroups><member><TargetGroupArn>arn:tg</TargetGroupArn><Matcher><GrpcCode>0-99</GrpcCode></Matcher></member></TargetGroups>`,
		do:     func(ctx context.Context, c *Clients) (any, error) { return c.ELB.DescribeTargetGroups(ctx) },
		want:   []TargetGroup{{ARN: "arn:tg", HealthCheck: HealthCheck{Matcher: "0-99"}}},
	},
	"tags": {
		answer: `<TagDescriptions><member><ResourceArn>arn:a</ResourceArn><Tags><member><Key>k</Key><Value>v</Value></member>
			<member><Key>empty</Key></member></Tags></member><member><ResourceArn>arn:b</ResourceArn></member></TagDescriptions>`,
		do: func(ctx context.Context, c *Clients) (any, error) {
			return c.ELB.DescribeTags(ctx, []string{"arn:a", "arn:b"})
		},
		want: map[string]Tags{"arn:a": {"k": "v", "empty": ""}, "arn:b": {}},
	},
}

// What a read makes of AWS's answer, wherever AWS put it.
func TestReads(t *testing.T) {
	for name, tc := range reads {
		t.Run(name, func(t *testing.T) {
			w := &wire{answer: func(form url.Values, _ int) (int, string) { return 200, result(form.Get("Action"), tc.answer) }}
			got, err := tc.do(t.Context(), clients(t, Options{HTTPClient: w}))
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

// EC2 groups rules by protocol and ports; we see one source each.
func TestReadsOfEC2(t *testing.T) {
	w := &wire{answer: func(form url.Values, _ int) (int, string) {
		if form.Get("Action") == "DescribeSubnets" {
			return 200, `<DescribeSubnetsResponse><subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>
				<availabilityZone>ap-northeast-3a</availabilityZone><cidrBlock>10.0.0.0/24</cidrBlock>
				<availableIpAddressCount>250</availableIpAddressCount>
				<tagSet><item><key>kubernetes.io/role/elb</key><value>1</value></item></tagSet></item></subnetSet></DescribeSubnetsResponse>`
		}
		return 200, `<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-1</groupId><groupName>sg</groupName>
			<groupDescription>ours</groupDescription><vpcId>vpc-1</vpcId><ipPermissions>
			<item><ipProtocol>tcp</ipProtocol><fromPort>80</fromPort><toPort>80</toPort>
			<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp><description>world</description></item></ipRanges>
			<ipv6Ranges><item><cidrIpv6>::/0</cidrIpv6></item></ipv6Ranges>
			<prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds></item>
			<item><ipProtocol>-1</ipProtocol><groups><item><groupId>sg-2</groupId><description>backends</description></item></groups></item>
			</ipPermissions></item></securityGroupInfo></DescribeSecurityGroupsResponse>`
	}}
	c := clients(t, Options{HTTPClient: w})

	subnets, err := c.EC2.DescribeSubnets(t.Context(), "vpc-1")
	require.NoError(t, err)
	require.Equal(t, []Subnet{{
		ID: "subnet-1", VPCID: "vpc-1", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/24",
		AvailableIPAddresses: 250, Tags: Tags{"kubernetes.io/role/elb": "1"},
	}}, subnets)
	require.Equal(t, strings.Fields("Filter.1.Name=vpc-id Filter.1.Value.1=vpc-1 MaxResults=1000"), fields(t, w.forms[0]))

	groups, err := c.EC2.DescribeSecurityGroups(t.Context(), "vpc-1", Tags{"b": "2", "a": "1"})
	require.NoError(t, err)
	require.Equal(t, []SecurityGroup{{
		ID: "sg-1", Name: "sg", Description: "ours", VPCID: "vpc-1", Ingress: sources, Tags: Tags{},
	}}, groups)
	require.Equal(t, strings.Fields("Filter.1.Name=vpc-id Filter.1.Value.1=vpc-1 Filter.2.Name=tag:a Filter.2.Value.1=1 "+
		"Filter.3.Name=tag:b Filter.3.Value.1=2 MaxResults=1000"), fields(t, w.forms[1]))
}
