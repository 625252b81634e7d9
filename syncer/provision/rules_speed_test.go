package provision

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
)

// lenient takes every order of rules and asks nothing, so that what is measured is ours.
type lenient struct {
	ELB
	calls int
}

func (l *lenient) SetRulePriorities(context.Context, []awsapi.RulePriority) error {
	l.calls++
	return nil
}

// reversal turns the rules of a listener upside down, each time again.
type reversal struct {
	elb    lenient
	x      *executor
	l      *listener
	orders [2][]*awsapi.Rule
	turns  int
}

func newReversal(n int) *reversal {
	r := &reversal{l: &listener{Listener: awsapi.Listener{Port: 80}}}
	r.x = &executor{elb: &r.elb, stack: &stack{}, log: slog.New(slog.DiscardHandler)}
	for i := range n {
		path := fmt.Sprintf("/some/path/of/a/service/%d", i)
		group := fmt.Sprintf("arn:aws:elasticloadbalancing:ap-northeast-3:123456789012:targetgroup/k8s-%d/0123456789abcdef", i)
		standing := aRule(int32(i+1), group, path, path+"/*")
		standing.ARN = path
		r.l.rules = append(r.l.rules, standing)
		r.orders[0] = append(r.orders[0], aRule(int32(n-i), group, path, path+"/*"))
		r.orders[1] = append(r.orders[1], aRule(int32(i+1), group, path, path+"/*"))
	}
	return r
}

func (r *reversal) turn(tb testing.TB) {
	tb.Helper()
	if err := r.x.routeListener(tb.Context(), r.l, r.orders[r.turns%2], true); err != nil {
		tb.Fatal(err)
	}
	r.turns++
}

// What a reversed order costs grows as the number of rules, not as its square: five
// times the rules need five times the memory, and each way to compare two rules takes
// some. It is one call of AWS.
func TestReversedRulesCostInProportion(t *testing.T) {
	allocations := map[int]float64{}
	for _, n := range []int{100, 500} {
		r := newReversal(n)
		allocations[n] = testing.AllocsPerRun(4, func() { r.turn(t) })
		require.Equal(t, r.turns, r.elb.calls)
		require.True(t, slices.IsSortedFunc(r.l.rules, func(a, b *awsapi.Rule) int { return int(b.Priority - a.Priority) }), "reversed in the end")
	}
	require.LessOrEqual(t, allocations[500], 5.5*allocations[100])
}

// BenchmarkReversedRules reverses the order of all rules of a listener. The AWS Load
// Balancer Controller, which compares each pair of rules, was measured to take 1.9 s for
// 100 rules, 8.8 s for 200, and 60 s for 500.
func BenchmarkReversedRules(b *testing.B) {
	for _, n := range []int{100, 200, 500} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r := newReversal(n)
			b.ReportAllocs()
			for b.Loop() {
				r.turn(b)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/rule")
		})
	}
}
