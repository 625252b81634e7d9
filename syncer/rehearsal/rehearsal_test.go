package rehearsal

import (
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tgsync/tgsync/awsapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is AWS and the API server: it counts and keeps what it is asked.
type house struct{ asked []*http.Request }

func (h *house) Do(r *http.Request) (*http.Response, error) { return h.RoundTrip(r) }

func (h *house) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked = append(h.asked, r)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

var reads = regexp.MustCompile(`^(Describe|Find|List)`)

// clients are of an account that must not be asked to change anything.
func clients(t *testing.T) (*house, ELB, EC2) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "ap-northeast-3", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	h := &house{}
	c, err := awsapi.New(t.Context(), awsapi.Options{HTTPClient: h})
	require.NoError(t, err)
	return h, ELB{ELB: c.ELB}, EC2{c.EC2}
}

// Every method that is no read is one of the rehearsal's own: none gets through.
func TestNothingIsWritten(t *testing.T) {
	h, elb, ec2 := clients(t)
	for _, client := range []reflect.Value{reflect.ValueOf(elb), reflect.ValueOf(ec2)} {
		for i := range client.NumMethod() {
			name, method := client.Type().Method(i).Name, client.Method(i)
			if reads.MatchString(name) {
				continue
			}
			in := []reflect.Value{reflect.ValueOf(t.Context())}
			for j := 1; j < method.Type().NumIn(); j++ {
				in = append(in, something(method.Type().In(j)))
			}
			out := method.Call(in)
			require.True(t, out[len(out)-1].IsNil(), "%s: %v", name, out)
			require.Empty(t, h.asked, name)
		}
	}
}

// something is a value that no method takes for nothing to do.
func something(t reflect.Type) reflect.Value {
	if t.Kind() == reflect.Slice {
		return reflect.Append(reflect.MakeSlice(t, 0, 1), reflect.Zero(t.Elem()))
	}
	if t.Kind() == reflect.Map {
		m := reflect.MakeMap(t)
		m.SetMapIndex(reflect.Zero(t.Key()), reflect.Zero(t.Elem()))
		return m
	}
	return reflect.Zero(t)
}

// What was made is empty, and AWS is not asked for it; what stands is read.
func TestReads(t *testing.T) {
	h, elb, _ := clients(t)
	lb, err := elb.CreateLoadBalancer(t.Context(), awsapi.LoadBalancer{Name: "lb"})
	require.NoError(t, err)
	other, err := elb.CreateLoadBalancer(t.Context(), awsapi.LoadBalancer{Name: "other"})
	require.NoError(t, err)
	require.NotEqual(t, lb.ARN, other.ARN)
	require.Equal(t, []string{"lb", "active"}, []string{lb.Name, lb.State})

	client := reflect.ValueOf(elb)
	read := 0
	for i := range client.NumMethod() {
		name, method := client.Type().Method(i).Name, client.Method(i)
		if !reads.MatchString(name) || method.Type().NumIn() != 2 || method.Type().In(1).Kind() != reflect.String {
			continue
		}
		read++
		out := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(lb.ARN)})
		require.True(t, out[1].IsNil(), name)
		require.Empty(t, h.asked, name)
		method.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf("arn:aws:x")})
		require.NotEmpty(t, h.asked, name)
		h.asked = nil
	}
	require.Equal(t, 7, read)
	_, err = elb.DescribeTags(t.Context(), []string{lb.ARN})
	require.NoError(t, err)
	require.Empty(t, h.asked)
}

// Reads pass as they are, writes as dry runs, and the caller's request is not touched.
func TestKubernetes(t *testing.T) {
	for method, want := range map[string]string{
		http.MethodGet: "fieldManager=x", http.MethodPost: "dryRun=All&fieldManager=x", http.MethodPut: "dryRun=All&fieldManager=x",
		http.MethodPatch: "dryRun=All&fieldManager=x", http.MethodDelete: "dryRun=All&fieldManager=x",
	} {
		h := &house{}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/api/v1/namespaces/a/pods/b?fieldManager=x", http.NoBody)
		require.NoError(t, err)
		response, err := Wrap(slog.New(slog.DiscardHandler))(h).RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, want, h.asked[0].URL.RawQuery, method)
		require.Equal(t, "fieldManager=x", r.URL.RawQuery, method)
	}
}

// Writes are logged with what they bring, and reads are not.
func TestKubernetesIsLogged(t *testing.T) {
	var b strings.Builder
	wrapped := Wrap(slog.New(slog.NewTextHandler(&b, nil)))(&house{})
	for _, method := range []string{http.MethodGet, http.MethodPatch} {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/api/v1/namespaces/a/pods/b", strings.NewReader("what"))
		require.NoError(t, err)
		response, err := wrapped.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		brought, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, "what", string(brought))
	}
	require.Equal(t, 1, strings.Count(b.String(), "\n"))
	require.Contains(t, b.String(), "method=PATCH path=/api/v1/namespaces/a/pods/b body=what")
}
