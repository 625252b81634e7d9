package playground

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/tgsync/tgsync/test/awssim"
)

// Account reads the AWS account as a person with the AWS CLI would: over the wire,
// and knowing nothing of tgsync's code, so that an error in that cannot hide itself.
// It observes: it takes no tokens, and no call of it is recorded or hit by a fault.
// Names of fields are AWS's own.
type Account struct {
	endpoint, accessKeyID string
	client                *http.Client
}

// Account reads the simulated account.
func (s *Stack) Account() Account { return Account{s.awsEndpoint, awssim.ObserverKeyID, s.client} }

// LoadBalancer is one load balancer.
type LoadBalancer struct {
	LoadBalancerArn  string
	LoadBalancerName string
	DNSName          string
	Scheme           string
	State            string   `xml:"State>Code"`
	SecurityGroups   []string `xml:"SecurityGroups>member"`
}

// Listener is one port of a load balancer.
type Listener struct {
	ListenerArn string
	Port        int
	Protocol    string
	Certificate string `xml:"Certificates>member>CertificateArn"` // the default one
}

// Rule is one rule of a listener. Its priority is "default" for the last one.
type Rule struct {
	RuleArn    string
	Priority   string
	Conditions []Condition `xml:"Conditions>member"`
	Actions    []Action    `xml:"Actions>member"`
}

// Condition is one condition of a rule, with the values in either of the two forms
// that AWS has for them.
type Condition struct {
	Field        string
	Values       []string `xml:"Values>member"`
	HostValues   []string `xml:"HostHeaderConfig>Values>member"`
	PathPatterns []string `xml:"PathPatternConfig>Values>member"`
}

// Action is one action of a rule.
type Action struct {
	Type         string
	TargetGroups []string `xml:"ForwardConfig>TargetGroups>member>TargetGroupArn"`
	StatusCode   string   `xml:"FixedResponseConfig>StatusCode"`
	MessageBody  string   `xml:"FixedResponseConfig>MessageBody"`
}

// TargetGroup is one target group.
type TargetGroup struct {
	TargetGroupArn  string
	TargetGroupName string
	HealthCheckPath string

	HealthCheckPort            string
	HealthCheckProtocol        string
	HealthCheckIntervalSeconds int
	HealthCheckTimeoutSeconds  int
	HealthyThresholdCount      int
	UnhealthyThresholdCount    int
	HTTPCode                   string `xml:"Matcher>HttpCode"`
}

// Target is one registered target and what the load balancer thinks of it.
type Target struct {
	ID               string `xml:"Target>Id"`
	Port             int    `xml:"Target>Port"`
	AvailabilityZone string `xml:"Target>AvailabilityZone"`
	State            string `xml:"TargetHealth>State"`
	Reason           string `xml:"TargetHealth>Reason"`
}

// SecurityGroup is one security group of the network.
type SecurityGroup struct {
	GroupID   string    `xml:"groupId"`
	GroupName string    `xml:"groupName"`
	Inbound   []Inbound `xml:"ipPermissions>item"`
}

// Inbound is what a security group lets in: a range of ports, and who may.
type Inbound struct {
	Protocol string   `xml:"ipProtocol"`
	FromPort int      `xml:"fromPort"`
	ToPort   int      `xml:"toPort"`
	CIDRs    []string `xml:"ipRanges>item>cidrIp"`
	Groups   []string `xml:"groups>item>groupId"`
}

// Attribute is one attribute of a load balancer.
type Attribute struct{ Key, Value string }

// String is the condition as the AWS console shows it.
func (c Condition) String() string {
	values := c.Values
	switch {
	case len(c.HostValues) > 0:
		values = c.HostValues
	case len(c.PathPatterns) > 0:
		values = c.PathPatterns
	}
	return c.Field + " is " + strings.Join(values, " or ")
}

// String is the target's identity.
func (t Target) String() string { return t.ID + ":" + strconv.Itoa(t.Port) }

// Addr is the target's address and port; the zero value if AWS sent none.
func (t Target) Addr() netip.AddrPort {
	a, _ := netip.ParseAddrPort(t.String())
	return a
}

// LoadBalancers lists all load balancers.
func (a Account) LoadBalancers(ctx context.Context) ([]LoadBalancer, error) {
	var out struct {
		Members []LoadBalancer `xml:"DescribeLoadBalancersResult>LoadBalancers>member"`
	}
	err := a.elb(ctx, "DescribeLoadBalancers", nil, &out)
	return out.Members, err
}

// Attributes lists the attributes of a load balancer.
func (a Account) Attributes(ctx context.Context, loadBalancerArn string) ([]Attribute, error) {
	var out struct {
		Members []Attribute `xml:"DescribeLoadBalancerAttributesResult>Attributes>member"`
	}
	err := a.elb(ctx, "DescribeLoadBalancerAttributes", url.Values{"LoadBalancerArn": {loadBalancerArn}}, &out)
	return out.Members, err
}

// Listeners lists the listeners of a load balancer.
func (a Account) Listeners(ctx context.Context, loadBalancerArn string) ([]Listener, error) {
	var out struct {
		Members []Listener `xml:"DescribeListenersResult>Listeners>member"`
	}
	err := a.elb(ctx, "DescribeListeners", url.Values{"LoadBalancerArn": {loadBalancerArn}}, &out)
	return out.Members, err
}

// Rules lists the rules of a listener by priority, the default rule last.
func (a Account) Rules(ctx context.Context, listenerArn string) ([]Rule, error) {
	var out struct {
		Members []Rule `xml:"DescribeRulesResult>Rules>member"`
	}
	err := a.elb(ctx, "DescribeRules", url.Values{"ListenerArn": {listenerArn}}, &out)
	return out.Members, err
}

// TargetGroups lists all target groups.
func (a Account) TargetGroups(ctx context.Context) ([]TargetGroup, error) {
	var out struct {
		Members []TargetGroup `xml:"DescribeTargetGroupsResult>TargetGroups>member"`
	}
	err := a.elb(ctx, "DescribeTargetGroups", nil, &out)
	return out.Members, err
}

// Targets lists the targets of a group, draining ones too.
func (a Account) Targets(ctx context.Context, targetGroupArn string) ([]Target, error) {
	var out struct {
		Members []Target `xml:"DescribeTargetHealthResult>TargetHealthDescriptions>member"`
	}
	err := a.elb(ctx, "DescribeTargetHealth", url.Values{"TargetGroupArn": {targetGroupArn}}, &out)
	return out.Members, err
}

// SecurityGroups lists the security groups that somebody made: the network's own
// default group is not among them.
func (a Account) SecurityGroups(ctx context.Context) ([]SecurityGroup, error) {
	var out struct {
		Members []SecurityGroup `xml:"securityGroupInfo>item"`
	}
	if err := a.query(ctx, "2016-11-15", "DescribeSecurityGroups", nil, &out); err != nil {
		return nil, err
	}
	var made []SecurityGroup
	for _, g := range out.Members {
		if g.GroupName != "default" {
			made = append(made, g)
		}
	}
	return made, nil
}

func (a Account) elb(ctx context.Context, action string, params url.Values, out any) error {
	return a.query(ctx, "2015-12-01", action, params, out)
}

// query performs one call of the AWS Query protocol. The API version tells the two
// services apart.
func (a Account) query(ctx context.Context, version, action string, params url.Values, out any) error {
	form := url.Values{"Action": {action}, "Version": {version}}
	maps.Copy(form, params)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+a.accessKeyID+", SignedHeaders=host, Signature=none")
	response, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end below
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", action, response.Status, body)
	}
	if err := xml.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: decode: %w", action, err)
	}
	return nil
}
