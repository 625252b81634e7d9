package provision

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tgsync/tgsync/awsapi"
)

// table is a listener's rules as AWS keeps them. It calls check after every
// change.
type table struct {
	ELB
	rules map[string]awsapi.Rule // by ARN
	made  int
	calls []string
	// prefix begins the ARNs of new rules.
	prefix string
	room   int // how many rules fit; 0: any number
	check  func(call string)
}

func (f *table) changed(call string) {
	f.calls = append(f.calls, call)
	if f.check != nil {
		f.check(call)
	}
}

func (f *table) used(priority int32) bool {
	for _, r := range f.rules {
		if r.Priority == priority {
			return true
		}
	}
	return false
}

func (f *table) CreateRule(_ context.Context, _ string, r awsapi.Rule) (awsapi.Rule, error) {
	switch {
	case r.Priority < 1 || r.Priority > maxPriority:
		return r, &smithy.GenericAPIError{Code: "ValidationError"}
	case f.used(r.Priority):
		return r, &smithy.GenericAPIError{Code: "PriorityInUse"}
	case f.room > 0 && len(f.rules) >= f.room:
		return r, &smithy.GenericAPIError{Code: codeTooManyRules}
	}
	f.made++
	r.ARN = f.prefix + "new-" + strconv.Itoa(f.made)
	f.rules[r.ARN] = r
	f.changed(fmt.Sprintf("create %s at %d", text(&r), r.Priority))
	return r, nil
}

func (f *table) ModifyRule(_ context.Context, r awsapi.Rule) error {
	have, ok := f.rules[r.ARN]
	if !ok {
		return &smithy.GenericAPIError{Code: "RuleNotFound"}
	}
	before := text(&have)
	have.Conditions, have.Actions = r.Conditions, r.Actions
	f.rules[r.ARN] = have
	f.changed(fmt.Sprintf("modify %s to %s", before, text(&have)))
	return nil
}

func (f *table) SetRulePriorities(_ context.Context, moves []awsapi.RulePriority) error {
	words := []string{"move"}
	for _, m := range moves {
		r := f.rules[m.ARN]
		words = append(words, fmt.Sprintf("%s:%d>%d", text(&r), r.Priority, m.Priority))
		r.Priority = m.Priority
		f.rules[m.ARN] = r
	}
	call, seen := strings.Join(words, " "), map[int32]bool{}
	for _, r := range f.rules {
		if seen[r.Priority] || r.Priority < 1 || r.Priority > maxPriority {
			return &smithy.GenericAPIError{Code: "PriorityInUse", Message: call}
		}
		seen[r.Priority] = true
	}
	f.changed(call)
	return nil
}

func (f *table) DeleteRule(_ context.Context, arn string) error {
	r := f.rules[arn]
	delete(f.rules, arn)
	f.changed("delete " + text(&r))
	return nil
}

// standing returns a listener in memory that equals the table.
func (f *table) standing() *listener {
	l := &listener{Listener: awsapi.Listener{Port: 80}}
	for _, arn := range f.order() {
		r := f.rules[arn]
		l.rules = append(l.rules, &r)
	}
	return l
}

func (f *table) order() []string {
	var arns []string
	for arn := range f.rules {
		arns = append(arns, arn)
	}
	slices.SortFunc(arns, func(a, b string) int { return cmp.Compare(f.rules[a].Priority, f.rules[b].Priority) })
	return arns
}

// answer is the action of the first rule that matches a request: a set of paths,
// any of which its conditions may ask for.
func (f *table) answer(request map[string]bool) string {
	for _, arn := range f.order() {
		for _, v := range f.rules[arn].Conditions[0].Values {
			if request[v] {
				return does(f.rules[arn].Actions[0])
			}
		}
	}
	return ""
}

// aRule forwards to one or more target groups (X or XY), or redirects to a host (>X).
func aRule(priority int32, action string, paths ...string) *awsapi.Rule {
	r := &awsapi.Rule{
		Priority:   priority,
		Conditions: []awsapi.Condition{{Field: "path-pattern", Values: paths}},
		Actions:    []awsapi.Action{{Type: actionForward}},
	}
	if host, ok := strings.CutPrefix(action, ">"); ok {
		r.Actions = []awsapi.Action{{Type: actionRedirect, Redirect: &awsapi.Redirect{Host: host}}}
		return r
	}
	if strings.Contains(action, ":") { // an ARN
		r.Actions[0].Forward = []awsapi.WeightedTargetGroup{{ARN: action, Weight: 1}}
		return r
	}
	for i, group := range strings.Split(action, "") {
		r.Actions[0].Forward = append(r.Actions[0].Forward, awsapi.WeightedTargetGroup{ARN: group, Weight: int32(i + 1)})
	}
	return r
}

