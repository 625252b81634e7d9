package awssim_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
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

// drain calls until an error comes, and tells how many calls succeeded.
func drain(t *testing.T, code string, call func() error) int {
	t.Helper()
	for n := range 1000 {
		if err := call(); err != nil {
			requireCode(t, err, code, "")
			return n
		}
	}
	require.Fail(t, "never throttled")
	return 0
}

func TestELBBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Throttling: true})
		group := a.group(t, "echo")
		read := func() error { _, err := a.elb.DescribeTargetGroups(t.Context(), nil); return err }
		register := func() error { _, err := a.elb.RegisterTargets(t.Context(), targets(group, "10.0.1.1")); return err }
		deregister := func() error {
			_, err := a.elb.DeregisterTargets(t.Context(), &elb.DeregisterTargetsInput{TargetGroupArn: group, Targets: descriptions([]string{"10.0.1.1"})})
			return err
		}
		time.Sleep(time.Minute)
		require.Equal(t, 20, drain(t, "ThrottlingException", register))
		require.Zero(t, drain(t, "ThrottlingException", deregister), "both calls share a bucket")
		require.Equal(t, 20, drain(t, "ThrottlingException", read), "the account's bucket has 20 left of 40")

		time.Sleep(time.Second)
		require.Equal(t, 4, drain(t, "ThrottlingException", register))
		require.Equal(t, 6, drain(t, "ThrottlingException", read))
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, 1, drain(t, "ThrottlingException", read), "the refill is continuous")

		time.Sleep(time.Minute)
		balancers := func() error {
			_, err := a.elb.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: new("lb"), Subnets: []string{"subnet-a", "subnet-b"}})
			return err
		}
		require.Equal(t, 10, drain(t, "ThrottlingException", balancers))
		time.Sleep(5*time.Second - time.Millisecond)
		require.Zero(t, drain(t, "ThrottlingException", balancers))
		time.Sleep(time.Millisecond)
		require.Equal(t, 1, drain(t, "ThrottlingException", balancers))
	})
}

func TestThrottlingSwitches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Throttling: true, Switches: awssim.Switches{
			StepRefill: true, ThrottleConsumesToken: true, ThrottleCode: "Throttling",
		}})
		group := a.group(t, "echo")
		register := func() error { _, err := a.elb.RegisterTargets(t.Context(), targets(group, "10.0.1.1")); return err }
		read := func() error { _, err := a.elb.DescribeTargetGroups(t.Context(), nil); return err }
		time.Sleep(10 * time.Second)
		require.Equal(t, 20, drain(t, "Throttling", register))
		for range 9 {
			require.Error(t, register()) // Each takes a token of the account.
		}
		require.Equal(t, 10, drain(t, "Throttling", read))
		time.Sleep(999 * time.Millisecond)
		require.Zero(t, drain(t, "Throttling", read), "the tokens of a second come at its end")
		time.Sleep(time.Millisecond)
		require.Equal(t, 10, drain(t, "Throttling", read))
	})
}

func TestEC2BucketsAreByAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Throttling: true})
		groups := func(filters ...ec2types.Filter) func() error {
			return func() error {
				_, err := a.ec2.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: filters})
				return err
			}
		}
		subnets := func() error { _, err := a.ec2.DescribeSubnets(t.Context(), nil); return err }
		deletes := func() error {
			_, err := a.ec2.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{"vpc-1"}})
			return err
		}
		require.Equal(t, 50, drain(t, "RequestLimitExceeded", groups()))
		require.Equal(t, 100, drain(t, "RequestLimitExceeded", groups(filter("vpc-id", "vpc-1"))))
		require.Equal(t, 50, drain(t, "RequestLimitExceeded", func() error {
			_, err := a.ec2.DescribeNetworkInterfaces(t.Context(), nil)
			return err
		}))
		require.Equal(t, 100, drain(t, "RequestLimitExceeded", subnets), "there is no account bucket")
		require.Equal(t, 100, drain(t, "RequestLimitExceeded", deletes))
		time.Sleep(time.Second)
		require.Equal(t, 10, drain(t, "RequestLimitExceeded", groups()))
		require.Equal(t, 20, drain(t, "RequestLimitExceeded", subnets))
		require.Equal(t, 10, drain(t, "RequestLimitExceeded", deletes))
	})
}

func TestNoBucketsByDefault(t *testing.T) {
	a := open(t, awssim.Options{})
	for range 200 {
		do(t, a.elb.DescribeLoadBalancers, nil)
	}
}

