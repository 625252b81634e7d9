package ingress

import (
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// request is what a load balancer looks at.
type request struct {
	host, path, method string
	header             string // the value of X-Who
	query              QueryValue
	source             netip.Addr
}

// matches says whether all conditions hold. Patterns have no slash between wildcards
// here, so that path.Match reads them as a load balancer does.
func (r request) matches(cs []Condition) bool {
	for _, c := range cs {
		if !r.match(c) {
			return false
		}
	}
	return true
}

func (r request) match(c Condition) bool {
	glob := func(s string) func(string) bool {
		return func(pattern string) bool {
			ok, _ := path.Match(strings.ReplaceAll(pattern, "/", "|"), strings.ReplaceAll(s, "/", "|"))
			return ok
		}
	}
	switch c.Field {
	case fieldHost:
		return slices.ContainsFunc(c.Values, glob(r.host))
	case fieldPath:
		return slices.ContainsFunc(c.Values, glob(r.path))
	case fieldMethod:
		return slices.Contains(c.Values, r.method)
	case fieldHeader:
		return slices.ContainsFunc(c.Values, glob(r.header))
	case fieldQuery:
		return slices.ContainsFunc(c.Queries, func(q QueryValue) bool {
			return (q.Key == "" || q.Key == r.query.Key) && glob(r.query.Value)(q.Value)
		})
	}
	return slices.ContainsFunc(c.Values, func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(r.source) })
}

// answer is the action of the first rule that matches, nil if none does.
func (r request) answer(rules []Rule) *Action {
	for i := range rules {
		if r.matches(rules[i].Conditions) {
			return &rules[i].Action
		}
	}
	return nil
}

var (
	someHosts   = []string{"a.com", "b.com", "c.com", "*.com", "d.org", "*.org", "e.net", "?.net"}
	somePaths   = []string{"/", "/a", "/a/*", "/b", "/b/*", "/*", "/c?", "/ca"}
	someMethods = []string{"GET", "PUT", "POST", "HEAD", "PATCH", "OPTIONS"}
	someNames   = []string{"ann", "bob", "eve", "a*", "?ob", "dan"}
	someQueries = []QueryValue{{"", "1"}, {"v", "1"}, {"v", "2"}, {"w", "*"}, {"w", "3"}, {"", "?"}, {"x", "y"}}
	someSources = []string{"10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/16", "10.0.0.1/32", "172.16.0.0/12", "10.2.0.0/16"}
)

func drawRequest(t *rapid.T) request {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	return request{
		host: pick("host", "a.com", "b.com", "c.com", "x.com", "d.org", "x.org", "e.net"),
		path: pick("path", "/", "/a", "/a/x", "/b", "/b/y", "/ca", "/cb", "/d"), method: pick("method", someMethods...),
		header: pick("header", "ann", "bob", "rob", "eve", "dan", ""), query: QueryValue{pick("key", "v", "w", "x"), pick("value", "1", "2", "3", "y")},
		source: netip.MustParseAddr(pick("source", "10.0.0.1", "10.1.2.3", "10.2.0.1", "192.168.1.1", "172.16.0.9", "8.8.8.8")),
	}
}

// drawSome draws some of a list, in any order.
func drawSome[V any](t *rapid.T, label string, from []V) []V {
	return rapid.Permutation(from).Draw(t, label)[:rapid.IntRange(1, len(from)).Draw(t, "of them")]
}

// drawConditions draws one to three conditions of different fields.
func drawConditions(t *rapid.T) []Condition {
	var cs []Condition
	for _, field := range drawSome(t, "fields", []string{fieldHost, fieldPath, fieldMethod, fieldHeader, fieldQuery, fieldSourceIP}) {
		c := Condition{Field: field}
		switch field {
		case fieldHost:
			c.Values = drawSome(t, field, someHosts)
		case fieldPath:
			c.Values = drawSome(t, field, somePaths)
		case fieldMethod:
			c.Values = drawSome(t, field, someMethods)
		case fieldHeader:
			c.Header, c.Values = "X-Who", drawSome(t, field, someNames)
		case fieldQuery:
			c.Queries = drawSome(t, field, someQueries)
		case fieldSourceIP:
			c.Values = drawSome(t, field, someSources)
		}
		if cs = append(cs, c); len(cs) == 3 {
			break
		}
	}
	return cs
}

func TestSplittingMatchesTheSameRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cs := drawConditions(t)
		parts, fault := splitConditions(cs)
		if fault != "" {
			require.Contains(t, fault, "room for 100")
			t.Skip(fault)
		}
		for _, part := range parts {
			values, wildcards := 0, 0
			for _, c := range part {
				values += c.size()
				wildcards += c.wildcards()
				require.NotZero(t, c.size())
			}
			require.LessOrEqual(t, values, maxRuleValues)
			require.LessOrEqual(t, wildcards, maxWildcards)
		}
		for range 20 {
			r := drawRequest(t)
			whole := r.matches(cs)
			require.Equal(t, whole, slices.ContainsFunc(parts, r.matches), "%+v", r)
		}
	})
}

// TestOptimisingChangesNoAnswer: without the redirects that lead back to themselves, a
// request gets what it got.
func TestOptimisingChangesNoAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rules, straight []Rule
		for i := range rapid.IntRange(1, 8).Draw(t, "rules") {
			r := Rule{Action: fixedResponse(200+i, "")}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				r.Conditions = drawConditions(t)
			case 1:
				r.Conditions = []Condition{{Field: fieldPath, Values: drawSome(t, "paths", somePaths)}}
			default:
				r.Conditions = conditions(rapid.SampledFrom(append([]string{""}, someHosts...)).Draw(t, "host"), drawSome(t, "paths", somePaths[:6]), nil)
			}
			if rapid.Bool().Draw(t, "redirect") {
				r.Action = drawRedirect(t)
			}
			rules = append(rules, r)
			if !r.loops(80, protocolHTTP) {
				straight = append(straight, r)
			}
		}
		optimised := optimise(rules, 80, protocolHTTP)
		for range 20 {
			r := drawRequest(t)
			require.Equal(t, r.answer(straight), r.answer(optimised), "%+v", r)
		}
	})
}

func drawRedirect(t *rapid.T) Action {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	return Action{Redirect: &Redirect{
		StatusCode: "HTTP_301", Protocol: pick("protocol", sameProtocol, "HTTP", "HTTPS"), Host: pick("to host", sameHost, sameHost, "a.com"),
		Port: pick("port", samePort, "80", "443"), Path: pick("to path", samePath, samePath, "/a"), Query: pick("to query", sameQuery, sameQuery, ""),
	}}
}
