package awssim

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// reopenAfter is when a port that could not be opened is tried again.
const reopenAfter = time.Second

// idleUpstream is how long a connection to a target is kept for the next request.
const idleUpstream = 60 * time.Second

// maxResponseHeader is the size above which a target's header is a 502.
const maxResponseHeader = 32 << 10

// connectTimeout is how long a target may take to accept a connection.
const connectTimeout = 10 * time.Second

// dataPlane is the open ports of all load balancers. It belongs to the loop in
// runDataPlane.
type dataPlane struct {
	sim      *Sim
	ports    map[string]*port // by "DNSNAME:PORT"
	upstream map[*loadBalancer]*http.Transport
	serving  sync.WaitGroup
}

// runDataPlane keeps a port open for every listener of every active load balancer,
// and ends deregistrations when their time has come. It returns when ctx has ended and
// the last connection is closed.
func (s *Sim) runDataPlane(ctx context.Context) error {
	p := &dataPlane{sim: s, ports: map[string]*port{}, upstream: map[*loadBalancer]*http.Transport{}}
	for {
		wanted, next := s.wantedPorts(time.Now())
		p.close(wanted)
		if !p.open(ctx, wanted) {
			next = earliest(next, time.Now().Add(reopenAfter))
		}
		if _, ok := pause(ctx, s.wake, next); !ok {
			break
		}
	}
	p.close(nil)
	p.serving.Wait()
	return nil
}

// wantedPorts are the ports that should be open, and the next moment when
// something changes by itself. It removes the targets that have drained.
func (s *Sim) wantedPorts(now time.Time) (wanted map[string]*listener, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted = map[string]*listener{}
	for _, lb := range s.loadBalancers {
		if now.Before(lb.activeAt) {
			next = earliest(next, lb.activeAt)
			continue
		}
		for _, l := range lb.listeners {
			wanted[portName(lb.dnsName, l.port)] = l
		}
	}
	for _, g := range s.targetGroups {
		s.reapLocked(g, now)
		for _, r := range g.targets {
			if r.draining {
				next = earliest(next, after(now, r.drainEnd), after(now, r.outRotation))
			}
		}
		for _, r := range g.leaving {
			next = earliest(next, r.outRotation)
		}
	}
	return wanted, next
}

// after is t if it is later than now, else zero.
func after(now, t time.Time) time.Time {
	if t.After(now) {
		return t
	}
	return time.Time{}
}

// earliest is the first of the moments that are not zero.
func earliest(moments ...time.Time) (first time.Time) {
	for _, t := range moments {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func portName(dnsName string, number int) string {
	return net.JoinHostPort(strings.ToLower(dnsName), strconv.Itoa(number))
}

// close closes the ports whose listener is not wanted any more. A listener that
// was replaced by another on the same port closes too.
func (p *dataPlane) close(wanted map[string]*listener) {
	for name, open := range p.ports {
		if wanted[name] == open.listener {
			continue
		}
		delete(p.ports, name)
		p.sim.setAddress(name, "")
		open.close()
	}
	inUse := map[*loadBalancer]bool{}
	for _, l := range wanted {
		inUse[l.lb] = true
	}
	for lb, transport := range p.upstream {
		if !inUse[lb] {
			transport.CloseIdleConnections()
			delete(p.upstream, lb)
		}
	}
}

// open opens the wanted ports that are not open, and reports whether all are.
func (p *dataPlane) open(ctx context.Context, wanted map[string]*listener) bool {
	complete := true
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if p.ports[name] != nil {
			continue
		}
		socket, err := p.sim.opts.Listen(ctx, "tcp", name)
		if err != nil {
			p.sim.opts.Log.Warn("load balancer port not opened", "address", name, "err", err)
			complete = false
			continue
		}
		l := wanted[name]
		if p.upstream[l.lb] == nil {
			p.upstream[l.lb] = p.sim.newUpstream(ctx, l.lb)
		}
		opened := &port{
			sim:      p.sim,
			listener: l,
			number:   l.port,
			socket:   socket,
			upstream: p.upstream[l.lb],
			conns:    map[*clientConn]bool{},
		}
		p.ports[name] = opened
		p.serving.Go(func() { opened.serve(ctx) })
		p.sim.setAddress(name, socket.Addr().String())
	}
	return complete
}

// newUpstream is a load balancer's pool of connections to targets, shared by its
// listeners and groups. A dial does not end with the request that wanted it, but
// it does with run.
func (s *Sim) newUpstream(run context.Context, lb *loadBalancer) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, errNoConnection)
			defer cancel()
			defer context.AfterFunc(run, cancel)()
			conn, err := s.dialTarget(ctx, lb, address)
			if err != nil && context.Cause(ctx) == errNoConnection { //nolint:errorlint // The very cause set above.
				return nil, errNoConnection
			}
			return conn, err
		},
		TLSClientConfig:        anyCertificate,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    128,
		IdleConnTimeout:        idleUpstream,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}

// setAddress publishes where a port listens; "" takes it back.
func (s *Sim) setAddress(name, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if address == "" {
		delete(s.addresses, name)
		return
	}
	s.addresses[name] = address
}

// Address is where a port of the load balancer with that DNS name really
// listens, false if it does not. It knows those of all accounts that Run runs.
func (s *Sim) Address(dnsName string, port int) (string, bool) {
	for _, a := range s.accounts() {
		a.mu.Lock()
		address, ok := a.addresses[portName(dnsName, port)]
		a.mu.Unlock()
		if ok {
			return address, true
		}
	}
	return "", false
}

// DialContext connects to a load balancer by its DNS name and port, so that an
// http.Transport can use DNS names as they are. It goes through Options.Dial.
func (s *Sim) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	number, err := net.LookupPort(network, service)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	where, ok := s.Address(host, number)
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{
			Err: "no such load balancer or listener", Name: address, IsNotFound: true,
		}}
	}
	return s.opts.Dial(ctx, network, where)
}
