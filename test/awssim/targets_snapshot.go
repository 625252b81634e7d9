package awssim

import (
	"net/netip"
	"time"
)

// Target is one target of a group as the account really has it, without the delays
// and the errors of a call.
type Target struct {
	Address netip.AddrPort
	Zone    string
	State   string // as DescribeTargetHealth shows it: initial, healthy, draining, unused, ...
	Reason  string // Elb.InitialHealthChecking, or "" when healthy

	Registered   time.Time // when the call took effect
	Healthy      time.Time // since when its checks pass; zero: they do not
	Deregistered time.Time // when the call took effect; zero: it is registered
	DrainEnd     time.Time // when it goes, if it is deregistered
}

// Targets are the targets of a group at this moment, draining ones too, by address.
// A group that does not exist has none.
func (s *Sim) Targets(groupARN string) []Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.targetGroups[groupARN]
	if g == nil {
		return nil
	}
	now := time.Now()
	var list []Target
	for _, r := range s.targetsLocked(g, now) {
		shown := s.healthOfLocked(g, r.key, now)
		t := Target{
			Address: netip.AddrPortFrom(r.key.ip, uint16(r.key.port)),
			Zone:    r.zone, State: shown.state, Reason: shown.reason,
			Registered: r.registered, Deregistered: r.drainStart, DrainEnd: r.drainEnd,
		}
		if r.state == stateHealthy {
			t.Healthy = r.since
		}
		list = append(list, t)
	}
	return list
}
