package ingress

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
)

// buildConditions builds an Ingress of the host a.host.com and the path /x, with
// conditions by annotation.
func buildConditions(t *testing.T, conditions string) *Model {
	t.Helper()
	w := annotatedWorld(map[string]string{
		keyActions + "do": `{"type":"fixed-response","fixedResponseConfig":{"statusCode":"200"}}`, keyConditions + "do": conditions,
	})
	w.ingresses[0].Spec.Rules[0].Host = "a.host.com"
	return w.build()[shop]
}

func TestAnnotatedConditions(t *testing.T) {
	host := Condition{Field: "host-header", Values: []string{"a.host.com"}}
	path := Condition{Field: "path-pattern", Values: []string{"/x"}}
	tests := map[string]struct {
		conditions string
		want       []Condition
	}{
		"none":   {`[]`, []Condition{host, path}},
		"header": {`[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"X-Who","values":["ann","b*"]}}]`, []Condition{{Field: "http-header", Header: "X-Who", Values: []string{"ann", "b*"}}, host, path}},
		"method": {`[{"field":"http-request-method","httpRequestMethodConfig":{"Values":["GET","HEAD"]}}]`, []Condition{{Field: "http-request-method", Values: []string{"GET", "HEAD"}}, host, path}},
		"query":  {`[{"field":"query-string","queryStringConfig":{"values":[{"key":"v","value":"1"},{"value":"x"}]}}]`, []Condition{{Field: "query-string", Queries: []QueryValue{{"v", "1"}, {"", "x"}}}, host, path}},
		"source": {`[{"field":"source-ip","sourceIPConfig":{"values":["10.0.0.0/8","2001:db8::/32"]}}]`, []Condition{{Field: "source-ip", Values: []string{"10.0.0.0/8", "2001:db8::/32"}}, host, path}},
		"more hosts and paths, which come last": {
			`[{"field":"path-pattern","pathPatternConfig":{"values":["/y"]}},{"field":"host-header","hostHeaderConfig":{"values":["b.host.com"]}},
			{"Field":"source-ip","SourceIpConfig":{"values":["10.0.0.0/8"]}}]`,
			[]Condition{
				{Field: "source-ip", Values: []string{"10.0.0.0/8"}},
				{Field: "host-header", Values: []string{"a.host.com", "b.host.com"}},
				{Field: "path-pattern", Values: []string{"/x", "/y"}},
			},
		},
		"a field twice, where both must hold": {
			`[{"field":"query-string","queryStringConfig":{"values":[{"value":"1"}]}},{"field":"query-string","queryStringConfig":{"values":[{"value":"2"}]}}]`,
			[]Condition{{Field: "query-string", Queries: []QueryValue{{"", "1"}}}, {Field: "query-string", Queries: []QueryValue{{"", "2"}}}, host, path},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := buildConditions(t, tt.conditions)
			require.NotNil(t, m.LoadBalancer, m.Problems)
			require.Len(t, m.LoadBalancer.Listeners[0].Rules, 1)
			require.Equal(t, tt.want, m.LoadBalancer.Listeners[0].Rules[0].Conditions)
		})
	}
}

