package scenario

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	// managedBy is the label value of slices that the controller keeps.
	managedBy = "endpointslice-controller.k8s.io"
	// endpointsPerSlice is the controller's default.
	endpointsPerSlice = 100
)

// controller is a stand-in of Kubernetes' EndpointSlice controller. What it writes of
// a pod, and when a change counts as having happened, are k8s.io/endpointslice's own
// rules; which slice an endpoint goes into is simpler: any with room.
type controller struct {
	lag     time.Duration        // from a change to the slices that show it
	stopped bool                 // it does nothing
	due     map[string]time.Time // Services that are to be synced, by name
	seen    map[string]triggers  // by Service
	made    int                  // slices until now
}

// triggers are the times that were known when a Service was last synced.
type triggers struct {
	service time.Time
	pods    map[string]time.Time
}

// touch notes that a Service's slices may be out of date.
func (c *cluster) touch(service string) {
	if _, waits := c.controller.due[service]; !waits {
		c.controller.due[service] = time.Now().Add(c.controller.lag)
	}
}

func (c *cluster) touchServicesOf(o *corev1.Pod) {
	for label := range o.Labels {
		if name, ok := strings.CutPrefix(label, inService); ok {
			c.touch(name)
		}
	}
}

// nextSync returns when the controller has something to do.
func (c *cluster) nextSync() (time.Time, bool) {
	name, ok := c.firstDue()
	return c.controller.due[name], ok && !c.controller.stopped
}

func (c *cluster) firstDue() (string, bool) {
	names := slices.SortedFunc(maps.Keys(c.controller.due), func(a, b string) int {
		if n := c.controller.due[a].Compare(c.controller.due[b]); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	if len(names) == 0 {
		return "", false
	}
	return names[0], true
}

// syncDue syncs the Service that has waited longest.
func (c *cluster) syncDue(ctx context.Context) error {
	name, ok := c.firstDue()
	if !ok {
		return nil
	}
	delete(c.controller.due, name)
	return c.sync(ctx, name)
}

// sync brings the slices of a Service up to date.
func (c *cluster) sync(ctx context.Context, name string) error {
	svc := c.services[name]
	if svc == nil {
		delete(c.controller.seen, name)
		for _, slice := range c.managed(name, "") {
			if err := c.deleteSlice(ctx, slice.Name); err != nil { // the garbage collector's work
				return err
			}
		}
		return nil
	}
	if svc.Spec.Selector == nil {
		return nil
	}
	pods := c.podsOf(svc)
	trigger := c.triggerTime(svc, pods)
	for _, ip := range svc.Spec.IPFamilies {
		f := family{cluster: c, service: svc, pods: pods, typ: discoveryv1.AddressType(ip), trigger: trigger}
		if err := f.sync(ctx); err != nil {
			return err
		}
	}
	return nil
}

// podsOf returns the pods that a Service selects, by name.
func (c *cluster) podsOf(svc *corev1.Service) []*corev1.Pod {
	var pods []*corev1.Pod
	selector := labels.SelectorFromSet(svc.Spec.Selector)
	for _, name := range slices.Sorted(maps.Keys(c.pods)) {
		if selector.Matches(labels.Set(c.pods[name].Labels)) {
			pods = append(pods, c.pods[name])
		}
	}
	return pods
}

// managed returns the controller's slices of a Service, by name. No family is all.
func (c *cluster) managed(service string, family discoveryv1.AddressType) []*discoveryv1.EndpointSlice {
	var found []*discoveryv1.EndpointSlice
	for _, name := range slices.Sorted(maps.Keys(c.slices)) {
		slice := c.slices[name]
		if slice.Labels[discoveryv1.LabelServiceName] == service && slice.Labels[discoveryv1.LabelManagedBy] == managedBy &&
			(family == "" || slice.AddressType == family) {
			found = append(found, slice)
		}
	}
	return found
}

// triggerTime is the earliest of the changes since the last sync; zero: none is known.
func (c *cluster) triggerTime(svc *corev1.Service, pods []*corev1.Pod) time.Time {
	before, known := c.controller.seen[svc.Name]
	now := triggers{service: svc.CreationTimestamp.Time, pods: map[string]time.Time{}}
	var earliest time.Time
	changed := func(t, old time.Time) {
		if t.After(old) && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	for _, o := range pods {
		for _, cond := range o.Status.Conditions {
			if cond.Type == corev1.PodReady {
				now.pods[o.Name] = cond.LastTransitionTime.Time
				changed(cond.LastTransitionTime.Time, before.pods[o.Name])
			}
		}
	}
	changed(now.service, before.service)
	c.controller.seen[svc.Name] = now
	if !known {
		return now.service
	}
	return earliest
}
