package awsapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tgsync/tgsync/syncer/target"
)

func TestMain(m *testing.M) {
	for key, value := range map[string]string{
		"AWS_REGION":                  "ap-northeast-3",
		"AWS_ACCESS_KEY_ID":           "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY":       "wJalrXUtnFEMI",
		"AWS_SESSION_TOKEN":           "session-token",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(key, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// wire is AWS at the other end of the SDK: it keeps what was sent and answers
// what the test says.
type wire struct {
	answer func(form url.Values, n int) (status int, body string) // n counts requests from 1; nil: fine

	mu       sync.Mutex
	requests []*http.Request
	forms    []url.Values
}

var _ HTTPClient = (*wire)(nil)

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := parse(r, body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.requests, w.forms = append(w.requests, r), append(w.forms, form)
	n := len(w.forms)
	w.mu.Unlock()
	status, text := http.StatusOK, fine(form.Get("Action"))
	if w.answer != nil {
		status, text = w.answer(form, n)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(text)),
	}, nil
}

// parse reads the form of a request. ACM's body is JSON: its action is all that is
// read.
func parse(r *http.Request, body []byte) (url.Values, error) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, action, _ := strings.Cut(target, ".")
		return url.Values{"Action": {action}, "Target": {target}, "Body": {string(body)}}, nil
	}
	return url.ParseQuery(string(body))
}

// fine is an answer that fits every action: Create calls get the one row they need.
func fine(action string) string {
	rows := map[string]string{
		"CreateLoadBalancer": "LoadBalancers", "CreateListener": "Listeners",
		"CreateTargetGroup": "TargetGroups", "CreateRule": "Rules",
	}
	if strings.HasSuffix(action, "Certificate") || action == "ListCertificates" {
		return "{}" // ACM's
	}
	if list, ok := rows[action]; ok {
		return result(action, "<"+list+"><member><Priority>1</Priority></member></"+list+">")
	}
	return result(action, "")
}

// result is an answer of ELBv2; EC2's decoder does not mind the extra element.
func result(action, body string) string {
	return fmt.Sprintf("<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", action, body)
}

// failure is an error of the service that the form is for.
func failure(form url.Values, code string) string {
	if form.Has("Target") {
		return `{"__type":"` + code + `","message":"no"}`
	}
	if form.Get("Version") == "2016-11-15" {
		return "<Response><Errors><Error><Code>" + code + "</Code><Message>no</Message></Error></Errors></Response>"
	}
	return "<ErrorResponse><Error><Code>" + code + "</Code><Message>no</Message></Error></ErrorResponse>"
}

func clients(t *testing.T, o Options) *Clients {
	t.Helper()
	c, err := New(t.Context(), o)
	require.NoError(t, err)
	return c
}

// sightings is an Observer that remembers.
type sightings struct {
	mu       sync.Mutex
	requests []string // "service operation code"
	took     []time.Duration
	waits    map[string]time.Duration
	tokens   map[string]int
}

var _ Observer = (*sightings)(nil)

func (s *sightings) Request(service, operation, code string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, service+" "+operation+" "+code)
	s.took = append(s.took, d)
}

func (s *sightings) TokenWait(bucket string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits == nil {
		s.waits, s.tokens = map[string]time.Duration{}, map[string]int{}
	}
	s.waits[bucket] += d
	s.tokens[bucket]++
}

// call is one use of a method.
type call struct {
	action string // as IAM names it
	do     func(ctx context.Context, c *Clients) error
}

// reads reports whether the action changes nothing.
func (c call) reads() bool {
	_, action, _ := strings.Cut(c.action, ":")
	return strings.HasPrefix(action, "Describe") || strings.HasPrefix(action, "List")
}

func second[T any](_ T, err error) error { return err }

