package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/playground"
)

// TestSharedTargetGroup shares a target group with another cluster, whose target is
// somebody's call here: ours come and go beside it, and the ConfigMap tells which
// these are.
func TestSharedTargetGroup(t *testing.T) {
	t.Parallel()
	w := start(t)
	permissions, err := os.ReadFile(filepath.Join("..", "..", "deploy", "multicluster", "rbac.yaml"))
	require.NoError(t, err)
	arn := w.ownGroup("shared")
	w.apply(string(permissions), namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}))
	w.defineBindings()
	nodes, err := w.Clientset().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	theirs := target.Target{IP: netip.MustParseAddr(nodes.Items[0].Status.Addresses[0].Address), Port: 8000}
	require.NoError(t, w.somebody().RegisterTargets(t.Context(), arn, []target.Target{theirs}, nil))

	w.bindShared("demo0", "mine", arn, "echo0")
	w.shares(arn, theirs.String(), 2)
	w.scale("demo0", "echo0", 1)
	w.shares(arn, theirs.String(), 1)
	require.NoError(t, w.StopDaemon())
	w.scale("demo0", "echo0", 3)
	w.startDaemon()
	w.shares(arn, theirs.String(), 3)

	granted, used := w.grantedBy("tgsync-multicluster"), map[permission]bool{}
	for _, r := range w.requests() {
		if r.Resource == "configmaps" {
			used[newPermission(r.Group, r.Resource, r.Verb)] = true
		}
	}
	require.Equal(t, granted, used)

	require.NoError(t, w.bindings("demo0").Delete(t.Context(), "mine", metav1.DeleteOptions{}))
	w.eventually("theirs alone", func(ctx context.Context) error {
		have, err := w.registered(ctx, arn)
		if err == nil && !slices.Equal(have, []string{theirs.String()}) {
			err = fmt.Errorf("targets %v", have)
		}
		return err
	})
}

// shares waits until a target group has the other cluster's target and so many of ours,
// and the ledger has these alone.
func (w *world) shares(arn, theirs string, pods int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d targets beside theirs", pods), func(ctx context.Context) error {
		ours, err := w.ready(ctx, "demo0", "echo0")
		if err != nil {
			return err
		}
		have, err := w.registered(ctx, arn)
		if err != nil {
			return err
		}
		ledger, err := w.Clientset().CoreV1().ConfigMaps("demo0").Get(ctx, "aws-lbc-targets-mine", metav1.GetOptions{})
		if err != nil {
			return err
		}
		want := slices.Sorted(slices.Values(append(slices.Clone(ours), theirs)))
		written := slices.Sorted(strings.SplitSeq(ledger.Data["targets"], ","))
		if len(ours) != pods || !slices.Equal(have, want) || !slices.Equal(written, ours) {
			return fmt.Errorf("endpoints %v, targets %v, ledger %v", ours, have, written)
		}
		return nil
	})
}

// registered returns the targets of a group that are not draining, sorted.
func (w *world) registered(ctx context.Context, arn string) ([]string, error) {
	rows, err := w.Account().Targets(ctx, arn)
	have := []string{}
	for _, row := range slices.DeleteFunc(rows, func(t playground.Target) bool { return t.State == "draining" }) {
		have = append(have, row.String())
	}
	slices.Sort(have)
	return have, err
}
