package ingress

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

const foreignARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/theirs/0123456789abcdef"

// annotatedWorld has the Ingress demo0/web, whose path /x has the backend "do" by
// annotation, and the Services echo and api with port 80, named http.
func annotatedWorld(annotations map[string]string) *world {
	w := newWorld()
	ing := shopMember("web", annotations)
	ing.Annotations[keyTargetType] = "ip"
	ing.Spec.Rules = []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
		Paths: []networkingv1.HTTPIngressPath{{Path: "/x", Backend: useBackend("do")}},
	}}}}
	w.ingresses = []*networkingv1.Ingress{ing}
	for _, name := range []string{"echo", "api"} {
		svc := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
		svc.Namespace, svc.Name = "demo0", name
		w.services[types.NamespacedName{Namespace: "demo0", Name: name}] = svc
	}
	return w
}

// useBackend is the backend of an annotation.
func useBackend(name string) networkingv1.IngressBackend {
	return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: name, Port: networkingv1.ServiceBackendPort{Name: useAnnotation},
	}}
}

func buildAction(t *testing.T, action string) *Model {
	t.Helper()
	return annotatedWorld(map[string]string{keyActions + "do": action}).build()[shop]
}

func TestActions(t *testing.T) {
	redirect := func(change func(*Redirect)) Action {
		r := &Redirect{StatusCode: "HTTP_301", Protocol: "#{protocol}", Host: "#{host}", Port: "#{port}", Path: "/#{path}", Query: "#{query}"}
		change(r)
		return Action{Redirect: r}
	}
	tests := map[string]struct {
		action string
		want   Action
	}{
		"one Service":          {`{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo","servicePort":80}]}}`, Action{Forward: []Share{{TargetGroup: "demo0/web-echo:80", Weight: 1}}}},
		"a port in a string":   {`{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo","servicePort":"80"}]}}`, Action{Forward: []Share{{TargetGroup: "demo0/web-echo:80", Weight: 1}}}},
		"a port's name":        {`{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo","servicePort":"http"}]}}`, Action{Forward: []Share{{TargetGroup: "demo0/web-echo:http", Weight: 1}}}},
		"one Service's weight": {`{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo","servicePort":80,"weight":100}]}}`, Action{Forward: []Share{{TargetGroup: "demo0/web-echo:80", Weight: 100}}}},
		"an ARN in short":      {`{"type":"forward","targetGroupARN":"` + foreignARN + `"}`, Action{Forward: []Share{{ARN: foreignARN, Weight: 1}}}},
		"a name in short":      {`{"type":"forward","targetGroupName":"theirs"}`, Action{Forward: []Share{{Name: "theirs", Weight: 1}}}},
		"names in any case":    {`{"Type":"forward","TARGETGROUPARN":"` + foreignARN + `","more":1}`, Action{Forward: []Share{{ARN: foreignARN, Weight: 1}}}},
		"no stickiness":        {`{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo","servicePort":80}],"targetGroupStickinessConfig":{"enabled":false,"durationSeconds":9}}}`, Action{Forward: []Share{{TargetGroup: "demo0/web-echo:80", Weight: 1}}}},
		"to HTTPS":             {`{"type":"redirect","redirectConfig":{"protocol":"HTTPS","port":"443","statusCode":"HTTP_301"}}`, redirect(func(r *Redirect) { r.Protocol, r.Port = "HTTPS", "443" })},
		"without the query":    {`{"type":"redirect","redirectConfig":{"host":"new.#{host}","query":"","statusCode":"HTTP_302"}}`, redirect(func(r *Redirect) { r.StatusCode, r.Host, r.Query = "HTTP_302", "new.#{host}", "" })},
		"answer":               {`{"type":"fixed-response","fixedResponseConfig":{"contentType":"text/html","statusCode":"403","messageBody":"<no>"}}`, Action{FixedResponse: &FixedResponse{StatusCode: 403, ContentType: "text/html", MessageBody: "<no>"}}},
		"answer with a number": {`{"type":"fixed-response","fixedResponseConfig":{"statusCode":204}}`, Action{FixedResponse: &FixedResponse{StatusCode: 204}}},
		"a Service not yet":    {`{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"no","servicePort":80}],"targetGroupStickinessConfig":{"enabled":true,"durationSeconds":9}}}`, Action{FixedResponse: &FixedResponse{StatusCode: 503, ContentType: "text/plain", MessageBody: "Backend service does not exist"}}},
		"shares and stickiness": {
			`{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo","servicePort":80,"weight":20},{"serviceName":"api","servicePort":"http","weight":0},
			{"targetGroupARN":"` + foreignARN + `","weight":999},{"targetGroupName":"theirs","weight":1}],"targetGroupStickinessConfig":{"enabled":true,"durationSeconds":604800}}}`,
			Action{StickySeconds: 604800, Forward: []Share{
				{TargetGroup: "demo0/web-echo:80", Weight: 20}, {TargetGroup: "demo0/web-api:http"}, {ARN: foreignARN, Weight: 999}, {Name: "theirs", Weight: 1},
			}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := buildAction(t, tt.action)
			require.NotNil(t, m.LoadBalancer, m.Problems)
			require.Equal(t, tt.want, m.LoadBalancer.Listeners[0].Rules[0].Action)
			for _, share := range tt.want.Forward {
				require.Equal(t, share.TargetGroup != "", m.TargetGroups[share.TargetGroup] != nil, "one without weight is there, too")
			}
		})
	}
}

