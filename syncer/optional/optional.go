// Package optional watches kinds that a cluster may lack, or get later: their definition
// is for an operator to apply.
package optional

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

// Kind is a kind that a cluster may lack. It hears from the requests of its watches
// whether the API server knows it.
type Kind struct {
	plural string
	log    *slog.Logger

	mu     sync.Mutex // guards absent
	absent time.Time  // since when the kind is not served; zero: it is, as far as is known
}

// NewKind returns a kind that is called so in the log.
func NewKind(plural string, log *slog.Logger) *Kind { return &Kind{plural: plural, log: log} }

// ListWatch is what a cache of these objects is filled from.
func (k *Kind) ListWatch(objects dynamic.ResourceInterface) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := objects.List(ctx, o)
			k.Heard(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			events, err := objects.Watch(ctx, o)
			k.Heard(ctx, err)
			return events, err
		},
	}
}

// WatchError is the cache's handler of errors: that the kind is absent is none.
func (*Kind) WatchError(ctx context.Context, r *cache.Reflector, err error) {
	if !apierrors.IsNotFound(err) {
		cache.DefaultWatchErrorHandler(ctx, r, err)
	}
}

// Served reports whether the cluster has the kind, as far as is known.
func (k *Kind) Served() bool { return !k.GoneFor(0) }

// GoneFor reports whether the kind has not been served for as long at least.
func (k *Kind) GoneFor(d time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.absent.IsZero() && time.Since(k.absent) >= d
}

// Heard notes from the answer to a request whether the API server knows the kind. What
// keeps coming is said once.
func (k *Kind) Heard(ctx context.Context, err error) {
	gone := apierrors.IsNotFound(err)
	if err != nil && !gone {
		return // it says nothing about the kind
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case gone && k.absent.IsZero():
		k.absent = time.Now()
		k.log.InfoContext(ctx, fmt.Sprintf("the cluster has no %s: they are looked for again and again", k.plural))
	case !gone && !k.absent.IsZero():
		k.absent = time.Time{}
		k.log.InfoContext(ctx, fmt.Sprintf("the cluster has %s now", k.plural))
	}
}
