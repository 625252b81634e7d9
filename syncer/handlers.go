package syncer

import (
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/opqueue"
)

// addHandlers makes events into keys. Handlers do no work and no I/O: they run on
// the informer's goroutine and everything behind them would wait. What was there
// before us is no change: begin looks at it, in an order of its own.
func (s *Syncer) addHandlers() error {
	err := s.handlers.add(s.o.Informers.EndpointSlices.Informer(), cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if slice, ok := object[*discoveryv1.EndpointSlice](obj); ok && !initial {
				s.sliceChanged(nil, slice)
			}
		},
		UpdateFunc: func(old, obj any) {
			before, _ := object[*discoveryv1.EndpointSlice](old)
			slice, _ := object[*discoveryv1.EndpointSlice](obj)
			s.sliceChanged(before, slice)
		},
		DeleteFunc: func(obj any) {
			slice, _ := object[*discoveryv1.EndpointSlice](obj)
			s.sliceChanged(slice, nil)
		},
	})
	if err != nil {
		return fmt.Errorf("handle EndpointSlices: %w", err)
	}
	err = s.handlers.add(s.o.Informers.Services.Informer(), cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if !initial {
				s.serviceEvent(nil, obj)
			}
		},
		UpdateFunc: func(old, obj any) {
			before, _ := object[*corev1.Service](old)
			s.serviceEvent(before, obj)
		},
		DeleteFunc: func(obj any) { s.serviceEvent(nil, obj) },
	})
	if err != nil {
		return fmt.Errorf("handle Services: %w", err)
	}
	return s.addPodHandlers()
}

// sliceChanged adds the keys of what a change of a slice calls for; nil stands for
// a slice that is not there before or after. Only the operations that it can have
// made necessary are added: a key that grows old for nothing would be served before
// its time, and take with it too few of the changes that follow.
func (s *Syncer) sliceChanged(before, after *discoveryv1.EndpointSlice) {
	since := triggerTime(before, after, time.Now())
	slice := after
	if slice == nil {
		slice = before
	}
	if slice == nil {
		return
	}
	came, went := s.compare(before, after)
	s.gatesShown(slice)
	for _, b := range s.index.Load().byService[serviceOf(slice)] {
		if g := s.group(b.GroupARN); g != nil && g.held() {
			s.addBoth(b.GroupARN) // it may not be any more
		}
		if went > 0 {
			s.add(key{b.GroupARN, deregister}, opqueue.Change{Since: since, Urgent: true, Size: went})
		}
		if came > 0 {
			s.add(key{b.GroupARN, register}, opqueue.Change{Since: since, Size: came})
		}
	}
}

// compare returns how many endpoints came that may be wanted now, and how many went or
// ceased to be ready. A change of the ports is both: it is every endpoint's.
func (s *Syncer) compare(before, after *discoveryv1.EndpointSlice) (came, went int) {
	if before != nil && after != nil && !equality.Semantic.DeepEqual(before.Ports, after.Ports) {
		return max(1, len(after.Endpoints)), max(1, len(before.Endpoints))
	}
	was, is := candidates(before), candidates(after)
	return s.cameTo(was, is), wentFrom(was, is)
}

// cameTo counts the endpoints that are ready that were not, or may be although they are
// not: a pod that waits for its gates is wanted when its containers are ready. If they
// are not yet, or the pod has not arrived, its own event comes.
func (s *Syncer) cameTo(was, is map[candidate]bool) (n int) {
	for c, ready := range is {
		if wasReady, had := was[c]; ready && !wasReady || !had && s.containersReady(c) {
			n++
		}
	}
	return n
}

// wentFrom counts the endpoints that are gone or ready no more.
func wentFrom(was, is map[candidate]bool) (n int) {
	for c, wasReady := range was {
		if ready, has := is[c]; !has || wasReady && !ready {
			n++
		}
	}
	return n
}

// candidate is an endpoint of a slice that may be wanted. Of an address that another
// pod gets, the old pod's endpoint goes and the new one's comes.
type candidate struct {
	address string
	pod     types.NamespacedName // empty: no pod stands behind it
	uid     types.UID
}

