package awssim

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// targetSpec is one target as a request names it.
type targetSpec struct {
	id   string // an address
	port int    // 0: the group's port
	zone string // "": not given
}

// defaultDeregistrationDelay is AWS's own default for the attribute.
const defaultDeregistrationDelay = 300 * time.Second

// allZones is the zone of a target that every enabled zone of its load balancer
// may use: the one choice for addresses outside the VPC without cross-zone off.
const allZones = "all"

// registerLocked is RegisterTargets. A target that is registered already keeps
// its state. One wrong target fails the whole call, unless the switch
// PartialRegister lets the others in.
func (s *Sim) registerLocked(g *targetGroup, ts []targetSpec) error {
	now := time.Now()
	s.reapLocked(g, now)
	if err := s.checkChunk(ts); err != nil {
		return err
	}
	var (
		fresh  = map[targetKey]*registration{}
		failed error
	)
	for _, t := range ts {
		r, err := s.admissionLocked(g, t, now)
		if err != nil && !s.opts.Switches.PartialRegister {
			return err
		}
		if err != nil && failed == nil {
			failed = err
		}
		if r != nil {
			fresh[r.key] = r
		}
	}
	if err := s.roomLocked(g, fresh); err != nil {
		return err
	}
	maps.Copy(g.targets, fresh)
	return failed
}

// checkChunk refuses calls without targets and, where the switch sets a limit,
// with more targets than AWS takes at a time.
func (s *Sim) checkChunk(ts []targetSpec) error {
	if len(ts) == 0 {
		return errValidation("1 validation error detected: Value null at 'targets' failed to satisfy constraint: Member must not be null")
	}
	if limit := s.opts.Switches.ChunkLimit; limit > 0 && len(ts) > limit {
		return errValidation("1 validation error detected: Value at 'targets' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", limit)
	}
	return nil
}

// admissionLocked is the registration that t asks for, nil when there is nothing
// to do because the target is registered already.
func (s *Sim) admissionLocked(g *targetGroup, t targetSpec, now time.Time) (*registration, error) {
	key, err := parseTarget(g, t)
	if err != nil {
		return nil, err
	}
	zone, err := s.placeLocked(g.vpcID, key.ip, t.zone)
	if err != nil {
		return nil, err
	}
	if known := g.targets[key]; known != nil {
		if !known.draining {
			return nil, nil
		}
		switch s.opts.Switches.DrainingRegister {
		case StayDraining:
			return nil, nil
		case Reject:
			return nil, errAPI("InvalidTarget", "Targets {%s:%d} are deregistering and cannot be registered", key.ip, key.port)
		case CancelDrain: // A registration like any other.
		}
	}
	return &registration{
		key:        key,
		zone:       zone,
		registered: now,
		inRotation: now.Add(s.opts.Switches.RegisterDelay.pick(s.subject(g, key, now))),
		state:      stateInitial,
	}, nil
}

// parseTarget is the identity of the target that t names.
func parseTarget(g *targetGroup, t targetSpec) (targetKey, error) {
	ip, err := netip.ParseAddr(t.id)
	if err != nil || ip.Is6() != (g.ipAddressType == ipv6Type) {
		family := "IPv4"
		if g.ipAddressType == ipv6Type {
			family = "IPv6"
		}
		return targetKey{}, errValidation("The IP address '%s' is not a valid %s address", t.id, family)
	}
	const constraint = "1 validation error detected: Value '%d' at 'targets.member.port' failed to satisfy constraint: " +
		"Member must have value %s than or equal to %d"
	switch {
	case t.port < 0:
		return targetKey{}, errValidation(constraint, t.port, "greater", 1)
	case t.port > maxPort:
		return targetKey{}, errValidation(constraint, t.port, "less", maxPort)
	}
	return targetKey{ip: ip, port: cmp.Or(t.port, g.port)}, nil
}

const maxPort = 1<<16 - 1

// privateRanges are the addresses outside the VPC that may be targets: those
// that reach it over peering, Direct Connect or VPN.
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