// The SDK's own retries see the simulator's throttling as AWS's.
func TestSDKRetriesThrottledCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{})
		a.Inject(awssim.Fault{Action: "DescribeLoadBalancers", Times: 2, Throttle: true})
		do(t, a.retrying.DescribeLoadBalancers, nil)
		require.Equal(t, []string{"ThrottlingException", "ThrottlingException", "OK"}, codes(a, "DescribeLoadBalancers"))
		a.Inject(awssim.Fault{Action: "DescribeTags", Times: 1, Code: "InternalFailure", Message: "m", Status: http.StatusInternalServerError})
		group := a.group(t, "echo")
		do(t, a.retrying.DescribeTags, &elb.DescribeTagsInput{ResourceArns: []string{*group}})
		require.Equal(t, []string{"InternalFailure", "OK"}, codes(a, "DescribeTags"))
	})
}

func codes(a account, action string) []string {
	var list []string
	for _, c := range a.Calls() {
		if c.Action == action {
			list = append(list, c.Code)
		}
	}
	return list
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Latency: 100 * time.Millisecond})
		began := time.Now()
		do(t, a.elb.CreateTargetGroup, newGroup("one"))
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		require.Equal(t, 50*time.Millisecond, a.Calls()[0].Time.Sub(began), "a call takes effect on half the way")

		// What was sent cannot be recalled.
		a.Inject(awssim.Fault{Action: "CreateTargetGroup", Times: 1, Latency: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		_, err := a.elb.CreateTargetGroup(ctx, newGroup("two"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		require.Len(t, do(t, a.elb.DescribeTargetGroups, nil).TargetGroups, 2)
	})
}

func TestReadAfterCreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Switches: awssim.Switches{ReadAfterCreate: 2 * time.Second}})
		group, sg := a.group(t, "echo"), a.securityGroup(t, "lb")
		lb := a.balancer(t, "demo").LoadBalancerArn
		addTags := &elb.AddTagsInput{ResourceArns: []string{*group}, Tags: tags("k", "v")}
		newListener := &elb.CreateListenerInput{
			LoadBalancerArn: lb, Port: new(int32(80)), Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{respond("404")},
		}
		time.Sleep(2*time.Second - 1)
		require.Empty(t, do(t, a.elb.DescribeTargetGroups, nil).TargetGroups)
		require.Empty(t, do(t, a.elb.DescribeLoadBalancers, nil).LoadBalancers)
		requireCode(t, fails(t, a.elb.AddTags, addTags), "TargetGroupNotFound", "")
		requireCode(t, fails(t, a.elb.CreateListener, newListener), "LoadBalancerNotFound", "")
		requireCode(t, fails(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: sg}), "InvalidGroup.NotFound", "")
		require.Equal(t, *group, *a.group(t, "echo"), "creating again finds it all the same")
		require.Len(t, do(t, a.ec2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{}).SecurityGroups, 2, "the default groups are old")
		time.Sleep(1)
		do(t, a.elb.AddTags, addTags)
		listener := do(t, a.elb.CreateListener, newListener).Listeners[0].ListenerArn
		requireCode(t, fails(t, a.elb.CreateRule, newRule(listener, 1, respond("200"))), "ListenerNotFound", "")
		do(t, a.ec2.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: sg})
	})
}

func TestCallsAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{KeepCalls: 3})
		group := a.group(t, "echo")
		a.register(t, group, "10.0.1.1", "10.0.1.2")
		requireCode(t, fails(t, a.elb.RegisterTargets, targets(group, "8.8.8.8")), "ValidationError", "")
		calls := a.Calls()
		require.Len(t, calls, 3)
		got := calls[1]
		require.NotEmpty(t, got.RequestID)
		require.NotEqual(t, got.RequestID, calls[2].RequestID)
		got.RequestID = ""
		require.Equal(t, awssim.Call{
			Time: time.Now(), Arrived: time.Now(), Caller: "AKID", Service: "elasticloadbalancing", Action: "RegisterTargets", Code: "OK", Params: map[string]string{
				"TargetGroupArn": *group, "Targets.member.1.Id": "10.0.1.1", "Targets.member.2.Id": "10.0.1.2",
			},
		}, got)
		require.Equal(t, "ValidationError", calls[2].Code)
		for range 20 {
			do(t, a.elb.DescribeTargetGroups, nil)
		}
		require.Equal(t, []string{"OK", "OK", "OK"}, codes(a, "DescribeTargetGroups"))
		require.Len(t, a.Calls(), 3, "the latest")
	})
}

