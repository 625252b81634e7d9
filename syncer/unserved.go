package syncer

import (
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// What says whom a Service of type LoadBalancer is meant for.
const (
	// controllerClass is the class of the AWS Load Balancer Controller.
	controllerClass = "service.k8s.aws/nlb"
	// balancerType is the annotation that says so, too, in older manifests.
	balancerType = "service.beta.kubernetes.io/aws-load-balancer-type"
)

// Who on AWS makes load balancers for Services.
const (
	controller = "the AWS Load Balancer Controller"
	cloud      = "the service controller of the cloud provider"
)

// reasonNotProvisioned is the reason of the event on such a Service.
const reasonNotProvisioned = "NotProvisioned"

// TellUnserved tells the owners of Services that ask for a load balancer, once each,
// that tgsync makes none for Services, until stop is called.
func (i *Informers) TellUnserved(events record.EventRecorder) (stop func() error, err error) {
	u := &unserved{events: events, told: map[types.UID]bool{}}
	informer := i.Services.Informer()
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    u.look,
		UpdateFunc: func(_, now any) { u.look(now) },
		DeleteFunc: u.forget,
	})
	if err != nil {
		return nil, err
	}
	return func() error { return informer.RemoveEventHandler(registration) }, nil
}

// unserved remembers which Services have been told of.
type unserved struct {
	events record.EventRecorder

	mu   sync.Mutex // guards told
	told map[types.UID]bool
}

func (u *unserved) look(obj any) {
	svc, ok := obj.(*corev1.Service)
	if !ok {
		return
	}
	provisioner := provisionerOf(svc)
	u.mu.Lock()
	told := u.told[svc.UID]
	delete(u.told, svc.UID)
	if provisioner != "" {
		u.told[svc.UID] = true
	}
	u.mu.Unlock()
	if provisioner == "" || told {
		return
	}
	u.events.Event(svc, corev1.EventTypeWarning, reasonNotProvisioned, fmt.Sprintf(
		"tgsync makes load balancers for Ingresses alone; this one is left to %s, and without that nobody takes care of it. "+
			"To do without, name the Service in an Ingress, or bind a target group of your own to it with a TargetGroupBinding", provisioner))
}

func (u *unserved) forget(obj any) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	if svc, ok := obj.(*corev1.Service); ok {
		u.mu.Lock()
		delete(u.told, svc.UID)
		u.mu.Unlock()
	}
}

// provisionerOf returns who on AWS makes the load balancer that a Service asks for; ""
// if it asks for none, or names somebody else.
func provisionerOf(svc *corev1.Service) string {
	if svc.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return ""
	}
	if class := svc.Spec.LoadBalancerClass; class != nil {
		if *class == controllerClass {
			return controller
		}
		return ""
	}
	switch svc.Annotations[balancerType] {
	case "external", "nlb-ip":
		return controller
	}
	return cloud
}

// Unserved returns the Services whose load balancer the AWS Load Balancer Controller makes,
// by namespace and name, in their order. The caches must be full.
func (i *Informers) Unserved() []string {
	names := []string{}
	for _, obj := range i.Services.Informer().GetStore().List() {
		if svc, ok := obj.(*corev1.Service); ok && provisionerOf(svc) == controller {
			names = append(names, svc.Namespace+"/"+svc.Name)
		}
	}
	slices.Sort(names)
	return names
}
