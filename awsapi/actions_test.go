package awsapi

import (
	"encoding/json"
	"maps"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every method is exercised by everyCall, each calls the action it is named
// after, and the table of buckets holds those actions and no others.
func TestActionsAreThoseOfTheMethods(t *testing.T) {
	var methods []string
	for _, client := range []reflect.Type{reflect.TypeFor[*ELB](), reflect.TypeFor[*EC2](), reflect.TypeFor[*ACM]()} {
		for method := range client.Methods() {
			methods = append(methods, method.Name)
		}
	}
	require.ElementsMatch(t, methods, slices.Collect(maps.Keys(everyCall)))

	var called []string
	for name, call := range everyCall {
		s := &sightings{}
		w := &wire{}
		require.NoError(t, call.do(t.Context(), clients(t, Options{HTTPClient: w, Observer: s})), name)
		service, operation, _ := strings.Cut(call.action, ":")
		require.Equal(t, []string{service + " " + operation + " OK"}, s.requests, name)
		require.Equal(t, operation, w.forms[0].Get("Action"), name)
		called = append(called, call.action)
	}
	slices.Sort(called)
	require.Equal(t, slices.Sorted(maps.Keys(actions)), slices.Compact(called))
}

func TestActionsAreSorted(t *testing.T) {
	all := Actions()
	require.True(t, slices.IsSorted(all))
	require.Len(t, all, len(actions))
	require.Contains(t, all, "ec2:CreateTags")
	require.Contains(t, all, "elasticloadbalancing:CreateRule")
}

// beyondCalls are permissions that the policy grants although no call of this
// package is named so: CreateLoadBalancer looks at the network with the caller's
// rights, and AWS creates its service-linked role with the first load balancer of
// an account.
var beyondCalls = []string{
	"ec2:DescribeAccountAttributes",
	"ec2:DescribeAddresses",
	"ec2:DescribeInternetGateways",
	"ec2:DescribeVpcs",
	"ec2:GetSecurityGroupsForVpc",
	"iam:CreateServiceLinkedRole",
}

// The shipped policy allows what the daemon calls, and no more.
func TestPolicyAllowsExactlyTheActions(t *testing.T) {
	text, err := os.ReadFile("../deploy/iam/policy.json")
	require.NoError(t, err)
	allowed := policyActions(t, text)
	for _, action := range Actions() {
		require.True(t, slices.ContainsFunc(allowed, func(pattern string) bool {
			ok, err := path.Match(pattern, action)
			return err == nil && ok
		}), "the policy does not allow %s", action)
	}
	for _, pattern := range allowed {
		require.True(t, slices.ContainsFunc(append(Actions(), beyondCalls...), func(action string) bool {
			ok, err := path.Match(pattern, action)
			return err == nil && ok
		}), "the policy allows %s, which is never called", pattern)
	}
}

// policyActions returns the actions of the Allow statements. IAM takes one string
// or a list.
func policyActions(t *testing.T, text []byte) []string {
	t.Helper()
	var policy struct {
		Statement []struct {
			Effect string
			Action any
		}
	}
	require.NoError(t, json.Unmarshal(text, &policy))
	var all []string
	for _, s := range policy.Statement {
		if s.Effect != "Allow" {
			continue
		}
		switch action := s.Action.(type) {
		case string:
			all = append(all, action)
		case []any:
			for _, one := range action {
				all = append(all, one.(string))
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}
