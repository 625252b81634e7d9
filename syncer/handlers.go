package syncer

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// addHandlers makes events into keys. Handlers do no work and no I/O: they run on
// the informer's goroutine and everything behind them would wait.
func (s *Syncer) addHandlers() error {
	_, err := s.o.Informers.EndpointSlices.Informer().AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) { s.sliceChanged(nil, obj, initial) },
		UpdateFunc: func(old, obj any) {
			before, _ := old.(*discoveryv1.EndpointSlice)
			s.sliceChanged(before, obj, false)
		},
		DeleteFunc: func(obj any) { s.sliceChanged(nil, obj, false) },
	})
	if err != nil {
		return fmt.Errorf("handle EndpointSlices: %w", err)
	}
	_, err = s.o.Informers.Services.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s.serviceEvent(obj) },
		UpdateFunc: func(_, obj any) { s.serviceEvent(obj) },
		DeleteFunc: func(obj any) { s.serviceEvent(obj) },
	})
	if err != nil {
		return fmt.Errorf("handle Services: %w", err)
	}
	return nil
}

// sliceChanged notes that the targets of a slice's Service may differ now.
func (s *Syncer) sliceChanged(old *discoveryv1.EndpointSlice, obj any, initial bool) {
	slice, ok := object[*discoveryv1.EndpointSlice](obj)
	if !ok {
		return
	}
	now := time.Now()
	c := change{since: now}
	// What was there before we were is not a change whose latency is ours.
	if !initial {
		c.trigger = triggerTime(old, slice, now)
	}
	s.serviceChanged(serviceOf(slice), c)
}

// serviceEvent notes that a Service's ports may differ now.
func (s *Syncer) serviceEvent(obj any) {
	if svc, ok := object[*corev1.Service](obj); ok {
		s.serviceChanged(types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}, change{since: time.Now()})
	}
}

// serviceChanged adds the keys of every group that the Service feeds.
func (s *Syncer) serviceChanged(svc types.NamespacedName, c change) {
	for _, b := range s.index.Load().byService[svc] {
		if g := s.group(b.GroupARN); g != nil {
			g.changed(c)
			// A new change deserves a new try at once.
			s.mutations.Forget(key{b.GroupARN, register})
			s.mutations.Forget(key{b.GroupARN, deregister})
			s.addBoth(b.GroupARN)
		}
	}
}

// triggerTime returns when the change of a slice happened: what the
// EndpointSlice controller wrote, if it wrote it for this change. It writes
// nothing for the deletion of a pod; then the change is as old as its event.
func triggerTime(old, slice *discoveryv1.EndpointSlice, now time.Time) time.Time {
	text := slice.Annotations[corev1.EndpointsLastChangeTriggerTime]
	if old != nil && old.Annotations[corev1.EndpointsLastChangeTriggerTime] == text {
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

// OnModelChange calls wake for every event that can change what is provisioned:
// with the namespace of an Ingress or a Service, and with "" for an IngressClass.
func (i *Informers) OnModelChange(wake func(namespace string)) error {
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
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("handle changes of the model: %w", err)
		}
	}
	return nil
}
