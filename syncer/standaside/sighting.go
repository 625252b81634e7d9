package standaside

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

const (
	// usualDuration is how long a Lease lasts that does not say it: LBC's.
	usualDuration = 15 * time.Second
	// clockError is more than two machines' clocks differ. To be generous costs nothing
	// but one duration of the Lease, when this process starts soon after the other went.
	clockError = 10 * time.Minute
)

// sighting is what is known of the other's Lease. The zero value: it was not seen yet.
type sighting struct {
	seen  bool
	spec  *coordinationv1.LeaseSpec // as last seen; nil: there is no Lease
	until time.Time                 // the other may write until then, if nothing else is seen
}

// again takes in a state of the Lease; nil: there is none.
func (s *sighting) again(spec *coordinationv1.LeaseSpec, now time.Time) {
	first := !s.seen
	if !first && equality.Semantic.DeepEqual(spec, s.spec) {
		return
	}
	before := s.spec
	s.seen, s.spec = true, spec
	switch {
	case spec == nil && before != nil && now.Before(s.until):
		s.until = now.Add(lasts(before))
	case spec == nil, holder(spec) == "", first && longGone(spec, now):
		s.until = time.Time{}
	default:
		s.until = now.Add(lasts(spec))
	}
}

// free reports whether the other is known not to write.
func (s *sighting) free(now time.Time) bool { return s.seen && !now.Before(s.until) }

// longGone reports whether a Lease has run out by any clock.
func longGone(spec *coordinationv1.LeaseSpec, now time.Time) bool {
	return now.Sub(renewed(spec)) > lasts(spec)+clockError
}

func lasts(spec *coordinationv1.LeaseSpec) time.Duration {
	if spec.LeaseDurationSeconds == nil {
		return usualDuration
	}
	return time.Duration(*spec.LeaseDurationSeconds) * time.Second
}

func holder(spec *coordinationv1.LeaseSpec) string {
	if spec == nil || spec.HolderIdentity == nil {
		return ""
	}
	return *spec.HolderIdentity
}

// renewed is when the holder renewed the Lease, by its own clock.
func renewed(spec *coordinationv1.LeaseSpec) time.Time {
	if spec == nil || spec.RenewTime == nil {
		return time.Time{}
	}
	return spec.RenewTime.Time
}
