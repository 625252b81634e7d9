package provision

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/test/awssim"
)

// life is what the faults below are thrown into: groups of rules come, change and
// go.
var life = []func(*world){
	func(w *world) {
		w.service("demo0", "echo0")
		w.service("demo0", "echo1")
		w.ingress("demo0", "b", map[string]string{"group.name": "shared"}, "echo0")
	},
	func(w *world) { w.ingress("demo0", "a", map[string]string{"group.name": "shared"}, "echo1", "missing") },
	func(w *world) {
		w.update("demo0", "b", func(ing *networkingv1.Ingress) {
			ing.Annotations[prefix+"healthcheck-path"] = "/healthz"
			ing.Spec.Rules = []networkingv1.IngressRule{rulesTo("echo1", "echo0")}
		})
		w.service("demo0", "missing")
	},
	func(w *world) {
		for _, name := range []string{"a", "b"} {
			w.update("demo0", name, func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"scheme"] = "internal" })
		}
	},
	func(w *world) { w.remove("demo0", "b") },
	func(w *world) { w.remove("demo0", "a") },
}

// live goes through life with one failure and returns what AWS holds after each
// part of it, and how many requests that took.
func live(t *testing.T, o awssim.Options, way failing, at int) (accounts [][]string, requests int) {
	t.Helper()
	inWorld(t, o, func(w *world) {
		t := w.t
		w.wire.way, w.wire.at = way, at
		w.start()
		for i, part := range life {
			part(w)
			w.settle()
			if w.wire.revive() {
				w.restart()
			}
			accounts = append(accounts, w.account())
			require.Len(t, w.loop.Bindings(), kinds(accounts[i])["target group"])
		}
		require.Empty(t, w.ingresses(), "nobody is held by a finalizer")
		requests = w.wire.n
	})
	return accounts, requests
}

// Whatever call fails, in whatever way, AWS becomes what it becomes without
// failures, and nothing is left behind.
func TestEveryFailureHeals(t *testing.T) {
	want, requests := live(t, awssim.Options{}, "", 0)
	require.Greater(t, requests, 30)
	require.Empty(t, want[len(want)-1])
	for _, way := range []failing{cutBefore, cutAfter, throttled, invalid, notFound, crash} {
		for at := 1; at <= requests; at++ {
			t.Run(fmt.Sprintf("%s/%d", way, at), func(t *testing.T) {
				t.Parallel()
				got, _ := live(t, awssim.Options{}, way, at)
				require.Equal(t, want, got)
			})
		}
	}
}

// Nor does it matter which of AWS's undocumented manners are the true ones, or how
// slow it is.
func TestEveryMannerOfAWSWillDo(t *testing.T) {
	want, _ := live(t, awssim.Options{}, "", 0)
	tests := map[string]awssim.Options{
		"slow":                        {Latency: 2 * time.Second},
		"with token buckets":          {Throttling: true},
		"new resources are not found": {Switches: awssim.Switches{ReadAfterCreate: 2 * time.Second}},
		"load balancers take minutes": {Switches: awssim.Switches{ProvisioningTime: 3 * time.Minute}},
		"interfaces linger":           {Switches: awssim.Switches{InterfaceLinger: 2 * time.Minute}},
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			got, _ := live(t, o, "", 0)
			require.Equal(t, want, got)
		})
	}
}
