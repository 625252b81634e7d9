package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lbcLease is the Lease of the AWS Load Balancer Controller.
const lbcLease = "aws-load-balancer-controller-leader"

// lbc renews the AWS Load Balancer Controller's Lease until it is stopped, and does not
// give it up then, as the real one does not. It only lasts less long.
func (w *world) lbc() (stop func()) {
	w.t.Helper()
	w.renewLBC(w.t.Context())
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			w.renewLBC(ctx)
			time.Sleep(200 * time.Millisecond)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func (w *world) renewLBC(ctx context.Context) {
	holder, seconds := "aws-load-balancer-controller-6b9b8_f00d", int32(2)
	spec := coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: time.Now()}}
	leases := w.Clientset().CoordinationV1().Leases("kube-system")
	lease, err := leases.Get(ctx, lbcLease, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, _ = leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: lbcLease}, Spec: spec}, metav1.CreateOptions{})
		return
	}
	if err == nil {
		lease.Spec = spec
		_, _ = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
}

// standsAside waits until the daemon says so, or that it does not.
func (w *world) standsAside(want bool) {
	w.t.Helper()
	line := map[bool]string{true: "\ntgsync_standing_aside 1\n", false: "\ntgsync_standing_aside 0\n"}[want]
	w.eventually(strings.TrimSpace(line), func(ctx context.Context) error {
		text, err := w.metrics(ctx, w.Daemon(0))
		if err == nil && !strings.Contains(text, line) {
			err = errors.New("it does not say so")
		}
		return err
	})
}

// written returns what the daemon changed in the cluster, from the n-th request on, but
// for its Lease and events.
func (w *world) written(from int) (written []string) {
	w.t.Helper()
	for _, r := range w.requests()[from:] {
		if slices.Contains([]string{"create", "update", "patch", "delete"}, r.Verb) && r.Resource != "leases" && r.Resource != "events" {
			written = append(written, fmt.Sprintf("%s %s", r.Verb, r.Resource))
		}
	}
	return written
}

// wroteNothing lets the daemon do what it must not do, for a while.
func (w *world) wroteNothing(calls, requests int) {
	w.t.Helper()
	time.Sleep(2 * time.Second)
	require.Empty(w.t, w.mutations(calls))
	require.Empty(w.t, w.written(requests))
}

// TestStandingAside: two controllers never write. The other one is here first, goes, and
// comes back.
func TestStandingAside(t *testing.T) {
	w := startStack(t, "TGSYNC_LEASE_DURATION=6s")
	stop := w.lbc()
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}), ingress("demo0", "web", nil, "echo0"))
	w.startDaemon()
	w.standsAside(true)
	w.eventually("an event on the Lease", func(ctx context.Context) error {
		events, err := w.Clientset().CoreV1().Events("tgsync").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Lease,involvedObject.name=tgsync"})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.Reason == "StandingAside" && strings.Contains(e.Message, "kube-system/"+lbcLease)
		}) {
			return fmt.Errorf("events %+v", events.Items)
		}
		return nil
	})
	w.wroteNothing(0, 0)

	stop()
	w.synced("demo0", "echo0", 2)
	dns := w.dnsName("demo0", "web")
	w.standsAside(false)
	w.answers(dns, "/echo0", 200, "echo0\n")

	stop = w.lbc()
	w.standsAside(true)
	calls, requests := len(w.Sim().Calls()), len(w.requests())
	w.scale("demo0", "echo0", 3)
	w.annotate("demo0", "web", "healthcheck-path", "/echo0")
	w.wroteNothing(calls, requests)

	stop()
	w.synced("demo0", "echo0", 3)
	w.deleteIngress("demo0", "web")
	w.empty()
}
