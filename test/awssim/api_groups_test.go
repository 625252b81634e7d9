package awssim_test

import (
	"fmt"
	"strings"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func targets(group *string, ids ...string) *elb.RegisterTargetsInput {
	return &elb.RegisterTargetsInput{TargetGroupArn: group, Targets: descriptions(ids)}
}

func descriptions(ids []string) []types.TargetDescription {
	var list []types.TargetDescription
	for _, id := range ids {
		list = append(list, types.TargetDescription{Id: &id})
	}
	return list
}

func (a account) register(t *testing.T, group *string, ids ...string) {
	t.Helper()
	do(t, a.elb.RegisterTargets, targets(group, ids...))
}

func TestTargetGroupDefaults(t *testing.T) {
	a := open(t, awssim.Options{})
	g := do(t, a.elb.CreateTargetGroup, newGroup("echo")).TargetGroups[0]
	require.Regexp(t, `^arn:aws:elasticloadbalancing:ap-northeast-3:123456789012:targetgroup/echo/[0-9a-f]{16}$`, *g.TargetGroupArn)
	arn := g.TargetGroupArn
	g.TargetGroupArn = nil
	require.Equal(t, types.TargetGroup{
		TargetGroupName: new("echo"), Protocol: types.ProtocolEnumHttp, Port: new(int32(8080)), VpcId: new("vpc-1"),
		TargetType: types.TargetTypeEnumIp, ProtocolVersion: new("HTTP1"), IpAddressType: types.TargetGroupIpAddressTypeEnumIpv4,
		HealthCheckEnabled: new(true), HealthCheckProtocol: types.ProtocolEnumHttp, HealthCheckPort: new("traffic-port"), HealthCheckPath: new("/"),
		HealthCheckIntervalSeconds: new(int32(30)), HealthCheckTimeoutSeconds: new(int32(5)),
		HealthyThresholdCount: new(int32(5)), UnhealthyThresholdCount: new(int32(2)), Matcher: &types.Matcher{HttpCode: new("200")},
		LoadBalancerArns: []string{},
	}, g)

	attributes := map[string]string{}
	for _, pair := range do(t, a.elb.DescribeTargetGroupAttributes, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: arn}).Attributes {
		attributes[*pair.Key] = *pair.Value
	}
	require.Equal(t, "300", attributes["deregistration_delay.timeout_seconds"])
	require.Equal(t, "round_robin", attributes["load_balancing.algorithm.type"])
	for value, valid := range map[string]bool{"0": true, "3600": true, "3601": false, "x": false} {
		_, err := a.elb.ModifyTargetGroupAttributes(t.Context(), &elb.ModifyTargetGroupAttributesInput{
			TargetGroupArn: arn, Attributes: []types.TargetGroupAttribute{{Key: new("deregistration_delay.timeout_seconds"), Value: &value}},
		})
		require.Equal(t, valid, err == nil, value)
	}
}

func TestCreateTargetGroupIsIdempotent(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{TargetGroups: 1}})
	arn := a.group(t, "echo")
	require.Equal(t, *arn, *a.group(t, "echo"))
	in := newGroup("echo")
	in.HealthCheckPath = new("/healthz")
	requireCode(t, fails(t, a.elb.CreateTargetGroup, in), "DuplicateTargetGroupName",
		"A target group with the same name 'echo' exists, but with different settings")
	requireCode(t, fails(t, a.elb.CreateTargetGroup, newGroup("other")), "TooManyTargetGroups", "")

	changed := do(t, a.elb.ModifyTargetGroup, &elb.ModifyTargetGroupInput{
		TargetGroupArn: arn, HealthCheckPath: new("/healthz"), Matcher: &types.Matcher{HttpCode: new("200-299,404")},
	}).TargetGroups[0]
	require.Equal(t, "/healthz", *changed.HealthCheckPath)
	require.Equal(t, int32(30), *changed.HealthCheckIntervalSeconds)
	requireCode(t, fails(t, a.elb.ModifyTargetGroup, &elb.ModifyTargetGroupInput{TargetGroupArn: arn, HealthCheckIntervalSeconds: new(int32(5))}),
		"ValidationError", "Health check timeout '5' must be smaller than the interval '5'")
	require.Equal(t, int32(30), *do(t, a.elb.DescribeTargetGroups, nil).TargetGroups[0].HealthCheckIntervalSeconds)

	do(t, a.elb.DeleteTargetGroup, &elb.DeleteTargetGroupInput{TargetGroupArn: arn})
	do(t, a.elb.DeleteTargetGroup, &elb.DeleteTargetGroupInput{TargetGroupArn: arn}) // It is gone: no error.
	requireCode(t, fails(t, a.elb.RegisterTargets, targets(arn, "10.0.1.1")), "TargetGroupNotFound", "Target group '"+*arn+"' not found")
	require.NotEqual(t, *arn, *a.group(t, "echo"), "a new group has an ARN of its own")
}