// Every fault blocks the member and names the annotation and the element.
func TestBadActions(t *testing.T) {
	forward := func(groups string) string {
		return `{"type":"forward","forwardConfig":{"targetGroups":[` + groups + `]}}`
	}
	to := func(config string) string {
		return `{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301",` + config + `}}`
	}
	answer := func(config string) string { return `{"type":"fixed-response","fixedResponseConfig":{` + config + `}}` }
	const echo, api = `{"serviceName":"echo","servicePort":80,"weight":1}`, `{"serviceName":"api","servicePort":80,"weight":1}`
	long := strings.Repeat("a", 129)
	tests := map[string]struct{ action, want string }{
		"no JSON":                    {`forward`, "must be an action in JSON"},
		"nothing":                    {`null`, `type: "" must be forward, redirect or fixed-response`},
		"another type":               {`{"type":"authenticate-oidc"}`, "type: "},
		"nowhere":                    {`{"type":"forward"}`, "one of targetGroupARN, targetGroupName and forwardConfig"},
		"two forms":                  {`{"type":"forward","targetGroupARN":"` + foreignARN + `","forwardConfig":{}}`, "one of targetGroupARN"},
		"no group":                   {forward(``), "forwardConfig.targetGroups: must have 1 to 5 target groups, and has 0"},
		"six groups":                 {forward(strings.Repeat(echo+",", 5) + echo), "and has 6"},
		"a group twice":              {forward(echo + "," + echo), "forwardConfig.targetGroups[1]: is the target group of targetGroups[0] again"},
		"no weight":                  {forward(echo + `,{"serviceName":"api","servicePort":80}`), "forwardConfig.targetGroups[1].weight: must be given"},
		"too much weight":            {forward(echo + `,{"serviceName":"api","servicePort":80,"weight":1000}`), "forwardConfig.targetGroups[1].weight: 1000 must be from 0 to 999"},
		"negative weight":            {forward(`{"serviceName":"api","servicePort":80,"weight":-1}`), "forwardConfig.targetGroups[0].weight: -1"},
		"a weight that is no number": {forward(`{"serviceName":"api","servicePort":80,"weight":"1"}`), "must be an action in JSON"},
		"two kinds of group":         {forward(`{"serviceName":"api","servicePort":80,"targetGroupName":"x"}`), "forwardConfig.targetGroups[0]: must have one of"},
		"no kind of group":           {forward(`{"weight":1}`), "forwardConfig.targetGroups[0]: must have one of"},
		"no port":                    {forward(`{"serviceName":"api"}`), "forwardConfig.targetGroups[0].servicePort: must be given"},
		"a port that is not there":   {forward(`{"serviceName":"api","servicePort":81}`), "forwardConfig.targetGroups[0].servicePort: Service demo0/api has no port 81"},
		"one Service of two":         {forward(echo + `,{"serviceName":"no","servicePort":80,"weight":1}`), "forwardConfig.targetGroups[1].serviceName: Service demo0/no does not exist"},
		"no ARN":                     {`{"type":"forward","targetGroupARN":"arn:aws:s3:::x"}`, "targetGroupARN: "},
		"no name":                    {forward(echo + `,{"targetGroupName":"-x","weight":1}`), "forwardConfig.targetGroups[1].targetGroupName: "},
		"endless stickiness":         {`{"type":"forward","forwardConfig":{"targetGroups":[` + api + `],"targetGroupStickinessConfig":{"enabled":true,"durationSeconds":604801}}}`, "forwardConfig.targetGroupStickinessConfig.durationSeconds: "},
		"stickiness of no time":      {`{"type":"forward","forwardConfig":{"targetGroups":[` + api + `],"targetGroupStickinessConfig":{"enabled":true}}}`, "targetGroupStickinessConfig.durationSeconds: "},
		"redirect to nowhere":        {`{"type":"redirect"}`, "redirectConfig: must be given"},
		"redirect without a code":    {`{"type":"redirect","redirectConfig":{"protocol":"HTTPS"}}`, "redirectConfig.statusCode: "},
		"redirect to itself":         {to(`"query":"x"`), "redirectConfig: must change one of"},
		"redirect over gopher":       {to(`"protocol":"GOPHER"`), "redirectConfig.protocol: "},
		"redirect to no port":        {to(`"port":"0"`), "redirectConfig.port: "},
		"redirect to no host":        {to(`"host":""`), "redirectConfig.host: must not be empty"},
		"redirect to a long host":    {to(`"host":"` + long + `"`), "redirectConfig.host: is longer than 128"},
		"redirect to no path":        {to(`"path":"#{path}"`), "redirectConfig.path: "},
		"redirect by a typing slip":  {to(`"path":"/#{paht}"`), "redirectConfig.path: #{paht} is none of"},
		"redirect to a long query":   {to(`"path":"/","query":"` + long + `"`), "redirectConfig.query: is longer"},
		"no answer":                  {`{"type":"fixed-response"}`, "fixedResponseConfig: must be given"},
		"answer of 300":              {answer(`"statusCode":"300"`), `fixedResponseConfig.statusCode: "300" must be 2xx, 4xx or 5xx`},
		"answer of no code":          {answer(``), "fixedResponseConfig.statusCode: "},
		"answer in XML":              {answer(`"statusCode":"200","contentType":"text/xml"`), "fixedResponseConfig.contentType: "},
		"answer of a book":           {answer(`"statusCode":"200","messageBody":"` + strings.Repeat("a", 1025) + `"`), "fixedResponseConfig.messageBody: is longer than 1024"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := buildAction(t, tt.action)
			require.True(t, m.Hold)
			require.NotEmpty(t, m.Problems)
			require.Equal(t, keyActions+"do", m.Problems[0].Field)
			require.Contains(t, m.Problems[0].Message, "annotation "+keyActions+"do: ")
			require.Contains(t, m.Problems[0].Message, tt.want)
		})
	}
}

