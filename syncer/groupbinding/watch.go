package groupbinding

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/namespaces"
)

// absentAfter is how long objects count whose kind is served no more.
const absentAfter = time.Minute

// Watch is the cache of all TargetGroupBindings of the cluster. It outlives terms.
type Watch struct {
	informer cache.SharedIndexInformer
	log      *slog.Logger

	mu     sync.Mutex // guards absent
	absent time.Time  // since when the kind is not served; zero: it is, as far as is known
}

// NewWatch returns a Watch that Run fills. With a name, client-go measures it; nil: it
// does not.
func NewWatch(client dynamic.Interface, name *cache.InformerName, log *slog.Logger) (*Watch, error) {
	return NewWatchIn(nil, client, name, log)
}

// NewWatchIn returns a Watch that sees some namespaces only; none: all of them.
func NewWatchIn(some []string, client dynamic.Interface, name *cache.InformerName, log *slog.Logger) (*Watch, error) {
	w := &Watch{log: log}
	source := cache.ToListWatcherWithWatchListSemantics(w.in(client.Resource(Resource)), client)
	if len(some) > 0 {
		source = namespaces.Merge(some, func(namespace string) *cache.ListWatch { return w.in(client.Resource(Resource).Namespace(namespace)) })
	}
	w.informer = cache.NewSharedIndexInformerWithOptions(source, &unstructured.Unstructured{}, cache.SharedIndexInformerOptions{Identifier: name.WithResource(Resource)})
	if err := w.informer.SetTransform(read); err != nil {
		return nil, fmt.Errorf("watch TargetGroupBindings: %w", err)
	}
	err := w.informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, r *cache.Reflector, err error) {
		if !apierrors.IsNotFound(err) {
			cache.DefaultWatchErrorHandler(ctx, r, err)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("watch TargetGroupBindings: %w", err)
	}
	return w, nil
}

// in returns what is seen of objects, and hears whether there can be any.
func (w *Watch) in(objects dynamic.ResourceInterface) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := objects.List(ctx, o)
			w.heard(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			events, err := objects.Watch(ctx, o)
			w.heard(ctx, err)
			return events, err
		},
	}
}

// Run fills the cache until ctx ends.
func (w *Watch) Run(ctx context.Context) { w.informer.RunWithContext(ctx) }

// HasSynced reports whether the cache is known to hold what the cluster had at the
// start. Where the kind is absent it is empty, and that is known.
func (w *Watch) HasSynced() bool {
	_, known := w.list()
	return known
}

// Served reports whether the cluster has the kind, as far as is known.
func (w *Watch) Served() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.absent.IsZero()
}

// heard notes whether the API server knows the kind. What keeps coming is said once.
func (w *Watch) heard(ctx context.Context, err error) {
	gone := apierrors.IsNotFound(err)
	if err != nil && !gone {
		return // it says nothing about the kind
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case gone && w.absent.IsZero():
		w.absent = time.Now()
		w.log.InfoContext(ctx, "the cluster has no TargetGroupBindings: they are looked for again and again")
	case !gone && !w.absent.IsZero():
		w.absent = time.Time{}
		w.log.InfoContext(ctx, "the cluster has TargetGroupBindings now")
	}
}

// list returns all TargetGroupBindings, the oldest first, and whether it is known which
// there are. Where the kind is not served, there is none.
func (w *Watch) list() (objects []*Object, known bool) {
	w.mu.Lock()
	absent := w.absent
	w.mu.Unlock()
	synced := w.informer.HasSynced()
	if !absent.IsZero() && (!synced || time.Since(absent) >= absentAfter) {
		return nil, true
	}
	for _, obj := range w.informer.GetStore().List() {
		if o, ok := obj.(*Object); ok {
			objects = append(objects, o)
		}
	}
	slices.SortFunc(objects, older)
	return objects, synced
}

// older orders by age, and objects of the same second by namespace and name.
func older(a, b *Object) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// onChange calls wake after every change until the function that it returns is called.
func (w *Watch) onChange(wake func()) (stop func() error, err error) {
	registration, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake() },
		UpdateFunc: func(any, any) { wake() },
		DeleteFunc: func(any) { wake() },
	})
	if err != nil {
		return nil, fmt.Errorf("handle TargetGroupBindings: %w", err)
	}
	return func() error { return w.informer.RemoveEventHandler(registration) }, nil
}
