package syncer

import (
	"maps"
	"slices"
	"strings"

	"github.com/tgsync/tgsync/syncer/target"
)

// State is where a target group stands on its way to what its Service wants.
type State string

// The states of a group. The first that fits is the group's.
const (
	StateUnknown State = "unknown" // AWS was not asked yet what it has
	StateHeld    State = "held"    // a guard keeps targets registered
	StateParked  State = "parked"  // AWS refuses targets
	StatePending State = "pending" // changes wait for a call
	StateSynced  State = "synced"  // AWS has what is wanted
)

// States returns all states.
func States() []State {
	return []State{StateUnknown, StateHeld, StateParked, StatePending, StateSynced}
}

// Status is what the syncer knows of one target group.
type Status struct {
	Binding target.Binding
	State   State
	// Targets counts AWS's words for the targets, those that drain included, as of the
	// last look and the calls since.
	Targets map[string]int
	Parked  map[string]int // targets by reason
	Holding map[Guard]Hold // the guards that hold targets
}

// Status returns what is known of every bound group, ordered by its name.
func (s *Syncer) Status() []Status {
	pending := map[string]bool{}
	for _, l := range s.allLanes() {
		l.mutations.Pending(func(k key) bool {
			pending[k.arn] = true
			return true
		})
	}
	bound := s.index.Load().byARN
	all := make([]Status, 0, len(bound))
	for arn, b := range bound {
		if g := s.group(arn); g != nil {
			all = append(all, g.status(b, pending[arn]))
		}
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Binding.GroupName, b.Binding.GroupName) })
	return all
}

// Drained reports whether a group that is to be emptied (target.Binding.Drain) is empty,
// but for the targets of others.
func (s *Syncer) Drained(arn string) bool {
	b, g := s.index.Load().byARN[arn], s.group(arn)
	return b.Drain && g != nil && g.empty(b.Shared)
}

func (g *group) status(b target.Binding, pending bool) Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.statusLocked(b, pending)
}

func (g *group) statusLocked(b target.Binding, pending bool) Status {
	st := Status{Binding: b, State: StateSynced, Targets: map[string]int{}, Parked: map[string]int{}, Holding: maps.Clone(g.holding)}
	for _, state := range g.states {
		st.Targets[state]++
	}
	g.parking.count(st.Parked)
	switch {
	case g.observed == nil:
		st.State = StateUnknown
	case len(st.Holding) > 0:
		st.State = StateHeld
	case len(st.Parked) > 0:
		st.State = StateParked
	case pending:
		st.State = StatePending
	}
	return st
}

// GatesWaiting returns how many pods wait for a target of theirs to become healthy,
// summed over the groups.
func (s *Syncer) GatesWaiting() int {
	waiting := 0
	for _, w := range s.gates.Waiting() {
		waiting += w.Pods
	}
	return waiting
}