func TestCreateTargetGroupRejects(t *testing.T) {
	a := open(t, awssim.Options{})
	for name, change := range map[string]func(*elb.CreateTargetGroupInput){
		"long name":      func(i *elb.CreateTargetGroupInput) { i.Name = new(strings.Repeat("a", 33)) },
		"name ends in -": func(i *elb.CreateTargetGroupInput) { i.Name = new("a-") },
		"no protocol":    func(i *elb.CreateTargetGroupInput) { i.Protocol = "" },
		"TCP":            func(i *elb.CreateTargetGroupInput) { i.Protocol = types.ProtocolEnumTcp },
		"HTTP/3":         func(i *elb.CreateTargetGroupInput) { i.ProtocolVersion = new("HTTP3") },
		"gRPC code":      func(i *elb.CreateTargetGroupInput) { i.Matcher = &types.Matcher{GrpcCode: new("0")} },
		"gRPC text": func(i *elb.CreateTargetGroupInput) {
			i.ProtocolVersion, i.Matcher = new("GRPC"), &types.Matcher{GrpcCode: new("100")}
		},
		"lambda":        func(i *elb.CreateTargetGroupInput) { i.TargetType = types.TargetTypeEnumLambda },
		"no port":       func(i *elb.CreateTargetGroupInput) { i.Port = nil },
		"port 0":        func(i *elb.CreateTargetGroupInput) { i.Port = new(int32(0)) },
		"no VPC":        func(i *elb.CreateTargetGroupInput) { i.VpcId = nil },
		"unknown VPC":   func(i *elb.CreateTargetGroupInput) { i.VpcId = new("vpc-9") },
		"interval 4":    func(i *elb.CreateTargetGroupInput) { i.HealthCheckIntervalSeconds = new(int32(4)) },
		"threshold 11":  func(i *elb.CreateTargetGroupInput) { i.HealthyThresholdCount = new(int32(11)) },
		"no check":      func(i *elb.CreateTargetGroupInput) { i.HealthCheckEnabled = new(false) },
		"check by TCP":  func(i *elb.CreateTargetGroupInput) { i.HealthCheckProtocol = types.ProtocolEnumTcp },
		"check port":    func(i *elb.CreateTargetGroupInput) { i.HealthCheckPort = new("http") },
		"relative path": func(i *elb.CreateTargetGroupInput) { i.HealthCheckPath = new("healthz") },
		"matcher 500":   func(i *elb.CreateTargetGroupInput) { i.Matcher = &types.Matcher{HttpCode: new("500")} },
		"matcher text":  func(i *elb.CreateTargetGroupInput) { i.Matcher = &types.Matcher{HttpCode: new("2xx")} },
	} {
		t.Run(name, func(t *testing.T) {
			in := newGroup("echo")
			change(in)
			requireCode(t, fails(t, a.elb.CreateTargetGroup, in), "ValidationError", "")
		})
	}
}

