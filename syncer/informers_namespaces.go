package syncer

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/namespaces"
)

// confine makes the informers of kinds that have namespaces see some of these. Whoever
// asks the factory for them later gets these.
func confine(f informers.SharedInformerFactory, to []string) {
	confineKind(f, &networkingv1.Ingress{}, to, func(c kubernetes.Interface, namespace string) *cache.ListWatch {
		return seen(c.NetworkingV1().Ingresses(namespace))
	})
	confineKind(f, &corev1.Service{}, to, func(c kubernetes.Interface, namespace string) *cache.ListWatch {
		return seen(c.CoreV1().Services(namespace))
	})
	confineKind(f, &corev1.Pod{}, to, func(c kubernetes.Interface, namespace string) *cache.ListWatch {
		return seen(c.CoreV1().Pods(namespace))
	})
	confineKind(f, &discoveryv1.EndpointSlice{}, to, func(c kubernetes.Interface, namespace string) *cache.ListWatch {
		return seen(c.DiscoveryV1().EndpointSlices(namespace))
	})
}

func confineKind(f informers.SharedInformerFactory, kind runtime.Object, to []string, of func(kubernetes.Interface, string) *cache.ListWatch) {
	f.InformerFor(kind, func(c kubernetes.Interface, resync time.Duration) cache.SharedIndexInformer {
		merged := namespaces.Merge(to, func(namespace string) *cache.ListWatch { return of(c, namespace) })
		return cache.NewSharedIndexInformer(merged, kind, resync, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	})
}

// seen is what a client sees of one kind in one namespace.
func seen[L runtime.Object](client interface {
	List(ctx context.Context, o metav1.ListOptions) (L, error)
	Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error)
},
) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, o)
		},
		WatchFuncWithContext: client.Watch,
	}
}