// Every fault blocks the member and names the annotation and the element.
func TestBadAnnotatedConditions(t *testing.T) {
	one := func(field, config string) string { return fmt.Sprintf(`[{"field":%q,%s}]`, field, config) }
	tests := map[string]struct{ conditions, want string }{
		"no list":               {`{"field":"source-ip"}`, "must be a list of conditions in JSON"},
		"unknown field":         {`[{"field":"cookie"}]`, `[0].field: "cookie" must be one of host-header, path-pattern, http-header`},
		"no config":             {`[{"field":"source-ip"}]`, "[0].sourceIPConfig.values: must have at least one value"},
		"another field's":       {`[{"field":"host-header","pathPatternConfig":{"values":["/x"]}}]`, "[0].hostHeaderConfig.values: must have"},
		"no value":              {one("path-pattern", `"pathPatternConfig":{"values":[]}`), "[0].pathPatternConfig.values: must have"},
		"host without a dot":    {one("host-header", `"hostHeaderConfig":{"values":["b.com","host"]}`), `[0].hostHeaderConfig.values[1]: "host" is not what`},
		"empty host":            {one("host-header", `"hostHeaderConfig":{"values":[""]}`), "[0].hostHeaderConfig.values[0]: "},
		"empty path":            {one("path-pattern", `"pathPatternConfig":{"values":[""]}`), "[0].pathPatternConfig.values[0]: "},
		"long path":             {one("path-pattern", `"pathPatternConfig":{"values":["/`+strings.Repeat("a", 128)+`"]}`), "[0].pathPatternConfig.values[0]: "},
		"regular expression":    {one("path-pattern", `"pathPatternConfig":{"regexValues":["^/x"]}`), "[0].pathPatternConfig.regexValues: regular expressions are not supported yet"},
		"header without a name": {one("http-header", `"httpHeaderConfig":{"values":["x"]}`), "[0].httpHeaderConfig.httpHeaderName: "},
		"the header Host":       {one("http-header", `"httpHeaderConfig":{"httpHeaderName":"HOST","values":["x"]}`), "[0].httpHeaderConfig.httpHeaderName: "},
		"header of nothing":     {one("http-header", `"httpHeaderConfig":{"httpHeaderName":"A"}`), "[0].httpHeaderConfig.values: "},
		"header in Greek":       {one("http-header", `"httpHeaderConfig":{"httpHeaderName":"A","values":["α"]}`), "[0].httpHeaderConfig.values[0]: "},
		"method in small":       {one("http-request-method", `"httpRequestMethodConfig":{"values":["get"]}`), `[0].httpRequestMethodConfig.values[0]: "get"`},
		"query without a value": {one("query-string", `"queryStringConfig":{"values":[{"key":"v"}]}`), "[0].queryStringConfig.values[0].value: "},
		"query of nothing":      {one("query-string", `"queryStringConfig":{}`), "[0].queryStringConfig.values: "},
		"query with a long key": {one("query-string", `"queryStringConfig":{"values":[{"key":"`+strings.Repeat("a", 129)+`","value":"1"}]}`), "[0].queryStringConfig.values[0].key: "},
		"source without length": {one("source-ip", `"sourceIPConfig":{"values":["10.0.0.1"]}`), "[0].sourceIPConfig.values[0]: "},
		"source of all bits":    {one("source-ip", `"sourceIPConfig":{"values":["255.255.255.255/32"]}`), "[0].sourceIPConfig.values[0]: "},
		"second method": {
			`[{"field":"http-request-method","httpRequestMethodConfig":{"values":["GET"]}},{"field":"http-request-method","httpRequestMethodConfig":{"values":["PUT"]}}]`,
			"[1]: is a second condition of the field http-request-method after [0]",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := buildConditions(t, tt.conditions)
			require.True(t, m.Hold)
			require.NotEmpty(t, m.Problems)
			require.Equal(t, keyConditions+"do", m.Problems[0].Field)
			require.Contains(t, m.Problems[0].Message, "annotation "+keyConditions+"do: ")
			require.Contains(t, m.Problems[0].Message, tt.want)
		})
	}
}

