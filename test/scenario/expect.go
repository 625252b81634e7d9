package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/metrics"
	"github.com/tgsync/tgsync/syncer/target"
)

func (p *player) registered(_ context.Context, v values) error {
	have, _, err := p.world.account.targets(v["GROUP"])
	if err != nil {
		return err
	}
	return p.compareTargets(v, have)
}

func (p *player) drains(_ context.Context, v values) error {
	_, have, err := p.world.account.targets(v["GROUP"])
	if err != nil {
		return err
	}
	return p.compareTargets(v, have)
}

func (p *player) compareTargets(v values, have target.Set) error {
	if n, ok := strings.CutSuffix(v["TARGETS"], " targets"); ok {
		if strconv.Itoa(len(have)) != n {
			return fmt.Errorf("there are %d", len(have))
		}
		return nil
	}
	want, err := p.targets(v)
	if err != nil {
		return err
	}
	if !maps.Equal(target.NewSet(want...), have) {
		return fmt.Errorf("there is %v", have.Sorted())
	}
	return nil
}

// calls compares what was called since the last look, to change something, with the
// lines below.
func (p *player) calls(ctx context.Context, v values) error {
	have, err := p.listen(ctx, v)
	if err != nil {
		return err
	}
	return p.compareCalls(have)
}

// everythingCalled does the same with reads.
func (p *player) everythingCalled(ctx context.Context, v values) error {
	if err := p.wait(ctx, v); err != nil {
		return err
	}
	have := p.world.tap.since(p.heard)
	p.heard = p.world.tap.count()
	p.heardReads = p.heard
	return p.compareCalls(have)
}

func (p *player) compareCalls(have []call) error {
	if !slices.EqualFunc(p.step.more, have, func(want string, c call) bool { return want == c.String() }) {
		return fmt.Errorf("expected\n\t%s\nbut there was%s", strings.Join(p.step.more, "\n\t"), p.world.list(have))
	}
	return nil
}

// list is calls with their times, a line each.
func (w *World) list(calls []call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintf(&b, "\n\t%s (%s)", c.String(), w.since(c.Begin))
	}
	return b.String()
}

func (p *player) noCalls(ctx context.Context, v values) error {
	have, err := p.listen(ctx, v)
	if err == nil && len(have) > 0 {
		err = fmt.Errorf("there was%s", p.world.list(have))
	}
	return err
}

// listen lets DURATION pass and returns what was called since the last look.
func (p *player) listen(ctx context.Context, v values) ([]call, error) {
	if err := p.wait(ctx, v); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(p.world.tap.since(p.heard), func(c call) bool { return !c.mutates() })
	p.heard = p.world.tap.count()
	return all, nil
}

func (p *player) forgetCalls(context.Context, values) error {
	p.heard = p.world.tap.count()
	p.heardReads = p.heard
	return nil
}

// zone asks where AWS has put a target.
func (p *player) zone(_ context.Context, v values) error {
	g, err := p.world.account.group(v["GROUP"])
	if err != nil {
		return err
	}
	for _, t := range p.world.sim.Targets(g.binding.GroupARN) {
		if t.Address.Addr().String() == v["ADDRESS"] && t.Zone == v["ZONE"] {
			return nil
		}
	}
	return fmt.Errorf("it is not in %v", p.world.sim.Targets(g.binding.GroupARN))
}

// reads lets DURATION pass and counts how often a group was read since the last look.
func (p *player) reads(ctx context.Context, v values) error {
	if err := p.wait(ctx, v); err != nil {
		return err
	}
	n := 0
	for _, c := range p.world.tap.since(p.heardReads) {
		if c.Action == describeHealth && c.Group.binding.GroupName == v["GROUP"] {
			n++
		}
	}
	p.heardReads = p.world.tap.count()
	if strconv.Itoa(n) != v["N"] {
		return fmt.Errorf("it was read %d times", n)
	}
	return nil
}

// one returns the daemon that a question goes to: the only one.
func (p *player) one() (*daemon, error) {
	for _, d := range p.world.daemons {
		if len(p.world.daemons) == 1 {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%d daemons run", len(p.world.daemons))
}

func (p *player) pending(_ context.Context, v values) error {
	d, err := p.one()
	if err != nil {
		return err
	}
	if n, _ := d.pending(v["OPERATION"]); strconv.Itoa(n) != v["N"] {
		return fmt.Errorf("there are %d", n)
	}
	return nil
}

func (p *player) parked(_ context.Context, v values) error {
	d, err := p.one()
	if err != nil {
		return err
	}
	want := map[string]int{}
	if v["REASON"] != "nothing" {
		n, err := strconv.Atoi(v["N"])
		if err != nil {
			return err
		}
		want[v["REASON"]] = n
	}
	have := map[string]int{}
	for _, st := range d.status() {
		for reason, n := range st.Parked {
			have[reason] += n
		}
	}
	if !maps.Equal(have, want) {
		return fmt.Errorf("there is %v", have)
	}
	return nil
}

// metric compares a sample with what a scrape shows. One that is not there is "absent".
func (p *player) metric(ctx context.Context, v values) error {
	d, err := p.one()
	if err != nil {
		return err
	}
	server := metrics.Server{Metrics: d.metrics, Ready: func() error { return nil }, Log: slog.New(slog.DiscardHandler)}
	answer := httptest.NewRecorder()
	server.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(ctx, "GET", "/metrics", nil))
	have := "absent"
	for line := range strings.Lines(answer.Body.String()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), v["NAME"]+" "); ok {
			have = value
		}
	}
	if have != v["VALUE"] {
		return fmt.Errorf("it is %s", have)
	}
	return nil
}

func (p *player) event(ctx context.Context, v values) error {
	all, err := p.world.events(ctx)
	if err != nil {
		return err
	}
	begin := v["REASON"] + " on " + v["KIND"] + " " + v["NAME"] + ": "
	for _, e := range all {
		if strings.HasPrefix(e, begin) && strings.Contains(e, v["TEXT"]) {
			return nil
		}
	}
	return fmt.Errorf("there are only\n\t%s", strings.Join(all, "\n\t"))
}

func (p *player) noEvent(ctx context.Context, v values) error {
	all, err := p.world.events(ctx)
	for _, e := range all {
		if strings.HasPrefix(e, v["REASON"]+" ") {
			err = errors.Join(err, errors.New(e))
		}
	}
	return err
}

// events are those that the daemons have written.
func (w *World) events(ctx context.Context) ([]string, error) {
	list, err := w.cluster.api.CoreV1().Events("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range list.Items {
		all = append(all, fmt.Sprintf("%s on %s %s: %s", e.Reason, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Message))
	}
	return all, nil
}

// leader asks who holds the Lease.
func (p *player) leader(ctx context.Context, v values) error {
	have := "nobody"
	l, err := p.world.cluster.api.CoordinationV1().Leases(namespace).Get(ctx, leaseName, metav1.GetOptions{})
	if err == nil && l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity != "" {
		have, _, _ = strings.Cut(*l.Spec.HolderIdentity, "_")
	}
	if have != v["NAME"] {
		return fmt.Errorf("it is %s", have)
	}
	return nil
}

// settled lets the calls under way return, and then AWS has what Kubernetes wants.
func (p *player) settled(ctx context.Context, _ values) error {
	if err := p.world.Pass(ctx, callLatency); err != nil {
		return err
	}
	return p.world.CheckSettled()
}
