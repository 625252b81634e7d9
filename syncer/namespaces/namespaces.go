// Package namespaces makes one cache of the objects of some namespaces: a list and a
// watch in each, merged into one list and one watch, so that a reflector of client-go
// does not notice. Without a right to the whole cluster nothing else can be watched.
//
// A resource version belongs to the whole API server, and a reflector keeps one: that
// of the last event. An event of another namespace may be older and still on its way, so
// each namespace's watch begins where that namespace's last one ended, and what the
// reflector asks for is not looked at. When one of the watches ends, all do; when a
// version is too old for the API server, the reflector lists again.
package namespaces

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// Merged lists and watches the objects of several namespaces.
type Merged struct {
	namespaces []string
	of         func(namespace string) *cache.ListWatch

	mu       sync.Mutex // guards versions
	versions []string   // of each namespace, as last seen
}

var _ cache.ListerWatcherWithContext = (*Merged)(nil)

// Merge returns what is seen in all of the namespaces, of which there is at least one.
// The function returns what is seen in one.
func Merge(namespaces []string, of func(namespace string) *cache.ListWatch) *Merged {
	return &Merged{namespaces: namespaces, of: of, versions: make([]string, len(namespaces))}
}

// IsWatchListSemanticsUnSupported tells client-go not to list by watching.
func (m *Merged) IsWatchListSemanticsUnSupported() bool { return true }

// List implements cache.ListerWatcher.
func (m *Merged) List(o metav1.ListOptions) (runtime.Object, error) {
	return m.ListWithContext(context.Background(), o) //nolint:forbidigo // the interface asks for it, and client-go calls the other one
}

// Watch implements cache.ListerWatcher.
func (m *Merged) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return m.WatchWithContext(context.Background(), o) //nolint:forbidigo // as List
}

// ListWithContext implements cache.ListerWithContext. It lists without pages.
func (m *Merged) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	o.Limit, o.Continue = 0, ""
	var all []runtime.Object
	var list runtime.Object
	for n, namespace := range m.namespaces {
		some, err := m.of(namespace).ListWithContext(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", namespace, err)
		}
		objects, err := meta.ExtractList(some)
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", namespace, err)
		}
		about, err := meta.ListAccessor(some)
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", namespace, err)
		}
		m.saw(n, about.GetResourceVersion())
		all, list = append(all, objects...), some
	}
	return list, meta.SetList(list, all)
}

// saw notes the version up to which a namespace was seen.
func (m *Merged) saw(n int, version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.versions[n] = version
}

func (m *Merged) seen(n int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.versions[n]
}

// WatchWithContext implements cache.WatcherWithContext.
func (m *Merged) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	w := &merged{events: make(chan watch.Event), stopped: make(chan struct{})}
	var open []watch.Interface
	for n, namespace := range m.namespaces {
		o.ResourceVersion = m.seen(n)
		one, err := m.of(namespace).WatchWithContext(ctx, o)
		if err != nil {
			for _, w := range open {
				w.Stop()
			}
			return nil, fmt.Errorf("namespace %s: %w", namespace, err)
		}
		open = append(open, one)
	}
	var running sync.WaitGroup
	for n, one := range open {
		running.Go(func() {
			defer w.Stop()
			defer one.Stop()
			m.pass(n, one, w)
		})
	}
	go func() {
		running.Wait()
		close(w.events)
	}()
	return w, nil
}

// pass passes the events of one namespace on until the watch ends. What was not taken
// has not been seen.
func (m *Merged) pass(n int, one watch.Interface, to *merged) {
	for {
		// The end of one watch is the end of all.
		select {
		case <-to.stopped:
			return
		case e, ok := <-one.ResultChan():
			if !ok {
				return
			}
			select {
			case <-to.stopped:
				return
			case to.events <- e:
			}
			if object, err := meta.Accessor(e.Object); err == nil && e.Type != watch.Error {
				m.saw(n, object.GetResourceVersion())
			}
		}
	}
}

// merged is the watch of all namespaces.
type merged struct {
	events  chan watch.Event
	once    sync.Once
	stopped chan struct{}
}

var _ watch.Interface = (*merged)(nil)

// Stop implements watch.Interface.
func (w *merged) Stop() { w.once.Do(func() { close(w.stopped) }) }

// ResultChan implements watch.Interface.
func (w *merged) ResultChan() <-chan watch.Event { return w.events }
