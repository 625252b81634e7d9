package provision

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// tables are the rules of a load balancer's listeners, by the listener's ARN, which is
// also what their rules' ARNs begin with.
type tables struct {
	ELB
	byListener map[string]*table
	room       int // for the rules of all listeners; 0: any number
	denied     bool
}

func (f *tables) of(arn string) *table {
	listener, _, _ := strings.Cut(arn, "/")
	return f.byListener[listener]
}

func (f *tables) CreateRule(ctx context.Context, listener string, r awsapi.Rule) (awsapi.Rule, error) {
	n := 0
	for _, t := range f.byListener {
		n += len(t.rules)
	}
	if f.room > 0 && n >= f.room {
		return r, &smithy.GenericAPIError{Code: codeTooManyRules}
	}
	return f.of(listener).CreateRule(ctx, listener, r)
}

func (f *tables) ModifyRule(ctx context.Context, r awsapi.Rule) error {
	return f.of(r.ARN).ModifyRule(ctx, r)
}

func (f *tables) SetRulePriorities(ctx context.Context, moves []awsapi.RulePriority) error {
	if f.denied {
		return &smithy.GenericAPIError{Code: "AccessDenied"}
	}
	return f.of(moves[0].ARN).SetRulePriorities(ctx, moves)
}

func (f *tables) DeleteRule(ctx context.Context, arn string) error {
	return f.of(arn).DeleteRule(ctx, arn)
}

// ports are those of the listeners below.
var ports = []int32{80, 443}

func listenerARN(port int32) string { return "l" + strconv.Itoa(int(port)) }

// balanced returns a load balancer in memory that equals the tables.
func (f *tables) balanced() *balancer {
	b := &balancer{LoadBalancer: awsapi.LoadBalancer{Scheme: "internal"}, listeners: map[int32]*listener{}}
	for _, port := range ports {
		l := f.byListener[listenerARN(port)].standing()
		l.ARN, l.Port = listenerARN(port), port
		b.listeners[port] = l
	}
	return b
}

// drawTables returns the tables of a load balancer, and what is wanted of it: rules of
// any kind, some of them as they stand.
func drawTables(t *rapid.T) (*tables, *ingress.Model) {
	f := &tables{byListener: map[string]*table{}}
	m := &ingress.Model{LoadBalancer: &ingress.LoadBalancer{Scheme: "internal"}}
	for _, port := range ports {
		name := listenerARN(port)
		now := newTable(nil)
		now.prefix = name + "/"
		for i, r := range drawRules(t, "standing "+name, true) {
			r.ARN = fmt.Sprintf("%s/old-%d", name, i)
			now.rules[r.ARN] = *r
		}
		f.byListener[name] = now
		want := ingress.Listener{Port: port}
		kept := rapid.Permutation(now.order()).Draw(t, "kept "+name)
		for i, r := range drawRules(t, "desired "+name, false) {
			rule := ingress.Rule{Priority: r.Priority, Action: wanted(r.Actions[0]), Conditions: []ingress.Condition{
				{Field: r.Conditions[0].Field, Values: r.Conditions[0].Values},
			}}
			if i < len(kept) && rapid.Bool().Draw(t, "keep") {
				rule.Standing = kept[i]
			}
			want.Rules = append(want.Rules, rule)
		}
		m.LoadBalancer.Listeners = append(m.LoadBalancer.Listeners, want)
	}
	return f, m
}

// wanted is an action in the words of a model.
func wanted(a awsapi.Action) (out ingress.Action) {
	if a.Redirect != nil {
		out.Redirect = new(ingress.Redirect(*a.Redirect))
	}
	for _, f := range a.Forward {
		out.Forward = append(out.Forward, ingress.Share{ARN: f.ARN, Weight: f.Weight})
	}
	return out
}

// desiredOf are the rules that a listener is to have.
func desiredOf(t *rapid.T, m *ingress.Model, st *stack, i int) []*awsapi.Rule {
	want := m.LoadBalancer.Listeners[i]
	desired, err := desiredRules(m, want, st, st.balancers[0].listeners[want.Port])
	if err != nil {
		t.Fatal(err)
	}
	return desired
}

