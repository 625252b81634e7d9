package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

// What AWS publishes for RegisterTargets and DeregisterTargets together: the
// tightest bucket of all that follows. Reads meet the account's bucket.
var (
	registration = Bucket{Size: 20, Refill: 4}
	account      = Bucket{Size: 40, Refill: 10}
)

// Times of a world.
const (
	callLatency = 60 * time.Millisecond
	// rest fills every bucket again and lets an engine observe every group first.
	rest = 5 * time.Minute
	// lastCall is how long after its last change a trace is watched: "one call per
	// change" needs 1,000 s for 4,000 changes.
	lastCall = 30 * time.Minute
)

// Names and numbers of a world.
const (
	vpcID      = "vpc-1"
	targetPort = 8000
	namespace  = "bench"
)

var firstAddress = netip.MustParseAddr("10.0.1.0")

// world is an account in a bubble of virtual time, with a target group for each
// group of a trace, and in it the targets that the group holds at the start.
type world struct {
	sim   *awssim.Sim
	trace Trace
	arns  []string // by group
	start time.Time
	meter *meter // counts the calls of all clients; nil: nobody does
}

// accountOptions are those of an account with nothing but a network in it.
func accountOptions(switches awssim.Switches) awssim.Options {
	public := map[string]string{"kubernetes.io/role/elb": "1", "kubernetes.io/role/internal-elb": "1"}
	return awssim.Options{
		Latency: callLatency, Throttling: true, Switches: switches,
		VPCs: []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
			{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17", Public: true, Tags: public},
			{ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.128.0/17", Public: true, Tags: public},
		}}},
	}
}

// newAccount makes an account with nothing but a network in it.
func newAccount(t Trace, switches awssim.Switches) (*world, error) {
	sim, err := awssim.New(accountOptions(switches))
	return &world{sim: sim, trace: t}, err
}

// newWorld makes the account that t starts from.
func newWorld(ctx context.Context, t Trace, switches awssim.Switches) (*world, error) {
	w, err := newAccount(t, switches)
	if err != nil {
		return nil, err
	}
	clients, err := w.setUpClients(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.addGroups(ctx, clients.ELB); err != nil {
		return nil, err
	}
	return w, sleep(ctx, rest)
}

// addGroups makes the groups of the trace, with what they hold.
func (w *world) addGroups(ctx context.Context, elb *awsapi.ELB) error {
	for g := range w.trace.Groups {
		arn, err := w.addGroup(ctx, elb, groupName(g))
		if err != nil {
			return err
		}
		w.arns = append(w.arns, arn)
		if err := elb.RegisterTargets(ctx, arn, w.held(g), nil); err != nil {
			return err
		}
	}
	return nil
}

// clients returns AWS clients with a budget of their own, all of the account's.
func (w *world) clients(ctx context.Context) (*awsapi.Clients, error) { return w.clientsOf(ctx, 1) }

// setUpClients returns clients that are never throttled, however AWS refills.
func (w *world) setUpClients(ctx context.Context) (*awsapi.Clients, error) {
	return w.clientsOf(ctx, 0.5)
}

func (w *world) clientsOf(ctx context.Context, share float64) (*awsapi.Clients, error) {
	transport := w.sim.Transport()
	if w.meter != nil {
		transport = metered{w.meter, transport}
	}
	return awsapi.New(ctx, awsapi.Options{HTTPClient: &http.Client{Transport: transport}, Share: share})
}

func (w *world) addGroup(ctx context.Context, elb *awsapi.ELB, name string) (string, error) {
	g, err := elb.CreateTargetGroup(ctx, awsapi.TargetGroup{
		Name: name, Port: targetPort, Protocol: "HTTP", TargetType: "ip", VPCID: vpcID,
		HealthCheck: awsapi.HealthCheck{IntervalSeconds: int32(checked.Interval.Seconds())},
	})
	return g.ARN, err
}

// held returns the targets of a group at the start.
func (w *world) held(group int) []target.Target {
	ts := make([]target.Target, 0, w.trace.Held)
	for n := range w.trace.Held {
		ts = append(ts, address(group*w.trace.Held+n))
	}
	return ts
}

// bindings returns what a provisioner would say of the groups.
func (w *world) bindings() []target.Binding {
	bindings := make([]target.Binding, 0, len(w.arns))
	for g, arn := range w.arns {
		bindings = append(bindings, target.Binding{
			GroupARN: arn, GroupName: groupName(g),
			Service:     types.NamespacedName{Namespace: namespace, Name: groupName(g)},
			ServicePort: intstr.FromInt32(targetPort),
		})
	}
	return bindings
}

// play lets an engine bring the trace to AWS, beside whatever else goes on.
func (w *world) play(ctx context.Context, engine Engine, beside ...func(context.Context)) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	var failed error
	running.Go(func() { failed = engine.Run(ctx) })
	err := sleep(ctx, rest)
	w.start = time.Now()
	for _, f := range beside {
		running.Go(func() { f(ctx) })
	}
	if err == nil {
		err = w.tell(ctx, engine)
	}
	if err == nil {
		err = sleep(ctx, lastCall)
	}
	cancel()
	running.Wait()
	if err == nil {
		err = failed
	}
	return err
}

// tell tells the engine of all changes, each at its time. It lets the engine do
// what it can between two changes of the same instant: events come one by one.
func (w *world) tell(ctx context.Context, engine Engine) error {
	rest := w.trace.Changes
	for len(rest) > 0 {
		n := 1
		for n < len(rest) && rest[n].At == rest[0].At && rest[n].Group == rest[0].Group {
			n++
		}
		if err := sleep(ctx, time.Until(w.start.Add(rest[0].At))); err != nil {
			return err
		}
		if err := engine.Change(ctx, rest[:n]); err != nil {
			return err
		}
		synctest.Wait()
		rest = rest[n:]
	}
	return nil
}

func groupName(g int) string { return fmt.Sprintf("group-%04d", g) }

// address returns the target of a number, and number is its inverse.
func address(n int) target.Target {
	b := firstAddress.As4()
	at := int(b[2])<<8 + n
	b[2], b[3] = byte(at>>8), byte(at)
	return target.Target{IP: netip.AddrFrom4(b), Port: targetPort}
}

func number(ip netip.Addr) int {
	b, first := ip.As4(), firstAddress.As4()
	return int(b[2])<<8 + int(b[3]) - int(first[2])<<8
}

// targetsOf returns the numbers of the targets that a call names.
func targetsOf(c awssim.Call) []int {
	var ns []int
	for i := 1; ; i++ {
		id, ok := c.Params["Targets.member."+strconv.Itoa(i)+".Id"]
		if !ok {
			return ns
		}
		if ip, err := netip.ParseAddr(id); err == nil {
			ns = append(ns, number(ip))
		}
	}
}
