package provision

import (
	"cmp"
	"slices"

	"github.com/tgsync/tgsync/awsapi"
)

// maxPriority is the highest priority that AWS takes.
const maxPriority = 50000

// rulePlan turns the rules of a listener into the desired ones. Its lists are
// carried out in the order of the fields.
//
// At every moment in between, a request that the old rules or the new rules match
// is answered as by one of the two: what is new is created below all that stands,
// places are taken in one call, and what is old sinks below all that is wanted
// before it is deleted from the bottom up. A rule whose action alone changes is
// modified in place, but only where that cannot be seen early: if what stays has
// kept its order, and after new rules have taken their places among the old.
type rulePlan struct {
	compact  []ruleMove // makes room when priorities have run up to the limit
	create   []*awsapi.Rule
	mingle   []ruleMove // new rules in place, old rules still in theirs
	modify   []ruleChange
	settle   []ruleMove // wanted rules in place, the others below
	obsolete []*awsapi.Rule
}

// ruleMove gives a rule a new priority. The rule may be one that the plan creates.
type ruleMove struct {
	rule     *awsapi.Rule
	priority int32
}

// ruleChange gives a rule the conditions and actions of another.
type ruleChange struct{ rule, want *awsapi.Rule }

// diffRules plans how the rules that stand become the desired ones; neither may
// include the default rule. Rules are matched by what they do, in O(n log n).
//
// rewrite is for a listener that has no room for one more rule: then rules that
// stand are turned into new ones, one call each, and only what is in the way of
// nothing else is created. Requests may be answered by the wrong one of two rules
// meanwhile, but no quota is in the way.
func diffRules(standing, desired []*awsapi.Rule, rewrite bool) rulePlan {
	d := ruleDiff{standing: byPriority(standing), desired: byPriority(desired), of: map[*awsapi.Rule]*awsapi.Rule{}, taken: map[*awsapi.Rule]bool{}}
	d.pair(ruleKey)
	exact := len(d.of)
	d.pair(func(r *awsapi.Rule) string { return conditionsKey(r.Conditions) })
	if rewrite {
		d.pair(func(*awsapi.Rule) string { return "" })
	} else if len(d.of) > exact && !d.inOrder() {
		d.unpairChanged()
	}
	return d.plan()
}

func byPriority(rules []*awsapi.Rule) []*awsapi.Rule {
	return slices.SortedStableFunc(slices.Values(rules), func(a, b *awsapi.Rule) int { return cmp.Compare(a.Priority, b.Priority) })
}

// ruleDiff is the state of one diffRules.
type ruleDiff struct {
	standing, desired []*awsapi.Rule
	of                map[*awsapi.Rule]*awsapi.Rule // desired -> the standing rule that becomes it
	taken             map[*awsapi.Rule]bool         // standing rules that are in of
}

// pair gives every desired rule that has none a standing rule of the same key.
func (d *ruleDiff) pair(key func(*awsapi.Rule) string) {
	free := map[string][]*awsapi.Rule{}
	for _, r := range d.standing {
		if !d.taken[r] {
			free[key(r)] = append(free[key(r)], r)
		}
	}
	for _, want := range d.desired {
		if d.of[want] != nil {
			continue
		}
		if rules := free[key(want)]; len(rules) > 0 {
			d.of[want], d.taken[rules[0]] = rules[0], true
			free[key(want)] = rules[1:]
		}
	}
}

// inOrder reports whether the paired rules stand in the order that is desired.
func (d *ruleDiff) inOrder() bool {
	last := int32(-1)
	for _, want := range d.desired {
		if have := d.of[want]; have != nil {
			if have.Priority < last {
				return false
			}
			last = have.Priority
		}
	}
	return true
}

// unpairChanged leaves only the pairs that need no modification.
func (d *ruleDiff) unpairChanged() {
	for want, have := range d.of {
		if ruleKey(want) != ruleKey(have) {
			delete(d.of, want)
			delete(d.taken, have)
		}
	}
}

func (d *ruleDiff) plan() rulePlan {
	var p rulePlan
	for _, want := range d.desired {
		switch have := d.of[want]; {
		case have == nil:
			created := *want
			d.of[want] = &created
			p.create = append(p.create, &created)
		case ruleKey(have) != ruleKey(want):
			p.modify = append(p.modify, ruleChange{have, want})
		}
	}
	for _, r := range slices.Backward(d.standing) {
		if !d.taken[r] {
			p.obsolete = append(p.obsolete, r)
		}
	}
	if !d.inPlace() {
		d.move(&p)
	}
	return p
}

// inPlace reports whether every desired rule has its place or can be created
// there, so that nothing has to move.
func (d *ruleDiff) inPlace() bool {
	used := map[int32]*awsapi.Rule{}
	for _, r := range d.standing {
		used[r.Priority] = r
	}
	for _, want := range d.desired {
		have := d.of[want]
		if d.taken[have] && have.Priority != want.Priority || !d.taken[have] && used[want.Priority] != nil {
			return false
		}
	}
	return true
}

// move plans the priorities: of created rules below all others at first, then of
// all.
func (d *ruleDiff) move(p *rulePlan) {
	at := map[*awsapi.Rule]int32{}
	for _, r := range d.standing {
		at[r] = r.Priority
	}
	last := int32(0)
	if n := len(d.standing); n > 0 {
		last = d.standing[n-1].Priority
	}
	if int(last)+len(p.create) > maxPriority {
		p.compact = moves(at, d.standing)
		last = int32(len(d.standing)) //nolint:gosec // A listener has at most a few hundred rules.
	}
	for _, r := range p.create {
		last++
		r.Priority, at[r] = last, last
	}
	if len(p.create) > 0 && len(p.modify) > 0 {
		p.mingle = moves(at, d.merged())
	}
	p.settle = d.settled(at, p.obsolete)
}

// merged returns all rules in an order that is both the old one and the new one.
func (d *ruleDiff) merged() []*awsapi.Rule {
	all := make([]*awsapi.Rule, 0, len(d.standing)+len(d.desired))
	rest := d.standing
	for _, want := range d.desired {
		have := d.of[want]
		for d.taken[have] && len(rest) > 0 {
			r := rest[0]
			rest = rest[1:]
			if !d.taken[r] {
				all = append(all, r)
			}
			if r == have {
				break
			}
		}
		all = append(all, have)
	}
	for _, r := range rest {
		if !d.taken[r] {
			all = append(all, r)
		}
	}
	return all
}

// settled moves the desired rules to their places, and the obsolete ones (given
// from the bottom up) below them.
func (d *ruleDiff) settled(at map[*awsapi.Rule]int32, obsolete []*awsapi.Rule) []ruleMove {
	var out []ruleMove
	below := int32(0)
	for _, want := range d.desired {
		have := d.of[want]
		if at[have] != want.Priority {
			out = append(out, ruleMove{have, want.Priority})
		}
		below = max(below, want.Priority)
	}
	for _, r := range slices.Backward(obsolete) {
		below++
		if at[r] != below {
			out = append(out, ruleMove{r, below})
		}
	}
	return out
}

// moves numbers rules from 1 in the order given, in at too, and returns those
// whose number that changes.
func moves(at map[*awsapi.Rule]int32, order []*awsapi.Rule) []ruleMove {
	var out []ruleMove
	for i, r := range order {
		priority := int32(i + 1)
		if at[r] != priority {
			out = append(out, ruleMove{r, priority})
			at[r] = priority
		}
	}
	return out
}
