package awssim

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options describe a simulated account in one Region.
type Options struct {
	Region    string // default ap-northeast-3
	AccountID string // default 123456789012
	VPCs      []VPC

	// Listen opens the listeners of the data plane; address is "DNSNAME:PORT" of
	// the load balancer. Default: a free port on loopback.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)

	// Dial reaches targets, for health checks and for requests; address is the
	// target's own "10.A.B.C:PORT". Default: 10.A.B.C is dialled as 127.A.B.C, an IPv6
	// address that ends like that too (2001:db8::10.A.B.C), and every other address
	// outside loopback is refused.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// EnforceSecurityGroups lets clients and load balancers through only where an
	// inbound rule does: of a group of the load balancer, of the target's interface.
	EnforceSecurityGroups bool
	PrefixLists           map[string][]string // blocks by ID, for rules that name one

	Latency    time.Duration // of every API call, half before and half after it takes effect
	Throttling bool          // the published token buckets
	Neighbours []Neighbour   // who else takes tokens, if Throttling
	Quotas     Quotas        // a zero field is AWS's default
	Switches   Switches
	KeepCalls  int // how many of the latest calls and requests are kept; 0: all
	Log        *slog.Logger
}

// VPC describes a virtual private cloud that exists from the start. It has a
// default security group.
type VPC struct {
	ID                string
	CIDRs             []string
	IPv6CIDRs         []string // none: dualstack is never refused, and there are no IPv6 targets
	Subnets           []Subnet
	Tags              map[string]string
	NoInternetGateway bool // internet-facing load balancers are refused
}

// Subnet describes a subnet of a VPC.
type Subnet struct {
	ID       string
	Zone     string // availability zone: ap-northeast-3a
	CIDR     string
	IPv6CIDR string // "": none
	Tags     map[string]string
	Public   bool // its route table leads to the internet gateway
}

// Sim is a simulated AWS account: the API of ELBv2 and EC2, and the load
// balancers behind it.
type Sim struct {
	opts   Options
	quotas Quotas
	world  *world // the accounts behind the same endpoint
	prefix string // of the subjects of identifiers: "" for the first account there

	// wake (for the data plane) and recheck (for the health checks) have a capacity
	// of one: a change that nobody has looked at yet stands for all changes since.
	wake, recheck chan struct{}

	mu sync.Mutex // guards all below and every struct of model.go
	account
	past       history
	nth        map[string]int // how many identifiers were made for a name
	buckets    map[string]*bucket
	neighbours []*neighbour
	faults     []*Injected
	injected   int // faults until now, ended ones too
	calls      []Call
	addresses  map[string]string // where "DNSNAME:PORT" really listens
	caller     string            // access key of the call that takes effect at this moment
	forwarded  uint64            // requests sent to targets
	requests   []RequestLog
}

// New makes the account that o describes. The API answers at once; the data
// plane (health checks and traffic) lives while Run runs.
func New(o Options) (*Sim, error) {
	return newInWorld(o, &world{accounts: map[string]*Sim{}, roles: map[string]Role{}, sessions: map[string]session{}})
}

func newInWorld(o Options, w *world) (*Sim, error) {
	o.Region = orElse(o.Region, "ap-northeast-3")
	o.AccountID = orElse(o.AccountID, "123456789012")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Listen == nil {
		o.Listen = listenLoopback
	}
	if o.Dial == nil {
		o.Dial = dialLoopback
	}
	s := &Sim{
		opts:      o,
		quotas:    o.Quotas.withDefaults(),
		world:     w,
		prefix:    w.prefixOf(o.AccountID),
		wake:      make(chan struct{}, 1),
		recheck:   make(chan struct{}, 1),
		account:   newAccount(),
		nth:       map[string]int{},
		buckets:   map[string]*bucket{},
		addresses: map[string]string{},
	}
	for _, v := range o.VPCs {
		if err := s.addVPC(v); err != nil {
			return nil, fmt.Errorf("vpc %s: %w", v.ID, err)
		}
	}
	for i, n := range o.Neighbours {
		if err := s.addNeighbour(n); err != nil {
			return nil, fmt.Errorf("neighbour %d: %w", i+1, err)
		}
	}
	return s, w.add(s)
}

// Run checks the health of targets and serves the load balancers' traffic until
// ctx ends. It returns after both have stopped.
func (s *Sim) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, a := range s.accounts() {
		g.Go(func() error { return a.runHealthChecks(ctx) })
		g.Go(func() error { return a.runDataPlane(ctx) })
	}
	return g.Wait()
}

// accounts are s and, if it is the first one of its endpoint, all the others there.
func (s *Sim) accounts() []*Sim {
	if all := s.world.all(); all[0] == s {
		return all
	}
	return []*Sim{s}
}

// changed tells the data plane to look at the account again. It never blocks.
func (s *Sim) changed() {
	for _, c := range []chan struct{}{s.wake, s.recheck} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
