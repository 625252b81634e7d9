package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/ingress"
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
	log                *slog.Logger

	mu     sync.Mutex // guards absent
	absent time.Time  // since when there is no such kind as IngressClassParams; zero: there is, as far as is known
}

// cachedParams is an IngressClassParams in the cache.
type cachedParams struct {
	metav1.ObjectMeta
	params *ingress.ClassParams
}

// NewClassWatch returns a ClassWatch that Run fills. With a name, client-go measures it;
// nil: it does not.
func NewClassWatch(client dynamic.Interface, name *cache.InformerName, log *slog.Logger) (*ClassWatch, error) {
	w := &ClassWatch{log: log}
	w.params = informer(client, ParamsResource, name, w.heard)
	w.namespaces = informer(client, NamespacesResource, name, func(context.Context, error) {})
	quiet := func(ctx context.Context, r *cache.Reflector, err error) {
		if !apierrors.IsNotFound(err) {
			cache.DefaultWatchErrorHandler(ctx, r, err)
		}
	}
	err := errors.Join(w.params.SetTransform(readParams), w.namespaces.SetTransform(readLabels), w.params.SetWatchErrorHandlerWithContext(quiet))
	if err != nil {
		return nil, fmt.Errorf("watch what IngressClasses refer to: %w", err)
	}
	return w, nil
}

// informer caches the objects of a resource. heard is told the result of each request.
func informer(
	client dynamic.Interface, resource schema.GroupVersionResource, name *cache.InformerName, heard func(context.Context, error),
) cache.SharedIndexInformer {
	objects := client.Resource(resource)
	return cache.NewSharedIndexInformerWithOptions(cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := objects.List(ctx, o)
			heard(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			events, err := objects.Watch(ctx, o)
			heard(ctx, err)
			return events, err
		},
	}, client), &unstructured.Unstructured{}, cache.SharedIndexInformerOptions{Identifier: name.WithResource(resource)})
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
func (w *ClassWatch) Served() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.absent.IsZero()
}

// heard notes whether the API server knows the kind. What keeps coming is said once.
func (w *ClassWatch) heard(ctx context.Context, err error) {
	gone := apierrors.IsNotFound(err)
	if err != nil && !gone {
		return // it says nothing about the kind
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case gone && w.absent.IsZero():
		w.absent = time.Now()
		w.log.InfoContext(ctx, "the cluster has no IngressClassParams: they are looked for again and again")
	case !gone && !w.absent.IsZero():
		w.absent = time.Time{}
		w.log.InfoContext(ctx, "the cluster has IngressClassParams now")
	}
}

// get returns an IngressClassParams, or nil.
func (w *ClassWatch) get(name string) *ingress.ClassParams {
	w.mu.Lock()
	gone := !w.absent.IsZero() && time.Since(w.absent) >= paramsAbsentAfter
	w.mu.Unlock()
	obj, _, _ := w.params.GetStore().GetByKey(name) // it reads from memory
	if cached, ok := obj.(*cachedParams); ok && !gone {
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
