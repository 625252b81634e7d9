package provision

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

const (
	// turnsAtOnce is how many replacements are looked at in one pass: each costs two
	// reads, of two a second that provisioning is sure of.
	turnsAtOnce = 8
	// uncheckedAfter is how long the targets of a group may be unused after the group
	// was attached without weight. Changes of rules take seconds to arrive.
	uncheckedAfter = 15 * time.Second
	// deregistrationDelay is AWS's default: how long a target may go on with what it
	// has begun.
	deregistrationDelay          = 300 * time.Second
	attributeDeregistrationDelay = "deregistration_delay.timeout_seconds"

	// parkedHost ends the host name of a parking rule. No request has such a name: the
	// top-level domain is reserved for that (RFC 2606).
	parkedHost = ".parked.tgsync.invalid"
)

// turn is a target group that takes the place of another. While it is in stack.turns
// requests go to the old one.
type turn struct {
	id       string
	old, new *awsapi.TargetGroup
	park     bool // without weight it would not be checked
}

func (t *turn) String() string {
	return fmt.Sprintf("target group %s is to be as healthy as %s", t.new.Name, t.old.Name)
}

// waiting is the new group's share in an action of the old one.
func (t *turn) waiting() []awsapi.WeightedTargetGroup {
	if t.park {
		return nil
	}
	return []awsapi.WeightedTargetGroup{{ARN: t.new.ARN}}
}

// timers is what is remembered of a group's replacements between passes. Losing it
// makes them take longer.
type timers struct {
	since   map[string]time.Time // when something was first waited for, by what it is
	looked  map[string]time.Time // when a replacement was looked at last, by the new group's ARN
	touched map[string]bool      // what this pass has asked for
	park    bool                 // AWS does not check groups without weight
}

func newTimers() *timers {
	return &timers{since: map[string]time.Time{}, looked: map[string]time.Time{}, touched: map[string]bool{}}
}

// waited returns since when something has been waited for, this moment if it is new.
func (t *timers) waited(what string) time.Time {
	if t.since[what].IsZero() {
		t.since[what] = time.Now()
	}
	t.touched[what] = true
	return t.since[what]
}

// sweep forgets what a pass that came to its end did not ask for.
func (t *timers) sweep() {
	forget := func(what string, _ time.Time) bool { return !t.touched[what] }
	maps.DeleteFunc(t.since, forget)
	maps.DeleteFunc(t.looked, forget)
	clear(t.touched)
}

// findTurns finds which target groups replace one that requests still go to, and
// leaves those in the stack whose time has not come.
func (x *executor) findTurns(ctx context.Context, m *ingress.Model) error {
	x.stack.turns = map[string]*turn{}
	if x.replaceTimeout <= 0 {
		return nil // nobody waits
	}
	turns := x.stack.replacements(m)
	// Who has waited longest for a look comes first.
	slices.SortStableFunc(turns, func(a, b *turn) int {
		return x.timers.looked[a.new.ARN].Compare(x.timers.looked[b.new.ARN])
	})
	uses := x.stack.uses()
	for i, t := range turns {
		t.park, x.timers.touched[t.new.ARN] = x.timers.park, true
		if i >= turnsAtOnce {
			x.stack.turns[t.id] = t
			continue
		}
		x.timers.looked[t.new.ARN] = time.Now()
		ready, err := x.isReady(ctx, t, uses[t.new.ARN])
		if isRefusal(err) { // time alone tells, and rules of others do not wait for it
			x.refused = append(x.refused, resourceError{t.id, err})
			ready, err = uses[t.new.ARN].balancer != nil && time.Since(x.timers.waited(t.new.ARN)) >= x.replaceTimeout, nil
		}
		if err != nil {
			return err
		}
		if !ready {
			x.stack.turns[t.id] = t
		}
	}
	return nil
}

// replacements are the target groups of the model that stand beside one of the same
// ID which has the requests.
func (st *stack) replacements(m *ingress.Model) []*turn {
	byID := map[string][]*awsapi.TargetGroup{}
	for _, name := range sortedNames(st.targetGroups) {
		g := st.targetGroups[name]
		byID[g.Tags[ingress.TagResource]] = append(byID[g.Tags[ingress.TagResource]], g)
	}
	var turns []*turn
	var uses map[string]use
	for _, id := range slices.Sorted(maps.Keys(m.TargetGroups)) {
		want := m.TargetGroups[id]
		if len(byID[id]) < 2 || want.Kept {
			continue
		}
		if uses == nil {
			uses = st.uses()
		}
		next := st.group(want)
		for _, g := range byID[id] {
			u := uses[g.ARN]
			if next != nil && g != next && u.weight && u.balancer.Scheme == m.LoadBalancer.Scheme {
				turns = append(turns, &turn{id: id, old: g, new: next})
				break
			}
		}
	}
	return turns
}

// isReady reports whether requests may go to the new group of a turn.
func (x *executor) isReady(ctx context.Context, t *turn, use use) (bool, error) {
	before, err := x.census(ctx, t.old.ARN)
	if err != nil {
		return false, err
	}
	if before.serving == 0 {
		return true, nil // nobody answers today
	}
	now, err := x.census(ctx, t.new.ARN)
	if err != nil {
		return false, err
	}
	if now.canReplace(before) {
		return true, nil
	}
	if use.balancer == nil {
		return false, nil // its time begins when it is checked
	}
	since := x.timers.waited(t.new.ARN)
	if now.serving > 0 && now.unused == now.serving && before.unused < before.serving && time.Since(since) >= uncheckedAfter {
		x.timers.park, t.park = true, true
	}
	if time.Since(since) < x.replaceTimeout {
		return false, nil
	}
	x.announceTo(t.id, reasonUnhealthy, fmt.Sprintf("target group %s of %s has %d healthy targets after %v, and the one that it replaces %d: "+
		"requests go to it all the same", t.new.Name, t.id, now.healthy, x.replaceTimeout, before.healthy))
	return true, nil
}

