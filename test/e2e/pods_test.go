package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func (w *world) scale(ns, name string, replicas int) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	_, err := w.Clientset().AppsV1().Deployments(ns).Patch(w.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(w.t, err)
}

// rollout replaces every pod and does not wait for it.
func (w *world) rollout(ns, name, version string) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"version":%q}}}}}`, version)
	_, err := w.Clientset().AppsV1().Deployments(ns).Patch(w.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(w.t, err)
}

// rolledOut waits until every pod of a Deployment is new.
func (w *world) rolledOut(ns, name string) {
	w.t.Helper()
	w.eventually("the rollout of "+name, func(ctx context.Context) error {
		d, err := w.Clientset().AppsV1().Deployments(ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		want := *d.Spec.Replicas
		if s := d.Status; s.ObservedGeneration < d.Generation || s.UpdatedReplicas != want || s.Replicas != want || s.AvailableReplicas != want {
			return fmt.Errorf("status %+v", s)
		}
		return nil
	})
}

func TestPodAddedRemovedReplaced(t *testing.T) {
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 1}), ingress("demo0", "web", nil, "echo0"))
	dns := w.dnsName("demo0", "web")
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")
	first := w.synced("demo0", "echo0", 1)

	w.scale("demo0", "echo0", 3)
	w.synced("demo0", "echo0", 3)
	pods := map[string]bool{}
	w.eventually("answers of three pods", func(ctx context.Context) error {
		a, err := w.get(ctx, dns, "/echo0")
		pods[a.pod] = true
		if err == nil && len(pods) < 3 {
			err = fmt.Errorf("pods %v", pods)
		}
		return err
	})

	w.scale("demo0", "echo0", 1)
	w.synced("demo0", "echo0", 1)

	list, err := w.Clientset().CoreV1().Pods("demo0").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, pod := range list.Items {
		require.NoError(t, w.Clientset().CoreV1().Pods("demo0").Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
	}
	w.eventually("another pod", func(ctx context.Context) error {
		ready, err := w.ready(ctx, "demo0", "echo0")
		if err == nil && (len(ready) != 1 || slices.Equal(ready, first)) {
			err = fmt.Errorf("endpoints %v", ready)
		}
		return err
	})
	w.synced("demo0", "echo0", 1)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")
}

// TestRolloutDropsNothing replaces every pod while requests keep coming. The pods
// stop as the documentation tells people to: they serve for a while after their
// end was announced.
func TestRolloutDropsNothing(t *testing.T) {
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 3, preStop: 2, version: "1"}), ingress("demo0", "web", nil, "echo0"))
	dns := w.dnsName("demo0", "web")
	w.synced("demo0", "echo0", 3)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")

	load := w.load(dns, "/echo0")
	w.rollout("demo0", "echo0", "2")
	w.rolledOut("demo0", "echo0")
	w.synced("demo0", "echo0", 3)
	load.succeeded(100)
}

// load is somebody who asks again and again.
type load struct {
	t        *testing.T
	stop     context.CancelFunc
	running  sync.WaitGroup
	requests int // this and what follows is the goroutine's until it has ended
	failures []string
}

func (w *world) load(dns, path string) *load {
	ctx, stop := context.WithCancel(w.t.Context())
	l := &load{t: w.t, stop: stop}
	l.running.Go(func() {
		for ctx.Err() == nil {
			l.requests++
			if a, err := w.get(w.t.Context(), dns, path); err != nil || a.status != http.StatusOK {
				l.failures = append(l.failures, fmt.Sprintf("%s: %+v %v", time.Now().Format(time.TimeOnly), a, err))
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	return l
}

// succeeded ends the load: nothing has failed, and it was at least so much.
func (l *load) succeeded(atLeast int) {
	l.t.Helper()
	l.stop()
	l.running.Wait()
	require.Empty(l.t, l.failures, "of %d requests", l.requests)
	require.Greater(l.t, l.requests, atLeast)
}

func TestNamedTargetPort(t *testing.T) {
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2, targetPort: "web"}), ingress("demo0", "web", nil, "echo0"))
	dns := w.dnsName("demo0", "web")
	w.synced("demo0", "echo0", 2)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")
}

// TestKilledInTheMiddleOfARollout loses the daemon without a word at a moment when
// calls are under way, and lets the rollout finish without it.
func TestKilledInTheMiddleOfARollout(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 6, version: "1"}), ingress("demo0", "web", nil, "echo0"))
	dns := w.dnsName("demo0", "web")
	before := w.synced("demo0", "echo0", 6)

	calls := len(w.Sim().Calls())
	w.rollout("demo0", "echo0", "2")
	w.eventually("the first registration of the rollout", func(context.Context) error {
		if !slices.Contains(w.mutations(calls), "RegisterTargets") {
			return fmt.Errorf("calls %v", w.mutations(calls))
		}
		return nil
	})
	w.KillDaemon()
	w.rolledOut("demo0", "echo0")
	w.eventually("targets that are out of date", func(ctx context.Context) error {
		ready, err := w.ready(ctx, "demo0", "echo0")
		if err != nil {
			return err
		}
		targets, _, err := w.targets(ctx, "demo0", "echo0")
		if err == nil && slices.Equal(ready, targets) {
			err = fmt.Errorf("targets %v are up to date without a daemon", targets)
		}
		return err
	})
	w.startDaemon()
	after := w.synced("demo0", "echo0", 6)
	require.NotEqual(t, before, after)
	w.answers(dns, "/echo0", http.StatusOK, "echo0\n")
}
