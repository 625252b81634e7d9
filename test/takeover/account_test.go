package takeover

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"
)

// The stacks of testdata/cluster.yaml.
var (
	web    = stack{id: "demo/web", scheme: "internet-facing"}
	shared = stack{id: "shared", scheme: "internal"}
	secure = stack{id: "demo/secure", scheme: "internal"}
)

// The backends of testdata/cluster.yaml.
var (
	standard = check{"HTTP", "traffic-port", "/", "200", 15, 5, 2, 2}

	webHTTP = backend{
		namespace: "demo", ingress: "web", service: "web", port: "80", targetPort: "8080", groupPort: 8080, podPort: 8080, protocol: "HTTP", version: "HTTP1",
		users: map[string]string{"team": "shop"}, check: check{"HTTP", "8081", "/healthz", "200", 20, 6, 3, 4}, address: "10.0.1.11",
	}
	apiHTTP = backend{
		namespace: "demo", ingress: "web", service: "api", port: "http", targetPort: "app", groupPort: 1, podPort: 5000, protocol: "HTTP", version: "HTTP1",
		users: map[string]string{"team": "api", "tier": "1"}, check: check{"HTTP", "traffic-port", "/ready", "200-299", 20, 6, 3, 4}, address: "10.0.1.12",
		attributes: map[string]string{"load_balancing.algorithm.type": "least_outstanding_requests"},
	}
	front = backend{
		namespace: "team-a", ingress: "front", service: "front", port: "80", targetPort: "9000", groupPort: 9000, podPort: 9000, protocol: "HTTP", version: "HTTP1",
		users: map[string]string{"team": "front", "owner": "platform"}, check: standard, address: "10.0.1.13",
		attributes: map[string]string{"deregistration_delay.timeout_seconds": "30", "stickiness.enabled": "true"},
	}
	back = backend{
		namespace: "team-b", ingress: "back", service: "back", port: "80", targetPort: "9001", groupPort: 9001, podPort: 9001, protocol: "HTTP", version: "HTTP1",
		users: map[string]string{"owner": "platform"}, check: standard, address: "10.0.1.14",
	}
	secureGRPC = backend{
		namespace: "demo", ingress: "secure", service: "secure", port: "443", targetPort: "8443", groupPort: 8443, podPort: 8443, protocol: "HTTPS", version: "GRPC",
		check: check{"HTTPS", "traffic-port", "/AWS.ALB/healthcheck", "12", 15, 5, 2, 2}, address: "10.0.1.15",
	}
	// nodes is not in testdata/cluster.yaml. Targets of its kind are not supported yet.
	nodes = backend{
		namespace: "team-a", ingress: "nodes", service: "nodes", port: "80", targetPort: "30080", groupPort: 30080, podPort: 30080, protocol: "HTTP", version: "HTTP1",
		targetType: "instance", users: map[string]string{"owner": "platform"}, check: standard, address: instanceID,
	}
	backends = map[stack][]backend{web: {webHTTP, apiHTTP}, shared: {front, back}, secure: {secureGRPC}}
)

// provisionByLBC puts into the account what LBC has made for testdata/cluster.yaml, and
// into the cluster what it wrote there.
func (w *world) provisionByLBC() {
	w.t.Helper()
	groups := map[string]string{} // ARNs of target groups by resource
	for _, s := range []stack{web, shared, secure} {
		for _, b := range w.backends[s] {
			groups[b.resource()] = w.lbcTargetGroup(s, b)
		}
	}
	w.lbcWeb(groups)
	w.lbcShared(groups)
	w.lbcSecure(groups)
	// One range from the least port to the last, with those between them.
	w.authorize(w.nodeGroup, permission{from: w.opened[0], to: w.opened[1], group: w.backendGroup, description: sharedRuleDescription})
}