// What is not there is answered for, in LBC's words, or blocks, as LBC's flags say.
func TestMissingBackends(t *testing.T) {
	w := annotatedWorld(nil)
	w.ingresses[0].Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: "no", Port: networkingv1.ServiceBackendPort{Number: 80},
	}}
	m := w.build()[shop]
	l := m.LoadBalancer.Listeners[0]
	require.Equal(t, Action{FixedResponse: &FixedResponse{StatusCode: 503, ContentType: "text/plain", MessageBody: "Backend service does not exist"}}, l.DefaultAction)
	require.Equal(t, Action{FixedResponse: &FixedResponse{StatusCode: 503, ContentType: "text/plain", MessageBody: "Backend action does not exist"}}, l.Rules[0].Action)
	require.Equal(t, []string{ReasonServiceNotFound, ReasonActionNotFound}, []string{m.Problems[0].Reason, m.Problems[1].Reason})
	require.Contains(t, m.Problems[1].Message, "there is no annotation alb.ingress.kubernetes.io/actions.do")

	w.settings.TolerateMissingService, w.settings.TolerateMissingAction = false, false
	m = w.build()[shop]
	require.True(t, m.Hold)
	for i, field := range []string{"spec.defaultBackend.service.name", "spec.rules[0].http.paths[0].backend.service.name"} {
		require.True(t, m.Problems[i].Blocking)
		require.Equal(t, field, m.Problems[i].Field)
	}
}

