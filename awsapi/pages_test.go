package awsapi

import (
	"fmt"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every page is asked for, and each is a request of its own with its own tokens.
func TestPages(t *testing.T) {
	lists := map[string]string{
		"DescribeLoadBalancers": "LoadBalancers", "DescribeListeners": "Listeners",
		"DescribeRules": "Rules", "DescribeTargetGroups": "TargetGroups",
	}
	w := &wire{answer: func(form url.Values, _ int) (int, string) {
		page, _ := strconv.Atoi(form.Get("Marker"))
		list, next := lists[form.Get("Action")], ""
		if page < 2 {
			next = fmt.Sprintf("<NextMarker>%d</NextMarker>", page+1)
		}
		return 200, result(form.Get("Action"), "<"+list+"><member><Priority>1</Priority></member></"+list+">"+next)
	}}
	s := &sightings{}
	c := clients(t, Options{HTTPClient: w, Observer: s})

	balancers, err := c.ELB.DescribeLoadBalancers(t.Context())
	require.NoError(t, err)
	require.Len(t, balancers, 3)
	listeners, err := c.ELB.DescribeListeners(t.Context(), "arn:lb")
	require.NoError(t, err)
	require.Len(t, listeners, 3)
	rules, err := c.ELB.DescribeRules(t.Context(), "arn:listener")
	require.NoError(t, err)
	require.Len(t, rules, 3)
	groups, err := c.ELB.DescribeTargetGroups(t.Context())
	require.NoError(t, err)
	require.Len(t, groups, 3)

	require.Equal(t, map[string]int{"elb-account": 12, "elb-non-mutating": 12}, s.tokens)
	for _, form := range w.forms {
		require.Equal(t, "400", form.Get("PageSize"))
	}
}

// AWS takes 20 resources in one of the calls for tags.
func TestTagsInBatches(t *testing.T) {
	w := &wire{}
	c := clients(t, Options{HTTPClient: w})
	arns := make([]string, 41)
	for i := range arns {
		arns[i] = fmt.Sprintf("arn:%d", i)
	}
	_, err := c.ELB.DescribeTags(t.Context(), arns)
	require.NoError(t, err)
	require.NoError(t, c.ELB.AddTags(t.Context(), arns, Tags{"k": "v"}))
	require.NoError(t, c.ELB.RemoveTags(t.Context(), arns, []string{"k"}))
	var sent []string
	for _, form := range w.forms {
		batch := 0
		for form.Has(fmt.Sprintf("ResourceArns.member.%d", batch+1)) {
			batch++
		}
		sent = append(sent, fmt.Sprintf("%s %d from %s", form.Get("Action"), batch, form.Get("ResourceArns.member.1")))
	}
	require.Equal(t, []string{
		"DescribeTags 20 from arn:0", "DescribeTags 20 from arn:20", "DescribeTags 1 from arn:40",
		"AddTags 20 from arn:0", "AddTags 20 from arn:20", "AddTags 1 from arn:40",
		"RemoveTags 20 from arn:0", "RemoveTags 20 from arn:20", "RemoveTags 1 from arn:40",
	}, sent)
}

// A batch that fails ends the call and names what it was about.
func TestTagsStopAtTheFirstError(t *testing.T) {
	w := &wire{answer: func(form url.Values, _ int) (int, string) { return 400, failure(form, "RuleNotFound") }}
	c := clients(t, Options{HTTPClient: w})
	arns := []string{"arn:1", "arn:2", "arn:3", "arn:4"}
	_, err := c.ELB.DescribeTags(t.Context(), arns)
	require.ErrorContains(t, err, "DescribeTags of arn:1 arn:2 arn:3 ...: ")
	require.Equal(t, NotFound, ClassOf(err))
	require.ErrorContains(t, c.ELB.AddTags(t.Context(), arns[:1], Tags{"k": "v"}), "AddTags to arn:1: ")
	require.ErrorContains(t, c.ELB.RemoveTags(t.Context(), arns[:1], []string{"k"}), "RemoveTags from arn:1: ")
}

func TestNothingToDoCostsNoCall(t *testing.T) {
	w := &wire{}
	c := clients(t, Options{HTTPClient: w})
	require.NoError(t, c.ELB.RegisterTargets(t.Context(), "arn:tg", nil, nil))
	require.NoError(t, c.ELB.DeregisterTargets(t.Context(), "arn:tg", nil))
	require.NoError(t, c.ELB.SetRulePriorities(t.Context(), nil))
	require.NoError(t, c.ELB.AddTags(t.Context(), []string{"arn:tg"}, nil))
	require.NoError(t, c.ELB.AddTags(t.Context(), nil, Tags{"k": "v"}))
	require.NoError(t, c.ELB.RemoveTags(t.Context(), []string{"arn:tg"}, nil))
	require.NoError(t, c.EC2.AuthorizeIngress(t.Context(), "sg-1", nil))
	require.NoError(t, c.EC2.RevokeIngress(t.Context(), "sg-1", nil))
	tags, err := c.ELB.DescribeTags(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, tags)
	require.Empty(t, w.forms)
}

// Answers that make no sense are errors, not zero values.
func TestAnswersThatMakeNoSense(t *testing.T) {
	for name, tc := range map[string]struct {
		method, answer, err string
	}{
		"created nothing":    {"CreateTargetGroup", "", "CreateTargetGroup tg: AWS answered with 0 of them"},
		"priority of a rule": {"DescribeRules", "<Rules><member><RuleArn>arn:1</RuleArn><Priority>top</Priority></member></Rules>", "priority of rule arn:1"},
		"an instance": {
			"DescribeTargetHealth",
			"<TargetHealthDescriptions><member><Target><Id>i-1</Id></Target></member></TargetHealthDescriptions>",
			"DescribeTargetHealth of arn:tg: target: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wire{answer: func(form url.Values, _ int) (int, string) { return 200, result(form.Get("Action"), tc.answer) }}
			err := everyCall[tc.method].do(t.Context(), clients(t, Options{HTTPClient: w}))
			require.ErrorContains(t, err, tc.err)
			require.Equal(t, Unknown, ClassOf(err))
		})
	}
}