func TestRawRequests(t *testing.T) {
	a := open(t, awssim.Options{})
	signed := "AWS4-HMAC-SHA256 Credential=AKID/20260101/ap-northeast-3/%/aws4_request, SignedHeaders=host, Signature=0"
	tests := map[string]struct {
		authorization, body string
		status              int
		contains            string
	}{
		"unsigned":                    {"", "Action=DescribeLoadBalancers&Version=2015-12-01", 403, "<Code>MissingAuthenticationToken</Code>"},
		"unsigned EC2":                {"", "Action=DescribeVpcs&Version=2016-11-15", 403, "<Response><Errors><Error><Code>MissingAuthenticationToken</Code>"},
		"empty body":                  {"elasticloadbalancing", "", 400, "<Code>InvalidAction</Code>"},
		"not a form":                  {"elasticloadbalancing", "%zz", 400, "<Code>InvalidAction</Code>"},
		"old version":                 {"elasticloadbalancing", "Action=DescribeLoadBalancers&Version=2012-06-01", 400, "<Code>InvalidAction</Code>"},
		"action of the other service": {"ec2", "Action=DescribeLoadBalancers&Version=2016-11-15", 400, "<Code>InvalidAction</Code>"},
		"unknown parameter": {
			"elasticloadbalancing", "Action=DescribeLoadBalancers&Version=2015-12-01&Color=red", 400,
			"<Code>ValidationError</Code><Message>The parameter Color is not recognized</Message>",
		},
		"unknown EC2 parameter": {
			"ec2", "Action=DescribeVpcs&Version=2016-11-15&Color=red", 400,
			"<Code>UnknownParameter</Code><Message>The parameter Color is not recognized</Message>",
		},
		"missing parameter": {
			"elasticloadbalancing", "Action=DeleteRule&Version=2015-12-01", 400,
			"Value null at &#39;ruleArn&#39; failed to satisfy constraint: Member must not be null",
		},
		"empty result": {
			"elasticloadbalancing", "Action=DescribeLoadBalancers&Version=2015-12-01", 200,
			"<DescribeLoadBalancersResult><LoadBalancers></LoadBalancers></DescribeLoadBalancersResult><ResponseMetadata><RequestId>",
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://aws.test/", strings.NewReader(c.body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if c.authorization != "" {
				r.Header.Set("Authorization", strings.Replace(signed, "%", c.authorization, 1))
			}
			resp, err := a.Transport().RoundTrip(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, c.status, resp.StatusCode)
			require.Contains(t, string(body), c.contains)
			require.Nil(t, r.Form, "the request is left as it was")
		})
	}
}

// A tour over real sockets with both services on one port, from several clients.
func TestOverTCP(t *testing.T) {
	a := overTCP(t, open(t, awssim.Options{}))
	sg := a.securityGroup(t, "lb")
	lb := do(t, a.elb.CreateLoadBalancer, &elb.CreateLoadBalancerInput{
		Name: new("demo"), Subnets: []string{"subnet-a", "subnet-b"}, SecurityGroups: []string{*sg},
	}).LoadBalancers[0].LoadBalancerArn
	listener := a.listener(t, lb, 80)
	var wg sync.WaitGroup
	for i := range int32(20) {
		wg.Go(func() {
			group, err := a.elb.CreateTargetGroup(t.Context(), newGroup(strings.Repeat("g", int(i)+1)))
			if err != nil {
				t.Error(err)
				return
			}
			in := newRule(listener, i+1, forward(group.TargetGroups[0].TargetGroupArn))
			if _, err := a.elb.CreateRule(t.Context(), in); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, do(t, a.elb.DescribeRules, &elb.DescribeRulesInput{ListenerArn: listener}).Rules, 21)
	require.Len(t, do(t, a.elb.DescribeTargetGroups, nil).TargetGroups, 20)
}

func TestNewRejects(t *testing.T) {
	for name, vpc := range map[string]awssim.VPC{
		"no id":         {CIDRs: []string{"10.0.0.0/16"}},
		"no block":      {ID: "vpc-1"},
		"wrong block":   {ID: "vpc-1", CIDRs: []string{"10.0.0.0"}},
		"other zone":    {ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{{ID: "subnet-1", Zone: "us-east-1a", CIDR: "10.0.0.0/24"}}},
		"outside":       {ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{{ID: "subnet-1", Zone: region + "a", CIDR: "10.1.0.0/24"}}},
		"larger":        {ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{{ID: "subnet-1", Zone: region + "a", CIDR: "10.0.0.0/8"}}},
		"without an id": {ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{{Zone: region + "a", CIDR: "10.0.0.0/24"}}},
		"overlapping": {ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
			{ID: "subnet-1", Zone: region + "a", CIDR: "10.0.0.0/23"}, {ID: "subnet-2", Zone: region + "b", CIDR: "10.0.1.0/24"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := awssim.New(awssim.Options{VPCs: []awssim.VPC{vpc}})
			require.Error(t, err)
		})
	}
}

// Two worlds that make the same calls are the same.
func TestIdentifiersAreReproducible(t *testing.T) {
	build := func() []string {
		a := open(t, awssim.Options{})
		lb := a.balancer(t, "demo")
		listener := a.listener(t, lb.LoadBalancerArn, 80)
		return []string{*lb.LoadBalancerArn, *lb.DNSName, *listener, *a.rule(t, listener, 1, respond("200")), *a.group(t, "echo"), *a.securityGroup(t, "lb")}
	}
	first := build()
	require.Equal(t, first, build())
}
