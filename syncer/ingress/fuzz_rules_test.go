package ingress

import (
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
)

// FuzzRules gives a backend its action and its conditions.
func FuzzRules(f *testing.F) {
	for _, action := range []string{
		``, `null`, `[]`, `{"type":"forward","targetGroupARN":"` + foreignARN + `"}`,
		`{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo","servicePort":80,"weight":20},{"serviceName":"api","servicePort":"http","weight":0}],"targetGroupStickinessConfig":{"enabled":true,"durationSeconds":1}}}`,
		`{"type":"redirect","redirectConfig":{"protocol":"HTTPS","port":"443","statusCode":"HTTP_301","path":"/#{path}"}}`,
		`{"type":"fixed-response","fixedResponseConfig":{"contentType":"text/plain","statusCode":"503","messageBody":"x"}}`,
	} {
		for _, condition := range []string{
			``, `null`, `{}`, `[{"field":"host-header","hostHeaderConfig":{"values":["a.com","b.com","c.com","d.com","e.com","*.f.com"]}}]`,
			`[{"field":"path-pattern","pathPatternConfig":{"values":["/a*b?"],"regexValues":["x"]}}]`,
			`[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"A","values":["1"]}},{"field":"http-request-method","httpRequestMethodConfig":{"values":["GET"]}}]`,
			`[{"field":"query-string","queryStringConfig":{"values":[{"key":"a","value":"b"}]}},{"field":"source-ip","sourceIPConfig":{"values":["10.0.0.0/8"]}}]`,
		} {
			f.Add(action, condition)
		}
	}
	f.Fuzz(func(t *testing.T, action, condition string) {
		w := annotatedWorld(map[string]string{keyActions + "do": action, keyConditions + "do": condition})
		rule := &w.ingresses[0].Spec.Rules[0]
		rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: "/y", Backend: useBackend("do")})
		m := w.build()[shop]
		requireSound(t, m)
		if m.Hold {
			require.NotEmpty(t, m.Problems)
		}
	})
}
