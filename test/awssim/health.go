package awssim

import (
	"bufio"
	"container/heap"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxConcurrentChecks bounds the open connections of health checks. 1,000
// targets that all time out after 5 s at an interval of 10 s need 500.
const maxConcurrentChecks = 512

// checker is the health checking of all load balancers. Each is taken to have a
// single node, so a target sees one check per interval. Everything here belongs
// to the loop in runHealthChecks.
type checker struct {
	sim   *Sim
	known map[*registration]*targetCheck
	queue checkQueue
}

// targetCheck is the checking of one target, due at a moment.
type targetCheck struct {
	group  *targetGroup
	target *registration
	due    time.Time
	index  int // in the queue
}

// verdict is the outcome of one check. A passed one has no reason.
type verdict struct{ reason, description string }

func (v verdict) passed() bool { return v.reason == "" }

// runHealthChecks checks every target of every group in use until ctx ends. It
// returns after the last check has ended.
func (s *Sim) runHealthChecks(ctx context.Context) error {
	c := &checker{sim: s, known: map[*registration]*targetCheck{}}
	var running errgroup.Group
	running.SetLimit(maxConcurrentChecks)
	c.refresh(time.Now())
	for {
		next := c.start(ctx, &running)
		changed, ok := pause(ctx, s.recheck, next)
		if !ok {
			return running.Wait()
		}
		if changed {
			c.refresh(time.Now())
		}
	}
}

// pause blocks until something changes, which it reports, or until the moment next
// (zero: never). ok is false when ctx ends.
func pause(ctx context.Context, wake <-chan struct{}, next time.Time) (changed, ok bool) {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false, false
	case <-wake:
		return true, true
	case <-due:
		return false, true
	}
}

// refresh makes the queue equal to the targets that are to be checked. A target
// that is no longer checked, because nothing forwards to its group, starts anew
// when something does again.
func (c *checker) refresh(now time.Time) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	current := map[*registration]bool{}
	for _, g := range c.sim.targetGroups {
		lb := c.sim.activeUseLocked(g)
		if lb == nil || !g.check.enabled {
			continue
		}
		for _, r := range g.targets {
			if r.draining || !lb.serves(r.zone) {
				continue
			}
			current[r] = true
			if c.known[r] == nil {
				k := &targetCheck{group: g, target: r, due: c.sim.firstCheckLocked(lb, g, r, now)}
				c.known[r] = k
				heap.Push(&c.queue, k)
			}
		}
	}
	for r, k := range c.known {
		if current[r] {
			continue
		}
		heap.Remove(&c.queue, k.index)
		delete(c.known, r)
		if !r.draining {
			r.state, r.successes, r.failures = stateInitial, 0, 0
			r.since, r.reason, r.description = time.Time{}, "", ""
		}
	}
}

// firstCheckLocked is a moment within the first interval after the load balancer
// knows of the target. It is drawn by hash, to the nanosecond: equal worlds have
// equal moments and no two targets share one.
func (s *Sim) firstCheckLocked(lb *loadBalancer, g *targetGroup, r *registration, now time.Time) time.Time {
	start := now
	for _, t := range []time.Time{r.inRotation, lb.activeAt} {
		if t.After(start) {
			start = t
		}
	}
	window := g.check.interval
	if within := s.opts.Switches.FirstCheckWithin; within > 0 {
		window = min(window, within)
	}
	return start.Add(Span{Max: window}.pick("first check " + s.subject(g, r.key, r.registered)))
}

// subject names an event in a target's life, for choices made by hash.
func (s *Sim) subject(g *targetGroup, key targetKey, at time.Time) string {
	return fmt.Sprintf("%d %s %s %d %d", s.opts.Switches.Seed, g.arn, key.ip, key.port, at.UnixNano())
}

// start begins all checks that are due and tells when the next one is.
func (c *checker) start(ctx context.Context, running *errgroup.Group) (next time.Time) {
	for len(c.queue) > 0 {
		k := c.queue[0]
		if time.Until(k.due) > 0 {
			return k.due
		}
		c.sim.mu.Lock()
		settings, lb := k.group.check, c.sim.activeUseLocked(k.group)
		c.sim.mu.Unlock()
		port := checkPortOf(settings, k.target.key)
		k.due = k.due.Add(settings.interval)
		heap.Fix(&c.queue, 0)
		running.Go(func() error {
			v := c.probe(ctx, lb, netip.AddrPortFrom(k.target.key.ip, port), settings)
			if ctx.Err() == nil {
				c.sim.mu.Lock()
				if k.target.judgeLocked(v, settings, c.sim.opts.Switches.UnhealthyAfterOneFailure) {
					c.sim.rememberLocked()
				}
				c.sim.mu.Unlock()
			}
			return nil
		})
	}
	return time.Time{}
}

