package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tgsync/tgsync/test/awssim"
)

// premise is a form of words after "given", and what it changes in a world.
type premise struct {
	pattern string
	set     func(*Settings, values) error
}

// premises are all that can be given.
var premises = []premise{
	{"AWS limits its rates", func(s *Settings, _ values) error { s.Throttling = true; return nil }},
	{"the quota targets-per-group is N", func(s *Settings, v values) error { return v.count(&s.Quotas.TargetsPerGroup) }},
	{"the quota targets-per-load-balancer is N", func(s *Settings, v values) error {
		return v.count(&s.Quotas.TargetsPerLoadBalancer)
	}},
	{"the deregistration delay is DURATION", func(s *Settings, v values) error { return v.duration(&s.DeregistrationDelay) }},
	{"the audit interval is DURATION", func(s *Settings, v values) error { return v.duration(&s.AuditInterval) }},
	{"the grace period is DURATION", func(s *Settings, v values) error { return v.duration(&s.GracePeriod) }},
	{"fail open is off", func(s *Settings, _ values) error { s.FailClosed = true; return nil }},
	{"the batch interval is DURATION", func(s *Settings, v values) error { return v.duration(&s.BatchInterval) }},
}

// draining are AWS's possible answers to a registration of a target that drains.
var draining = map[string]awssim.DrainingRegister{
	"cancels the drain": awssim.CancelDrain,
	"is refused":        awssim.Reject,
	"changes nothing":   awssim.StayDraining,
}

// given returns the worlds that a premise makes of one, by name. Most make one, whose
// name is empty.
func given(s Settings, words []string) (map[string]Settings, error) {
	text := strings.Join(words, " ")
	if how, ok := strings.CutPrefix(text, "registering a draining target "); ok {
		return givenDraining(s, how)
	}
	var patterns []string
	for _, p := range premises {
		if v := match(strings.Fields(p.pattern), words); v != nil {
			err := p.set(&s, v)
			return map[string]Settings{"": s}, err
		}
		patterns = append(patterns, p.pattern)
	}
	return nil, fmt.Errorf("given %q is not understood; there is:\n\t%s", text, strings.Join(patterns, "\n\t"))
}

func givenDraining(s Settings, how string) (map[string]Settings, error) {
	worlds := map[string]Settings{}
	for name, answer := range draining {
		s.Switches.DrainingRegister = answer
		worlds[name] = s
	}
	if how == "does any of the three" {
		return worlds, nil
	}
	one, ok := worlds[how]
	if !ok {
		return nil, fmt.Errorf("registering a draining target does not do %q", how)
	}
	return map[string]Settings{"": one}, nil
}

// count and duration read N and DURATION.
func (v values) count(to *int) (err error) {
	*to, err = strconv.Atoi(v["N"])
	return err
}

func (v values) duration(to *time.Duration) (err error) {
	*to, err = time.ParseDuration(v["DURATION"])
	return err
}
