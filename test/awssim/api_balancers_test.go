package awssim_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func TestLoadBalancerBecomesActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Switches: awssim.Switches{ProvisioningTime: 2 * time.Minute}})
		created := do(t, a.elb.CreateLoadBalancer, &elb.CreateLoadBalancerInput{
			Name: new("demo"), Scheme: types.LoadBalancerSchemeEnumInternal, Subnets: []string{"subnet-b", "subnet-a"},
			Tags: []types.Tag{{Key: new("k"), Value: new("")}},
		}).LoadBalancers[0]
		require.Equal(t, types.LoadBalancerStateEnumProvisioning, created.State.Code)
		require.Regexp(t, `^internal-demo-\d{9,10}\.ap-northeast-3\.elb\.amazonaws\.com$`, *created.DNSName)
		require.Regexp(t, `^arn:aws:elasticloadbalancing:ap-northeast-3:123456789012:loadbalancer/app/demo/[0-9a-f]{16}$`, *created.LoadBalancerArn)
		require.Equal(t, "vpc-1", *created.VpcId)
		require.Equal(t, types.LoadBalancerTypeEnumApplication, created.Type)
		require.Equal(t, types.IpAddressTypeIpv4, created.IpAddressType)
		require.True(t, created.CreatedTime.Equal(time.Now()))
		require.Equal(t, "subnet-b", *created.AvailabilityZones[0].SubnetId)
		require.Equal(t, region+"b", *created.AvailabilityZones[0].ZoneName)
		require.Len(t, created.SecurityGroups, 1, "the VPC's default group")

		state := func() types.LoadBalancerStateEnum {
			return do(t, a.elb.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{Names: []string{"demo"}}).LoadBalancers[0].State.Code
		}
		time.Sleep(2*time.Minute - 1)
		require.Equal(t, types.LoadBalancerStateEnumProvisioning, state())
		time.Sleep(1)
		require.Equal(t, types.LoadBalancerStateEnumActive, state())
	})
}

func TestCreateLoadBalancerIsIdempotent(t *testing.T) {
	a := open(t, awssim.Options{})
	input := func() *elb.CreateLoadBalancerInput {
		return &elb.CreateLoadBalancerInput{
			Name: new("demo"), Subnets: []string{"subnet-a", "subnet-b"}, Tags: []types.Tag{{Key: new("k"), Value: new("v")}},
		}
	}
	first := do(t, a.elb.CreateLoadBalancer, input()).LoadBalancers[0]
	require.NotContains(t, *first.DNSName, "internal-")
	again := input()
	again.Subnets = []string{"subnet-b", "subnet-a"} // The order does not count.
	require.Equal(t, *first.LoadBalancerArn, *do(t, a.elb.CreateLoadBalancer, again).LoadBalancers[0].LoadBalancerArn)

	for name, differ := range map[string]func(*elb.CreateLoadBalancerInput){
		"scheme":  func(i *elb.CreateLoadBalancerInput) { i.Scheme = types.LoadBalancerSchemeEnumInternal },
		"subnets": func(i *elb.CreateLoadBalancerInput) { i.Subnets = []string{"subnet-a", "subnet-b2"} },
		"tags":    func(i *elb.CreateLoadBalancerInput) { i.Tags[0].Value = new("w") },
		"address": func(i *elb.CreateLoadBalancerInput) { i.IpAddressType = types.IpAddressTypeDualstack },
	} {
		t.Run(name, func(t *testing.T) {
			in := input()
			differ(in)
			requireCode(t, fails(t, a.elb.CreateLoadBalancer, in), "DuplicateLoadBalancerName",
				"A load balancer with the same name 'demo' exists, but with different settings")
		})
	}
}

