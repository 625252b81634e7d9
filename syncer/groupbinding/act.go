package groupbinding

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/syncer/webhook"
)

// Sizes and times of writes.
const (
	// writers is how many objects are written at once: one that hangs does not keep the
	// others waiting.
	writers = 8
	// writeTimeout ends a write that the API server does not answer.
	writeTimeout = 10 * time.Second
	// writeAgain is how soon a write is tried again that failed, or that met a newer
	// version of its object than the cache had.
	writeAgain = 2 * time.Second
	// cacheLag is how long the cache may show an object as it was before a write.
	cacheLag = 10 * time.Second
)

// said is what was last written of an object.
type said struct {
	condition metav1.Condition
	at        time.Time
	finalized time.Time // when the finalizer was added
	released  bool      // it is off, whatever the cache shows
	// emptied is its group, and the finalizer could not be taken off. Nobody binds the
	// group since, so the syncer knows nothing of it.
	emptied bool
}

// act does what verdicts ask for beside bindings, and returns when to look again; zero:
// when something changes. A verdict whose finalizer could be added has it afterwards.
func (l *Loop) act(ctx context.Context, verdicts []verdict) (next time.Time) {
	var mu sync.Mutex // guards next and l.said
	again := func(after time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if at := time.Now().Add(after); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	var running errgroup.Group
	running.SetLimit(writers)
	for i := range verdicts {
		v := &verdicts[i]
		if v.action == drain {
			mu.Lock()
			emptied := l.said[v.object.UID].emptied
			mu.Unlock()
			if emptied || l.o.Drained(v.binding.GroupARN) {
				v.action, v.problem = release, problem{}
			} else {
				v.abandon(time.Now(), fmt.Sprintf("it took longer than %v", patience))
			}
			again(lookAtDraining)
		}
		running.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, writeTimeout)
			defer cancel()
			err := errors.Join(l.change(ctx, v, &mu), l.tell(ctx, v, &mu))
			if err != nil {
				again(writeAgain)
				l.o.Log.WarnContext(ctx, "cannot write a TargetGroupBinding", slog.String("object", v.object.key().String()), slog.Any("error", err))
			}
			return nil
		})
	}
	_ = running.Wait() // none returns an error
	return next
}

// change writes finalizers, and deletes what is to be removed.
func (l *Loop) change(ctx context.Context, v *verdict, mu *sync.Mutex) error {
	o := v.object
	switch v.action {
	case bind:
		if o.finalized() || o.leftover() {
			return nil
		}
		return l.finalize(ctx, v, mu)
	case release:
		err := l.setFinalizers(ctx, o, slices.DeleteFunc(slices.Clone(o.Finalizers), func(f string) bool { return f == Finalizer }))
		if webhook.Is(err) { // somebody has to do something
			l.stuck(v, err, mu)
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		mu.Lock()
		l.said[o.UID] = said{released: true}
		mu.Unlock()
		l.o.Log.InfoContext(ctx, "a TargetGroupBinding was let go", slog.String("object", o.key().String()))
		if v.left != "" {
			ref := o.reference()
			l.o.Events.Event(&ref, corev1.EventTypeWarning, reasonLeft, v.left)
		}
	case remove:
		l.o.Log.InfoContext(ctx, "a TargetGroupBinding that was left is deleted, its target group is gone", slog.String("object", o.key().String()))
		err := l.o.Client.Resource(Resource).Namespace(o.Namespace).Delete(ctx, o.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &o.UID}})
		return gone(err)
	case leave, drain:
	}
	return nil
}

// stuck notes that an object cannot be let go before somebody does something, and tells.
func (l *Loop) stuck(v *verdict, err error, mu *sync.Mutex) {
	v.action, v.problem = leave, problem{reasonCleanup, "cannot remove the finalizer " + Finalizer + ": " + err.Error()}
	mu.Lock()
	defer mu.Unlock()
	s := l.said[v.object.UID]
	s.emptied = true
	l.said[v.object.UID] = s
}