// checkPortOf is where the checks of a target go.
func checkPortOf(settings healthCheck, key targetKey) uint16 {
	port, err := strconv.ParseUint(settings.port, 10, 16)
	if err != nil { // traffic-port
		return uint16(key.port)
	}
	return uint16(port)
}

// probe asks a target once, over a connection of its own. It is written by hand
// because a check of net/http's transport leaves its dial behind when it ends.
func (c *checker) probe(ctx context.Context, lb *loadBalancer, target netip.AddrPort, settings healthCheck) verdict {
	ctx, cancel := context.WithTimeout(ctx, settings.timeout)
	defer cancel()
	conn, err := c.sim.dialTarget(ctx, lb, target.String())
	var status int
	if err == nil {
		status, err = askHTTP1(ctx, conn, target, settings)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return verdict{"Target.Timeout", "Request timed out"}
	case err != nil:
		return verdict{"Target.FailedHealthChecks", "Health checks failed"}
	case !codeMatches(settings.matcher, status):
		return verdict{"Target.ResponseCodeMismatch", fmt.Sprintf("Health checks failed with these codes: [%d]", status)}
	}
	return verdict{}
}

// askHTTP1 is the status that a target answers with. Its body is left unread: it goes
// with the connection.
func askHTTP1(ctx context.Context, conn net.Conn, target netip.AddrPort, settings healthCheck) (int, error) {
	defer conn.Close() //nolint:errcheck // Nothing is left to be lost.
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if settings.version == protocolHTTP2 || settings.version == protocolGRPC {
		return askHTTP2(ctx, conn, target, settings)
	}
	if settings.protocol == "HTTPS" {
		conn = tls.Client(conn, anyCertificate)
	}
	host := target.String()
	if target.Port() == defaultPort(settings.protocol) {
		host = strings.TrimSuffix(host, ":"+strconv.Itoa(int(target.Port())))
	}
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"+
		"User-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n", settings.path, host)
	if err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxResponseHeader)), nil)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

const (
	httpPort  = 80
	httpsPort = 443
)

func defaultPort(protocol string) uint16 {
	if protocol == "HTTPS" {
		return httpsPort
	}
	return httpPort
}

// anyCertificate is how load balancers talk TLS to targets: they do not look at
// the certificate.
var anyCertificate = &tls.Config{InsecureSkipVerify: true}

// codeMatches tells whether a matcher such as "200", "200-299" or "200,202"
// contains a code.
func codeMatches(matcher string, code int) bool {
	for part := range strings.SplitSeq(matcher, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			high = low
		}
		from, errFrom := strconv.Atoi(low)
		to, errTo := strconv.Atoi(high)
		if errFrom == nil && errTo == nil && from <= code && code <= to {
			return true
		}
	}
	return false
}

// judgeLocked applies the outcome of a check and reports whether that changed what
// the target shows. The first success makes a new target healthy, whatever the
// threshold.
func (r *registration) judgeLocked(v verdict, settings healthCheck, afterOne bool) (changed bool) {
	if v.passed() {
		r.failures, r.successes = 0, r.successes+1
		if r.state == stateInitial || r.successes >= settings.healthyThreshold {
			return r.becomeLocked(stateHealthy, v)
		}
		return false
	}
	r.successes, r.failures = 0, r.failures+1
	if r.state == stateUnhealthy || r.failures >= settings.unhealthyThreshold || r.state == stateInitial && afterOne {
		return r.becomeLocked(stateUnhealthy, v)
	}
	return false
}

func (r *registration) becomeLocked(state string, v verdict) (changed bool) {
	if r.state != state {
		r.state, r.since = state, time.Now()
		changed = true
	}
	changed = changed || r.reason != v.reason || r.description != v.description
	r.reason, r.description = v.reason, v.description
	return changed
}

// checkQueue is a heap of checks, the next one first.
type checkQueue []*targetCheck

func (q checkQueue) Len() int           { return len(q) }
func (q checkQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q checkQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *checkQueue) Push(x any) {
	k := x.(*targetCheck)
	k.index = len(*q)
	*q = append(*q, k)
}

// Pop implements heap.Interface.
func (q *checkQueue) Pop() any {
	last := len(*q) - 1
	k := (*q)[last]
	*q = (*q)[:last]
	return k
}