func TestCreateLoadBalancerRejects(t *testing.T) {
	a := open(t, awssim.Options{})
	tests := map[string]struct {
		change func(*elb.CreateLoadBalancerInput)
		code   string
	}{
		"no name":              {func(i *elb.CreateLoadBalancerInput) { i.Name = new("") }, "ValidationError"},
		"long name":            {func(i *elb.CreateLoadBalancerInput) { i.Name = new(strings.Repeat("a", 33)) }, "ValidationError"},
		"name with underscore": {func(i *elb.CreateLoadBalancerInput) { i.Name = new("a_b") }, "ValidationError"},
		"name begins with -":   {func(i *elb.CreateLoadBalancerInput) { i.Name = new("-a") }, "ValidationError"},
		"name is internal":     {func(i *elb.CreateLoadBalancerInput) { i.Name = new("internal-a") }, "ValidationError"},
		"no subnets":           {func(i *elb.CreateLoadBalancerInput) { i.Subnets = nil }, "ValidationError"},
		"one subnet":           {func(i *elb.CreateLoadBalancerInput) { i.Subnets = []string{"subnet-a"} }, "ValidationError"},
		"one zone": {
			func(i *elb.CreateLoadBalancerInput) { i.Subnets = []string{"subnet-b", "subnet-b2"} },
			"InvalidConfigurationRequest",
		},
		"two VPCs":       {func(i *elb.CreateLoadBalancerInput) { i.Subnets = []string{"subnet-a", "subnet-y"} }, "InvalidConfigurationRequest"},
		"unknown subnet": {func(i *elb.CreateLoadBalancerInput) { i.Subnets = []string{"subnet-a", "subnet-z"} }, "SubnetNotFound"},
		"small subnet":   {func(i *elb.CreateLoadBalancerInput) { i.Subnets = []string{"subnet-a", "subnet-tiny"} }, "InvalidSubnet"},
		"no gateway":     {func(i *elb.CreateLoadBalancerInput) { i.Subnets = []string{"subnet-x", "subnet-y"} }, "InvalidSubnet"},
		"unknown group":  {func(i *elb.CreateLoadBalancerInput) { i.SecurityGroups = []string{"sg-1"} }, "InvalidSecurityGroup"},
		"unknown scheme": {func(i *elb.CreateLoadBalancerInput) { i.Scheme = "public" }, "ValidationError"},
		"network type":   {func(i *elb.CreateLoadBalancerInput) { i.Type = types.LoadBalancerTypeEnumNetwork }, "ValidationError"},
		"reserved tag":   {func(i *elb.CreateLoadBalancerInput) { i.Tags = tags("aws:x", "v") }, "ValidationError"},
		"tag twice":      {func(i *elb.CreateLoadBalancerInput) { i.Tags = tags("x", "v", "x", "w") }, "DuplicateTagKeys"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			in := &elb.CreateLoadBalancerInput{Name: new("demo"), Subnets: []string{"subnet-a", "subnet-b"}}
			c.change(in)
			requireCode(t, fails(t, a.elb.CreateLoadBalancer, in), c.code, "")
		})
	}
	require.Empty(t, do(t, a.elb.DescribeLoadBalancers, nil).LoadBalancers)
}

func tags(pairs ...string) []types.Tag {
	var list []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return list
}

func TestDescribeLoadBalancers(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{LoadBalancers: 5}})
	var arns []string
	for _, name := range []string{"e", "b", "a", "d", "c"} {
		arns = append(arns, *a.balancer(t, name).LoadBalancerArn)
	}
	requireCode(t, fails(t, a.elb.CreateLoadBalancer, &elb.CreateLoadBalancerInput{Name: new("f"), Subnets: []string{"subnet-a", "subnet-b"}}),
		"TooManyLoadBalancers", "")

	var seen []string
	pages := elb.NewDescribeLoadBalancersPaginator(a.elb, &elb.DescribeLoadBalancersInput{PageSize: new(int32(2))})
	for page := range pagesOf(t, pages) {
		if len(seen) == 0 { // What was shown last vanishes: the listing goes on behind it.
			require.Len(t, page.LoadBalancers, 2)
			do(t, a.elb.DeleteLoadBalancer, &elb.DeleteLoadBalancerInput{LoadBalancerArn: page.LoadBalancers[1].LoadBalancerArn})
		}
		for _, lb := range page.LoadBalancers {
			seen = append(seen, *lb.LoadBalancerName)
		}
	}
	require.Equal(t, []string{"a", "b", "c", "d", "e"}, seen)

	require.Len(t, do(t, a.elb.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{LoadBalancerArns: arns[2:3]}).LoadBalancers, 1)
	requireCode(t, fails(t, a.elb.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arns[0], lbARN}}),
		"LoadBalancerNotFound", "One or more load balancers not found")
	requireCode(t, fails(t, a.elb.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{Names: []string{"zzz"}}),
		"LoadBalancerNotFound", "Load balancers '[zzz]' not found")
	requireCode(t, fails(t, a.elb.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{PageSize: new(int32(401))}), "ValidationError",
		"1 validation error detected: Value '401' at 'pageSize' failed to satisfy constraint: Member must have value less than or equal to 400")
	requireCode(t, fails(t, a.elb.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{Marker: new("?")}), "ValidationError", "")
}