// finalize adds the finalizer. That it could not is told, unless the cache was only
// behind.
func (l *Loop) finalize(ctx context.Context, v *verdict, mu *sync.Mutex) error {
	o := v.object.withFinalizer()
	err := l.setFinalizers(ctx, o, o.Finalizers)
	if err != nil {
		v.ready, v.problem = false, problem{}
		if !apierrors.IsConflict(err) {
			v.problem = problem{reasonFinalizer, "cannot add the finalizer " + Finalizer + ": " + err.Error()}
		}
		return err
	}
	v.object = o
	mu.Lock()
	defer mu.Unlock()
	s := l.said[o.UID]
	s.finalized = time.Now()
	l.said[o.UID] = s
	return nil
}

// withFinalizer returns the object as it is after the finalizer was added.
func (o *Object) withFinalizer() *Object {
	finalized := *o
	finalized.Finalizers = append(slices.Clone(o.Finalizers), Finalizer)
	return &finalized
}

// gone drops an error that says that the object is not there any more, or is another.
func gone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// setFinalizers replaces the finalizers of an object. The patch names the version that
// they were read from, since it replaces the others, too. Where the object has changed
// since, its event makes another pass.
func (l *Loop) setFinalizers(ctx context.Context, o *Object, finalizers []string) error {
	return l.patch(ctx, o, map[string]any{"metadata": map[string]any{
		"uid": o.UID, "resourceVersion": o.ResourceVersion, "finalizers": finalizers,
	}})
}

func (l *Loop) patch(ctx context.Context, o *Object, patch map[string]any, subresources ...string) error {
	data, err := json.Marshal(patch)
	if err == nil {
		_, err = l.o.Client.Resource(Resource).Namespace(o.Namespace).Patch(ctx, o.Name, types.MergePatchType, data, metav1.PatchOptions{}, subresources...)
	}
	if err != nil {
		err = webhook.Explain(ctx, l.o.Webhooks, err)
		return fmt.Errorf("patch TargetGroupBinding %s: %w", o.key(), err)
	}
	return nil
}

// tell writes the condition of an object if it differs, and then the events. Neither is
// written of a leftover: LBC would not have done so.
func (l *Loop) tell(ctx context.Context, v *verdict, mu *sync.Mutex) error {
	if v.reason == "" || v.object.leftover() || v.action == release {
		return nil
	}
	o, want := v.object, v.condition(metav1.Now())
	mu.Lock()
	last := l.said[o.UID]
	mu.Unlock()
	if have := conditionOf(o); have != nil && same(*have, want) || same(last.condition, want) && time.Since(last.at) < cacheLag {
		return nil
	}
	err := l.patch(ctx, o, map[string]any{"metadata": map[string]any{"uid": o.UID}, "status": o.statusWith(want)}, "status")
	if err != nil {
		if apierrors.IsNotFound(err) {
			return nil // there is nobody to tell
		}
		return err
	}
	mu.Lock()
	last.condition, last.at = want, time.Now()
	l.said[o.UID] = last
	mu.Unlock()
	l.record(v)
	return nil
}

// statusWith returns the status of an object with a condition in place of the one of
// its type. Those of others stay.
func (o *Object) statusWith(c metav1.Condition) Status {
	if have := conditionOf(o); have != nil && have.Status == c.Status {
		c.LastTransitionTime = have.LastTransitionTime
	}
	status := Status{ObservedGeneration: o.Generation, Conditions: []metav1.Condition{c}}
	for _, other := range o.Status.Conditions {
		if other.Type != c.Type {
			status.Conditions = append(status.Conditions, other)
		}
	}
	return status
}

// record writes the events of a verdict that is new.
func (l *Loop) record(v *verdict) {
	o := v.object
	eventType := corev1.EventTypeWarning
	if v.ready || v.reason == reasonDraining {
		eventType = corev1.EventTypeNormal
	}
	ref := o.reference()
	l.o.Events.Event(&ref, eventType, v.reason, v.message)
}

// reference is what events are about.
func (o *Object) reference() corev1.ObjectReference {
	return corev1.ObjectReference{APIVersion: Resource.GroupVersion().String(), Kind: kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID}
}

func conditionOf(o *Object) *metav1.Condition {
	for i := range o.Status.Conditions {
		if o.Status.Conditions[i].Type == readyType {
			return &o.Status.Conditions[i]
		}
	}
	return nil
}

// same reports whether two conditions say the same.
func same(a, b metav1.Condition) bool {
	return a.Status == b.Status && a.Reason == b.Reason && a.Message == b.Message && a.ObservedGeneration == b.ObservedGeneration
}

var _ Source = (*Loop)(nil)
