package groupbinding

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/namespaces"
	"github.com/tgsync/tgsync/syncer/optional"
)

// absentAfter is how long objects count whose kind is served no more.
const absentAfter = time.Minute

// Watch is the cache of all TargetGroupBindings of the cluster. It outlives terms.
type Watch struct {
	informer cache.SharedIndexInformer
	kind     *optional.Kind
}

// NewWatch returns a Watch that Run fills. It sees some namespaces only; none: all of
// them. With a name, client-go measures it; nil: it does not.
func NewWatch(some []string, client dynamic.Interface, name *cache.InformerName, log *slog.Logger) (*Watch, error) {
	w := &Watch{kind: optional.NewKind("TargetGroupBindings", log)}
	source := cache.ToListWatcherWithWatchListSemantics(w.kind.ListWatch(client.Resource(Resource)), client)
	if len(some) > 0 {
		source = namespaces.Merge(some, func(namespace string) *cache.ListWatch {
			return w.kind.ListWatch(client.Resource(Resource).Namespace(namespace))
		})
	}
	w.informer = cache.NewSharedIndexInformerWithOptions(source, &unstructured.Unstructured{}, cache.SharedIndexInformerOptions{Identifier: name.WithResource(Resource)})
	if err := w.informer.SetTransform(read); err != nil {
		return nil, fmt.Errorf("watch TargetGroupBindings: %w", err)
	}
	if err := w.informer.SetWatchErrorHandlerWithContext(w.kind.WatchError); err != nil {
		return nil, fmt.Errorf("watch TargetGroupBindings: %w", err)
	}
	return w, nil
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
func (w *Watch) Served() bool { return w.kind.Served() }

// list returns all TargetGroupBindings, the oldest first, and whether it is known which
// there are. Where the kind is not served, there is none.
func (w *Watch) list() (objects []*Object, known bool) {
	synced := w.informer.HasSynced()
	if !synced && !w.kind.Served() || w.kind.GoneFor(absentAfter) {
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