// AWS leads nobody from HTTPS to HTTP, and speaks HTTP/2 with nobody on behalf of HTTP.
func TestWhatAListenerRefuses(t *testing.T) {
	const toHTTP = `{"type":"redirect","redirectConfig":{"protocol":"HTTP","port":"80","statusCode":"HTTP_301"}}`
	const toHTTPS = `{"type":"redirect","redirectConfig":{"protocol":"HTTPS","port":"443","statusCode":"HTTP_301"}}`
	const toEcho = `{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo","servicePort":80}]}}`
	tests := map[string]struct {
		ports, action, version string
		want                   string // "": all is well
	}{
		"HTTP to HTTP":   {ports: `[{"HTTP":8080}]`, action: toHTTP},
		"HTTPS to HTTP":  {ports: `[{"HTTP":8080},{"HTTPS":443}]`, action: toHTTP, want: keyActions + "do: redirectConfig.protocol: leads from HTTPS on port 443"},
		"HTTPS to HTTPS": {ports: `[{"HTTPS":8443}]`, action: toHTTPS},
		"gRPC on HTTPS":  {ports: `[{"HTTPS":443}]`, action: toEcho, version: "GRPC"},
		"gRPC on HTTP":   {ports: `[{"HTTP":80},{"HTTPS":443}]`, action: toEcho, version: "GRPC", want: "backend-protocol-version: GRPC of Service demo0/echo needs HTTPS listeners, and port 80"},
		"HTTP/2 on HTTP": {ports: `[{"HTTP":80}]`, action: toEcho, version: "HTTP2", want: "HTTP2 of Service demo0/echo"},
		"HTTP/1 on HTTP": {ports: `[{"HTTP":80}]`, action: toEcho, version: "HTTP1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{keyActions + "do": tt.action, keyListenPorts: tt.ports}
			if strings.Contains(tt.ports, "HTTPS") {
				annotations[keyCertificates] = "arn:aws:acm:eu-west-1:123456789012:certificate/a"
			}
			if tt.version != "" {
				annotations[keyBackendProtocolVersion] = tt.version
			}
			m := annotatedWorld(annotations).build()[shop]
			if tt.want == "" {
				require.Empty(t, m.Problems)
				return
			}
			require.True(t, m.Hold)
			require.Contains(t, m.Problems[0].Message, tt.want)
			require.Contains(t, m.Problems[0].Message, m.Problems[0].Field)
		})
	}
}

// What no request reaches on HTTP, because a redirect comes first, is not refused there.
func TestGRPCBehindARedirect(t *testing.T) {
	w := annotatedWorld(map[string]string{
		keyActions + "do": `{"type":"redirect","redirectConfig":{"protocol":"HTTPS","port":"443","statusCode":"HTTP_301"}}`,
		keyListenPorts:    `[{"HTTP":80},{"HTTPS":443}]`, keyBackendProtocolVersion: "GRPC",
		keyCertificates: "arn:aws:acm:eu-west-1:123456789012:certificate/a",
	})
	rule := &w.ingresses[0].Spec.Rules[0]
	rule.HTTP.Paths[0].Path = "/*"
	rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: "/*", Backend: networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: "echo", Port: networkingv1.ServiceBackendPort{Number: 80}},
	}})
	m := w.build()[shop]
	require.Empty(t, m.Problems)
	http, https := m.LoadBalancer.Listeners[0], m.LoadBalancer.Listeners[1]
	require.Len(t, http.Rules, 1)
	require.NotNil(t, http.Rules[0].Action.Redirect)
	require.Len(t, https.Rules, 1, "the redirect would lead back to itself")
	require.Equal(t, "demo0/web-echo:80", https.Rules[0].Action.Forward[0].TargetGroup)
}
