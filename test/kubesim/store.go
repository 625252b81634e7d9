package kubesim

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// firstVersion is the resource version before the first change. What lies before it
// counts as compacted, as on a server that did not start with its cluster.
const firstVersion = 1000

// event is a change of one object.
type event struct {
	rv        uint64
	at        time.Time
	resource  schema.GroupResource
	obj, prev *object // nil: not there after, not there before
}

// store holds all objects and the recent events. The server's lock guards it.
type store struct {
	seed      uint64
	window    int // how many events are kept; 0: all
	rv        uint64
	compacted uint64 // nothing before this version is known
	objects   map[schema.GroupResource]map[string]*object
	events    []event
	nth       map[string]uint64 // how often something was made for a name
}

func newStore(seed uint64, window int) store {
	return store{
		seed: seed, window: window, rv: firstVersion, compacted: firstVersion,
		objects: map[schema.GroupResource]map[string]*object{},
		nth:     map[string]uint64{},
	}
}

func (s *store) get(resource schema.GroupResource, key string) *object {
	return s.objects[resource][key]
}

// commit makes u the next version of prev, or the first one, and returns the event.
// With u nil the object is gone.
func (s *store) commit(kind *Kind, u *unstructured.Unstructured, prev *object) (event, error) {
	e := event{rv: s.rv + 1, at: time.Now(), resource: kind.storage(), prev: prev}
	if u == nil {
		delete(s.objects[e.resource], prev.key)
	} else {
		obj, err := newObject(kind, u, e.rv)
		if err != nil {
			return event{}, apierrors.NewInternalError(err)
		}
		if s.objects[e.resource] == nil {
			s.objects[e.resource] = map[string]*object{}
		}
		s.objects[e.resource][obj.key] = obj
		e.obj = obj
	}
	s.rv = e.rv
	s.events = append(s.events, e)
	// Trimmed at twice the window, so that trimming costs nothing per event.
	if s.window > 0 && len(s.events) > 2*s.window {
		s.forget(len(s.events) - s.window)
	}
	return e, nil
}

// forget drops the n oldest events.
func (s *store) forget(n int) {
	if n > 0 {
		s.compacted = s.events[n-1].rv
		s.events = slices.Clone(s.events[n:])
	}
}

// since are the events after rv.
func (s *store) since(rv uint64) []event {
	n, _ := slices.BinarySearchFunc(s.events, rv+1, func(e event, rv uint64) int { return cmp.Compare(e.rv, rv) })
	return s.events[n:]
}

// snapshot are the objects of a resource as they were at rv, in the order of their
// keys. The caller has checked that rv is neither compacted nor in the future.
func (s *store) snapshot(resource schema.GroupResource, rv uint64) []*object {
	at := maps.Clone(s.objects[resource])
	for _, e := range slices.Backward(s.since(rv)) {
		switch {
		case e.resource != resource:
		case e.prev == nil:
			delete(at, e.obj.key)
		default:
			at[e.prev.key] = e.prev
		}
	}
	keys := slices.Sorted(maps.Keys(at))
	objects := make([]*object, 0, len(keys))
	for _, key := range keys {
		objects = append(objects, at[key])
	}
	return objects
}

// hash makes the same world of the same seed: it depends on what a thing is made for
// and on how many were made for that before, not on the order of unrelated requests.
func (s *store) hash(purpose, name string) [sha256.Size]byte {
	of := purpose + " " + name
	s.nth[of]++
	return sha256.Sum256(fmt.Appendf(nil, "%d %s %d", s.seed, of, s.nth[of]))
}

func (s *store) uid(resource schema.GroupResource, key string) types.UID {
	h := s.hash("uid", resource.String()+" "+key)
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80 // as random UUIDs have it
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16]))
}

// suffix is the end of a generated name: five characters of the alphabet that real
// servers use, which has no vowels.
func (s *store) suffix(resource schema.GroupResource, prefix string) string {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	h := s.hash("name", resource.String()+" "+prefix)
	n := binary.BigEndian.Uint64(h[:])
	text := make([]byte, 5)
	for i := range text {
		text[i] = alphabet[n%uint64(len(alphabet))]
		n /= uint64(len(alphabet))
	}
	return string(text)
}
