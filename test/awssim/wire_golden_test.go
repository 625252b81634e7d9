package awssim

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldenRequests are the requests that an SDK module ships: one of each action,
// with every parameter that it has.
func goldenRequests(t *testing.T, module string) map[string]url.Values {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+module).Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "request_snapshot", "*.request.snap"))
	require.NoError(t, err)
	requests := map[string]url.Values{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		name, body := strings.TrimSuffix(filepath.Base(file), ".request.snap"), lines[len(lines)-1]
		if strings.HasPrefix(body, "{") {
			requests[name] = jsonForm("CertificateManager."+name, []byte(body))
			continue
		}
		requests[name], err = url.ParseQuery(body)
		require.NoError(t, err)
	}
	return requests
}

var goldenModules = map[string]struct {
	service *service
	least   int // how many actions there are at least
}{
	"acm":                    {acmService, 20},
	"elasticloadbalancingv2": {elbService, 51},
	"sts":                    {stsService, 8},
	"ec2":                    {ec2Service, 800},
}

func TestParserTakesEveryGoldenRequest(t *testing.T) {
	for module, c := range goldenModules {
		t.Run(module, func(t *testing.T) {
			requests := goldenRequests(t, module)
			require.GreaterOrEqual(t, len(requests), c.least)
			for action, form := range requests {
				d := c.service.dialect
				if d == jsonDialect { // A form by now.
					d = queryDialect
				}
				tree, err := parseForm(d, form)
				require.NoError(t, err, action)
				require.Equal(t, form, tree.flatten(d), action)
				requireNoNumbers(t, tree, action)
			}
		})
	}
}

// requireNoNumbers finds lists that were taken for structures.
func requireNoNumbers(t *testing.T, n *node, path string) {
	t.Helper()
	for name, field := range n.fields {
		if n.kind == structNode {
			require.NotRegexp(t, `^([0-9]+|member|entry)$`, name, path)
		}
		requireNoNumbers(t, field, path+"."+name)
	}
	for _, item := range n.items {
		requireNoNumbers(t, item, path)
	}
}

// The golden requests have every parameter of an action. So a parameter that is
// not declared fails the decoder, and one that AWS does not have stays empty.
func TestDeclaredParametersAreExactlyAWS(t *testing.T) {
	for module, c := range goldenModules {
		t.Run(module, func(t *testing.T) {
			requests := goldenRequests(t, module)
			for name, op := range c.service.operations {
				require.Contains(t, requests, name)
				tree, err := parseForm(c.service.dialect, parametersOf(requests[name]))
				require.NoError(t, err, name)
				params := op.params()
				require.NoError(t, decode(tree, params), name)
				requireFilled(t, reflect.ValueOf(params).Elem(), name)
			}
		})
	}
}

func requireFilled(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	v = reflect.Indirect(v)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			requireFilled(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		require.NotZero(t, v.Len(), path)
		requireFilled(t, v.Index(0), path)
	default:
		require.False(t, !v.IsValid() || v.IsZero(), "AWS has no parameter %s", path)
	}
}

// Nothing answers an empty success: what is not simulated says so.
func TestOtherActionsAreInvalid(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	for module, c := range goldenModules {
		for action, form := range goldenRequests(t, module) {
			if _, ok := c.service.operations[action]; ok {
				continue
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://aws.test/", strings.NewReader(form.Encode()))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20260101/ap-northeast-3/"+c.service.name+"/aws4_request")
			code := "<Code>InvalidAction</Code>"
			if c.service.dialect == jsonDialect {
				req.Header.Set("X-Amz-Target", c.service.version+"."+action)
				req.Body = io.NopCloser(strings.NewReader("{}"))
				code = `"__type":"UnknownOperationException"`
			}
			answer, err := s.perform(newRequest(req), hit{})
			require.NoError(t, err)
			require.Equal(t, http.StatusBadRequest, answer.status, action)
			require.Contains(t, string(answer.body), code, action)
		}
	}
}
