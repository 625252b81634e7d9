package ingress

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// maxRuleValues is how many values the conditions of one rule may have together.
	// AWS's page on rules also says three per condition; its API takes five.
	maxRuleValues = 5
	// maxWildcards is how many * and ? the conditions of one rule may hold. AWS's
	// page on conditions says 5, its page on quotas 6.
	maxWildcards = 5
	// maxParts is how many rules a load balancer has room for.
	maxParts = 100
)

// splitRules splits the rules that have more conditions than AWS takes in one. Those
// that stand are left as they are.
func splitRules(rules []Rule) []Rule {
	out := make([]Rule, 0, len(rules))
	for _, r := range rules {
		if r.Standing != "" {
			out = append(out, r)
			continue
		}
		parts, _ := splitConditions(r.Conditions) // was checked when the rule was read
		for _, part := range parts {
			split := r
			split.Conditions = part
			split.Action = r.Action.clone()
			out = append(out, split)
		}
	}
	return out
}

// splitConditions returns conditions that AWS takes, and that one after the other match
// what cs match; or it says why there are none.
//
// Each condition's values are cut into pieces, and each piece of one meets each piece
// of the others. The pieces are as long as makes the fewest rules.
func splitConditions(cs []Condition) (parts [][]Condition, fault string) {
	if len(cs) > maxRuleValues {
		return nil, fmt.Sprintf("makes a rule of %d conditions, of which a load balancer takes %d", len(cs), maxRuleValues)
	}
	sizes, count := pieceSizes(cs, maxRuleValues)
	if count > maxParts {
		return nil, fmt.Sprintf("has so many conditions that it makes %d rules, and a load balancer has room for %d", count, maxParts)
	}
	for _, part := range product(cs, sizes) {
		fitting, ok := spreadWildcards(part)
		if !ok {
			return nil, fmt.Sprintf("makes a rule of more than %d wildcards, those of all conditions together", maxWildcards)
		}
		parts = append(parts, fitting...)
	}
	return parts, ""
}

// pieceSizes returns how many values of each condition go into one rule, so that they
// are at most room together, and how many rules that makes.
func pieceSizes(cs []Condition, room int) (sizes []int, count int) {
	if len(cs) == 0 {
		return nil, 1
	}
	// One value of each other condition has to fit.
	for size := 1; size <= min(room-(len(cs)-1), cs[0].size()); size++ {
		rest, others := pieceSizes(cs[1:], room-size)
		// Beyond what there is room for, more is all the same.
		if n := min((cs[0].size()+size-1)/size*others, maxParts+1); sizes == nil || n < count {
			sizes, count = append([]int{size}, rest...), n
		}
	}
	return sizes, count
}

// product cuts each condition into pieces of its size and combines them.
func product(cs []Condition, sizes []int) [][]Condition {
	parts := [][]Condition{nil}
	for i, c := range cs {
		var longer [][]Condition
		for _, part := range parts {
			for from := 0; from < c.size(); from += sizes[i] {
				longer = append(longer, append(slices.Clone(part), c.piece(from, min(from+sizes[i], c.size()))))
			}
		}
		parts = longer
	}
	return parts
}

// spreadWildcards halves the condition with the most wildcards until each rule has as
// few as AWS takes. It reports false if single values have too many.
func spreadWildcards(cs []Condition) ([][]Condition, bool) {
	total, most, at := 0, 0, -1
	for i, c := range cs {
		n := c.wildcards()
		total += n
		if c.size() > 1 && n > most {
			most, at = n, i
		}
	}
	if total <= maxWildcards {
		return [][]Condition{cs}, true
	}
	if at < 0 {
		return nil, false
	}
	var parts [][]Condition
	half := (cs[at].size() + 1) / 2
	for _, piece := range []Condition{cs[at].piece(0, half), cs[at].piece(half, cs[at].size())} {
		part := slices.Clone(cs)
		part[at] = piece
		fitting, ok := spreadWildcards(part)
		if !ok {
			return nil, false
		}
		parts = append(parts, fitting...)
	}
	return parts, true
}

// size counts the values.
func (c Condition) size() int { return len(c.Values) + len(c.Queries) }

// piece is the condition with some of its values. It is a copy.
func (c Condition) piece(from, to int) Condition {
	if c.Queries != nil {
		c.Queries = slices.Clone(c.Queries[from:to])
	} else {
		c.Values = slices.Clone(c.Values[from:to])
	}
	return c
}

// wildcards counts those that AWS counts.
func (c Condition) wildcards() int {
	n := 0
	for _, v := range c.Values {
		n += countWildcards(v)
	}
	for _, q := range c.Queries {
		n += countWildcards(q.Key) + countWildcards(q.Value)
	}
	return n
}

func countWildcards(s string) int { return strings.Count(s, "*") + strings.Count(s, "?") }

// clone copies: no two rules share an action.
func (a Action) clone() Action {
	a.Forward = slices.Clone(a.Forward)
	if a.Redirect != nil {
		a.Redirect = new(*a.Redirect)
	}
	if a.FixedResponse != nil {
		a.FixedResponse = new(*a.FixedResponse)
	}
	return a
}
