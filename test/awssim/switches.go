package awssim

import (
	"hash/fnv"
	"time"
)

// DrainingRegister is what RegisterTargets does with a target that is draining.
type DrainingRegister int

// The three answers that AWS's documents leave open.
const (
	CancelDrain  DrainingRegister = iota // the target is registered again and checked anew
	Reject                               // the call fails with InvalidTarget
	StayDraining                         // the call succeeds and changes nothing
)

// Switches choose between the behaviours that AWS does not document. The zero
// value is the default.
type Switches struct {
	// Seed varies what is left to chance: propagation delays and the moments of
	// first health checks. Equal seeds give equal worlds.
	Seed uint64

	// DrainingRegister is the answer to RegisterTargets of a draining target.
	DrainingRegister DrainingRegister
	// PartialRegister registers the valid targets of a call that fails for others.
	// Otherwise a call is atomic.
	PartialRegister bool
	// ChunkLimit is the number of targets above which a call is rejected; 0: none.
	ChunkLimit int
	// CompleteDrainEarly ends a drain when no request is in flight. Otherwise
	// draining is shown until the deregistration delay has passed.
	CompleteDrainEarly bool

	// RegisterDelay and DeregisterDelay are how long the data plane takes to learn
	// of a registration and of a deregistration (field reports: 1 s to 30 s).
	RegisterDelay, DeregisterDelay Span
	// FirstCheckWithin bounds the wait for a new target's first health check; 0:
	// anywhere within the interval.
	FirstCheckWithin time.Duration
	// UnhealthyAfterOneFailure makes a new target unhealthy after its first failed
	// check. Otherwise the unhealthy threshold holds for new targets too.
	UnhealthyAfterOneFailure bool
	// IgnoreWeightZeroHealthCheck treats a group that has weight 0 everywhere as
	// not in use.
	IgnoreWeightZeroHealthCheck bool

	// SingleSubnet lets a load balancer have one subnet, as AWS does for accounts that
	// ask for it.
	SingleSubnet bool

	// ThrottleConsumesToken takes the tokens that are there from a call that is
	// throttled because one of its two buckets is empty.
	ThrottleConsumesToken bool
	// StepRefill adds the tokens of a second at its end. Otherwise the refill is
	// continuous.
	StepRefill bool
	// ThrottleCode is ELBv2's error code: ThrottlingException (default), Throttling.
	ThrottleCode string

	// ReadAfterCreate is how long a new resource is not found by other calls.
	ReadAfterCreate time.Duration
	// ProvisioningTime is how long a new load balancer is not yet active.
	ProvisioningTime time.Duration
	// InterfaceLinger is how long a load balancer's network interfaces outlive it
	// and keep its security groups in use.
	InterfaceLinger time.Duration
}

// Span is a range of durations. Its zero value is no time at all.
type Span struct{ Min, Max time.Duration }

// pick chooses a duration for a subject: always the same one for the same
// subject, so that a simulated world is a function of its inputs.
func (s Span) pick(subject string) time.Duration {
	if s.Max <= s.Min {
		return s.Min
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(subject))
	width := uint64(s.Max-s.Min) + 1
	return s.Min + time.Duration(h.Sum64()%width)
}
