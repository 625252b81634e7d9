package bench

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tgsync/tgsync/test/awssim"
)

// What the neighbour does: two calls a second, of which two in five are
// registrations, and ten registrations at once every 30 s.
const (
	neighbourGap   = 500 * time.Millisecond
	neighbourBurst = 10
	burstGap       = 30 * time.Second
	retryGap       = time.Second
	// neighbourRegistrations is what all of it takes of the registration bucket, in
	// tokens per second.
	neighbourRegistrations = 0.8 + neighbourBurst/30.0
)

// neighbourPattern is one round of the steady calls: 0.8 a second are registrations.
var neighbourPattern = []string{"RegisterTargets", "DescribeTargetHealth", "DescribeTargetHealth", "RegisterTargets", "DescribeTargetHealth"}

// stepRefill is how AWS words it: tokens are added every second. With tokens that
// come bit by bit, whoever calls in the very instant in which one is whole gets all
// of them, and a neighbour would get none.
var stepRefill = awssim.Switches{StepRefill: true}

// besideNeighbour is what the neighbour leaves. The tokens of a second may come
// right after the bucket was full: an interval can have one more step than it has
// seconds.
var besideNeighbour = Bucket{Size: registration.Size + registration.Refill, Refill: registration.Refill - neighbourRegistrations}

// neighbour is another user of the account, with a group of its own. It tries again
// until it has what it wants.
type neighbour struct {
	sim  *awssim.Sim
	arn  string
	from time.Time
}

func newNeighbour(ctx context.Context, w *world) (*neighbour, error) {
	clients, err := w.setUpClients(ctx)
	if err != nil {
		return nil, err
	}
	arn, err := w.addGroup(ctx, clients.ELB, "neighbour")
	if err != nil {
		return nil, err
	}
	return &neighbour{sim: w.sim, arn: arn}, sleep(ctx, time.Minute)
}

// run goes on until ctx ends.
func (n *neighbour) run(ctx context.Context) {
	var calls sync.WaitGroup
	defer calls.Wait()
	n.from = time.Now()
	// A nanosecond of its own: none of its calls shares an instant with a change.
	for i := 0; sleep(ctx, time.Until(n.from.Add(time.Duration(i)*neighbourGap+time.Nanosecond))) == nil; i++ {
		calls.Go(func() { n.insist(ctx, i, neighbourPattern[i%len(neighbourPattern)]) })
		if at := time.Duration(i) * neighbourGap; at%burstGap == burstGap/2 {
			for b := range neighbourBurst {
				calls.Go(func() { n.insist(ctx, i<<8+b+1, "RegisterTargets") })
			}
		}
	}
}

// insist sends a call until it is accepted, as retries do.
func (n *neighbour) insist(ctx context.Context, id int, action string) {
	r := rand.New(rand.NewPCG(seed, uint64(id)))
	for !n.call(ctx, action) {
		if sleep(ctx, within(r, retryGap/2, retryGap*3/2)) != nil {
			return
		}
	}
}

// call sends one call and reports whether it was accepted. The simulator asks for a
// signature and does not verify it.
func (n *neighbour) call(ctx context.Context, action string) bool {
	form := url.Values{"Action": {action}, "Version": {"2015-12-01"}, "TargetGroupArn": {n.arn}}
	if action == "RegisterTargets" {
		form.Set("Targets.member.1.Id", firstAddress.String())
		form.Set("Targets.member.1.Port", "9")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://elasticloadbalancing.test/", strings.NewReader(form.Encode()))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=neighbour/20260101/ap-northeast-3/elasticloadbalancing/aws4_request")
	resp, err := n.sim.Transport().RoundTrip(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// took returns how many registrations it got until a moment of the trace.
func (n *neighbour) took(until time.Duration) (got float64) {
	for _, c := range n.sim.Calls() {
		if c.Params["TargetGroupArn"] == n.arn && c.Action == "RegisterTargets" && c.Code == "OK" && c.Time.Sub(n.from) < until {
			got++
		}
	}
	return got
}