func TestDescribeTargetGroups(t *testing.T) {
	a := open(t, awssim.Options{})
	var arns []string
	for _, name := range []string{"b", "a", "c"} {
		arns = append(arns, *a.group(t, name))
	}
	names := func(in *elb.DescribeTargetGroupsInput) string {
		var list []string
		for page := range pagesOf(t, elb.NewDescribeTargetGroupsPaginator(a.elb, in)) {
			for _, g := range page.TargetGroups {
				list = append(list, *g.TargetGroupName)
			}
		}
		return strings.Join(list, " ")
	}
	require.Equal(t, "a b c", names(&elb.DescribeTargetGroupsInput{PageSize: new(int32(2))}))
	require.Equal(t, "a b c", names(&elb.DescribeTargetGroupsInput{PageSize: new(int32(3))}))
	require.Equal(t, "a b", names(&elb.DescribeTargetGroupsInput{TargetGroupArns: arns[:2]}))
	require.Equal(t, "c", names(&elb.DescribeTargetGroupsInput{Names: []string{"c", "c"}}))
	requireCode(t, fails(t, a.elb.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{Names: []string{"a", "x"}}),
		"TargetGroupNotFound", "One or more target groups not found")
	requireCode(t, fails(t, a.elb.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{Names: []string{"a"}, TargetGroupArns: arns[:1]}),
		"ValidationError", "")
	requireCode(t, fails(t, a.elb.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{LoadBalancerArn: new(lbARN)}), "LoadBalancerNotFound", "")
}

func TestTargetsOverTheWire(t *testing.T) {
	a := open(t, awssim.Options{})
	group := a.group(t, "echo")
	do(t, a.elb.RegisterTargets, &elb.RegisterTargetsInput{TargetGroupArn: group, Targets: []types.TargetDescription{
		{Id: new("10.0.1.7")}, {Id: new("10.0.2.7"), Port: new(int32(9090))},
	}})
	health := func(in ...types.TargetDescription) []types.TargetHealthDescription {
		return do(t, a.elb.DescribeTargetHealth, &elb.DescribeTargetHealthInput{TargetGroupArn: group, Targets: in}).TargetHealthDescriptions
	}
	rows := health()
	require.Len(t, rows, 2)
	require.Equal(t, types.TargetHealthDescription{
		Target:          &types.TargetDescription{Id: new("10.0.1.7"), Port: new(int32(8080)), AvailabilityZone: new(region + "a")},
		HealthCheckPort: new("8080"),
		TargetHealth: &types.TargetHealth{
			State: types.TargetHealthStateEnumUnused, Reason: types.TargetHealthReasonEnumNotInUse, Description: rows[0].TargetHealth.Description,
		},
	}, rows[0])
	require.Equal(t, "9090", *rows[1].HealthCheckPort)
	require.Equal(t, types.TargetHealthReasonEnumNotRegistered, health(types.TargetDescription{Id: new("10.0.1.9")})[0].TargetHealth.Reason)

	do(t, a.elb.DeregisterTargets, &elb.DeregisterTargetsInput{TargetGroupArn: group, Targets: descriptions([]string{"10.0.1.7", "10.0.2.7"})})
	require.Equal(t, int32(9090), *health()[0].Target.Port, "only the port names a target that has its own")
	requireCode(t, fails(t, a.elb.DescribeTargetHealth, &elb.DescribeTargetHealthInput{TargetGroupArn: new(noGroup)}), "TargetGroupNotFound", "")
	requireCode(t, fails(t, a.elb.RegisterTargets, &elb.RegisterTargetsInput{TargetGroupArn: group, Targets: []types.TargetDescription{}}),
		"ValidationError", "")

	in := newGroup("instances")
	in.TargetType = ""
	instances := do(t, a.elb.CreateTargetGroup, in).TargetGroups[0]
	require.Equal(t, types.TargetTypeEnumInstance, instances.TargetType)
	requireCode(t, fails(t, a.elb.RegisterTargets, targets(instances.TargetGroupArn, "i-1")), "InvalidTarget", "")
}