// does is what aRule was told.
func does(a awsapi.Action) string {
	if a.Redirect != nil {
		return ">" + a.Redirect.Host
	}
	arns := make([]string, 0, len(a.Forward))
	for _, f := range a.Forward {
		arns = append(arns, f.ARN)
	}
	return strings.Join(arns, "")
}

func text(r *awsapi.Rule) string {
	if len(r.Conditions) == 0 {
		return "nothing"
	}
	return strings.Join(r.Conditions[0].Values, "") + "=" + does(r.Actions[0])
}

func newTable(rules []*awsapi.Rule) *table {
	f := &table{rules: map[string]awsapi.Rule{}}
	for i, r := range rules {
		had := *r
		had.ARN = "old-" + strconv.Itoa(i)
		f.rules[had.ARN] = had
	}
	return f
}

func (f *table) executor() *executor {
	return &executor{elb: f, stack: &stack{}, log: slog.New(slog.DiscardHandler)}
}

var paths = []string{"a", "b", "c", "d", "e"}

func requests() []map[string]bool {
	var all []map[string]bool
	for bits := range 1 << len(paths) {
		r := map[string]bool{}
		for i, p := range paths {
			r[p] = bits&(1<<i) != 0
		}
		all = append(all, r)
	}
	return all
}

func drawRules(t *rapid.T, label string, gaps bool) []*awsapi.Rule {
	n := rapid.IntRange(0, 6).Draw(t, label)
	priority := int32(0)
	var rules []*awsapi.Rule
	for range n {
		priority++
		if gaps {
			priority += int32(rapid.SampledFrom([]int{0, 0, 1, 3, 20000}).Draw(t, "gap"))
			priority = min(priority, maxPriority)
		}
		values := rapid.SliceOfNDistinct(rapid.SampledFrom(paths), 1, 2, rapid.ID).Draw(t, "paths")
		rules = append(rules, aRule(priority, rapid.SampledFrom([]string{"X", "Y", "XY", "YX", ">X", ">Y"}).Draw(t, "action"), values...))
		if priority == maxPriority {
			break
		}
	}
	return rules
}

// While rules change, every request is answered as before or as after, whatever
// the rules are and however they overlap.
func TestRulesChangeWithoutAHole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := newTable(drawRules(t, "standing", true)), newTable(drawRules(t, "desired", false))
		now := newTable(nil)
		maps.Copy(now.rules, before.rules)
		now.check = func(call string) {
			for _, request := range requests() {
				allowed := []string{before.answer(request), after.answer(request)}
				if got := now.answer(request); !slices.Contains(allowed, got) {
					t.Fatalf("after %q request %v gets %q, want one of %q; calls %q", call, request, got, allowed, now.calls)
				}
			}
		}
		desired := byPriority(after.standing().rules)
		x, l := now.executor(), now.standing()
		if err := x.routeListener(context.Background(), l, desired, true); err != nil || len(x.refused) > 0 {
			t.Fatalf("%v %v; calls %q", err, x.refused, now.calls)
		}
		equal(t, now, l, desired)
	})
}

// A listener that has no room still gets there.
func TestRulesChangeAtTheQuota(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		standing, desired := drawRules(t, "standing", true), drawRules(t, "desired", false)
		now := newTable(standing)
		now.room = max(len(standing), len(desired), 1)
		x, l := now.executor(), now.standing()
		if err := x.routeListener(context.Background(), l, desired, true); err != nil || len(x.refused) > 0 {
			t.Fatalf("%v %v; calls %q", err, x.refused, now.calls)
		}
		equal(t, now, l, desired)
	})
}

