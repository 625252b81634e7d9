package provision

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	k8stesting "k8s.io/client-go/testing"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// shareOne is a group of demo0/a and demo1/b, each with a Service of its own.
func (w *world) shareOne() {
	w.t.Helper()
	shared := map[string]string{"group.name": "shared"}
	w.service("demo0", "echo0")
	w.service("demo1", "echo1")
	w.ingress("demo0", "a", shared, "echo0")
	w.ingress("demo1", "b", shared, "echo1")
}

// refusePatches makes the API server refuse patches of demo0/a, all or those of
// one subresource.
func (w *world) refusePatches(all bool, subresource string) {
	w.client.PrependReactor("patch", "ingresses", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if a.GetNamespace() == "demo0" && (all || a.GetSubresource() == subresource) {
			return true, nil, errors.New("a webhook denied the request")
		}
		return false, nil, nil
	})
}

// saidTo picks what was said to one Ingress.
func saidTo(said []string, key string) (out []string) {
	for _, s := range said {
		if text, ok := strings.CutPrefix(s, key+" "); ok {
			out = append(out, text)
		}
	}
	return out
}

// Whoever leaves does not wait for others to be good.
func TestLeavingBesideABadMember(t *testing.T) {
	tests := map[string]struct {
		served bool // before it turns bad
		want   map[string]int
	}{
		"newcomer": {want: map[string]int{}},
		"served":   {served: true, want: map[string]int{"security group": 1, "load balancer": 1, "target group": 1, "rule": 2}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, awssim.Options{}, func(w *world) {
				t := w.t
				w.shareOne()
				breakIt := func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"healthcheck-interval-seconds"] = "soon" }
				if !tt.served {
					w.update("demo1", "b", breakIt)
				}
				w.start()
				w.settle()
				w.update("demo1", "b", breakIt)
				w.settle()
				w.remove("demo0", "a")
				w.settle()
				require.Len(t, w.ingresses(), 1)
				require.Equal(t, tt.want, kinds(w.account()))
			})
		})
	}
}

// What AWS refuses of one Ingress keeps no other from coming and going, and no
// other hears of it.
func TestRefusedRuleOfOne(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.shareOne()
		w.service("demo0", "refused")
		w.wire.refuse("/refused")
		w.update("demo0", "a", func(ing *networkingv1.Ingress) {
			ing.Spec.Rules = []networkingv1.IngressRule{rulesTo("echo0", "refused")}
		})
		w.start()
		w.settle()
		require.NotEmpty(t, w.get("demo1", "b").Status.LoadBalancer.Ingress)
		require.NotEmpty(t, w.get("demo0", "a").Status.LoadBalancer.Ingress)
		said := w.said()
		require.Empty(t, saidTo(said, "demo1/b"))
		require.Len(t, saidTo(said, "demo0/a"), 1)
		require.Contains(t, saidTo(said, "demo0/a")[0], "FailedDeployModel: ")
		require.Contains(t, saidTo(said, "demo0/a")[0], "not like this")

		w.remove("demo1", "b")
		w.settle()
		require.Len(t, w.ingresses(), 1)
		require.NotContains(t, strings.Join(w.account(), "\n"), "/echo1")
		require.Empty(t, w.said(), "nothing new")

		w.remove("demo0", "a")
		w.settle()
		require.Empty(t, w.ingresses())
		require.Empty(t, w.account())
	})
}

// A rule that nobody leaves behind stays while what may replace it is refused.
func TestRefusedRuleKeepsItsPredecessor(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.shareOne()
		w.start()
		w.settle()
		w.service("demo0", "refused")
		w.wire.refuse("/refused")
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { ing.Spec.Rules = []networkingv1.IngressRule{rulesTo("refused")} })
		w.settle()
		require.Contains(t, strings.Join(w.account(), "\n"), `"/echo0" -> `)
		w.remove("demo1", "b")
		w.settle()
		require.Len(t, w.ingresses(), 1)
		require.Contains(t, strings.Join(w.account(), "\n"), `"/echo0" -> `)
	})
}

func TestStatusOfOneIsRefused(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.shareOne()
		w.refusePatches(false, "status")
		w.start()
		w.settle()
		require.NotEmpty(t, w.get("demo1", "b").Status.LoadBalancer.Ingress)
		said := w.said()
		require.Equal(t, []string{"SuccessfullyReconciled: Successfully reconciled"}, saidTo(said, "demo1/b"))
		require.Equal(t, []string{"FailedUpdateStatus: patch Ingress demo0/a: a webhook denied the request"}, saidTo(said, "demo0/a"))
		w.remove("demo1", "b")
		w.settle()
		require.Len(t, w.ingresses(), 1)
	})
}

