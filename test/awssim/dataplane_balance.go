package awssim

import (
	"cmp"
	"fmt"
	"math"
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
		d.target = s.nextLocked(d.group, lb, now)
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

// nextLocked is the target whose turn it is by the group's algorithm: one of the healthy, and
// if there is none one of all that are registered. Zones that traffic is shifted away
// from are left out.
func (s *Sim) nextLocked(g *targetGroup, lb *loadBalancer, now time.Time) *registration {
	var best *registration
	better := s.algorithmOf(g)
	consider := func(r *registration) {
		if r.routable(lb, now) && !s.shifted[r.zone] && (best == nil || r.before(best, better)) {
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

// algorithmOf compares two targets of a group by whose turn it is: his who was not chosen
// for longest, or who has the fewest requests to answer, or by lot. The lot is a hash, and
// no target weighs more than another: there are no anomalies here.
func (s *Sim) algorithmOf(g *targetGroup) func(a, b *registration) int {
	byTurn := func(a, b *registration) int { return cmp.Compare(a.lastTurn, b.lastTurn) }
	switch g.attributes["load_balancing.algorithm.type"] {
	case "least_outstanding_requests":
		return func(a, b *registration) int { return cmp.Or(cmp.Compare(len(a.flights), len(b.flights)), byTurn(a, b)) }
	case "weighted_random":
		lot := func(r *registration) time.Duration {
			return Span{Max: math.MaxInt64 - 1}.pick(fmt.Sprintf("lot %d %d %s %s %d", s.opts.Switches.Seed, g.turn, g.arn, r.key.ip, r.key.port))
		}
		return func(a, b *registration) int { return cmp.Compare(lot(a), lot(b)) }
	}
	return byTurn
}

// routable tells whether a load balancer, by what it knows at that moment, may
// send requests to r.
func (r *registration) routable(lb *loadBalancer, now time.Time) bool {
	knownGone := r.draining && !now.Before(r.outRotation)
	return !now.Before(r.inRotation) && !knownGone && lb.serves(r.zone)
}

func (r *registration) before(other *registration, better func(a, b *registration) int) bool {
	if healthy := r.state == stateHealthy; healthy != (other.state == stateHealthy) {
		return healthy
	}
	return cmp.Or(better(r, other), r.key.compare(other.key)) < 0
}
