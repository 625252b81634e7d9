package bench

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/provision"
	"github.com/tgsync/tgsync/test/awssim"
)

const (
	// perBalancer is how many groups share a load balancer: 50 of 20 targets fill its
	// quota of 1,000.
	perBalancer = 50
	// provisioning is more than 1,000 groups and their rules take at 3 calls a second.
	provisioning = time.Hour
)

// newProvisionedWorld makes a world in which the product itself has provisioned a
// group for every Ingress, and a fresh process that has not started.
func newProvisionedWorld(ctx context.Context, t Trace) (*world, Engine, error) {
	w, err := newAccount(t, awssim.Switches{})
	if err != nil {
		return nil, nil, err
	}
	objects := []runtime.Object{&networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: "alb"}, Spec: networkingv1.IngressClassSpec{Controller: ingress.Controller},
	}}
	p := &product{}
	for g := range t.Groups {
		p.slices = append(p.slices, heldSlice(g, w.held(g)))
		objects = append(objects, service(g), p.slices[g].DeepCopy(), ingressOf(g))
	}
	p.kube = newCluster(objects)
	before, err := newProvisioned(ctx, w, p)
	if err != nil {
		return nil, nil, err
	}
	if err := runFor(ctx, before, provisioning); err != nil {
		return nil, nil, err
	}
	if n := len(before.provision.Bindings()); n != t.Groups {
		return nil, nil, fmt.Errorf("%d of %d groups were provisioned", n, t.Groups)
	}
	after, err := newProvisioned(ctx, w, p)
	return w, after, err
}

// newProvisioned makes the daemon that a cluster's Ingresses are served by.
func newProvisioned(ctx context.Context, w *world, cluster *product) (*product, error) {
	clients, err := w.clients(ctx)
	if err != nil {
		return nil, err
	}
	p := &product{kube: cluster.kube, slices: cluster.slices, liveSince: time.Now().Add(-leaseDuration)}
	if p.informers, err = syncer.NewInformers(p.kube); err != nil {
		return nil, err
	}
	p.provision = provision.New(provision.Options{
		Settings: ingress.DefaultSettings(namespace), VPCID: vpcID,
		Ingresses: p.informers.Ingresses.Lister(), Classes: p.informers.IngressClasses.Lister(),
		Services: p.informers.Services.Lister(), Synced: p.informers.HasSynced,
		Client: p.kube, Events: &record.FakeRecorder{}, ELB: clients.ELB, EC2: clients.EC2,
		Metrics: unmeasured{}, Log: slog.New(slog.DiscardHandler), GracePeriod: gracePeriod,
		Urgent: func() map[types.NamespacedName]bool { return p.informers.ChangedSince(p.liveSince) },
	})
	if _, err := p.informers.OnModelChange(p.provision.Wake); err != nil {
		return nil, err
	}
	return p, p.addSyncer(api{clients.ELB, clients}, p.provision)
}

// ingressOf is the Ingress of one group.
func ingressOf(g int) *networkingv1.Ingress {
	name := groupName(g)
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{
			"alb.ingress.kubernetes.io/group.name":  fmt.Sprintf("balancer-%02d", g/perBalancer),
			"alb.ingress.kubernetes.io/target-type": "ip",
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