// census is how the targets of a group are.
type census struct {
	healthy int
	serving int // those that are not draining
	unused  int // those that nobody checks
}

func (x *executor) census(ctx context.Context, arn string) (census, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	all, err := x.elb.DescribeTargetHealth(ctx, arn)
	if err != nil {
		return census{}, err
	}
	var c census
	for _, h := range all {
		if h.State == awsapi.StateDraining {
			continue
		}
		c.serving++
		switch h.State {
		case awsapi.StateHealthy:
			c.healthy++
		case awsapi.StateUnused:
			c.unused++
		}
	}
	return c, nil
}

// canReplace reports whether as many targets are healthy as where requests go today.
// Where none is, the load balancer asks all of them, and one that is healthy is
// better.
func (c census) canReplace(old census) bool {
	return c.healthy >= old.healthy && (c.healthy > 0 || old.serving == 0)
}

// giveUp is for when no target group that waits could be attached, because there is
// no room: the first takes its place without a proof. It reports whether there was
// one.
func (x *executor) giveUp() bool {
	uses := x.stack.uses()
	for _, t := range x.stack.turns {
		if !x.crowded || uses[t.new.ARN].balancer != nil {
			return false // as soon as that one has turned, there is room
		}
	}
	for _, id := range slices.Sorted(maps.Keys(x.stack.turns)) {
		t := x.stack.turns[id]
		delete(x.stack.turns, id)
		x.announceTo(id, reasonInPlace, fmt.Sprintf("there is no room for target group %s beside %s, which it replaces: "+
			"requests fail until its targets are healthy", t.new.Name, t.old.Name))
		return true
	}
	return false
}

// attach carries out a step that only attaches a target group which waits. If there
// is no room for it, that is no failure.
func (x *executor) attach(ctx context.Context, s step) error {
	if x.crowded {
		return nil
	}
	refused := len(x.refused)
	err := x.run(ctx, []step{s})
	x.forgive(refused)
	return err
}

// forgive takes back that there was no room while target groups wait.
func (x *executor) forgive(from int) {
	if len(x.stack.turns) == 0 {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(x.refused[from:]), noRoom)
	x.crowded = x.crowded || len(kept) < len(x.refused)-from
	x.refused = append(x.refused[:from], kept...)
}

// attaches reports whether a change gives no request another target group.
func (c ruleChange) attaches() bool {
	return c.rule != nil && len(c.want.Actions) == 1 && len(c.want.Actions[0].Forward) > 1 &&
		conditionsKey(c.rule.Conditions) == conditionsKey(c.want.Conditions) &&
		actionsKey(withWeight(c.rule.Actions)) == actionsKey(withWeight(c.want.Actions))
}

// withWeight are actions without the target groups that get no requests.
func withWeight(actions []awsapi.Action) []awsapi.Action {
	out := slices.Clone(actions)
	for i, a := range out {
		if len(a.Forward) > 1 {
			out[i].Forward = slices.DeleteFunc(slices.Clone(a.Forward), func(f awsapi.WeightedTargetGroup) bool { return f.Weight == 0 })
		}
	}
	return out
}

// parking returns the rules that attach the groups which wait and have no share in
// any action: behind all others, for a host that nobody asks for.
func (st *stack) parking(m *ingress.Model, attached map[string]bool, behind int32) []*awsapi.Rule {
	var rules []*awsapi.Rule
	for _, id := range slices.Sorted(maps.Keys(st.turns)) {
		t := st.turns[id]
		if attached[t.new.ARN] {
			continue
		}
		behind++
		tags := maps.Clone(m.LoadBalancer.Tags)
		tags[ingress.TagResource] = "parking/" + t.new.Name
		rules = append(rules, &awsapi.Rule{
			Priority: behind, Tags: tags,
			Conditions: []awsapi.Condition{{Field: fieldHost, Values: []string{t.new.Name + parkedHost}}},
			Actions: []awsapi.Action{{
				Type: actionForward, Forward: []awsapi.WeightedTargetGroup{{ARN: t.new.ARN, Weight: 1}},
			}},
		})
	}
	return rules
}

const fieldHost = "host-header"

func isParking(r *awsapi.Rule) bool {
	return len(r.Conditions) == 1 && r.Conditions[0].Field == fieldHost && len(r.Conditions[0].Values) == 1 &&
		strings.HasSuffix(r.Conditions[0].Values[0], parkedHost)
}

// settled leaves out target groups that may still answer what they were asked before
// requests went elsewhere.
func (x *executor) settled(m *ingress.Model, steps []step) []step {
	return slices.DeleteFunc(steps, func(s step) bool {
		d, ok := s.(deleteTargetGroup)
		if !ok {
			return false
		}
		want := m.TargetGroups[d.group.Tags[ingress.TagResource]]
		if want == nil || x.replaceTimeout <= 0 || slices.Contains(x.finished, d.group.ARN) {
			return false // nothing takes its place, or nobody has asked it for a long time
		}
		end := x.timers.waited("idle " + d.group.ARN).Add(drain(x.stack.attributes[d.group.ARN], want.Attributes))
		if time.Now().Before(end) {
			x.wakeAt(end)
			return true
		}
		return false
	})
}

// drain is the deregistration delay of a target group: as AWS has told it, or else as
// is asked of its successor.
func drain(have, want map[string]string) time.Duration {
	said := cmp.Or(have[attributeDeregistrationDelay], want[attributeDeregistrationDelay], "x")
	d, err := time.ParseDuration(said + "s")
	if err != nil || d < 0 {
		return deregistrationDelay
	}
	return d
}