// everyCall uses every method once, by the name of the method.
var everyCall = map[string]call{
	"DescribeLoadBalancers": {"elasticloadbalancing:DescribeLoadBalancers", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeLoadBalancers(ctx))
	}},
	"CreateLoadBalancer": {"elasticloadbalancing:CreateLoadBalancer", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.CreateLoadBalancer(ctx, LoadBalancer{Name: "lb"}))
	}},
	"DeleteLoadBalancer": {"elasticloadbalancing:DeleteLoadBalancer", func(ctx context.Context, c *Clients) error {
		return c.ELB.DeleteLoadBalancer(ctx, "arn:lb")
	}},
	"SetSecurityGroups": {"elasticloadbalancing:SetSecurityGroups", func(ctx context.Context, c *Clients) error {
		return c.ELB.SetSecurityGroups(ctx, "arn:lb", []string{"sg-1"})
	}},
	"SetSubnets": {"elasticloadbalancing:SetSubnets", func(ctx context.Context, c *Clients) error {
		return c.ELB.SetSubnets(ctx, "arn:lb", []string{"subnet-1"})
	}},
	"DescribeListeners": {"elasticloadbalancing:DescribeListeners", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeListeners(ctx, "arn:lb"))
	}},
	"CreateListener": {"elasticloadbalancing:CreateListener", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.CreateListener(ctx, Listener{LoadBalancerARN: "arn:lb", DefaultActions: []Action{notFound}}))
	}},
	"ModifyListener": {"elasticloadbalancing:ModifyListener", func(ctx context.Context, c *Clients) error {
		return c.ELB.ModifyListener(ctx, Listener{ARN: "arn:listener"})
	}},
	"DeleteListener": {"elasticloadbalancing:DeleteListener", func(ctx context.Context, c *Clients) error {
		return c.ELB.DeleteListener(ctx, "arn:listener")
	}},
	"DescribeRules": {"elasticloadbalancing:DescribeRules", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeRules(ctx, "arn:listener"))
	}},
	"CreateRule": {"elasticloadbalancing:CreateRule", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.CreateRule(ctx, "arn:listener",
			Rule{Priority: 1, Conditions: []Condition{}, Actions: []Action{notFound}}))
	}},
	"ModifyRule": {"elasticloadbalancing:ModifyRule", func(ctx context.Context, c *Clients) error {
		return c.ELB.ModifyRule(ctx, Rule{ARN: "arn:rule"})
	}},
	"SetRulePriorities": {"elasticloadbalancing:SetRulePriorities", func(ctx context.Context, c *Clients) error {
		return c.ELB.SetRulePriorities(ctx, []RulePriority{{ARN: "arn:rule", Priority: 2}})
	}},
	"DeleteRule": {"elasticloadbalancing:DeleteRule", func(ctx context.Context, c *Clients) error {
		return c.ELB.DeleteRule(ctx, "arn:rule")
	}},
	"DescribeTargetGroups": {"elasticloadbalancing:DescribeTargetGroups", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeTargetGroups(ctx))
	}},
	"CreateTargetGroup": {"elasticloadbalancing:CreateTargetGroup", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.CreateTargetGroup(ctx, TargetGroup{Name: "tg"}))
	}},
	"ModifyTargetGroup": {"elasticloadbalancing:ModifyTargetGroup", func(ctx context.Context, c *Clients) error {
		return c.ELB.ModifyTargetGroup(ctx, "arn:tg", HealthCheck{})
	}},
	"DeleteTargetGroup": {"elasticloadbalancing:DeleteTargetGroup", func(ctx context.Context, c *Clients) error {
		return c.ELB.DeleteTargetGroup(ctx, "arn:tg")
	}},
	"DescribeTags": {"elasticloadbalancing:DescribeTags", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeTags(ctx, []string{"arn:tg"}))
	}},
	"AddTags": {"elasticloadbalancing:AddTags", func(ctx context.Context, c *Clients) error {
		return c.ELB.AddTags(ctx, []string{"arn:tg"}, Tags{"k": "v"})
	}},
	"RemoveTags": {"elasticloadbalancing:RemoveTags", func(ctx context.Context, c *Clients) error {
		return c.ELB.RemoveTags(ctx, []string{"arn:tg"}, []string{"k"})
	}},
	"RegisterTargets": {"elasticloadbalancing:RegisterTargets", func(ctx context.Context, c *Clients) error {
		return c.ELB.RegisterTargets(ctx, "arn:tg", []target.Target{echo0}, nil)
	}},
	"DeregisterTargets": {"elasticloadbalancing:DeregisterTargets", func(ctx context.Context, c *Clients) error {
		return c.ELB.DeregisterTargets(ctx, "arn:tg", []target.Target{echo0})
	}},
	"DescribeTargetHealth": {"elasticloadbalancing:DescribeTargetHealth", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeTargetHealth(ctx, "arn:tg"))
	}},
	"DescribeLoadBalancerAttributes": {"elasticloadbalancing:DescribeLoadBalancerAttributes", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeLoadBalancerAttributes(ctx, "arn:lb"))
	}},
	"ModifyLoadBalancerAttributes": {"elasticloadbalancing:ModifyLoadBalancerAttributes", func(ctx context.Context, c *Clients) error {
		return c.ELB.ModifyLoadBalancerAttributes(ctx, "arn:lb", Attributes{"k": "v"})
	}},
	"DescribeListenerAttributes": {"elasticloadbalancing:DescribeListenerAttributes", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeListenerAttributes(ctx, "arn:listener"))
	}},
	"ModifyListenerAttributes": {"elasticloadbalancing:ModifyListenerAttributes", func(ctx context.Context, c *Clients) error {
		return c.ELB.ModifyListenerAttributes(ctx, "arn:listener", Attributes{"k": "v"})
	}},
	"DescribeTargetGroupAttributes": {"elasticloadbalancing:DescribeTargetGroupAttributes", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeTargetGroupAttributes(ctx, "arn:tg"))
	}},
	"ModifyTargetGroupAttributes": {"elasticloadbalancing:ModifyTargetGroupAttributes", func(ctx context.Context, c *Clients) error {
		return c.ELB.ModifyTargetGroupAttributes(ctx, "arn:tg", Attributes{"k": "v"})
	}},
	"DescribeListenerCertificates": {"elasticloadbalancing:DescribeListenerCertificates", func(ctx context.Context, c *Clients) error {
		return second(c.ELB.DescribeListenerCertificates(ctx, "arn:listener"))
	}},
	"AddListenerCertificate": {"elasticloadbalancing:AddListenerCertificates", func(ctx context.Context, c *Clients) error {
		return c.ELB.AddListenerCertificate(ctx, "arn:listener", "arn:cert")
	}},
	"RemoveListenerCertificate": {"elasticloadbalancing:RemoveListenerCertificates", func(ctx context.Context, c *Clients) error {
		return c.ELB.RemoveListenerCertificate(ctx, "arn:listener", "arn:cert")
	}},
	"SetIPAddressType": {"elasticloadbalancing:SetIpAddressType", func(ctx context.Context, c *Clients) error {
		return c.ELB.SetIPAddressType(ctx, "arn:lb", "dualstack")
	}},
	"DescribeNetworkInterfaces": {"ec2:DescribeNetworkInterfaces", func(ctx context.Context, c *Clients) error {
		return second(c.EC2.DescribeNetworkInterfaces(ctx, "vpc-1", []string{"10.0.0.1"}))
	}},
	"DescribeNetworkInterfacesOf": {"ec2:DescribeNetworkInterfaces", func(ctx context.Context, c *Clients) error {
		return second(c.EC2.DescribeNetworkInterfacesOf(ctx, "vpc-1", []string{"i-1"}))
	}},
	"DescribeRouteTables": {"ec2:DescribeRouteTables", func(ctx context.Context, c *Clients) error {
		return second(c.EC2.DescribeRouteTables(ctx, "vpc-1"))
	}},
	"FindSecurityGroups": {"ec2:DescribeSecurityGroups", func(ctx context.Context, c *Clients) error {
		return second(c.EC2.FindSecurityGroups(ctx, "vpc-1", []string{"sg-1"}, nil))
	}},
	"TagSecurityGroup": {"ec2:CreateTags", func(ctx context.Context, c *Clients) error {
		return c.EC2.TagSecurityGroup(ctx, "sg-1", Tags{"k": "v"})
	}},
	"ListCertificates": {"acm:ListCertificates", func(ctx context.Context, c *Clients) error {
		return second(c.ACM.ListCertificates(ctx))
	}},
	"DescribeCertificate": {"acm:DescribeCertificate", func(ctx context.Context, c *Clients) error {
		return second(c.ACM.DescribeCertificate(ctx, "arn:cert"))
	}},
	"DescribeSubnets": {"ec2:DescribeSubnets", func(ctx context.Context, c *Clients) error {
		return second(c.EC2.DescribeSubnets(ctx, "vpc-1"))
	}},
	"DescribeSecurityGroups": {"ec2:DescribeSecurityGroups", func(ctx context.Context, c *Clients) error {
		return second(c.EC2.DescribeSecurityGroups(ctx, "vpc-1", nil))
	}},
	"CreateSecurityGroup": {"ec2:CreateSecurityGroup", func(ctx context.Context, c *Clients) error {
		return second(c.EC2.CreateSecurityGroup(ctx, SecurityGroup{Name: "sg"}))
	}},
	"DeleteSecurityGroup": {"ec2:DeleteSecurityGroup", func(ctx context.Context, c *Clients) error {
		return c.EC2.DeleteSecurityGroup(ctx, "sg-1")
	}},
	"AuthorizeIngress": {"ec2:AuthorizeSecurityGroupIngress", func(ctx context.Context, c *Clients) error {
		return c.EC2.AuthorizeIngress(ctx, "sg-1", []Permission{{Protocol: "tcp", CIDR: "0.0.0.0/0"}})
	}},
	"RevokeIngress": {"ec2:RevokeSecurityGroupIngress", func(ctx context.Context, c *Clients) error {
		return c.EC2.RevokeIngress(ctx, "sg-1", []Permission{{Protocol: "tcp", CIDR: "0.0.0.0/0"}})
	}},
}
