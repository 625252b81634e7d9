package awssim_test

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

const (
	region  = "ap-northeast-3"
	lbARN   = "arn:aws:elasticloadbalancing:ap-northeast-3:123456789012:loadbalancer/app/none/0123456789abcdef"
	noGroup = "arn:aws:elasticloadbalancing:ap-northeast-3:123456789012:targetgroup/none/0123456789abcdef"
)

// account is a simulated account and the SDK's clients for it.
type account struct {
	*awssim.Sim
	elb *elb.Client
	ec2 *ec2.Client
	acm *acm.Client
	sts *sts.Client
	// retrying is an ELBv2 client with the SDK's own retries.
	retrying *elb.Client
}

func open(t *testing.T, o awssim.Options) account {
	t.Helper()
	if o.VPCs == nil {
		o.VPCs = []awssim.VPC{
			{
				ID: "vpc-1", CIDRs: []string{"10.0.0.0/16", "10.1.0.0/16"}, Tags: map[string]string{"Name": "main"},
				Subnets: []awssim.Subnet{
					{ID: "subnet-a", Zone: region + "a", CIDR: "10.0.1.0/24", Public: true, Tags: map[string]string{"kubernetes.io/role/elb": "1"}},
					{ID: "subnet-b", Zone: region + "b", CIDR: "10.0.2.0/24", Public: true, Tags: map[string]string{"kubernetes.io/role/elb": ""}},
					{ID: "subnet-b2", Zone: region + "b", CIDR: "10.0.3.0/24"},
					{ID: "subnet-c", Zone: region + "c", CIDR: "10.0.4.0/24"},
					{ID: "subnet-tiny", Zone: region + "c", CIDR: "10.0.5.0/29"},
				},
			},
			{
				ID: "vpc-2", CIDRs: []string{"10.8.0.0/16"}, NoInternetGateway: true,
				Subnets: []awssim.Subnet{
					{ID: "subnet-x", Zone: region + "a", CIDR: "10.8.1.0/24"},
					{ID: "subnet-y", Zone: region + "b", CIDR: "10.8.2.0/24"},
				},
			},
		}
	}
	sim, err := awssim.New(o)
	require.NoError(t, err)
	return clients(sim, &http.Client{Transport: strictTransport{t, sim.Transport()}}, "http://aws.test", "AKID")
}

func clients(sim *awssim.Sim, client *http.Client, endpoint, key string) account {
	config := aws.Config{
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(key, "SECRET", ""),
		HTTPClient:   client,
		BaseEndpoint: &endpoint,
	}
	retrying := elb.NewFromConfig(config)
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return account{sim, elb.NewFromConfig(config), ec2.NewFromConfig(config), acm.NewFromConfig(config), sts.NewFromConfig(config), retrying}
}

// requireCode checks AWS's code, and the message too unless it is empty.
func requireCode(t *testing.T, err error, code, message string) {
	t.Helper()
	var failure smithy.APIError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, code, failure.ErrorCode(), failure.ErrorMessage())
	if message != "" {
		require.Equal(t, message, failure.ErrorMessage())
	}
}

func do[P, R, O any](t *testing.T, call func(context.Context, P, ...O) (R, error), params P) R {
	t.Helper()
	r, err := call(t.Context(), params)
	require.NoError(t, err)
	return r
}

func fails[P, R, O any](t *testing.T, call func(context.Context, P, ...O) (R, error), params P) error {
	t.Helper()
	_, err := call(t.Context(), params)
	require.Error(t, err)
	return err
}

func (a account) balancer(t *testing.T, name string) types.LoadBalancer {
	t.Helper()
	lb := do(t, a.elb.CreateLoadBalancer, &elb.CreateLoadBalancerInput{
		Name: &name, Subnets: []string{"subnet-a", "subnet-b"},
	}).LoadBalancers[0]
	require.Equal(t, types.LoadBalancerStateEnumProvisioning, lb.State.Code, "however short it is")
	return lb
}

func (a account) group(t *testing.T, name string) *string {
	t.Helper()
	return do(t, a.elb.CreateTargetGroup, newGroup(name)).TargetGroups[0].TargetGroupArn
}

func newGroup(name string) *elb.CreateTargetGroupInput {
	return &elb.CreateTargetGroupInput{
		Name: &name, Protocol: types.ProtocolEnumHttp, Port: new(int32(8080)), VpcId: new("vpc-1"), TargetType: types.TargetTypeEnumIp,
	}
}

func (a account) listener(t *testing.T, lb *string, port int32, actions ...types.Action) *string {
	t.Helper()
	if len(actions) == 0 {
		actions = []types.Action{respond("404")}
	}
	return do(t, a.elb.CreateListener, &elb.CreateListenerInput{
		LoadBalancerArn: lb, Port: &port, Protocol: types.ProtocolEnumHttp, DefaultActions: actions,
	}).Listeners[0].ListenerArn
}

func (a account) rule(t *testing.T, listener *string, priority int32, actions ...types.Action) *string {
	t.Helper()
	return do(t, a.elb.CreateRule, newRule(listener, priority, actions...)).Rules[0].RuleArn
}

func newRule(listener *string, priority int32, actions ...types.Action) *elb.CreateRuleInput {
	return &elb.CreateRuleInput{ListenerArn: listener, Priority: &priority, Conditions: []types.RuleCondition{path("/x")}, Actions: actions}
}

func path(values ...string) types.RuleCondition {
	return types.RuleCondition{Field: new("path-pattern"), Values: values}
}

func host(values ...string) types.RuleCondition {
	return types.RuleCondition{Field: new("host-header"), HostHeaderConfig: &types.HostHeaderConditionConfig{Values: values}}
}

func forward(group *string) types.Action {
	return types.Action{Type: types.ActionTypeEnumForward, TargetGroupArn: group}
}

func respond(status string) types.Action {
	return types.Action{
		Type:                types.ActionTypeEnumFixedResponse,
		FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: &status, ContentType: new("text/plain")},
	}
}

// mostPages is more than any listing of a test has.
const mostPages = 20

// pagesOf are the pages of a listing, from the SDK's paginator. A listing that does
// not end fails the test.
func pagesOf[R, O any](t *testing.T, p interface {
	HasMorePages() bool
	NextPage(context.Context, ...O) (R, error)
},
) iter.Seq[R] {
	t.Helper()
	return func(yield func(R) bool) {
		for range mostPages {
			if !p.HasMorePages() {
				return
			}
			page, err := p.NextPage(t.Context())
			require.NoError(t, err)
			if !yield(page) {
				return
			}
		}
		require.False(t, p.HasMorePages(), "a listing does not end")
	}
}

// overTCP serves the account on loopback, as the playground does.
func overTCP(t *testing.T, a account) account {
	t.Helper()
	server := httptest.NewServer(a.Sim)
	t.Cleanup(server.Close)
	return clients(a.Sim, server.Client(), server.URL, "AKID")
}
