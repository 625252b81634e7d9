package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// newAddress waits until an Ingress shows another address than before.
func (w *world) newAddress(ns, name, before string) string {
	w.t.Helper()
	var dns string
	w.eventually("another address of "+name, func(context.Context) error {
		if dns = w.dnsName(ns, name); dns == before {
			return fmt.Errorf("it is still %s", dns)
		}
		return nil
	})
	return dns
}

// TestMoves replaces what clients depend on while they ask: the load balancer, twice,
// and then the target group behind it. Nobody waits for an answer in vain, whichever
// address they know.
func TestMoves(t *testing.T) {
	t.Parallel()
	w := startStack(t, "TGSYNC_LB_LINGER=10s")
	w.startDaemon()
	service := echo("demo0", "echo0", echoOptions{replicas: 2})
	w.apply(namespace("demo0"), service, ingress("demo0", "web", map[string]string{
		"scheme": "internal", "target-group-attributes": "deregistration_delay.timeout_seconds=1",
	}, "echo0"))
	internal := w.dnsName("demo0", "web")
	w.synced("demo0", "echo0", 2)
	w.answers(internal, "/echo0", http.StatusOK, "echo0\n")
	onInternal := w.load(internal, "/echo0")

	w.annotate("demo0", "web", "scheme", "internet-facing")
	public := w.newAddress("demo0", "web", internal)
	onPublic := w.load(public, "/echo0")

	w.annotate("demo0", "web", "group.name", "shared")
	shared := w.newAddress("demo0", "web", public)
	onShared := w.load(shared, "/echo0")
	onInternal.succeeded(100) // while both linger
	onPublic.succeeded(10)
	w.eventually("the only load balancer", func(ctx context.Context) error {
		lbs, err := w.Account().LoadBalancers(ctx)
		if err == nil && (len(lbs) != 1 || lbs[0].DNSName != shared) {
			err = fmt.Errorf("%+v", lbs)
		}
		return err
	})

	// The name of a target group has the UID of its Service: another one gets another
	// group, and its targets are there before the requests turn to it.
	before := w.groupOf("demo0", "echo0")
	require.NoError(t, w.Clientset().CoreV1().Services("demo0").Delete(t.Context(), "echo0", metav1.DeleteOptions{}))
	w.apply(service)
	w.eventually("another target group alone", func(ctx context.Context) error {
		groups, err := w.Account().TargetGroups(ctx)
		if err == nil && (len(groups) != 1 || groups[0].TargetGroupArn == before) {
			err = fmt.Errorf("%+v", groups)
		}
		return err
	})
	w.synced("demo0", "echo0", 2)
	onShared.succeeded(100)

	w.deleteIngress("demo0", "web")
	w.empty()
}

// groupOf returns the ARN of the only target group of a Service.
func (w *world) groupOf(ns, service string) string {
	w.t.Helper()
	var arns []string
	w.eventually("the only target group of "+service, func(ctx context.Context) error {
		groups, err := w.Account().TargetGroups(ctx)
		if err != nil {
			return err
		}
		arns = nil
		for _, g := range groups {
			if strings.HasPrefix(g.TargetGroupName, fmt.Sprintf("k8s-%s-%s-", ns, service)) {
				arns = append(arns, g.TargetGroupArn)
			}
		}
		if len(arns) != 1 {
			return errors.New(strings.Join(slices.Sorted(slices.Values(arns)), ", "))
		}
		return nil
	})
	return arns[0]
}
