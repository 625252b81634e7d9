package ingress

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
)

// redirectTo is a redirect that leaves as it is what change leaves.
func redirectTo(change func(*Redirect)) Action {
	r := &Redirect{StatusCode: "HTTP_301", Protocol: sameProtocol, Host: sameHost, Port: samePort, Path: samePath, Query: sameQuery}
	change(r)
	return Action{Redirect: r}
}

func toHTTPS(r *Redirect) { r.Protocol, r.Port = "HTTPS", "443" }

// A redirect that can lead to itself is dropped, where it can.
func TestLoops(t *testing.T) {
	tests := map[string]struct {
		host     string
		paths    []string
		change   func(*Redirect)
		port     int32
		protocol string
		want     bool
	}{
		"HTTP to HTTPS":                 {paths: []string{"/*"}, change: toHTTPS, port: 80, protocol: "HTTP"},
		"HTTPS to HTTPS":                {paths: []string{"/*"}, change: toHTTPS, port: 443, protocol: "HTTPS", want: true},
		"HTTPS on another port":         {paths: []string{"/*"}, change: toHTTPS, port: 8443, protocol: "HTTPS"},
		"the protocol alone":            {change: func(r *Redirect) { r.Protocol = "HTTPS" }, port: 443, protocol: "HTTPS", want: true},
		"the port alone":                {change: func(r *Redirect) { r.Port = "443" }, port: 443, protocol: "HTTPS", want: true},
		"the host of the rule":          {host: "a.com", change: func(r *Redirect) { r.Host = "a.com" }, port: 80, protocol: "HTTP", want: true},
		"another host":                  {host: "a.com", change: func(r *Redirect) { r.Host = "b.com" }, port: 80, protocol: "HTTP"},
		"a host, where the rule has no": {paths: []string{"/*"}, change: func(r *Redirect) { r.Host = "a.com" }, port: 80, protocol: "HTTP"},
		"one of the paths":              {paths: []string{"/a", "/b"}, change: func(r *Redirect) { r.Path = "/b" }, port: 80, protocol: "HTTP", want: true},
		"another path":                  {paths: []string{"/a", "/a/*"}, change: func(r *Redirect) { r.Path = "/b" }, port: 80, protocol: "HTTP"},
		"another query":                 {paths: []string{"/*"}, change: func(r *Redirect) { r.Protocol, r.Query = "HTTP", "x=1" }, port: 80, protocol: "HTTP"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := Rule{Conditions: conditions(tt.host, tt.paths, nil), Action: redirectTo(tt.change)}
			require.Equal(t, tt.want, len(optimise([]Rule{r}, tt.port, tt.protocol)) == 0)
			r.Standing = "arn:rule"
			require.Len(t, optimise([]Rule{r}, tt.port, tt.protocol), 1, "what stands is kept")
			r.Standing, r.Action = "", fixedResponse(200, "")
			require.Len(t, optimise([]Rule{r}, tt.port, tt.protocol), 1, "it is no redirect")
		})
	}
}

// A rule whose requests an earlier redirect takes is dropped.
func TestShadowed(t *testing.T) {
	host := func(values ...string) Condition { return Condition{Field: fieldHost, Values: values} }
	path := func(values ...string) Condition { return Condition{Field: fieldPath, Values: values} }
	method := Condition{Field: fieldMethod, Values: []string{"GET"}}
	tests := map[string]struct {
		redirect, rule []Condition
		want           bool
	}{
		"all paths":                 {[]Condition{path("/*")}, []Condition{path("/a")}, true},
		"all paths, any host":       {[]Condition{path("/*")}, []Condition{host("a.com"), path("/a")}, true},
		"all paths, no path":        {[]Condition{path("/*")}, []Condition{host("a.com")}, true},
		"the same path":             {[]Condition{path("/a", "/b")}, []Condition{path("/b")}, true},
		"a path more":               {[]Condition{path("/a", "/b")}, []Condition{path("/b", "/c")}, false},
		"a path below":              {[]Condition{path("/a/*")}, []Condition{path("/a/b")}, false},
		"one path, then no path":    {[]Condition{path("/a")}, []Condition{host("a.com")}, false},
		"the same host":             {[]Condition{host("a.com")}, []Condition{host("a.com"), path("/a")}, true},
		"another host":              {[]Condition{host("a.com"), path("/*")}, []Condition{host("b.com"), path("/a")}, false},
		"one host, then any":        {[]Condition{host("a.com"), path("/*")}, []Condition{path("/a")}, false},
		"other conditions, too":     {[]Condition{method, path("/*")}, []Condition{method, path("/a")}, false},
		"then other conditions":     {[]Condition{path("/*")}, []Condition{method, path("/a")}, true},
		"a condition without words": {[]Condition{host()}, []Condition{path("/a")}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			redirect, rule := Rule{Conditions: tt.redirect, Action: redirectTo(toHTTPS)}, Rule{Conditions: tt.rule, Action: fixedResponse(200, "rule")}
			dropped := func() bool {
				left := optimise([]Rule{redirect, rule}, 80, protocolHTTP)
				return !slices.ContainsFunc(left, func(r Rule) bool {
					return r.Action.FixedResponse != nil && r.Action.FixedResponse.MessageBody == "rule"
				})
			}
			require.Equal(t, tt.want, dropped())
			rule.Standing = "arn:rule"
			require.False(t, dropped(), "what stands is kept")
			rule.Standing = ""
			redirect.Standing = "arn:redirect"
			require.Equal(t, tt.want, dropped(), "a redirect that stands answers, too")
			redirect.Action = fixedResponse(404, "")
			require.False(t, dropped(), "only redirects count, as with LBC")
		})
	}
}

// A redirect that comes after takes nothing.
func TestRedirectBehind(t *testing.T) {
	all := conditions("", nil, nil)
	require.Len(t, optimise([]Rule{{Conditions: all, Action: fixedResponse(200, "")}, {Conditions: all, Action: redirectTo(toHTTPS)}}, 80, protocolHTTP), 2)
}

// The target group of a rule that no request reaches is there, as LBC's is: it gets
// nothing, and no gate waits for it.
func TestTargetGroupBehindARedirect(t *testing.T) {
	w := annotatedWorld(map[string]string{keyActions + "do": `{"type":"redirect","redirectConfig":{"host":"new.com","statusCode":"HTTP_302"}}`})
	rule := &w.ingresses[0].Spec.Rules[0]
	rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: "/x", Backend: networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: "echo", Port: networkingv1.ServiceBackendPort{Number: 80}},
	}})
	m := w.build()[shop]
	require.Len(t, m.LoadBalancer.Listeners[0].Rules, 1)
	require.NotNil(t, m.TargetGroups["demo0/web-echo:80"])
	require.Equal(t, map[string]bool{"demo0/web-echo:80": true}, m.Weightless())
}

func TestWeightless(t *testing.T) {
	m := buildAction(t, `{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo","servicePort":80,"weight":1},{"serviceName":"api","servicePort":80,"weight":0}]}}`)
	require.Equal(t, map[string]bool{"demo0/web-api:80": true}, m.Weightless())
	m.LoadBalancer.Listeners[0].DefaultAction = forwardTo("demo0/web-api:80")
	require.Empty(t, m.Weightless())
	m.LoadBalancer = nil
	require.Empty(t, m.Weightless(), "nothing is known of the rules")
}
