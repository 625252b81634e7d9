package metrics

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// targetsView is what the template gets.
type targetsView struct {
	Page
	Filter filter
	Total  int          // groups, before the filter
	Counts []stateCount // the same by state
	Groups []groupView  // those that are shown
	Scarce []Bucket     // buckets that somebody waits for
}

// stateCount is how many are in a state.
type stateCount struct {
	State string
	N     int
}

// groupView is a group as it is shown.
type groupView struct {
	TargetGroup
	at      time.Time
	Pending []Action
	Health  []stateCount // targets, the most first
	Reasons []stateCount // parked targets
	Lists   []targetList
}

// targetList is the targets in one state.
type targetList struct {
	State   string
	Targets []string
	More    int // that are not shown
}

func viewOf(p Page, f filter) targetsView {
	v := targetsView{Page: p, Filter: f, Total: len(p.Groups)}
	counts := map[string]int{}
	for i := range p.Groups {
		counts[p.Groups[i].State]++
	}
	for _, state := range p.States {
		v.Counts = append(v.Counts, stateCount{state, counts[state]})
	}
	for _, b := range p.Buckets {
		if b.Waiting > 0 && b.Class == "" {
			v.Scarce = append(v.Scarce, b)
		}
	}
	groups := f.choose(p.Groups)
	for i := range groups {
		v.Groups = append(v.Groups, groupViewOf(groups[i], p.At, maxAddresses/len(groups)))
	}
	return v
}

// groupViewOf returns a group with at most so many targets listed.
func groupViewOf(g TargetGroup, at time.Time, most int) groupView {
	v := groupView{TargetGroup: g, at: at}
	for _, a := range g.Actions {
		if !a.Changed.IsZero() {
			v.Pending = append(v.Pending, a)
		}
	}
	reasons := map[string]int{}
	for _, p := range g.Parked {
		reasons[p.Reason] += p.Targets
	}
	v.Health, v.Reasons, v.Lists = countsOf(g.Health), countsOf(reasons), listsOf(g.Targets, most)
	return v
}

// countsOf returns counts with the most first.
func countsOf(by map[string]int) []stateCount {
	var counts []stateCount
	for _, state := range slices.Sorted(maps.Keys(by)) {
		counts = append(counts, stateCount{state, by[state]})
	}
	slices.SortStableFunc(counts, func(a, b stateCount) int { return b.N - a.N })
	return counts
}

// listsOf returns at most so many targets, by state.
func listsOf(targets []Target, most int) []targetList {
	by := map[string]*targetList{}
	for _, t := range targets {
		l := by[t.State]
		if l == nil {
			l = &targetList{State: t.State}
			by[t.State] = l
		}
		if most > 0 {
			l.Targets = append(l.Targets, t.String())
			most--
		} else {
			l.More++
		}
	}
	var lists []targetList
	for _, state := range slices.Sorted(maps.Keys(by)) {
		lists = append(lists, *by[state])
	}
	return lists
}

// String is the target with its pod, and what Kubernetes says if it is not wanted.
func (t Target) String() string {
	text := t.Address
	if t.Pod != "" {
		text += " " + t.Pod
	}
	if !t.Wanted {
		text += " (" + cmp.Or(t.Endpoint, "no endpoint") + ")"
	}
	return text
}

// Next returns what is done next, or nil.
func (g groupView) Next() *Action {
	if len(g.Actions) == 0 {
		return nil
	}
	return &g.Actions[0]
}

// Say says what an action waits for.
func (g groupView) Say(a Action) string {
	switch a.WaitsFor {
	case "run":
		return "call under way"
	case "token":
		if a.Ready.Equal(a.Changed) {
			return "waits for a token"
		}
		return "waits for a token since " + g.For(a.Ready)
	case "gap":
		return "gap between calls, over " + g.Ago(a.Until)
	case "pause":
		return "pause, over " + g.Ago(a.Until)
	case "backoff":
		return "back-off, over " + g.Ago(a.Until)
	default:
		return g.Ago(a.Until)
	}
}

// For says for how long something has been so.
func (g groupView) For(since time.Time) string { return short(max(0, g.at.Sub(since))) }

// Ago says how long before the page's time something was, or how long after it.
func (g groupView) Ago(t time.Time) string { return ago(g.at, t) }

// Ago is the same for what belongs to no group.
func (v targetsView) Ago(t time.Time) string { return ago(v.At, t) }

func ago(at, t time.Time) string {
	if t.After(at) {
		return "in " + short(t.Sub(at))
	}
	return short(at.Sub(t)) + " ago"
}

// short is a duration as people say it: in one unit, or two if it is minutes or more. A number
// stays on the line of its unit.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f\u00a0s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d\u00a0s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d\u00a0min %d\u00a0s", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%d\u00a0h %d\u00a0min", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d\u00a0d %d\u00a0h", d/day, d%day/time.Hour)
	}
}

// count is a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
