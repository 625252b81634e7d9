package syncer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/readiness"
	"github.com/tgsync/tgsync/syncer/target"
)

// Detail is all that can be told about one target group. It costs as much as a plan.
type Detail struct {
	Status
	// Problem is why it is not known what the group should have. Empty: it is.
	Problem string
	// Desired are the targets that the Service wants, before the guards; Undecided those
	// that are left as they are, since it is not known yet.
	Desired, Undecided int
	// Observed are the targets that AWS has, those that drain not included. Without
	// Known it was not asked yet.
	Observed int
	Known    bool
	// InFlight are the targets of calls that have not returned, InDoubt those of which
	// AWS alone knows what became.
	InFlight, InDoubt int
	// GraceUntil is when what is missing now counts as zero. Zero: nothing is missing.
	GraceUntil time.Time
	Members    []Member // by target
	Waits      []Parked // by when they are tried again
	Actions    []Action // next first
	Calls      []Call   // the last of each operation, latest first
	// Gates are the pods that wait until their targets are healthy. Zero: none does.
	Gates readiness.Waiting
}

// Member is a target that a group has or should have.
type Member struct {
	Target   target.Target
	State    string               // AWS's word; empty: AWS does not have it
	Wanted   bool                 // its Service wants it
	Endpoint endpoints.State      // empty: there is no such endpoint
	Pod      types.NamespacedName // empty: no pod stands behind it
}

// Parked are targets that AWS refuses.
type Parked struct {
	Target    target.Target // zero: any of those for which a quota leaves no room
	Targets   int           // how many they are
	Operation string
	Reason    string
	Until     time.Time // when they are tried again; if it has passed, with the next call
	Times     int       // how often they were refused in a row
}

// Action is an operation that is to be done to a group, now or later.
type Action struct {
	Operation string
	Waits     opqueue.Wait
	// Changed is the time of the first change that waits. Zero: the action lies ahead: a
	// parked target is tried again, a guard looks again, the group is compared with AWS.
	Changed time.Time
	Ready   time.Time // since when it waits for a token; zero: it waits for something else
	Until   time.Time // when time ends the wait; zero: something else ends it
}

// Call is a call to AWS that has returned.
type Call struct {
	Operation string
	At        time.Time    // when it returned
	Targets   int          // those that it was about
	Class     awsapi.Class // of its error
	Error     string       // empty: AWS did what it was asked
}

// called notes a call that has returned.
func (g *group) called(op operation, targets int, err error) {
	c := Call{Operation: string(op), At: time.Now(), Targets: targets, Class: awsapi.ClassOf(err)}
	if err != nil {
		c.Error = err.Error()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls[op] = c
}

// Details returns all that can be told about every bound group, ordered by its name.
// It changes nothing. The parts of a group are looked at one after the other: what
// happens meanwhile may show in one and not in another.
func (s *Syncer) Details() []Detail {
	actions := s.actions()
	gates := map[string]readiness.Waiting{}
	for _, w := range s.gates.Waiting() {
		gates[w.GroupARN] = w
	}
	bound := s.index.Load().byARN
	all := make([]Detail, 0, len(bound))
	for arn, b := range bound {
		if g := s.group(arn); g != nil {
			d := s.detail(g, b, actions[arn])
			d.Gates = gates[arn]
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b Detail) int { return strings.Compare(a.Binding.GroupName, b.Binding.GroupName) })
	return all
}

// actions returns what is to be done, by the ARN of the group.
func (s *Syncer) actions() map[string][]Action {
	all := map[string][]Action{}
	var items []opqueue.Item[key]
	for _, l := range s.allLanes() {
		items = slices.Concat(items, l.mutations.Snapshot(), l.reads.Snapshot())
	}
	for _, item := range items {
		all[item.Key.arn] = append(all[item.Key.arn], Action{
			Operation: string(item.Key.op), Waits: item.Waits, Changed: item.Changed, Ready: item.Ready, Until: item.Until,
		})
	}
	for _, actions := range all {
		slices.SortFunc(actions, func(a, b Action) int {
			return cmp.Or(
				cmp.Compare(a.rank(), b.rank()), a.Until.Compare(b.Until), a.Changed.Compare(b.Changed),
				strings.Compare(a.Operation, b.Operation),
			)
		})
	}
	return all
}

// rank orders actions: what is under way, what waits for its turn, what waits for a
// time.
func (a Action) rank() int {
	switch a.Waits {
	case opqueue.WaitsForRun:
		return 0
	case opqueue.WaitsForToken:
		return 1
	default:
		return 2
	}
}

// detail tells about one group.
func (s *Syncer) detail(g *group, b target.Binding, actions []Action) Detail {
	pending := slices.ContainsFunc(actions, func(a Action) bool {
		return a.Operation != string(observe) && !a.Changed.IsZero()
	})
	v, err := s.look(b)
	g.mu.Lock()
	defer g.mu.Unlock()
	d := Detail{
		Status: g.statusLocked(b, pending), Actions: actions,
		Desired: len(v.desired), Undecided: len(v.undecided), Observed: len(g.observed), Known: g.observed != nil,
		InFlight: len(g.inFlight), InDoubt: len(g.doubt),
		Members: g.membersLocked(v), Waits: g.parking.list(),
	}
	if cause := cmp.Or(err, v.result.Missing); cause != nil {
		d.Problem = cause.Error()
	}
	if !g.missing.IsZero() {
		d.GraceUntil = g.missing.Add(s.o.GracePeriod)
	}
	for _, c := range g.calls {
		d.Calls = append(d.Calls, c)
	}
	slices.SortFunc(d.Calls, func(a, b Call) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.Operation, b.Operation))
	})
	return d
}

// membersLocked returns the targets that the group has or should have.
func (g *group) membersLocked(v view) []Member {
	all := make([]Member, 0, len(g.states)+len(v.desired))
	member := func(t target.Target) {
		e, _ := v.result.Find(t)
		all = append(all, Member{Target: t, State: g.states[t], Wanted: v.desired.Has(t), Endpoint: e.State, Pod: e.Pod})
	}
	for t := range g.states {
		member(t)
	}
	for t := range v.desired {
		if _, has := g.states[t]; !has {
			member(t)
		}
	}
	slices.SortFunc(all, func(a, b Member) int { return a.Target.Compare(b.Target) })
	return all
}

// list returns what is parked, by when it is tried again.
func (p *parking) list() []Parked {
	var all []Parked
	add := func(t target.Target, n int, parked *parkedTarget) {
		all = append(all, Parked{
			Target: t, Targets: n, Operation: string(parked.op), Reason: parked.reason, Until: parked.until, Times: parked.times,
		})
	}
	for t, parked := range p.parked {
		add(t, 1, parked)
	}
	if p.full != nil && p.over > 0 {
		add(target.Target{}, p.over, p.full)
	}
	if p.left > 0 {
		add(target.Target{}, p.left, &parkedTarget{op: register, reason: reasonLeftOut})
	}
	slices.SortFunc(all, func(a, b Parked) int {
		return cmp.Or(a.Until.Compare(b.Until), a.Target.Compare(b.Target))
	})
	return all
}
