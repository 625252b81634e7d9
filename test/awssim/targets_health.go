package awssim

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"
)

// targetHealth is one target as DescribeTargetHealth shows it.
type targetHealth struct {
	key             targetKey
	zone            string // "": not registered
	healthCheckPort string
	state           string
	reason          string // "" when healthy
	description     string // "" when healthy
}

// The states a registration can be in. unused and draining are not among them:
// they follow from the group's use and from the registration's draining flag.
const (
	stateInitial   = "initial"
	stateHealthy   = "healthy"
	stateUnhealthy = "unhealthy"
)

// healthLocked is DescribeTargetHealth: of the named targets, in their order, or
// of all, by address.
func (s *Sim) healthLocked(g *targetGroup, ts []targetSpec) ([]targetHealth, error) {
	now := s.now()
	var list []targetHealth
	for _, t := range ts {
		key, err := parseTarget(g, t)
		if err != nil {
			return nil, err
		}
		list = append(list, s.healthOfLocked(g, key, now))
	}
	if len(ts) == 0 {
		for _, r := range s.targetsLocked(g, now) {
			list = append(list, s.healthOfLocked(g, r.key, now))
		}
	}
	return list, nil
}

// targetsLocked are the targets of a group at a moment, by address. Those that have
// drained are left out, and not removed: a look changes nothing.
func (s *Sim) targetsLocked(g *targetGroup, now time.Time) []*registration {
	list := make([]*registration, 0, len(g.targets))
	for _, key := range slices.SortedFunc(maps.Keys(g.targets), targetKey.compare) {
		if r := g.targets[key]; !s.drained(r, now) {
			list = append(list, r)
		}
	}
	return list
}

func (k targetKey) compare(other targetKey) int {
	return cmp.Or(k.ip.Compare(other.ip), cmp.Compare(k.port, other.port))
}

func (s *Sim) healthOfLocked(g *targetGroup, key targetKey, now time.Time) targetHealth {
	h := targetHealth{key: key, healthCheckPort: strconv.Itoa(int(checkPortOf(g.check, key)))}
	r := g.targets[key]
	if r == nil || s.drained(r, now) {
		h.state, h.reason = "unused", "Target.NotRegistered"
		h.description = "Target is not registered to the target group"
		return h
	}
	h.zone, h.state, h.reason, h.description = r.zone, r.state, r.reason, r.description
	lb := s.activeUseLocked(g)
	switch {
	case r.draining:
		h.state, h.reason = "draining", "Target.DeregistrationInProgress"
		h.description = "Target deregistration is in progress"
	case lb == nil:
		h.state, h.reason = "unused", "Target.NotInUse"
		h.description = "Target group is not configured to receive traffic from the load balancer"
	case !lb.serves(r.zone):
		h.state, h.reason = "unused", "Target.NotInUse"
		h.description = "Target is in an Availability Zone that is not enabled for the load balancer"
	case r.state == stateInitial && now.Before(r.inRotation):
		h.reason, h.description = "Elb.RegistrationInProgress", "Target registration is in progress"
	case r.state == stateInitial:
		h.reason, h.description = "Elb.InitialHealthChecking", "Initial health checks in progress"
	}
	return h
}

// activeUseLocked is the load balancer that sends traffic to g, nil if none. A
// weight of zero counts as use unless the switch says otherwise.
func (s *Sim) activeUseLocked(g *targetGroup) *loadBalancer {
	lb := s.usedByLocked(g)
	if lb != nil && s.opts.Switches.IgnoreWeightZeroHealthCheck && forwardedGroups(lb)[g] == 0 {
		return nil
	}
	return lb
}

// serves tells whether the load balancer has a node for targets in a zone.
func (lb *loadBalancer) serves(zone string) bool {
	return zone == allZones || slices.ContainsFunc(lb.subnets, func(sub *subnet) bool { return sub.zone == zone })
}
