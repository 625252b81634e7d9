package scenario

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	kubetypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

const (
	region = "ap-northeast-3"
	vpcID  = "vpc-1"
	// daemonKey is the access key of the daemons, in their environment.
	daemonKey = "DAEMON"
)

// newSim makes an account with nothing but a network in it. Addresses outside of
// 10.0.0.0/16 are outside of the VPC.
func newSim(s Settings) (*awssim.Sim, error) {
	return awssim.New(awssim.Options{
		Region: region, Latency: callLatency, Throttling: s.Throttling, Quotas: s.Quotas, Switches: s.Switches,
		VPCs: []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
			{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17"},
			{ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.128.0/17"},
		}}},
	})
}

// account is what a provisioner, or somebody else, does to AWS.
type account struct {
	sim      *awssim.Sim
	client   *elb.Client // past the tap
	settings Settings
	groups   map[string]*boundGroup // by name

	mu    sync.Mutex             // guards what calls of the daemons look up
	byARN map[string]*boundGroup // never changed once it is here
}

// boundGroup is a target group that is bound to a Service port.
type boundGroup struct {
	binding target.Binding
	port    int32 // AWS's default for targets without one
	unbound bool
}

func newAccount(sim *awssim.Sim, s Settings) *account {
	return &account{sim: sim, settings: s, groups: map[string]*boundGroup{}, byARN: map[string]*boundGroup{}, client: elb.New(elb.Options{
		Region: region, HTTPClient: &http.Client{Transport: sim.Transport()},
		Credentials: credentials.NewStaticCredentialsProvider("PROVISIONER", "secret", ""),
	})}
}

// addGroup makes a target group that is bound to a Service port.
func (a *account) addGroup(ctx context.Context, name string, port int32, of kubetypes.NamespacedName, servicePort intstr.IntOrString) error {
	out, err := a.client.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: &name, Port: &port, Protocol: types.ProtocolEnumHttp, TargetType: types.TargetTypeEnumIp, VpcId: aws.String(vpcID),
	})
	if err != nil {
		return err
	}
	arn := aws.ToString(out.TargetGroups[0].TargetGroupArn)
	g := &boundGroup{port: port, binding: target.Binding{GroupARN: arn, GroupName: name, Service: of, ServicePort: servicePort}}
	a.groups[name] = g
	a.mu.Lock()
	a.byARN[arn] = g
	a.mu.Unlock()
	if a.settings.DeregistrationDelay == 0 {
		return nil
	}
	_, err = a.client.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &arn, Attributes: []types.TargetGroupAttribute{{
			Key:   aws.String("deregistration_delay.timeout_seconds"),
			Value: aws.String(strconv.Itoa(int(a.settings.DeregistrationDelay / time.Second))),
		}},
	})
	return err
}

// attach makes a load balancer that forwards to groups, so that their targets drain
// and count for its quotas.
func (a *account) attach(ctx context.Context, balancer string, groups []string) error {
	lb, err := a.client.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
		Name: &balancer, Scheme: types.LoadBalancerSchemeEnumInternal, Subnets: []string{"subnet-a", "subnet-b"},
	})
	if err != nil {
		return err
	}
	for i, name := range groups {
		g, err := a.group(name)
		if err != nil {
			return err
		}
		_, err = a.client.CreateListener(ctx, &elb.CreateListenerInput{
			LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(int32(80 + i)), Protocol: types.ProtocolEnumHttp,
			DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: &g.binding.GroupARN}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// register and deregister are what somebody else does behind the daemon's back.
func (a *account) register(ctx context.Context, group string, ts []target.Target) error {
	g, err := a.group(group)
	if err != nil {
		return err
	}
	_, err = a.client.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &g.binding.GroupARN, Targets: descriptions(ts)})
	return err
}

func (a *account) deregister(ctx context.Context, group string, ts []target.Target) error {
	g, err := a.group(group)
	if err != nil {
		return err
	}
	_, err = a.client.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &g.binding.GroupARN, Targets: descriptions(ts)})
	return err
}

func descriptions(ts []target.Target) []types.TargetDescription {
	all := make([]types.TargetDescription, 0, len(ts))
	for _, t := range ts {
		all = append(all, types.TargetDescription{Id: aws.String(t.IP.String()), Port: aws.Int32(t.Port)})
	}
	return all
}

func (a *account) group(name string) (*boundGroup, error) {
	g := a.groups[name]
	if g == nil {
		return nil, fmt.Errorf("there is no target group %s", name)
	}
	return g, nil
}

// named returns the group of an ARN. It is safe for concurrent use.
func (a *account) named(arn string) *boundGroup {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byARN[arn]
}

// bindings returns what a provisioner would tell the daemon.
func (a *account) bindings() []target.Binding {
	var all []target.Binding
	for _, name := range slices.Sorted(maps.Keys(a.groups)) {
		if g := a.groups[name]; !g.unbound {
			all = append(all, g.binding)
		}
	}
	return all
}

// text is a target of the group in a scenario's words: without the port if that is
// the group's own.
func (g *boundGroup) text(t target.Target) string {
	if t.Port == g.port {
		return t.IP.String()
	}
	return t.String()
}

// targets returns what AWS has of a group: what is registered, and what drains.
func (a *account) targets(group string) (registered, draining target.Set, err error) {
	g, err := a.group(group)
	if err != nil {
		return nil, nil, err
	}
	registered, draining = target.Set{}, target.Set{}
	for _, t := range a.sim.Targets(g.binding.GroupARN) {
		at := target.Target{IP: t.Address.Addr(), Port: int32(t.Address.Port())}
		if t.Deregistered.IsZero() {
			registered[at] = struct{}{}
		} else {
			draining[at] = struct{}{}
		}
	}
	return registered, draining, nil
}