func TestDeleteLoadBalancer(t *testing.T) {
	a := open(t, awssim.Options{})
	lb := a.balancer(t, "demo").LoadBalancerArn
	group := a.group(t, "echo0")
	listener := a.listener(t, lb, 80, forward(group))
	rule := a.rule(t, listener, 1, forward(group))
	protect := func(value string) {
		do(t, a.elb.ModifyLoadBalancerAttributes, &elb.ModifyLoadBalancerAttributesInput{
			LoadBalancerArn: lb, Attributes: []types.LoadBalancerAttribute{{Key: new("deletion_protection.enabled"), Value: &value}},
		})
	}
	protect("true")
	requireCode(t, fails(t, a.elb.DeleteLoadBalancer, &elb.DeleteLoadBalancerInput{LoadBalancerArn: lb}), "OperationNotPermitted",
		"Load balancer '"+*lb+"' cannot be deleted because deletion protection is enabled")
	protect("false")

	do(t, a.elb.DeleteLoadBalancer, &elb.DeleteLoadBalancerInput{LoadBalancerArn: lb})
	requireCode(t, fails(t, a.elb.DescribeListeners, &elb.DescribeListenersInput{ListenerArns: []string{*listener}}), "ListenerNotFound", "")
	requireCode(t, fails(t, a.elb.DescribeRules, &elb.DescribeRulesInput{RuleArns: []string{*rule}}), "RuleNotFound", "")
	require.Empty(t, do(t, a.elb.DescribeTargetGroups, nil).TargetGroups[0].LoadBalancerArns)
	do(t, a.elb.DeleteLoadBalancer, &elb.DeleteLoadBalancerInput{LoadBalancerArn: lb}) // It is gone: no error.
	requireCode(t, fails(t, a.elb.DeleteLoadBalancer, &elb.DeleteLoadBalancerInput{LoadBalancerArn: group}), "ValidationError",
		"'"+*group+"' is not a valid load balancer ARN")
	do(t, a.elb.DeleteTargetGroup, &elb.DeleteTargetGroupInput{TargetGroupArn: group})
}

