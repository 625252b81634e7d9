package awssim

import (
	"maps"
	"slices"
	"time"
)

// history is what stale reads look at: the account after each change. It is kept
// while a fault asks for it, from that fault's injection on: before, nothing needs
// to be remembered.
type history struct {
	reach    time.Duration // how far back a read may look; 0: nothing is kept
	versions []version     // the oldest first
	asOf     time.Time     // of an account of the past: its now
}

// version is the account as it was from a moment until the next version's.
type version struct {
	from time.Time
	account
}

// now is the present of this account, which may lie in the past.
func (s *Sim) now() time.Time {
	if s.past.asOf.IsZero() {
		return time.Now()
	}
	return s.past.asOf
}

// reachBackLocked keeps as much of the past as the faults ask for.
func (s *Sim) reachBackLocked() {
	s.past.reach = 0
	for _, f := range s.faults {
		s.past.reach = max(s.past.reach, f.Stale.Max, f.Stale.Min)
	}
	if s.past.reach == 0 {
		s.past.versions = nil
	} else if len(s.past.versions) == 0 {
		s.rememberLocked()
	}
}

// rememberLocked notes that the account has changed. Of the changes of one instant
// the last one counts.
func (s *Sim) rememberLocked() {
	if s.past.reach == 0 {
		return
	}
	p, now := &s.past, time.Now()
	for len(p.versions) > 1 && !p.versions[1].from.After(now.Add(-p.reach)) {
		p.versions = p.versions[1:]
	}
	if last := len(p.versions) - 1; last >= 0 && p.versions[last].from.Equal(now) {
		p.versions = p.versions[:last]
	}
	p.versions = append(p.versions, version{now, cloneOf(s.account)})
}

// agoLocked is the account as it was some time ago, or when it began to be
// remembered. It is for reading alone.
func (s *Sim) agoLocked(ago time.Duration) *Sim {
	if ago <= 0 || len(s.past.versions) == 0 {
		return s
	}
	then := time.Now().Add(-ago)
	i := len(s.past.versions) - 1
	for i > 0 && s.past.versions[i].from.After(then) {
		i--
	}
	v := s.past.versions[i]
	if then.Before(v.from) {
		then = v.from
	}
	return &Sim{opts: s.opts, quotas: s.quotas, world: s.world, caller: s.caller, account: v.account, past: history{asOf: then}}
}

// copies holds the copy of each original, so that the copy of an account has the
// same shape: what was shared is shared, and what went in circles does.
type copies map[any]any

// copyOf copies old, once: deep replaces in a copy what must not be shared.
func copyOf[T any](c copies, old *T, deep func(*T)) *T {
	if old == nil {
		return nil
	}
	if done, ok := c[old]; ok {
		return done.(*T)
	}
	fresh := new(*old)
	c[old] = fresh
	deep(fresh)
	return fresh
}

func copyAll[T any](list []*T, one func(*T) *T) []*T {
	fresh := slices.Clone(list)
	for i, item := range fresh {
		fresh[i] = one(item)
	}
	return fresh
}

func copyValues[K comparable, T any](m map[K]*T, one func(*T) *T) map[K]*T {
	fresh := maps.Clone(m)
	for key, item := range fresh {
		fresh[key] = one(item)
	}
	return fresh
}

// cloneOf is a copy that shares nothing with a except what never changes.
func cloneOf(a account) account {
	c := copies{}
	return account{
		loadBalancers:  copyValues(a.loadBalancers, c.loadBalancer),
		targetGroups:   copyValues(a.targetGroups, c.targetGroup),
		listeners:      copyValues(a.listeners, c.listener),
		rules:          copyValues(a.rules, c.rule),
		vpcs:           copyValues(a.vpcs, c.vpc),
		subnets:        copyValues(a.subnets, c.subnet),
		securityGroups: copyValues(a.securityGroups, c.securityGroup),
		interfaces:     copyValues(a.interfaces, c.networkInterface),
		shifted:        maps.Clone(a.shifted),
		certificates:   maps.Clone(a.certificates),
	}
}

func (c copies) loadBalancer(old *loadBalancer) *loadBalancer {
	return copyOf(c, old, func(lb *loadBalancer) {
		lb.subnets = copyAll(lb.subnets, c.subnet)
		lb.securityGroups = slices.Clone(lb.securityGroups)
		lb.attributes = maps.Clone(lb.attributes)
		lb.tags = slices.Clone(lb.tags)
		lb.listeners = copyAll(lb.listeners, c.listener)
	})
}

func (c copies) listener(old *listener) *listener {
	return copyOf(c, old, func(l *listener) {
		l.lb = c.loadBalancer(l.lb)
		l.attributes = maps.Clone(l.attributes)
		l.tags = slices.Clone(l.tags)
		l.rules = copyAll(l.rules, c.rule)
		l.certificates = slices.Clone(l.certificates)
	})
}

func (c copies) rule(old *rule) *rule {
	return copyOf(c, old, func(r *rule) {
		r.listener = c.listener(r.listener)
		r.actions = slices.Clone(r.actions)
		for i := range r.actions {
			forward := slices.Clone(r.actions[i].forward)
			for j := range forward {
				forward[j].group = c.targetGroup(forward[j].group)
			}
			r.actions[i].forward = forward
		}
		r.tags = slices.Clone(r.tags)
		r.credit = nil // Nobody sends requests through the past.
	})
}

func (c copies) targetGroup(old *targetGroup) *targetGroup {
	return copyOf(c, old, func(g *targetGroup) {
		g.attributes = maps.Clone(g.attributes)
		g.tags = slices.Clone(g.tags)
		g.targets = copyValues(g.targets, c.registration)
		g.leaving = copyAll(g.leaving, c.registration)
		users := g.usedBy
		g.usedBy = make(map[*rule]bool, len(users))
		for r := range users {
			g.usedBy[c.rule(r)] = true
		}
	})
}

func (c copies) registration(old *registration) *registration {
	return copyOf(c, old, func(r *registration) { r.flights = maps.Clone(r.flights) })
}

func (c copies) vpc(old *vpc) *vpc {
	return copyOf(c, old, func(v *vpc) { v.cidrs, v.v6, v.tags = slices.Clone(v.cidrs), slices.Clone(v.v6), slices.Clone(v.tags) })
}

func (c copies) subnet(old *subnet) *subnet {
	return copyOf(c, old, func(sub *subnet) { sub.vpc, sub.tags = c.vpc(sub.vpc), slices.Clone(sub.tags) })
}

func (c copies) networkInterface(old *networkInterface) *networkInterface {
	return copyOf(c, old, func(n *networkInterface) {
		n.subnet, n.lb = c.subnet(n.subnet), c.loadBalancer(n.lb)
		n.securityGroups, n.tags = slices.Clone(n.securityGroups), slices.Clone(n.tags)
		n.addresses, n.prefixes = slices.Clone(n.addresses), slices.Clone(n.prefixes)
	})
}

func (c copies) securityGroup(old *securityGroup) *securityGroup {
	return copyOf(c, old, func(g *securityGroup) {
		g.ingress, g.egress = slices.Clone(g.ingress), slices.Clone(g.egress)
		g.tags = slices.Clone(g.tags)
	})
}
