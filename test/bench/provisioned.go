package bench

import (
	"context"
	"fmt"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"

	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/provision"
	"github.com/tgsync/tgsync/test/awssim"
)

const (
	// perBalancer is how many groups share a load balancer: 40 of 20 targets leave room
	// in its quota of 1,000.
	perBalancer = 40
	// provisioning is more than 1,000 groups and their rules take at 3 calls a second.
	provisioning = time.Hour
	// annotations is what the names of all annotations begin with.
	annotations = "alb.ingress.kubernetes.io/"
)

// customKinds are those that the cluster has beside Kubernetes' own.
var customKinds = map[schema.GroupVersionResource]string{
	groupbinding.Resource:        "TargetGroupBindingList",
	provision.ParamsResource:     "IngressClassParamsList",
	provision.NamespacesResource: "NamespaceList",
}

// newProvisionedWorld makes a world in which the product itself has provisioned a
// group for every Ingress, and a fresh process that has not started.
func newProvisionedWorld(ctx context.Context, t Trace) (*world, Engine, error) {
	w, err := newAccount(t, awssim.Switches{})
	if err != nil {
		return nil, nil, err
	}
	c := newIngressCluster(w, nil, func(*networkingv1.Ingress, *discoveryv1.EndpointSlice) {})
	before, err := newDaemon(ctx, w, c)
	if err != nil {
		return nil, nil, err
	}
	if err := runFor(ctx, before, provisioning); err != nil {
		return nil, nil, err
	}
	if n := len(before.provision.Bindings()); n != t.Groups {
		return nil, nil, fmt.Errorf("%d of %d groups were provisioned", n, t.Groups)
	}
	rules := 0
	for _, c := range w.sim.Calls() {
		if c.Action == "CreateRule" && c.Code == "OK" {
			rules++
		}
	}
	if rules != t.Groups {
		return nil, nil, fmt.Errorf("%d rules were made for %d groups", rules, t.Groups)
	}
	after, err := newDaemon(ctx, w, c)
	return w, after, err
}

// newIngressCluster makes a cluster with an Ingress for each group of the world's trace,
// and more objects. amend is called for each Ingress
// and the slice behind it.
func newIngressCluster(w *world, objects []runtime.Object, amend func(*networkingv1.Ingress, *discoveryv1.EndpointSlice)) cluster {
	c := cluster{custom: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), customKinds)}
	objects = append(objects, &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: "alb"}, Spec: networkingv1.IngressClassSpec{Controller: ingress.Controller},
	})
	for g := range w.trace.Groups {
		i, slice := ingressOf(g), heldSlice(g, w.held(g))
		amend(i, slice)
		c.slices = append(c.slices, slice)
		objects = append(objects, service(g), slice.DeepCopy(), i)
	}
	c.kube = newCluster(objects)
	return c
}

// ingressOf is the Ingress of one group.
func ingressOf(g int) *networkingv1.Ingress {
	name := groupName(g)
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{
			annotations + "group.name":  fmt.Sprintf("balancer-%02d", g/perBalancer),
			annotations + "target-type": "ip",
		}},
		Spec: networkingv1.IngressSpec{
			IngressClassName: new("alb"),
			Rules: []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{
					Path: "/" + name, PathType: new(networkingv1.PathTypeExact),
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: name, Port: networkingv1.ServiceBackendPort{Number: targetPort},
					}},
				}},
			}}}},
		},
	}
}
