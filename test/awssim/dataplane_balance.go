package awssim

import (
	"cmp"
	"net/http"
	"strconv"
	"time"
)

// decision is what a load balancer does with one request: a fixed answer, a
// target, or the page for status.
type decision struct {
	fixed    *fixedResponse
	redirect *redirect
	status   int

	group        *targetGroup
	target       *registration
	flight       *flight
	protocol     string // of the target
	number       uint64 // of the request, counted over the whole account
	idleTimeout  time.Duration
	preserveHost bool
	tellTLS      bool // the target learns version and cipher suite
	xff          forwardedFor
	sticky       *sticky
}

// decide takes the request through the rules and, if it is forwarded, puts f in
// flight on the target that it goes to.
func (p *port) decide(r *http.Request, f *flight) decision {
	s, now := p.sim, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	matched := route(p.listener.rules, r)
	if matched == nil {
		return decision{status: http.StatusServiceUnavailable} // The listener was deleted a moment ago.
	}
	for _, a := range matched.actions {
		switch a.kind {
		case "fixed-response":
			return decision{fixed: a.fixed}
		case "redirect":
			return decision{redirect: a.redirect}
		case "forward":
			d := decision{flight: f, sticky: newSticky(r, now)}
			return s.forwardLocked(p.listener.lb, matched, a, d, now)
		}
	}
	return decision{status: http.StatusInternalServerError}
}

// forwardLocked chooses group and target. There is no second choice of group
// when the first has no target.
func (s *Sim) forwardLocked(lb *loadBalancer, matched *rule, a action, d decision, now time.Time) decision {
	d.status = http.StatusServiceUnavailable
	if d.group = d.sticky.groupOf(a); d.group == nil {
		d.group = matched.nextGroup(a.forward)
	}
	if d.group == nil {
		return d
	}
	if d.group.protocolVersion != "" && d.group.protocolVersion != protocolHTTP1 {
		d.status = statusOtherVersion
		return d
	}
	if d.target = d.sticky.targetOf(d.group, lb, s.shifted, now); d.target == nil {
		d.target = d.group.next(lb, s.shifted, now)
	}
	if d.target == nil {
		return d
	}
	d.sticky.bind(a, d.group, d.target)
	if d.target.flights == nil {
		d.target.flights = map[*flight]struct{}{}
	}
	d.target.flights[d.flight] = struct{}{}
	s.forwarded++
	d.number, d.protocol = s.forwarded, d.group.protocol
	d.idleTimeout = idleTimeoutOf(lb)
	d.preserveHost = lb.attributes["routing.http.preserve_host_header.enabled"] == "true"
	d.xff = forwardedForOf(lb)
	d.tellTLS = lb.attributes["routing.http.x_amzn_tls_version_and_cipher_suite.enabled"] == "true"
	return d
}

// land notes that a request is no longer in flight. The last one may end a drain.
func (s *Sim) land(d decision) {
	s.mu.Lock()
	delete(d.target.flights, d.flight)
	over := d.target.draining && len(d.target.flights) == 0
	if over {
		s.rememberLocked()
	}
	s.mu.Unlock()
	if over {
		s.changed()
	}
}

func (p *port) idleTimeout() time.Duration {
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	return idleTimeoutOf(p.listener.lb)
}

func idleTimeoutOf(lb *loadBalancer) time.Duration {
	seconds, err := strconv.Atoi(lb.attributes["idle_timeout.timeout_seconds"])
	if err != nil || seconds < 1 {
		return defaultIdleTimeout
	}
	return time.Duration(seconds) * time.Second
}

// nextGroup rotates by weight: in any run of as many requests as the weights sum
// up to, each group gets its weight, evenly spread. Weight 0 gets none.
func (r *rule) nextGroup(choices []weightedGroup) *targetGroup {
	if r.credit == nil {
		r.credit = map[*targetGroup]int{}
	}
	var best *targetGroup
	total := 0
	for _, c := range choices {
		if c.weight == 0 {
			continue
		}
		total += c.weight
		r.credit[c.group] += c.weight
		if best == nil || r.credit[c.group] > r.credit[best] {
			best = c.group
		}
	}
	if best != nil {
		r.credit[best] -= total
	}
	return best
}

// statusOtherVersion is the answer to HTTP/1.1 requests for groups that speak HTTP/2 or
// gRPC, as AWS's.
const statusOtherVersion = 464

// The versions of HTTP that a target group can speak.
const (
	protocolHTTP1 = "HTTP1"
	protocolHTTP2 = "HTTP2"
	protocolGRPC  = "GRPC"
)

// next is the target whose turn it is: the one not chosen for longest among the
// healthy, and if there is none among all that are registered. Zones that traffic is
// shifted away from are left out.
func (g *targetGroup) next(lb *loadBalancer, shifted map[string]bool, now time.Time) *registration {
	var best *registration
	consider := func(r *registration) {
		if r.routable(lb, now) && !shifted[r.zone] && (best == nil || r.before(best)) {
			best = r
		}
	}
	for _, r := range g.targets {
		consider(r)
	}
	for _, r := range g.leaving {
		consider(r)
	}
	if best != nil {
		g.turn++
		best.lastTurn = g.turn
	}
	return best
}

// routable tells whether a load balancer, by what it knows at that moment, may
// send requests to r.
func (r *registration) routable(lb *loadBalancer, now time.Time) bool {
	knownGone := r.draining && !now.Before(r.outRotation)
	return !now.Before(r.inRotation) && !knownGone && lb.serves(r.zone)
}

func (r *registration) before(other *registration) bool {
	if healthy := r.state == stateHealthy; healthy != (other.state == stateHealthy) {
		return healthy
	}
	return cmp.Or(cmp.Compare(r.lastTurn, other.lastTurn), r.key.compare(other.key)) < 0
}
