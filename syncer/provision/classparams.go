package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/optional"
)

// What an IngressClass can refer to, directly or by a selector.
var (
	// ParamsResource is where IngressClassParams are served. A cluster may lack them.
	ParamsResource = schema.GroupVersionResource{Group: ingress.ClassParamsGroup, Version: "v1beta1", Resource: "ingressclassparams"}
	// NamespacesResource is where namespaces are served.
	NamespacesResource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
)

// paramsAbsentAfter is how long IngressClassParams count whose kind is served no more:
// while a definition is replaced nothing is to change.
const paramsAbsentAfter = time.Minute

// ClassWatch is the cache of what IngressClasses refer to: all IngressClassParams, and
// the labels of all namespaces. It outlives terms.
type ClassWatch struct {
	params, namespaces cache.SharedIndexInformer
	kind               *optional.Kind // IngressClassParams
}

// cachedParams is an IngressClassParams in the cache.
type cachedParams struct {
	metav1.ObjectMeta
	params *ingress.ClassParams
}

// NewClassWatch returns a ClassWatch that Run fills. With a name, client-go measures it;
// nil: it does not.
func NewClassWatch(client dynamic.Interface, name *cache.InformerName, log *slog.Logger) (*ClassWatch, error) {
	w := &ClassWatch{kind: optional.NewKind("IngressClassParams", log)}
	w.params = informer(client, ParamsResource, name, w.kind)
	w.namespaces = informer(client, NamespacesResource, name, optional.NewKind("namespaces", log))
	err := errors.Join(w.params.SetTransform(readParams), w.namespaces.SetTransform(readLabels), w.params.SetWatchErrorHandlerWithContext(w.kind.WatchError))
	if err != nil {
		return nil, fmt.Errorf("watch what IngressClasses refer to: %w", err)
	}
	return w, nil
}

// informer caches the objects of a resource.
func informer(client dynamic.Interface, resource schema.GroupVersionResource, name *cache.InformerName, kind *optional.Kind) cache.SharedIndexInformer {
	source := cache.ToListWatcherWithWatchListSemantics(kind.ListWatch(client.Resource(resource)), client)
	return cache.NewSharedIndexInformerWithOptions(source, &unstructured.Unstructured{}, cache.SharedIndexInformerOptions{Identifier: name.WithResource(resource)})
}

// readParams turns what the API server sends into what is cached. client-go may do that
// twice.
func readParams(obj any) (any, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return obj, nil
	}
	return &cachedParams{
		ObjectMeta: metav1.ObjectMeta{Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion()},
		params:     ingress.ReadClassParams(u.GetName(), u.Object),
	}, nil
}

// readLabels keeps the labels of a namespace alone.
func readLabels(obj any) (any, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return obj, nil
	}
	return &metav1.ObjectMeta{Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(), Labels: u.GetLabels()}, nil
}

// Run fills the caches until ctx ends.
func (w *ClassWatch) Run(ctx context.Context) {
	var running errgroup.Group
	running.Go(func() error { w.params.RunWithContext(ctx); return nil })
	running.Go(func() error { w.namespaces.RunWithContext(ctx); return nil })
	_ = running.Wait() // none returns an error
}

// HasSynced reports whether the caches are known to hold what the cluster had at the
// start. Where the kind is absent there is none, and that is known.
func (w *ClassWatch) HasSynced() bool {
	return (w.params.HasSynced() || !w.Served()) && w.namespaces.HasSynced()
}

// Served reports whether the cluster has IngressClassParams, as far as is known.
func (w *ClassWatch) Served() bool { return w.kind.Served() }

// get returns an IngressClassParams, or nil.
func (w *ClassWatch) get(name string) *ingress.ClassParams {
	obj, _, _ := w.params.GetStore().GetByKey(name) // it reads from memory
	if cached, ok := obj.(*cachedParams); ok && !w.kind.GoneFor(paramsAbsentAfter) {
		return cached.params
	}
	return nil
}

// labels returns those of a namespace, nil if it does not exist.
func (w *ClassWatch) labels(namespace string) map[string]string {
	obj, _, _ := w.namespaces.GetStore().GetByKey(namespace) // it reads from memory
	if meta, ok := obj.(*metav1.ObjectMeta); ok {
		return meta.Labels
	}
	return nil
}

// onChange calls wake after every change, with the namespace that it is about ("" for
// all), until the function that it returns is called.
func (w *ClassWatch) onChange(wake func(namespace string)) (stop func() error, err error) {
	all := func() { wake("") }
	params, err := w.params.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { all() }, UpdateFunc: func(any, any) { all() }, DeleteFunc: func(any) { all() },
	})
	if err != nil {
		return nil, fmt.Errorf("handle IngressClassParams: %w", err)
	}
	one := func(obj any) {
		if meta, ok := obj.(*metav1.ObjectMeta); ok {
			wake(meta.Name)
		}
	}
	namespaces, err := w.namespaces.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: one, UpdateFunc: func(_, obj any) { one(obj) }})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("handle namespaces: %w", err), w.params.RemoveEventHandler(params))
	}
	return func() error {
		return errors.Join(w.params.RemoveEventHandler(params), w.namespaces.RemoveEventHandler(namespaces))
	}, nil
}