// A rule with more than five values is several, one after the other.
func TestSplitRule(t *testing.T) {
	m := buildConditions(t, `[{"field":"host-header","hostHeaderConfig":{"values":["b.com","c.com","d.com","e.com"]}},
		{"field":"http-request-method","httpRequestMethodConfig":{"values":["GET"]}}]`)
	require.Empty(t, m.Problems)
	rules := m.LoadBalancer.Listeners[0].Rules
	require.Len(t, rules, 2)
	get, path := Condition{Field: "http-request-method", Values: []string{"GET"}}, Condition{Field: "path-pattern", Values: []string{"/x"}}
	for i, hosts := range [][]string{{"a.host.com", "b.com", "c.com"}, {"d.com", "e.com"}} {
		require.EqualValues(t, i+1, rules[i].Priority)
		require.Equal(t, fmt.Sprintf("80:%d", i+1), rules[i].Tags[TagResource])
		require.Equal(t, []Condition{get, {Field: "host-header", Values: hosts}, path}, rules[i].Conditions)
		require.Equal(t, 200, rules[i].Action.FixedResponse.StatusCode)
	}
	require.NotSame(t, rules[0].Action.FixedResponse, rules[1].Action.FixedResponse)
}

// Five values are one rule, as LBC makes it; six conditions are none.
func TestSplitLimits(t *testing.T) {
	values := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("/%d", i))
		}
		return out
	}
	cs := func(sizes ...int) (out []Condition) {
		for _, n := range sizes {
			out = append(out, Condition{Field: fieldHeader, Values: values(n)})
		}
		return out
	}
	tests := map[string]struct {
		conditions []Condition
		rules      int // 0: there is none
	}{
		"five values":                  {cs(5), 1},
		"six values":                   {cs(6), 2},
		"five of two":                  {cs(4, 1), 1},
		"six of two":                   {cs(3, 3), 2},
		"the fewest rules":             {cs(2, 6), 2},
		"five conditions":              {cs(1, 1, 1, 1, 2), 2},
		"six conditions":               {cs(1, 1, 1, 1, 1, 1), 0},
		"a hundred rules":              {cs(500), 100},
		"more than a hundred":          {cs(501), 0},
		"far too many to count":        {cs(9999, 9999, 9999, 9999, 9999), 0},
		"five wildcards":               {[]Condition{{Field: fieldPath, Values: []string{"/*?", "/***"}}}, 1},
		"six wildcards":                {[]Condition{{Field: fieldPath, Values: []string{"/***", "/???"}}}, 2},
		"six in one value":             {[]Condition{{Field: fieldPath, Values: []string{"/******"}}}, 0},
		"six with another condition's": {[]Condition{{Field: fieldHost, Values: []string{"*.a"}}, {Field: fieldPath, Values: []string{"/***", "/??"}}}, 2},
		"wildcards of a query":         {[]Condition{{Field: fieldQuery, Queries: []QueryValue{{"*", "**"}, {"*", "??"}}}}, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			parts, fault := splitConditions(tt.conditions)
			require.Len(t, parts, tt.rules)
			require.Equal(t, tt.rules == 0, fault != "")
		})
	}
}

// The condition that an annotation adds counts in the fault of a path.
func TestTooManyConditions(t *testing.T) {
	header := `{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"A","values":["1"]}}`
	m := buildConditions(t, "["+strings.Repeat(header+",", 3)+header+"]")
	require.True(t, m.Hold)
	require.Equal(t, ReasonInvalidPath, m.Problems[0].Reason)
	require.Equal(t, "spec.rules[0].http.paths[0].path", m.Problems[0].Field)
	require.Contains(t, m.Problems[0].Message, "6 conditions")
}

// A backend that is a Service has conditions by its name, too; a default backend has
// none to have.
func TestConditionsOfAService(t *testing.T) {
	w := annotatedWorld(map[string]string{keyConditions + "echo": `[{"field":"http-request-method","httpRequestMethodConfig":{"values":["GET"]}}]`})
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "echo", Port: networkingv1.ServiceBackendPort{Number: 80}}}
	w.ingresses[0].Spec.Rules[0].HTTP.Paths[0].Backend = backend
	w.ingresses[0].Spec.DefaultBackend = &backend
	l := w.build()[shop].LoadBalancer.Listeners[0]
	require.Equal(t, fieldMethod, l.Rules[0].Conditions[0].Field)
	require.Equal(t, "demo0/web-echo:80", l.DefaultAction.Forward[0].TargetGroup)
}
