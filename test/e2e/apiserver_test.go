package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// leaders returns which of the daemons lead.
func (w *world) leaders(ctx context.Context) ([]string, error) {
	var leaders []string
	for _, d := range w.Daemons() {
		text, err := w.metrics(ctx, d)
		if err != nil {
			return nil, err
		}
		if strings.Contains(text, "\ntgsync_leader 1\n") {
			leaders = append(leaders, d.Name())
		}
	}
	return leaders, nil
}

// led waits until so many daemons lead.
func (w *world) led(by int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d leaders", by), func(ctx context.Context) error {
		leaders, err := w.leaders(ctx)
		if err == nil && len(leaders) != by {
			err = fmt.Errorf("leaders: %q", leaders)
		}
		return err
	})
}

// controlPlaneReturns starts the control plane again. Until it has read the roles, an
// API server forbids everything, also to those who may: the daemon has to live with
// that.
func (w *world) controlPlaneReturns(after time.Duration) {
	w.t.Helper()
	w.mayForbid = true
	time.Sleep(after)
	begin := time.Now()
	require.NoError(w.t, w.StartControlPlane(w.t.Context()))
	w.t.Logf("the control plane started within %v", time.Since(begin).Round(time.Millisecond))
}

// onlyRegistered says that daemons registered targets since the n-th call, and did
// nothing else. Whoever begins to lead registers once more what changed shortly
// before: the one before may not have come to it.
func (w *world) onlyRegistered(from int) {
	w.t.Helper()
	require.Equal(w.t, []string{"RegisterTargets"}, slices.Compact(w.mutations(from)))
}

// deregistered returns the addresses that daemons took out of groups, from the n-th
// call on.
func (w *world) deregistered(from int) map[string]bool {
	gone := map[string]bool{}
	for _, c := range w.Sim().Calls()[from:] {
		for name, value := range c.Params {
			if c.Action == "DeregisterTargets" && strings.HasSuffix(name, ".Id") {
				gone[value] = true
			}
		}
	}
	return gone
}

// TestAPIServerCrashes in the middle of a rollout and comes back at once. The pods
// serve on, nobody who stays is deregistered, and the rollout ends.
func TestAPIServerCrashes(t *testing.T) {
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 6, preStop: 2, version: "1"}), ingress("demo0", "web", nil, "echo0"))
	dns := w.dnsName("demo0", "web")
	old := w.synced("demo0", "echo0", 6)
	w.answers(dns, "/echo0", 200, "echo0\n")
	load := w.load(dns, "/echo0")

	calls := len(w.Sim().Calls())
	w.rollout("demo0", "echo0", "2")
	w.eventually("the first registration of the rollout", func(context.Context) error {
		if !slices.Contains(w.mutations(calls), "RegisterTargets") {
			return errors.New("none yet")
		}
		return nil
	})
	require.NoError(t, w.KillControlPlane())
	w.controlPlaneReturns(0)

	w.rolledOut("demo0", "echo0")
	w.synced("demo0", "echo0", 6)
	load.succeeded(500)
	require.Len(t, w.Daemons(), 1, "it is still the same process")
	w.led(1)
	gone := slices.Sorted(maps.Keys(w.deregistered(calls)))
	var want []string
	for _, target := range old {
		address, _, _ := strings.Cut(target, ":")
		want = append(want, address)
	}
	slices.Sort(want)
	require.Equal(t, want, gone, "the old pods were deregistered, and nobody else")
}

// TestAPIServerIsGone for longer than a Lease lasts. Nobody leads then, so nobody
// writes. When it is back, nobody is deregistered.
func TestAPIServerIsGone(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	p.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 4}), ingress("demo0", "web", nil, "echo0"))
	dns := p.dnsName("demo0", "web")
	p.synced("demo0", "echo0", 4)
	p.answers(dns, "/echo0", 200, "echo0\n")
	load := p.load(dns, "/echo0")

	calls := len(p.Sim().Calls())
	require.NoError(t, p.StopControlPlane())
	p.led(0)
	require.Empty(t, p.mutations(calls))
	p.controlPlaneReturns(6 * time.Second)
	back := time.Now()
	p.led(1)
	t.Logf("a daemon led %v later", time.Since(back).Round(time.Millisecond))
	p.scale("demo0", "echo0", 6)
	p.synced("demo0", "echo0", 6)
	p.onlyRegistered(calls)
	require.Len(t, p.Daemons(), 2)
	load.succeeded(500)
}