func (w *world) lbcWeb(groups map[string]string) {
	users := map[string]string{"team": "shop"}
	group := w.securityGroup(web.securityGroupName(), managedGroupDescription, web.tags("ManagedLBSecurityGroup", users))
	for _, port := range []int32{80, 443} {
		for _, source := range []permission{{cidr: "10.0.0.0/8"}, {cidr: "192.168.0.0/16"}, {cidrV6: "2001:db8::/32"}, {list: "pl-0123456789abcdef0"}} {
			source.from, source.to = port, port
			w.authorize(group, source)
		}
	}
	lb := w.balancer(&elb.CreateLoadBalancerInput{
		Name: aws.String(web.balancerName()), Scheme: types.LoadBalancerSchemeEnumInternetFacing, IpAddressType: types.IpAddressTypeDualstack,
		SecurityGroups: []string{group, w.backendGroup}, Tags: tagList(web.tags("LoadBalancer", users)),
	}, map[string]string{"idle_timeout.timeout_seconds": "120", "routing.http2.enabled": "false"})
	w.listener(lb, web, users, &elb.CreateListenerInput{Port: aws.Int32(80), Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{{
		Type: types.ActionTypeEnumRedirect, RedirectConfig: &types.RedirectActionConfig{
			Port: aws.String("443"), Protocol: aws.String("HTTPS"), StatusCode: types.RedirectActionStatusCodeEnumHttp301,
		},
	}}}, nil)
	l := w.listener(lb, web, users, &elb.CreateListenerInput{
		Port: aws.Int32(443), Protocol: types.ProtocolEnumHttps, SslPolicy: aws.String("ELBSecurityPolicy-TLS13-1-2-2021-06"),
		Certificates: []types.Certificate{{CertificateArn: &w.certificates[0]}}, DefaultActions: forward(share{groups[webHTTP.resource()], 0}),
	}, map[string]string{"routing.http.response.server.enabled": "false"})
	_, err := w.elb.AddListenerCertificates(w.t.Context(), &elb.AddListenerCertificatesInput{
		ListenerArn: &l, Certificates: []types.Certificate{{CertificateArn: &w.certificates[1]}},
	})
	require.NoError(w.t, err)
	host := field("host-header", "shop.example.com")
	path := func(values ...string) types.RuleCondition { return field("path-pattern", values...) }
	split := forward(share{groups[webHTTP.resource()], 80}, share{groups[apiHTTP.resource()], 20})
	split[0].ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: aws.Int32(200)}
	w.rules(l, web, 443,
		rule{users, []types.RuleCondition{host, path("/old")}, []types.Action{{Type: types.ActionTypeEnumRedirect, RedirectConfig: &types.RedirectActionConfig{
			Host: aws.String("new.example.com"), StatusCode: types.RedirectActionStatusCodeEnumHttp302,
		}}}},
		rule{users, []types.RuleCondition{host, path("/gone")}, fixed("503", "text/plain", "Backend service does not exist")},
		rule{users, []types.RuleCondition{host, path("/api", "/api/*")}, forward(share{groups[apiHTTP.resource()], 0})},
		rule{users, []types.RuleCondition{host, path("/*")}, forward(share{groups[webHTTP.resource()], 0})},
		rule{users, []types.RuleCondition{{Field: aws.String("http-header"), HttpHeaderConfig: &types.HttpHeaderConditionConfig{
			HttpHeaderName: aws.String("X-Beta"), Values: []string{"1", "yes"},
		}}, host, path("/split/*")}, split},
		rule{users, []types.RuleCondition{host, path("/teapot")}, fixed("418", "text/html", "short and stout")},
	)
	w.showAddress(lb, []int32{80, 443}, "demo/web")
}

func (w *world) lbcShared(groups map[string]string) {
	everybody, teamA := map[string]string{"owner": "platform"}, map[string]string{"owner": "platform", "team": "front"}
	group := w.securityGroup(shared.securityGroupName(), managedGroupDescription, shared.tags("ManagedLBSecurityGroup", teamA))
	for _, port := range []int32{80, 8080} {
		w.authorize(group, permission{from: port, to: port, cidr: "172.16.0.0/12"})
	}
	lb := w.balancer(&elb.CreateLoadBalancerInput{
		Name: aws.String(shared.balancerName()), Scheme: types.LoadBalancerSchemeEnumInternal, IpAddressType: types.IpAddressTypeIpv4,
		SecurityGroups: []string{group, w.backendGroup}, Tags: tagList(shared.tags("LoadBalancer", teamA)),
	}, map[string]string{"idle_timeout.timeout_seconds": "90"})
	ofFront := rule{teamA, []types.RuleCondition{field("host-header", "a.example.com"), field("path-pattern", "/*")}, forward(share{groups[front.resource()], 0})}
	ofBack := rule{everybody, []types.RuleCondition{field("host-header", "b.example.com"), field("path-pattern", "/back")}, forward(share{groups[back.resource()], 0})}
	rules := map[int32][]rule{80: {ofBack, ofFront}, 8080: {ofFront}}
	members := []string{"team-a/front", "team-b/back"}
	if arn := groups[nodes.resource()]; arn != "" {
		members = append(members, "team-a/nodes")
		rules[80] = append(rules[80], rule{everybody, []types.RuleCondition{field("host-header", "n.example.com"), field("path-pattern", "/*")}, forward(share{arn, 0})})
	}
	for port, rules := range rules {
		l := w.listener(lb, shared, teamA, &elb.CreateListenerInput{
			Port: &port, Protocol: types.ProtocolEnumHttp, DefaultActions: fixed("404", "text/plain", ""),
		}, nil)
		w.rules(l, shared, port, rules...)
	}
	w.showAddress(lb, []int32{80, 8080}, members...)
}