// equal fails unless the table and the picture of it in memory are as desired, and
// no more is to be done.
func equal(t *rapid.T, now *table, l *listener, desired []*awsapi.Rule) {
	describe := func(rules []*awsapi.Rule) (out []string) {
		for _, r := range byPriority(rules) {
			out = append(out, fmt.Sprintf("%d %s", r.Priority, ruleKey(r)))
		}
		return out
	}
	if got, want := describe(now.standing().rules), describe(desired); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q; calls %q", got, want, now.calls)
	}
	if got, want := describe(l.rules), describe(desired); !slices.Equal(got, want) {
		t.Fatalf("memory has %q, want %q; calls %q", got, want, now.calls)
	}
	if again := diffRules(l.rules, desired, false); len(again.create)+len(again.modify)+len(again.settle)+len(again.obsolete) > 0 {
		t.Fatalf("a second pass would do more: %+v", again)
	}
}

func TestRuleCalls(t *testing.T) {
	tests := map[string]struct {
		standing, desired []*awsapi.Rule
		room              int
		want              []string
	}{
		"nothing to do": {
			standing: []*awsapi.Rule{aRule(1, "X", "a", "b")},
			desired:  []*awsapi.Rule{aRule(1, "X", "b", "a")},
		},
		"first rules": {
			desired: []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")},
			want:    []string{"create a=X at 1", "create b=Y at 2"},
		},
		"one more at the end": {
			standing: []*awsapi.Rule{aRule(1, "X", "a")},
			desired:  []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")},
			want:     []string{"create b=Y at 2"},
		},
		"one more in front": {
			standing: []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")},
			desired:  []*awsapi.Rule{aRule(1, "Z", "c"), aRule(2, "X", "a"), aRule(3, "Y", "b")},
			want:     []string{"create c=Z at 3", "move c=Z:3>1 a=X:1>2 b=Y:2>3"},
		},
		"one less": {
			standing: []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")},
			desired:  []*awsapi.Rule{aRule(1, "Y", "b")},
			want:     []string{"move b=Y:2>1 a=X:1>2", "delete a=X"},
		},
		"the last one less": {
			standing: []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")},
			desired:  []*awsapi.Rule{aRule(1, "X", "a")},
			want:     []string{"delete b=Y"},
		},
		"another target group": {
			standing: []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")},
			desired:  []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Z", "b")},
			want:     []string{"modify b=Y to b=Z"},
		},
		"reordered": {
			standing: []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")},
			desired:  []*awsapi.Rule{aRule(1, "Y", "b"), aRule(2, "X", "a")},
			want:     []string{"move b=Y:2>1 a=X:1>2"},
		},
		"modified and inserted": {
			standing: []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")},
			desired:  []*awsapi.Rule{aRule(1, "Z", "c"), aRule(2, "Z", "a"), aRule(3, "Y", "b")},
			want:     []string{"create c=Z at 3", "move c=Z:3>1 a=X:1>2 b=Y:2>3", "modify a=X to a=Z"},
		},
		"no room": {
			standing: []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")},
			desired:  []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "c")},
			room:     2,
			want:     []string{"modify b=Y to c=Y"},
		},
		"no numbers left": {
			standing: []*awsapi.Rule{aRule(1, "X", "a"), aRule(maxPriority, "Y", "b")},
			desired:  []*awsapi.Rule{aRule(1, "Z", "c"), aRule(2, "Y", "b")},
			want:     []string{"move b=Y:50000>2", "create c=Z at 3", "move c=Z:3>1 a=X:1>3", "delete a=X"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now := newTable(test.standing)
			now.room = test.room
			x := now.executor()
			require.NoError(t, x.routeListener(t.Context(), now.standing(), test.desired, true))
			require.Empty(t, x.refused)
			require.Equal(t, test.want, now.calls)
		})
	}
}

// Nothing is deleted for a rule that could not be made.
func TestRulesStayWhileTheirSuccessorsAreRefused(t *testing.T) {
	now := newTable([]*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b")})
	now.room = 2
	x := now.executor()
	desired := []*awsapi.Rule{aRule(1, "X", "a"), aRule(2, "Y", "b"), aRule(3, "Z", "c")}
	require.NoError(t, x.routeListener(t.Context(), now.standing(), desired, true))
	require.Len(t, x.refused, 1)
	require.Empty(t, now.calls)

	x = now.executor()
	now.room = 0
	require.NoError(t, x.routeListener(t.Context(), now.standing(), []*awsapi.Rule{aRule(1, "X", "a")}, false))
	require.Empty(t, now.calls, "a target group is missing, so b may be what it should replace")
}
