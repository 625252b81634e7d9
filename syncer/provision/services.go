package provision

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// services finds Services, also those that have been gone for less than a grace
// period: not found is not gone. Who deletes a Service and makes it again within that
// time loses no rule and no target group for it.
//
// A process that starts meanwhile has not seen the Service and does not wait.
type services struct {
	lister corelisters.ServiceLister
	grace  time.Duration

	mu   sync.Mutex // guards seen
	seen map[types.NamespacedName]seenService
}

// seenService is a Service as it was last found.
type seenService struct {
	service *corev1.Service
	lost    time.Time // when it was first not found; zero: it is there
}

func newServices(lister corelisters.ServiceLister, grace time.Duration) *services {
	return &services{lister: lister, grace: grace, seen: map[types.NamespacedName]seenService{}}
}

// get returns a Service. If it is gone, until says when it will count as such.
func (s *services) get(key types.NamespacedName) (svc *corev1.Service, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.getLocked(key)
}

func (s *services) getLocked(key types.NamespacedName) (svc *corev1.Service, until time.Time) {
	svc, err := s.lister.Services(key.Namespace).Get(key.Name)
	if err == nil { // the only error of a lister is that there is no such object
		s.seen[key] = seenService{service: svc}
		return svc, time.Time{}
	}
	seen, ok := s.seen[key]
	if !ok {
		return nil, time.Time{}
	}
	if seen.lost.IsZero() {
		seen.lost = time.Now()
		s.seen[key] = seen
	}
	if until = seen.lost.Add(s.grace); time.Now().Before(until) {
		return seen.service, until
	}
	delete(s.seen, key)
	return nil, time.Time{}
}

// forget drops the Services that are gone for good, also those that nobody asks for
// any more.
func (s *services) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.seen {
		s.getLocked(key)
	}
}