func (w *world) lbcSecure(groups map[string]string) {
	lb := w.balancer(&elb.CreateLoadBalancerInput{
		Name: aws.String("secure-by-name"), Scheme: types.LoadBalancerSchemeEnumInternal, IpAddressType: types.IpAddressTypeIpv4,
		SecurityGroups: []string{w.office, w.factory, w.backendGroup}, Tags: tagList(secure.tags("LoadBalancer", nil)),
	}, nil)
	l := w.listener(lb, secure, nil, &elb.CreateListenerInput{
		Port: aws.Int32(8443), Protocol: types.ProtocolEnumHttps, SslPolicy: aws.String("ELBSecurityPolicy-2016-08"),
		Certificates: []types.Certificate{{CertificateArn: &w.certificates[2]}}, DefaultActions: fixed("404", "text/plain", ""),
	}, nil)
	w.rules(l, secure, 8443, rule{
		nil,
		[]types.RuleCondition{field("host-header", "secure.example.com"), field("path-pattern", "/*")},
		forward(share{groups[secureGRPC.resource()], 0}),
	})
	w.showAddress(lb, []int32{8443}, "demo/secure")
}

// lbcTargetGroup makes a target group with its target, its TargetGroupBinding and its pod.
func (w *world) lbcTargetGroup(s stack, b backend) (arn string) {
	w.t.Helper()
	name := b.groupName(s, w.serviceUID(b.namespace, b.service))
	matcher := &types.Matcher{HttpCode: &b.check.codes}
	if b.version == "GRPC" {
		matcher = &types.Matcher{GrpcCode: &b.check.codes}
	}
	out, err := w.elb.CreateTargetGroup(w.t.Context(), &elb.CreateTargetGroupInput{
		Name: &name, Port: &b.groupPort, Protocol: types.ProtocolEnum(b.protocol), ProtocolVersion: &b.version, TargetType: types.TargetTypeEnum(b.kind()),
		IpAddressType: types.TargetGroupIpAddressTypeEnumIpv4, VpcId: aws.String(vpcID), HealthCheckEnabled: aws.Bool(true),
		HealthCheckProtocol: types.ProtocolEnum(b.check.protocol), HealthCheckPort: &b.check.port, HealthCheckPath: &b.check.path, Matcher: matcher,
		HealthCheckIntervalSeconds: &b.check.interval, HealthCheckTimeoutSeconds: &b.check.timeout,
		HealthyThresholdCount: &b.check.healthy, UnhealthyThresholdCount: &b.check.unwell, Tags: tagList(s.tags(b.resource(), b.users)),
	})
	require.NoError(w.t, err)
	arn = *out.TargetGroups[0].TargetGroupArn
	if len(b.attributes) > 0 {
		input := &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &arn}
		for key, value := range b.attributes {
			input.Attributes = append(input.Attributes, types.TargetGroupAttribute{Key: &key, Value: &value})
		}
		_, err = w.elb.ModifyTargetGroupAttributes(w.t.Context(), input)
		require.NoError(w.t, err)
	}
	w.binding(s, b, name, arn)
	if b.kind() != "ip" {
		return arn // the simulator has no targets of other kinds
	}
	_, err = w.elb.RegisterTargets(w.t.Context(), &elb.RegisterTargetsInput{
		TargetGroupArn: &arn, Targets: []types.TargetDescription{{Id: &b.address, Port: &b.podPort}},
	})
	require.NoError(w.t, err)
	w.pod(b, name)
	return arn
}

// balancer makes a load balancer in both subnets.
func (w *world) balancer(input *elb.CreateLoadBalancerInput, attributes map[string]string) types.LoadBalancer {
	w.t.Helper()
	input.Type = types.LoadBalancerTypeEnumApplication
	for _, id := range []string{"subnet-a", "subnet-b"} {
		input.SubnetMappings = append(input.SubnetMappings, types.SubnetMapping{SubnetId: &id})
	}
	out, err := w.elb.CreateLoadBalancer(w.t.Context(), input)
	require.NoError(w.t, err)
	lb := out.LoadBalancers[0]
	modify := &elb.ModifyLoadBalancerAttributesInput{LoadBalancerArn: lb.LoadBalancerArn}
	for key, value := range attributes {
		modify.Attributes = append(modify.Attributes, types.LoadBalancerAttribute{Key: &key, Value: &value})
	}
	if len(attributes) > 0 {
		_, err = w.elb.ModifyLoadBalancerAttributes(w.t.Context(), modify)
		require.NoError(w.t, err)
	}
	return lb
}

func (w *world) listener(lb types.LoadBalancer, s stack, users map[string]string, input *elb.CreateListenerInput, attributes map[string]string) (arn string) {
	w.t.Helper()
	input.LoadBalancerArn, input.Tags = lb.LoadBalancerArn, tagList(s.tags(strconv.Itoa(int(*input.Port)), users))
	out, err := w.elb.CreateListener(w.t.Context(), input)
	require.NoError(w.t, err)
	arn = *out.Listeners[0].ListenerArn
	modify := &elb.ModifyListenerAttributesInput{ListenerArn: &arn}
	for key, value := range attributes {
		modify.Attributes = append(modify.Attributes, types.ListenerAttribute{Key: &key, Value: &value})
	}
	if len(attributes) > 0 {
		_, err = w.elb.ModifyListenerAttributes(w.t.Context(), modify)
		require.NoError(w.t, err)
	}
	return arn
}
