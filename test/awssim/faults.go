package awssim

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Fault makes calls go wrong on demand: which calls, and what happens to them.
//
// Nothing is drawn from a shared source. Where a fault has a choice, that is a hash
// of Switches.Seed, the fault, the caller (its access key), the action with its
// parameters, and how many such calls the fault has seen. So the calls of one caller
// do not change what happens to those of another, whatever their order.
type Fault struct {
	// Which calls. A zero field stands for all.

	Caller  string                              // access key ID
	Service string                              // elasticloadbalancing, ec2
	Action  string                              // RegisterTargets; "*" is every action too
	Bucket  Bucket                              // the calls that take a token of it, by category
	Where   func(params map[string]string) bool // parameters as in Call; it must not call the Sim
	From    time.Time                           // calls that arrive from then on
	Until   time.Time                           // and before
	Share   float64                             // the part of the calls described above that it hits; 0: all
	Times   int                                 // how many calls it hits; 0: all until it is cleared

	// What happens instead of the call's effect.

	Code, Message string // an error
	Status        int    // of Code; 0: 400
	Throttle      bool   // the service's own throttling error, or Code if there is one
	Reset         bool   // the connection is reset before anything happens

	// What happens beside it.

	Latency      time.Duration // on top of Options.Latency
	LoseResponse bool          // the connection is reset instead of an answer

	// Late lets the caller go without an answer, by its own timeout if Latency is
	// longer than that, else by a reset. The call takes effect so much later, on the
	// account as it is then: it may be refused.
	Late Span
	// Stale answers reads from the account as it was so long ago, though not longer
	// than the fault exists. Other calls are not hit.
	Stale Span
}

// Naming is a Where: calls of which a parameter has exactly this value, such as a
// target's address or a target group's ARN.
func Naming(value string) func(params map[string]string) bool {
	return func(params map[string]string) bool {
		for _, v := range params {
			if v == value {
				return true
			}
		}
		return false
	}
}

// Injected is a fault at work.
type Injected struct {
	Fault
	sim  *Sim
	id   int             // counted by the simulator
	seen map[[8]byte]int // calls that the fault describes, by caller, action and parameters
	hits int
}

// Inject adds a fault. Of several that match a call, the one injected first
// hits it.
func (s *Sim) Inject(f Fault) *Injected {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Action == "*" {
		f.Action = ""
	}
	s.injected++
	i := &Injected{Fault: f, sim: s, id: s.injected, seen: map[[8]byte]int{}}
	s.faults = append(s.faults, i)
	s.reachBackLocked()
	return i
}

// Hits is how many calls the fault has hit, so that a test can tell whether it
// tested anything.
func (i *Injected) Hits() int {
	i.sim.mu.Lock()
	defer i.sim.mu.Unlock()
	return i.hits
}

// Clear ends the fault.
func (i *Injected) Clear() {
	i.sim.mu.Lock()
	defer i.sim.mu.Unlock()
	i.sim.endFaultsLocked(func(f *Injected) bool { return f == i })
}

// ClearFaults ends all faults.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endFaultsLocked(func(*Injected) bool { return true })
}

func (s *Sim) endFaultsLocked(which func(*Injected) bool) {
	s.faults = slices.DeleteFunc(s.faults, which)
	s.reachBackLocked()
}

// hit is what a fault does to one call. The zero value does nothing.
type hit struct {
	Fault
	late, stale time.Duration // as chosen
}

// hitLocked is the hit of the first fault that hits a call.
func (s *Sim) hitLocked(r *request) hit {
	for _, f := range s.faults {
		if f.spent() || !f.matches(r) {
			continue
		}
		subject := f.subject(r)
		if f.Share > 0 && chance(subject) >= f.Share {
			continue
		}
		f.hits++
		if f.spent() && f.Stale == (Span{}) { // The call has yet to read what is remembered for it.
			s.endFaultsLocked(func(other *Injected) bool { return f == other })
		}
		return hit{f.Fault, f.Late.pick("late " + subject), f.Stale.pick("stale " + subject)}
	}
	return hit{}
}

func (i *Injected) spent() bool { return i.Times > 0 && i.hits >= i.Times }

func (f *Fault) matches(r *request) bool {
	names := func(field, of string) bool { return field == "" || field == of }
	switch {
	case !names(f.Caller, r.actor) || !names(f.Service, r.svc.name) || !names(f.Action, r.action):
	case f.Bucket != "" && !r.takesOf(f.Bucket):
	case f.Stale != (Span{}) && !r.reads():
	case !f.isOn(r.arrived):
	default:
		return f.Where == nil || f.Where(r.params)
	}
	return false
}

func (f *Fault) isOn(now time.Time) bool {
	return !now.Before(f.From) && (f.Until.IsZero() || now.Before(f.Until))
}

// subject names a call of those that the fault describes, and counts it.
func (i *Injected) subject(r *request) string {
	call := fmt.Sprintf("%d %d %s %s %s", i.sim.opts.Switches.Seed, i.id, r.actor, r.svc.name, r.form.Encode())
	digest := sha256.Sum256([]byte(call))
	key := [8]byte(digest[:])
	i.seen[key]++
	return fmt.Sprintf("%x %d", key, i.seen[key])
}

// chance is a number from 0 to 1, 1 excluded: always the same one for the same
// subject.
func chance(subject string) float64 {
	const bits = 53 // of a float64's mantissa
	digest := sha256.Sum256([]byte("chance " + subject))
	return float64(binary.BigEndian.Uint64(digest[:])>>(64-bits)) / (1 << bits)
}

// err is what the call is answered instead of taking effect, or nil.
func (f *Fault) err(svc *service, switches Switches) *apiError {
	var failure *apiError
	switch {
	case f.Throttle:
		failure = svc.throttled(switches)
		failure.code = orElse(f.Code, failure.code)
		failure.message = orElse(f.Message, failure.message)
	case f.Code != "":
		failure = errAPI(f.Code, "%s", f.Message)
	default:
		return nil
	}
	if f.Status != 0 {
		failure.status = f.Status
	}
	return failure
}
