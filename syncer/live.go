package syncer

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	discoveryclient "k8s.io/client-go/kubernetes/typed/discovery/v1"
)

// Times of live reads.
const (
	// liveGap is the least time from the end of one live read to the next: at most
	// 5 a second, however many groups ask.
	liveGap = 200 * time.Millisecond
	// liveTimeout ends a read that the API server does not answer.
	liveTimeout = 10 * time.Second
	// liveFresh is how long an answer counts. Runs that wait for a token need it for
	// some seconds; what it says of a change later than itself errs to the safe side.
	liveFresh = 15 * time.Second
	// liveAgain is how soon a read is repeated that failed.
	liveAgain = 2 * time.Second
)

// LiveSlices reads the EndpointSlices of a namespace past every cache.
type LiveSlices func(ctx context.Context, namespace string) ([]discoveryv1.EndpointSlice, error)

// ReadLiveSlices returns the LiveSlices of an API server. The empty resource version
// asks for a quorum read.
func ReadLiveSlices(client discoveryclient.EndpointSlicesGetter) LiveSlices {
	return func(ctx context.Context, namespace string) ([]discoveryv1.EndpointSlice, error) {
		list, err := client.EndpointSlices(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("read EndpointSlices of namespace %s: %w", namespace, err)
		}
		return list.Items, nil
	}
}

// liveReads answers what EndpointSlices a Service has, by the API server itself.
// Services of a namespace share one read.
type liveReads struct {
	read LiveSlices
	log  *slog.Logger
	// wake tells run that somebody has asked. It is buffered so that nothing is lost
	// while run is elsewhere.
	wake chan struct{}

	mu      sync.Mutex // guards all below
	asked   map[types.NamespacedName]struct{}
	answers map[types.NamespacedName]liveAnswer
}

// liveAnswer is what the API server said.
type liveAnswer struct {
	at     time.Time // when it was asked
	slices []*discoveryv1.EndpointSlice
}

func newLiveReads(read LiveSlices, log *slog.Logger) *liveReads {
	return &liveReads{
		read: read, log: log, wake: make(chan struct{}, 1),
		asked: map[types.NamespacedName]struct{}{}, answers: map[types.NamespacedName]liveAnswer{},
	}
}

// ask asks for the slices of a Service. It does not wait.
func (l *liveReads) ask(service types.NamespacedName) {
	l.mu.Lock()
	l.asked[service] = struct{}{}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // run has not looked since the last time, and will
	}
}

// answer returns the slices of a Service, if they have been read a moment ago.
func (l *liveReads) answer(service types.NamespacedName) ([]*discoveryv1.EndpointSlice, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.answers[service]
	if !ok || time.Since(a.at) >= liveFresh {
		return nil, false
	}
	return a.slices, true
}

// run reads what is asked for until ctx ends, and calls done for every Service that
// has its answer.
func (l *liveReads) run(ctx context.Context, done func(types.NamespacedName)) {
	for {
		namespace, ok := l.next()
		wait := liveGap
		if ok {
			answered, err := l.serve(ctx, namespace)
			if err != nil && ctx.Err() == nil {
				l.log.WarnContext(ctx, "a live read failed, targets stay held", slog.Any("error", err))
				wait = liveAgain
			}
			for _, service := range answered {
				done(service)
			}
		} else {
			select {
			case <-ctx.Done():
				return
			case <-l.wake:
				continue
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// next returns a namespace in which somebody has asked, and forgets answers that do
// not count any more.
func (l *liveReads) next() (namespace string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.answers, func(_ types.NamespacedName, a liveAnswer) bool { return time.Since(a.at) >= liveFresh })
	for service := range l.asked {
		return service.Namespace, true
	}
	return "", false
}

// serve reads one namespace and returns the Services that asked.
func (l *liveReads) serve(ctx context.Context, namespace string) ([]types.NamespacedName, error) {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	at := time.Now()
	items, err := l.read(ctx, namespace)
	if err != nil {
		return nil, err
	}
	by := map[types.NamespacedName][]*discoveryv1.EndpointSlice{}
	for i := range items {
		by[serviceOf(&items[i])] = append(by[serviceOf(&items[i])], &items[i])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answered := slices.DeleteFunc(slices.Collect(maps.Keys(l.asked)), func(s types.NamespacedName) bool { return s.Namespace != namespace })
	for _, service := range answered {
		delete(l.asked, service)
		l.answers[service] = liveAnswer{at: at, slices: by[service]}
	}
	return answered, nil
}