// candidates returns the endpoints of a slice that may be wanted, and which are ready.
func candidates(slice *discoveryv1.EndpointSlice) map[candidate]bool {
	if slice == nil {
		return nil
	}
	all := make(map[candidate]bool, len(slice.Endpoints))
	for i := range slice.Endpoints {
		ep := &slice.Endpoints[i]
		ready := ep.Conditions.Ready == nil || *ep.Conditions.Ready
		terminating := ep.Conditions.Terminating != nil && *ep.Conditions.Terminating
		if len(ep.Addresses) == 0 || !ready && (terminating || ep.TargetRef == nil) {
			continue
		}
		c := candidate{address: ep.Addresses[0]}
		if ref := ep.TargetRef; ref != nil {
			c.pod, c.uid = types.NamespacedName{Namespace: slice.Namespace, Name: ref.Name}, ref.UID
		}
		all[c] = ready
	}
	return all
}

// containersReady reports whether the pod of an endpoint runs.
func (s *Syncer) containersReady(c candidate) bool {
	pod := s.o.Informers.pod(c.pod)
	return pod != nil && pod.ContainersReady
}

// serviceEvent notes that a Service's ports may differ now, or the pods that it selects.
func (s *Syncer) serviceEvent(before *corev1.Service, obj any) {
	if svc, ok := object[*corev1.Service](obj); ok {
		s.serviceChanged(types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name})
		if before == nil || !maps.Equal(before.Spec.Selector, svc.Spec.Selector) {
			s.gates.Rebound()
		}
	}
}

// serviceChanged adds the keys of every group that a Service feeds.
func (s *Syncer) serviceChanged(svc types.NamespacedName) {
	for _, b := range s.index.Load().byService[svc] {
		s.addBoth(b.GroupARN)
	}
}

// triggerTime returns when the change of a slice happened: what the
// EndpointSlice controller wrote, if it wrote it for this change. It writes
// nothing for the deletion of a pod or a slice; then the change is as old as its
// event.
func triggerTime(before, after *discoveryv1.EndpointSlice, now time.Time) time.Time {
	if after == nil {
		return now
	}
	text := after.Annotations[corev1.EndpointsLastChangeTriggerTime]
	if before != nil && before.Annotations[corev1.EndpointsLastChangeTriggerTime] == text {
		return now
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.After(now) {
		return now
	}
	return t
}

// object unpacks what an informer hands to a handler: the object, or the
// tombstone of one whose deletion was missed.
func object[T any](obj any) (T, bool) {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	o, ok := obj.(T)
	return o, ok
}

// handlers are event handlers in place. They are taken away when whoever they wake
// has ended: the informers live longer than a term of leading.
type handlers []func() error

// add puts a handler in place.
func (h *handlers) add(informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) error {
	registration, err := informer.AddEventHandler(handler)
	if err == nil {
		*h = append(*h, func() error { return informer.RemoveEventHandler(registration) })
	}
	return err
}

// remove takes all handlers away. What is on its way to them gets lost.
func (h *handlers) remove() error {
	var errs []error
	for _, remove := range *h {
		errs = append(errs, remove())
	}
	*h = nil
	return errors.Join(errs...)
}

// OnModelChange calls wake for every event that can change what is provisioned:
// with the namespace of an Ingress or a Service, and with "" for an IngressClass,
// until the function that it returns is called.
func (i *Informers) OnModelChange(wake func(namespace string)) (stop func() error, err error) {
	var h handlers
	changed := func(obj any) {
		if o, ok := object[metav1.Object](obj); ok {
			wake(o.GetNamespace())
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: changed, DeleteFunc: changed,
		UpdateFunc: func(_, obj any) { changed(obj) },
	}
	for _, informer := range []cache.SharedIndexInformer{i.Ingresses.Informer(), i.IngressClasses.Informer(), i.Services.Informer()} {
		if err := h.add(informer, handler); err != nil {
			return nil, errors.Join(fmt.Errorf("handle changes of the model: %w", err), h.remove())
		}
	}
	return h.remove, nil
}