func TestELBTags(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{TagsPerResource: 3}})
	lb := a.balancer(t, "demo").LoadBalancerArn
	group := a.group(t, "echo")
	listener := a.listener(t, lb, 80, forward(group))
	rule := a.rule(t, listener, 1, forward(group))
	arns := []string{*lb, *group, *listener, *rule}
	do(t, a.elb.AddTags, &elb.AddTagsInput{ResourceArns: arns, Tags: tags("a", "1", "b", "")})
	do(t, a.elb.AddTags, &elb.AddTagsInput{ResourceArns: arns, Tags: tags("a", "2", "c", "3")})
	requireCode(t, fails(t, a.elb.AddTags, &elb.AddTagsInput{ResourceArns: arns, Tags: tags("d", "4")}), "TooManyTags", "")
	do(t, a.elb.RemoveTags, &elb.RemoveTagsInput{ResourceArns: arns[:1], TagKeys: []string{"b", "x"}})
	got := map[string]string{}
	for _, d := range do(t, a.elb.DescribeTags, &elb.DescribeTagsInput{ResourceArns: arns}).TagDescriptions {
		for _, tag := range d.Tags {
			got[*d.ResourceArn] += fmt.Sprintf("%s=%s ", *tag.Key, *tag.Value)
		}
	}
	require.Equal(t, map[string]string{*lb: "a=2 c=3 ", *group: "a=2 b= c=3 ", *listener: "a=2 b= c=3 ", *rule: "a=2 b= c=3 "}, got)

	for name, c := range map[string]struct {
		arns []string
		tags []types.Tag
		code string
	}{
		"reserved":       {arns, tags("AWS:x", "1"), "ValidationError"},
		"empty key":      {arns, tags("", "1"), "ValidationError"},
		"long key":       {arns, tags(strings.Repeat("k", 129), "1"), "ValidationError"},
		"long value":     {arns, tags("k", strings.Repeat("v", 257)), "ValidationError"},
		"character":      {arns, tags("k", "a;b"), "ValidationError"},
		"twice":          {arns, tags("k", "1", "k", "2"), "DuplicateTagKeys"},
		"no group":       {[]string{*lb, noGroup}, tags("k", "1"), "TargetGroupNotFound"},
		"no balancer":    {[]string{lbARN}, tags("k", "1"), "LoadBalancerNotFound"},
		"not a resource": {[]string{"arn:aws:s3:::bucket"}, tags("k", "1"), "ValidationError"},
		"21 resources":   {make([]string, 21), tags("k", "1"), "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			requireCode(t, fails(t, a.elb.AddTags, &elb.AddTagsInput{ResourceArns: c.arns, Tags: c.tags}), c.code, "")
		})
	}
	require.Len(t, do(t, a.elb.DescribeTags, &elb.DescribeTagsInput{ResourceArns: arns[:1]}).TagDescriptions[0].Tags, 2)
}

func TestAccountLimitsAndPolicies(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{RulesPerLoadBalancer: 7}})
	limits := map[string]string{}
	pages := 0
	for marker := new(""); marker != nil && pages < mostPages; pages++ {
		out := do(t, a.elb.DescribeAccountLimits, &elb.DescribeAccountLimitsInput{PageSize: new(int32(4)), Marker: marker})
		for _, l := range out.Limits {
			limits[*l.Name] = *l.Max
		}
		marker = out.NextMarker
	}
	require.Equal(t, 3, pages)
	require.Equal(t, "7", limits["rules-per-application-load-balancer"])
	require.Equal(t, "1000", limits["targets-per-application-load-balancer"])

	policies := do(t, a.elb.DescribeSSLPolicies, &elb.DescribeSSLPoliciesInput{Names: []string{"ELBSecurityPolicy-TLS13-1-2-2021-06"}}).SslPolicies
	require.Equal(t, []string{"TLSv1.2", "TLSv1.3"}, policies[0].SslProtocols)
	requireCode(t, fails(t, a.elb.DescribeSSLPolicies, &elb.DescribeSSLPoliciesInput{Names: []string{"x"}}), "SSLPolicyNotFound", "")
}
