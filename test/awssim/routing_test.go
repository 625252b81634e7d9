package awssim

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConditionMatches(t *testing.T) {
	host := func(values ...string) condition { return condition{field: "host-header", values: values} }
	path := func(values ...string) condition { return condition{field: "path-pattern", values: values} }
	method := func(values ...string) condition { return condition{field: "http-request-method", values: values} }
	header := func(name string, values ...string) condition {
		return condition{field: "http-header", name: name, values: values}
	}
	query := func(key, value string) condition {
		return condition{field: "query-string", query: []queryValue{{key, value}}}
	}
	source := func(values ...string) condition { return condition{field: "source-ip", values: values} }

	for name, tc := range map[string]struct {
		cond condition
		host string
		url  string
		want bool
	}{
		"host equal":                    {host("shop.example.com"), "shop.example.com", "/", true},
		"host in another case":          {host("Shop.Example.com"), "shop.eXample.com", "/", true},
		"host with a port":              {host("shop.example.com"), "shop.example.com:8080", "/", true},
		"host star":                     {host("*.example.com"), "a.b.example.com", "/", true},
		"host star needs its dot":       {host("*.example.com"), "example.com", "/", false},
		"host question mark":            {host("shop?.example.com"), "shop2.example.com", "/", true},
		"host question mark is one":     {host("shop?.example.com"), "shop.example.com", "/", false},
		"host second value":             {host("a.example.com", "b.example.com"), "b.example.com", "/", true},
		"host prefix is no match":       {host("example.com"), "example.com.evil.org", "/", false},
		"path equal":                    {path("/echo0"), "h", "/echo0", true},
		"path is case-sensitive":        {path("/echo0"), "h", "/Echo0", false},
		"path without its query":        {path("/echo0"), "h", "/echo0?a=b", true},
		"query is not path":             {path("*secret*"), "h", "/?secret", false},
		"path longer":                   {path("/echo0"), "h", "/echo0/x", false},
		"path star crosses slashes":     {path("/img/*"), "h", "/img/a/b.png", true},
		"path star takes nothing":       {path("/img/*"), "h", "/img/", true},
		"path star inside":              {path("/*/logo"), "h", "/a/b/logo", true},
		"path question mark is one":     {path("/v?/x"), "h", "/v12/x", false},
		"path question mark is a slash": {path("/v?x"), "h", "/v/x", true},
		"method":                        {method("POST", "GET"), "h", "/", true},
		"method is case-sensitive":      {method("get"), "h", "/", false},
		"header":                        {header("x-env", "prod*"), "h", "/", true},
		"header of another value":       {header("X-Env", "dev"), "h", "/", false},
		"header second line":            {header("X-Env", "canary"), "h", "/", true},
		"query":                         {query("Version", "V?"), "h", "/?version=v1", true},
		"query of any key":              {query("", "v1"), "h", "/?b=v1", true},
		"query of another key":          {query("a", "v1"), "h", "/?b=v1", false},
		"query with an escaped star":    {query("q", `\*`), "h", "/?q=x", false},
		"source":                        {source("10.0.0.0/8", "192.0.2.0/24"), "h", "/", true},
		"source elsewhere":              {source("10.0.0.0/8"), "h", "/", false},
		"unknown field never matches":   {condition{field: "moon-phase", values: []string{"*"}}, "h", "/", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tc.url, http.NoBody)
			r.Host, r.RemoteAddr = tc.host, "192.0.2.7:1234"
			r.Header["X-Env"] = []string{"Production", "canary"}
			require.Equal(t, tc.want, tc.cond.matches(r))
		})
	}
}

func TestRouteTakesTheFirstRuleThatHolds(t *testing.T) {
	hosted := &rule{priority: 1, conditions: []condition{
		{field: "host-header", values: []string{"a.example.com"}},
		{field: "path-pattern", values: []string{"/x", "/y"}},
	}}
	pathed := &rule{priority: 2, conditions: []condition{{field: "path-pattern", values: []string{"/*"}}}}
	fallback := &rule{}
	for name, tc := range map[string]struct {
		rules []*rule
		url   string
		want  *rule
	}{
		"all conditions hold":            {[]*rule{hosted, pathed, fallback}, "http://a.example.com/y", hosted},
		"one condition does not hold":    {[]*rule{hosted, pathed, fallback}, "http://a.example.com/z", pathed},
		"the other one does not hold":    {[]*rule{hosted, pathed, fallback}, "http://b.example.com/x", pathed},
		"default when no other":          {[]*rule{hosted, fallback}, "http://b.example.com/x", fallback},
		"no rules (listener is deleted)": {nil, "http://a.example.com/x", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tc.url, http.NoBody)
			require.Same(t, tc.want, route(tc.rules, r))
		})
	}
}

func TestWildcard(t *testing.T) {
	for name, tc := range map[string]struct {
		pattern, s string
		want       bool
	}{
		"empty":                 {"", "", true},
		"empty pattern":         {"", "a", false},
		"star and nothing":      {"*", "", true},
		"stars":                 {"**", "abc", true},
		"goes back to the star": {"*ab", "aab", true},
		"goes back only there":  {"a*b*c", "abbcb", false},
		"escaped star":          {`a\*b`, "a*b", true},
		"escaped star only":     {`a\*b`, "axb", false},
		"escaped mark":          {`\?`, "?", true},
		"backslash by itself":   {`a\b`, `a\b`, true},
		"backslash at the end":  {`a\`, `a\`, true},
		"trailing escaped star": {`a\*`, "a", false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, wildcard(tc.pattern, tc.s))
		})
	}
}

// asRegexp is the same pattern in another language, one rune for each byte.
func asRegexp(pattern string) *regexp.Regexp {
	var expr strings.Builder
	for _, element := range elements.FindAllString(runePerByte(pattern), -1) {
		switch element {
		case "*":
			expr.WriteString(".*")
		case "?":
			expr.WriteString(".")
		case `\*`, `\?`:
			expr.WriteString(regexp.QuoteMeta(element[1:]))
		default:
			expr.WriteString(regexp.QuoteMeta(element))
		}
	}
	return regexp.MustCompile("(?s)^" + expr.String() + "$")
}

var elements = regexp.MustCompile(`(?s)\\[*?]|.`)

func runePerByte(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func FuzzWildcard(f *testing.F) {
	for _, seed := range [][2]string{{"a*b?c", "axxbyc"}, {`\**\?`, "*x?"}, {"*a*a*", "bab"}, {`*\`, `\`}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		want := asRegexp(pattern).MatchString(runePerByte(s))
		require.Equal(t, want, wildcard(pattern, s), "%q on %q", pattern, s)
	})
}