// While rules of several listeners change, every request is answered as before or as
// after, whether rules forward, share, redirect or are kept as they stand. At the quota,
// which is that of all of them, everything gets there in the end.
func TestListenersChangeWithoutAHole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, m := drawTables(t)
		st := &stack{balancers: []*balancer{f.balanced()}}
		atQuota := rapid.Bool().Draw(t, "at the quota")
		standing, desired := 0, 0
		for i, port := range ports {
			now := f.byListener[listenerARN(port)]
			before, after := newTable(now.standing().rules), newTable(desiredOf(t, m, st, i))
			standing, desired = standing+len(before.rules), desired+len(after.rules)
			now.check = func(call string) {
				for _, request := range requests() {
					allowed := []string{before.answer(request), after.answer(request)}
					if got := now.answer(request); !atQuota && !slices.Contains(allowed, got) {
						t.Fatalf("after %q request %v gets %q, want one of %q; calls %q", call, request, got, allowed, now.calls)
					}
				}
			}
		}
		if atQuota {
			f.room = max(standing, desired, 1)
		}
		x := &executor{elb: f, stack: st, log: slog.New(slog.DiscardHandler)}
		want := [][]*awsapi.Rule{desiredOf(t, m, st, 0), desiredOf(t, m, st, 1)}
		if err := x.route(context.Background(), m); err != nil || len(x.refused) > 0 {
			t.Fatal(err, x.refused)
		}
		for i, port := range ports {
			equal(t, f.byListener[listenerARN(port)], st.balancers[0].listeners[port], want[i])
		}
	})
}

// Who may not move rules still gets new ones: those behind all others are where they
// belong, and the others answer what no other rule does.
func TestPrioritiesMayNotBeSet(t *testing.T) {
	f := &tables{byListener: map[string]*table{}, denied: true}
	m := &ingress.Model{LoadBalancer: &ingress.LoadBalancer{Scheme: "internal"}}
	for _, port := range ports {
		name := listenerARN(port)
		f.byListener[name] = newTable(nil)
		f.byListener[name].prefix = name + "/"
		standing := *aRule(1, "X", "a")
		standing.ARN = name + "/old"
		f.byListener[name].rules[standing.ARN] = standing
		l := ingress.Listener{Port: port}
		for i, r := range []*awsapi.Rule{aRule(1, "Y", "b"), aRule(2, "Z", "a"), aRule(3, "X", "c")} {
			l.Rules = append(l.Rules, ingress.Rule{
				Priority: int32(i + 1), Action: wanted(r.Actions[0]), Conditions: []ingress.Condition{{Field: "path-pattern", Values: r.Conditions[0].Values}},
			})
		}
		m.LoadBalancer.Listeners = append(m.LoadBalancer.Listeners, l)
	}
	st := &stack{balancers: []*balancer{f.balanced()}}
	for range 2 {
		x := &executor{elb: f, stack: st, log: slog.New(slog.DiscardHandler)}
		require.NoError(t, x.route(t.Context(), m))
		require.Len(t, x.refused, 2, "each listener's owner hears of it")
		require.Equal(t, awsapi.Denied, awsapi.ClassOf(x.refused[0]))
		for _, now := range f.byListener {
			require.Equal(t, []string{"create b=Y at 2", "create c=X at 3"}, now.calls[:2])
		}
	}
}

// A listener that is full is brought to as many rules of which half are others.
func TestHalfOfAFullListenerIsReplaced(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.service("demo0", "echo1")
		paths := func(from, to int) (rule networkingv1.IngressRule) {
			rule = rulesTo()
			for i := from; i < to; i++ {
				path := rulesTo("echo0").HTTP.Paths[0]
				path.Path = fmt.Sprintf("/%03d", i)
				rule.HTTP.Paths = append(rule.HTTP.Paths, path)
			}
			return rule
		}
		shared := map[string]string{"group.name": "shop"}
		w.ingress("demo0", "full", shared)
		set := func(from, to int) {
			w.update("demo0", "full", func(ing *networkingv1.Ingress) { ing.Spec.Rules = []networkingv1.IngressRule{paths(from, to)} })
		}
		set(0, 100)
		w.start()
		w.settle()
		require.Equal(t, 101, kinds(w.account())["rule"])
		w.said()
		set(50, 150)
		w.settle()
		account := strings.Join(w.account(), "\n")
		require.Equal(t, 101, kinds(w.account())["rule"])
		require.NotContains(t, account, "/049")
		require.Contains(t, account, "/149")
		require.NotContains(t, strings.Join(w.said(), "\n"), "Failed")

		w.ingress("demo0", "one-too-many", shared, "echo1")
		w.settle()
		said := w.said()
		require.Empty(t, saidTo(said, "demo0/full"), "it is none of its business")
		require.Contains(t, strings.Join(saidTo(said, "demo0/one-too-many"), "\n"), "TooManyRules")
		require.Equal(t, 101, kinds(w.account())["rule"])
	})
}
