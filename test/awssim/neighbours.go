package awssim

import (
	"errors"
	"fmt"
	"time"
)

// Neighbour is somebody else who calls ELBv2 in the same account: at regular moments
// a number of calls at once, each of which takes one token of every bucket named or
// is throttled. It does not try again. Somebody who takes 2/s of the account's
// bucket, 0.8/s of the registrations' and now and then 10 at once is three
// neighbours.
//
// Its calls have no effect and are not among Sim.Calls. They are computed when
// somebody asks for a token, so that a neighbour needs no goroutine and is the same
// in every run.
type Neighbour struct {
	Buckets []Bucket      // none: the account's
	Every   time.Duration // from one of its moments to the next; required
	Calls   int           // at each moment; 0: one
	Offset  time.Duration // of its first moment, from New on
}

// neighbour is a Neighbour at work.
type neighbour struct {
	Neighbour
	demands             []demand
	next                time.Time // its next moment
	accepted, throttled int       // calls until now
}

func (s *Sim) addNeighbour(o Neighbour) error {
	if o.Every <= 0 || o.Calls < 0 || o.Offset < 0 {
		return errors.New("needs an interval above zero, and neither calls nor offset below")
	}
	if len(o.Buckets) == 0 {
		o.Buckets = []Bucket{AccountBucket}
	}
	o.Calls = max(1, o.Calls)
	n := &neighbour{Neighbour: o, next: time.Now().Add(o.Offset)}
	for _, b := range o.Buckets {
		r, ok := rateOf(b)
		if !ok {
			return fmt.Errorf("bucket %q does not exist", b)
		}
		n.demands = append(n.demands, r.demand())
	}
	s.neighbours = append(s.neighbours, n)
	return nil
}

func rateOf(b Bucket) (rate, bool) {
	for _, r := range []rate{elbAccountRate, elbReadRate, elbWriteRate, elbRegistrationRate, elbIntensiveRate} {
		if r.name == b {
			return r, true
		}
	}
	return rate{}, false
}

// neighboursCallLocked performs the neighbours' calls until now, in the order of
// their moments. At the same instant as one of ours, theirs come first.
func (s *Sim) neighboursCallLocked(now time.Time) {
	for n := s.nextNeighbour(); n != nil && !n.next.After(now); n = s.nextNeighbour() {
		for range n.Calls {
			if s.takeTokensLocked(n.next, n.demands) {
				n.accepted++
			} else {
				n.throttled++
			}
		}
		n.next = n.next.Add(n.Every)
	}
}

// nextNeighbour is the one that calls next, nil if there is none. Of several, the
// one named first in the options.
func (s *Sim) nextNeighbour() (first *neighbour) {
	for _, n := range s.neighbours {
		if first == nil || n.next.Before(first.next) {
			first = n
		}
	}
	return first
}

// NeighbourCalls are how many calls each of Options.Neighbours has made until now
// and had accepted, and how many were throttled. Without Options.Throttling there
// are none.
func (s *Sim) NeighbourCalls() (accepted, throttled []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Throttling {
		s.neighboursCallLocked(time.Now())
	}
	for _, n := range s.neighbours {
		accepted, throttled = append(accepted, n.accepted), append(throttled, n.throttled)
	}
	return accepted, throttled
}