// An Ingress that cannot take the finalizer gets nothing, and the others all.
func TestFinalizerOfOneIsRefused(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.shareOne()
		w.refusePatches(true, "")
		w.start()
		w.settle()
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 1, "rule": 2}, kinds(w.account()))
		require.NotEmpty(t, w.get("demo1", "b").Status.LoadBalancer.Ingress)
		said := w.said()
		require.Equal(t, []string{"SuccessfullyReconciled: Successfully reconciled"}, saidTo(said, "demo1/b"))
		require.Equal(t, []string{"FailedAddFinalizer: patch Ingress demo0/a: a webhook denied the request"}, saidTo(said, "demo0/a"))
	})
}

// One that lost its finalizer by hand and cannot take it again keeps what it has.
func TestFinalizerIsRefusedLater(t *testing.T) {
	for name, alone := range map[string]bool{"alone": true, "beside another": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, awssim.Options{}, func(w *world) {
				t := w.t
				w.shareOne()
				w.start()
				w.settle()
				if alone {
					w.remove("demo1", "b")
					w.settle()
				}
				before := w.account()
				w.refusePatches(true, "")
				w.update("demo0", "a", func(ing *networkingv1.Ingress) { ing.Finalizers = nil })
				w.settle()
				require.Equal(t, before, w.account())
			})
		})
	}
}

// A load balancer may go between the two calls that read it.
func TestLoadBalancerGoesWhileItIsRead(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "a", nil, "echo0")
		w.start()
		w.settle()
		before := kinds(w.account())
		w.halt()
		w.wire.watched(func(form url.Values) {
			if form.Get("Action") != "DescribeListeners" {
				return
			}
			w.wire.watched(nil)
			balancers, err := w.aws.ELB.DescribeLoadBalancers(context.Background())
			require.NoError(t, err)
			require.NoError(t, w.aws.ELB.DeleteLoadBalancer(context.Background(), balancers[0].ARN))
		})
		w.start()
		w.settle()
		require.Equal(t, before, kinds(w.account()))
	})
}

// The address of a bad member that is served is not left behind when the load
// balancer is replaced.
func TestStatusOfABadMember(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.shareOne()
		w.update("demo1", "b", func(ing *networkingv1.Ingress) { delete(ing.Annotations, prefix+"scheme") })
		w.start()
		w.settle()
		w.update("demo1", "b", func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"healthcheck-interval-seconds"] = "soon" })
		w.settle()
		w.said()
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"scheme"] = "internal" })
		w.settle()
		require.True(t, strings.HasPrefix(w.get("demo0", "a").Status.LoadBalancer.Ingress[0].Hostname, "internal-"))
		require.Equal(t, w.get("demo0", "a").Status, w.get("demo1", "b").Status)
		require.NotContains(t, strings.Join(saidTo(w.said(), "demo1/b"), "\n"), reasonReconciled, "it is not as it asks")
	})
}

// The API server refuses a patch that would change another object's UID.
func TestAnotherIngressHasTheName(t *testing.T) {
	invalid := func(path *field.Path) error {
		return apierrors.NewInvalid(schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}, "a",
			field.ErrorList{field.Invalid(path, "uid-1", "field is immutable")})
	}
	tests := map[string]struct {
		err  error
		fail bool
	}{
		"another one":     {err: invalid(field.NewPath("metadata", "uid"))},
		"changed at once": {err: apierrors.NewConflict(schema.GroupResource{}, "a", nil)},
		"gone":            {err: apierrors.NewNotFound(schema.GroupResource{}, "a")},
		"another fault":   {err: invalid(field.NewPath("spec", "rules")), fail: true},
		"no answer":       {err: errors.New("connection refused"), fail: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, awssim.Options{}, func(w *world) {
				w.service("demo0", "echo0")
				w.ingress("demo0", "a", nil, "echo0")
				w.client.PrependReactor("patch", "ingresses", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, tt.err })
				err := removeFinalizers(w.t.Context(), w.client, ingress.GroupID{Namespace: "demo0", Name: "a"},
					[]*networkingv1.Ingress{w.get("demo0", "a")})
				require.Equal(w.t, tt.fail, err != nil, "%v", err)
			})
		})
	}
}