// placeLocked is the zone of a target: its subnet's, or for an address in none
// of the VPC's subnets the one that the caller has to name. What counts is the
// subnet: an address inside the VPC's blocks but in no subnet is outside.
func (s *Sim) placeLocked(vpcID string, ip netip.Addr, zone string) (string, error) {
	if sub, ok := s.inSubnetLocked(vpcID, ip); ok {
		if zone != "" && zone != sub.zone {
			return "", errValidation("The IP address '%s' is within the VPC, and cannot have its Availability Zone overridden to '%s' from '%s'",
				ip, zone, sub.zone)
		}
		return sub.zone, nil
	}
	private := func(p netip.Prefix) bool { return p.Contains(ip) }
	switch {
	case !slices.ContainsFunc(privateRanges, private):
		return "", errValidation("The IP address '%s' is not in the VPC and is publicly routable, it cannot be registered as a target", ip)
	case zone == "":
		return "", errValidation("The Availability Zone is required for IP address '%s' because it is not in the VPC", ip)
	case zone != allZones && !s.zoneExistsLocked(vpcID, zone):
		return "", errValidation("You must specify a valid Availability Zone or select 'all' for all enabled Availability zones, "+
			"since the IP address '%s' is outside the VPC", ip)
	}
	return zone, nil
}

func (s *Sim) zoneExistsLocked(vpcID, zone string) bool {
	for _, sub := range s.subnets {
		if sub.vpc.id == vpcID && sub.zone == zone {
			return true
		}
	}
	return false
}

// deregisterLocked is DeregisterTargets. Targets that are not there are no
// error, and a target whose port differs from the group's is only found by its
// port.
func (s *Sim) deregisterLocked(g *targetGroup, ts []targetSpec) error {
	now := time.Now()
	s.reapLocked(g, now)
	if err := s.checkChunk(ts); err != nil {
		return err
	}
	keys := make([]targetKey, 0, len(ts))
	for _, t := range ts {
		key, err := parseTarget(g, t)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		if r := g.targets[key]; r != nil && !r.draining {
			s.drainLocked(g, r, now)
		}
	}
	s.reapLocked(g, now)
	return nil
}

// drainLocked starts the deregistration delay. A target that no load balancer
// uses has nothing to drain and goes at once.
func (s *Sim) drainLocked(g *targetGroup, r *registration, now time.Time) {
	r.draining = true
	r.drainStart, r.drainEnd, r.outRotation = now, now, now
	if s.activeUseLocked(g) == nil {
		return
	}
	r.drainEnd = now.Add(deregistrationDelay(g))
	r.outRotation = now.Add(s.opts.Switches.DeregisterDelay.pick(s.subject(g, r.key, now)))
}

func deregistrationDelay(g *targetGroup) time.Duration {
	seconds, err := strconv.Atoi(g.attributes[deregistrationDelayAttribute])
	if err != nil {
		return defaultDeregistrationDelay
	}
	return time.Duration(seconds) * time.Second
}

// reapLocked removes what has drained. A target with a delay shorter than the
// propagation is gone from the API while the load balancer still sends to it.
// What is in flight when both are over is cut off.
func (s *Sim) reapLocked(g *targetGroup, now time.Time) {
	for key, r := range g.targets {
		if s.drained(r, now) {
			delete(g.targets, key)
			g.leaving = append(g.leaving, r)
		}
	}
	g.leaving = slices.DeleteFunc(g.leaving, func(r *registration) bool {
		if now.Before(r.outRotation) {
			return false
		}
		for f := range r.flights {
			f.cut(errDrained)
		}
		return true
	})
}

func (s *Sim) drained(r *registration, now time.Time) bool {
	if !r.draining || now.Before(r.drainEnd) {
		idle := len(r.flights) == 0 && !now.Before(r.outRotation)
		return r.draining && idle && s.opts.Switches.CompleteDrainEarly
	}
	return true
}
