package awssim

import "net/netip"

// roomLocked checks the quotas that a call would exceed. Draining targets do not
// count: a full group takes a new target as soon as an old one is deregistered.
func (s *Sim) roomLocked(g *targetGroup, fresh map[targetKey]*registration) error {
	if limit := s.quotas.TargetsPerGroup; len(fresh) > 0 && countRegistered(g)+len(fresh) > limit {
		return errAPI("TooManyTargets", "The maximum number of targets per target group '%d' has been reached on target group '%s'", limit, g.arn)
	}
	lb := s.usedByLocked(g)
	if lb == nil {
		return nil
	}
	total := len(fresh)
	groupsOf := map[netip.Addr]int{}
	for other := range forwardedGroups(lb) {
		total += countRegistered(other)
		for ip := range addresses(other, fresh, other == g) {
			groupsOf[ip]++
		}
	}
	if limit := s.quotas.TargetsPerLoadBalancer; len(fresh) > 0 && total > limit {
		return errAPI("TooManyTargets", "The maximum number of targets per load balancer '%d' has been reached on load balancer '%s'", limit, lb.arn)
	}
	for key := range fresh {
		if groupsOf[key.ip] > s.quotas.RegistrationsPerTarget {
			return errAPI("TooManyRegistrationsForTargetId",
				"You've reached the limit on the number of times a target can be added to a load balancer")
		}
	}
	return nil
}

func countRegistered(g *targetGroup) int {
	n := 0
	for _, r := range g.targets {
		if !r.draining {
			n++
		}
	}
	return n
}

// addresses are those registered in a group, with the new ones if they go there.
func addresses(g *targetGroup, fresh map[targetKey]*registration, here bool) map[netip.Addr]bool {
	set := map[netip.Addr]bool{}
	for key, r := range g.targets {
		if !r.draining {
			set[key.ip] = true
		}
	}
	if here {
		for key := range fresh {
			set[key.ip] = true
		}
	}
	return set
}

// forwardedGroups are the groups that any rule of lb forwards to, and the sum of
// the weights each has there.
func forwardedGroups(lb *loadBalancer) map[*targetGroup]int {
	groups := map[*targetGroup]int{}
	for _, l := range lb.listeners {
		for _, r := range l.rules {
			for _, a := range r.actions {
				for _, w := range a.forward {
					groups[w.group] += w.weight
				}
			}
		}
	}
	return groups
}
