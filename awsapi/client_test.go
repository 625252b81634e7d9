package awsapi

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

// A write is sent once, whatever comes back: the caller diffs again. A read is
// tried three times. What throttled it is seen at every attempt.
func TestAttempts(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "7") // neither is for the environment to say
	for name, tc := range map[string]struct {
		status int
		code   string
		reads  int
		class  Class
	}{
		"server error":         {status: 500, code: "InternalFailure", reads: 3, class: Unavailable},
		"throttled":            {status: 400, code: "ThrottlingException", reads: 3, class: Throttled},
		"throttled by EC2":     {status: 503, code: "RequestLimitExceeded", reads: 3, class: Throttled},
		"another at work":      {status: 429, code: "PriorRequestNotComplete", reads: 3, class: Throttled},
		"no use in repeating":  {status: 400, code: "ValidationError", reads: 1, class: Invalid},
		"not allowed":          {status: 403, code: "AccessDenied", reads: 1, class: Denied},
		"a 500 with a meaning": {status: 500, code: "HealthUnavailable", reads: 3, class: Unavailable},
	} {
		for method, call := range everyCall {
			t.Run(name+"/"+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &wire{answer: func(form url.Values, _ int) (int, string) { return tc.status, failure(form, tc.code) }}
					s := &sightings{}
					start := time.Now()
					err := call.do(t.Context(), clients(t, Options{HTTPClient: w, Observer: s}))
					want := 1
					if call.reads() {
						want = tc.reads
					}
					require.Len(t, w.forms, want)
					require.LessOrEqual(t, time.Since(start), 6*time.Second)
					service, operation, _ := strings.Cut(call.action, ":")
					for _, seen := range s.requests {
						require.Equal(t, service+" "+operation+" "+tc.code, seen)
					}
					require.Equal(t, tc.class, ClassOf(err))
					require.Equal(t, tc.code, Code(err))
					api, ok := errors.AsType[smithy.APIError](err)
					require.True(t, ok)
					require.Equal(t, tc.code, api.ErrorCode())
					require.True(t, strings.HasPrefix(err.Error(), operation+" "), err.Error())
				})
			})
		}
	}
}

// The SDK's retry quota would run dry after 100 retries in a row.
func TestManyFailuresDoNotStopReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(form url.Values, _ int) (int, string) { return 500, failure(form, "InternalFailure") }}
		c := clients(t, Options{HTTPClient: w})
		for range 100 {
			require.Error(t, everyCall["DescribeTargetHealth"].do(t.Context(), c))
		}
		require.Len(t, w.forms, 300)
	})
}

// doer is an HTTPClient made of a function.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// silence is an AWS that takes requests and never answers.
func silence(sent *int) doer {
	return func(r *http.Request) (*http.Response, error) {
		*sent++
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
}

// An attempt without an answer ends by itself; reads try again, and for a write
// the outcome is open.
func TestAttemptWithoutAnAnswerEnds(t *testing.T) {
	for method, attempts := range map[string]int{"DescribeRules": 3, "ModifyRule": 1} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent, s, start := 0, &sightings{}, time.Now()
				err := everyCall[method].do(t.Context(), clients(t, Options{HTTPClient: silence(&sent), Observer: s}))
				require.ErrorContains(t, err, "no answer within 30s")
				require.Equal(t, Unavailable, ClassOf(err))
				require.Equal(t, attempts, sent)
				require.GreaterOrEqual(t, time.Since(start), time.Duration(attempts)*attemptTimeout)
				for _, seen := range s.requests {
					require.Equal(t, "elasticloadbalancing "+method+" Unavailable", seen)
				}
				require.Equal(t, attemptTimeout, s.took[0])
			})
		})
	}
}

// When the caller gives up, nothing is tried again. Giving up leaves the outcome
// as open as it was; running out of time is a timeout.
func TestCallerGivesUp(t *testing.T) {
	for name, tc := range map[string]struct {
		end   func(context.Context) (context.Context, context.CancelFunc)
		class Class
	}{
		"cancel": {class: Canceled, end: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}},
		"deadline": {class: Unavailable, end: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}},
	} {
		for _, method := range []string{"DescribeRules", "ModifyRule"} {
			t.Run(name+"/"+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sent, s, start := 0, &sightings{}, time.Now()
					c := clients(t, Options{HTTPClient: silence(&sent), Observer: s})
					ctx, cancel := tc.end(t.Context())
					defer cancel()
					err := everyCall[method].do(ctx, c)
					require.NotContains(t, err.Error(), "no answer within", "that is said of our own limit")
					require.Equal(t, tc.class, ClassOf(err))
					require.Equal(t, string(tc.class), Code(err))
					require.Equal(t, 1, sent)
					require.Equal(t, time.Second, time.Since(start))
					require.Equal(t, []string{"elasticloadbalancing " + method + " " + string(tc.class)}, s.requests)
				})
			})
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, share := range []float64{-0.1, 1.01, math.NaN(), math.Inf(1)} {
		_, err := New(t.Context(), Options{Share: share})
		require.ErrorContains(t, err, "share of AWS's request budget")
	}
}

func TestUserAgentNamesUs(t *testing.T) {
	for version, want := range map[string]string{"": " tgsync/dev", "1.2.3": " tgsync/1.2.3"} {
		w := &wire{}
		c := clients(t, Options{HTTPClient: w, Version: version})
		require.NoError(t, everyCall["ModifyRule"].do(t.Context(), c))
		require.NoError(t, everyCall["DescribeSubnets"].do(t.Context(), c))
		for _, r := range w.requests {
			require.Contains(t, r.UserAgent(), want)
		}
	}
}