func TestLoadBalancerSettings(t *testing.T) {
	a := open(t, awssim.Options{})
	lb := a.balancer(t, "demo").LoadBalancerArn
	sg := do(t, a.ec2.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: new("lb"), Description: new("d"), VpcId: new("vpc-1")}).GroupId
	other := do(t, a.ec2.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: new("lb"), Description: new("d"), VpcId: new("vpc-2")}).GroupId

	require.Equal(t, []string{*sg}, do(t, a.elb.SetSecurityGroups,
		&elb.SetSecurityGroupsInput{LoadBalancerArn: lb, SecurityGroups: []string{*sg}}).SecurityGroupIds)
	requireCode(t, fails(t, a.elb.SetSecurityGroups, &elb.SetSecurityGroupsInput{LoadBalancerArn: lb, SecurityGroups: []string{*other}}),
		"InvalidSecurityGroup", "")
	requireCode(t, fails(t, a.elb.SetSecurityGroups, &elb.SetSecurityGroupsInput{LoadBalancerArn: lb, SecurityGroups: []string{}}),
		"InvalidConfigurationRequest", "")
	requireCode(t, fails(t, a.elb.SetSecurityGroups, &elb.SetSecurityGroupsInput{LoadBalancerArn: new(lbARN), SecurityGroups: []string{*sg}}),
		"LoadBalancerNotFound", "")

	zones := do(t, a.elb.SetSubnets, &elb.SetSubnetsInput{
		LoadBalancerArn: lb, SubnetMappings: []types.SubnetMapping{{SubnetId: new("subnet-a")}, {SubnetId: new("subnet-c")}},
	}).AvailabilityZones
	require.Equal(t, region+"c", *zones[1].ZoneName)
	requireCode(t, fails(t, a.elb.SetSubnets, &elb.SetSubnetsInput{LoadBalancerArn: lb, Subnets: []string{"subnet-x", "subnet-y"}}),
		"InvalidConfigurationRequest", "")
	do(t, a.elb.SetIpAddressType, &elb.SetIpAddressTypeInput{LoadBalancerArn: lb, IpAddressType: types.IpAddressTypeDualstack})

	got := do(t, a.elb.DescribeLoadBalancers, nil).LoadBalancers[0]
	require.Equal(t, []string{*sg}, got.SecurityGroups)
	require.Equal(t, types.IpAddressTypeDualstack, got.IpAddressType)
	require.Equal(t, "subnet-c", *got.AvailabilityZones[1].SubnetId)

	requireCode(t, fails(t, a.elb.ModifyLoadBalancerAttributes, &elb.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: lb,
		Attributes: []types.LoadBalancerAttribute{
			{Key: new("idle_timeout.timeout_seconds"), Value: new("30")}, {Key: new("idle"), Value: new("30")},
		},
	}), "ValidationError", "Load balancer attribute key 'idle' is not recognized")
	attributes := map[string]string{}
	for _, pair := range do(t, a.elb.DescribeLoadBalancerAttributes, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: lb}).Attributes {
		attributes[*pair.Key] = *pair.Value
	}
	require.Equal(t, "60", attributes["idle_timeout.timeout_seconds"], "nothing of a wrong call takes effect")
	require.Empty(t, attributes["access_logs.s3.bucket"])
}

func TestInterfacesOutliveTheirLoadBalancer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Switches: awssim.Switches{InterfaceLinger: 30 * time.Second}})
		free := func() int32 {
			return *do(t, a.ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-a"}}).Subnets[0].AvailableIpAddressCount
		}
		require.Equal(t, int32(251), free())
		sg := do(t, a.ec2.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: new("lb"), Description: new("d"), VpcId: new("vpc-1")}).GroupId
		lb := do(t, a.elb.CreateLoadBalancer, &elb.CreateLoadBalancerInput{
			Name: new("demo"), Subnets: []string{"subnet-a", "subnet-b"}, SecurityGroups: []string{*sg},
		}).LoadBalancers[0].LoadBalancerArn
		require.Equal(t, int32(250), free())
		inUse := func() int {
			return len(do(t, a.ec2.DescribeNetworkInterfaces, &ec2.DescribeNetworkInterfacesInput{
				Filters: []ec2types.Filter{{Name: new("group-id"), Values: []string{*sg}}, {Name: new("description"), Values: []string{"ELB app/demo/*"}}},
			}).NetworkInterfaces)
		}
		require.Equal(t, 2, inUse())
		violation := "resource " + *sg + " has a dependent object"
		requireCode(t, fails(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: sg}), "DependencyViolation", violation)
		do(t, a.elb.DeleteLoadBalancer, &elb.DeleteLoadBalancerInput{LoadBalancerArn: lb})
		time.Sleep(30*time.Second - 1)
		require.Equal(t, 2, inUse())
		requireCode(t, fails(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: sg}), "DependencyViolation", violation)
		time.Sleep(1)
		require.Zero(t, inUse())
		require.Equal(t, int32(251), free())
		do(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: sg})
	})
}
