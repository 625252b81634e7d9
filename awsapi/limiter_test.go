package awsapi

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/opqueue"
)

// Published numbers: a full bucket passes at once, then calls come at the rate of
// the refill. Size and refill are seen from outside, in virtual time. Reading has
// 20 tokens less at once than its bucket of 40: registration's floor.
func TestBucketsAsPublished(t *testing.T) {
	for name, tc := range map[string]struct {
		method string
		share  float64
		burst  int
		gap    time.Duration // from one call to the next, once the bucket is empty
	}{
		"registration":            {method: "RegisterTargets", burst: 20, gap: 250 * time.Millisecond},
		"non-mutating":            {method: "DescribeTargetHealth", burst: 20, gap: 100 * time.Millisecond},
		"mutating":                {method: "ModifyRule", burst: 20, gap: time.Second / 3},
		"resource-intensive":      {method: "SetSubnets", burst: 10, gap: 5 * time.Second},
		"ec2 non-mutating":        {method: "DescribeSecurityGroups", burst: 100, gap: 50 * time.Millisecond},
		"ec2 mutating":            {method: "CreateSecurityGroup", burst: 50, gap: 200 * time.Millisecond},
		"ec2 resource-intensive":  {method: "RevokeIngress", burst: 50, gap: 200 * time.Millisecond},
		"a share of registration": {method: "RegisterTargets", share: 0.8, burst: 16, gap: 312500 * time.Microsecond},
		"a share scales sizes":    {method: "SetSubnets", share: 0.5, burst: 5, gap: 10 * time.Second},
		"never less than one":     {method: "SetSubnets", share: 0.01, burst: 1, gap: 500 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clients(t, Options{HTTPClient: &wire{}, Share: tc.share})
				do := func() time.Duration {
					start := time.Now()
					require.NoError(t, everyCall[tc.method].do(t.Context(), c))
					return time.Since(start)
				}
				for range tc.burst {
					require.Zero(t, do())
				}
				require.InDelta(t, tc.gap, do(), float64(time.Microsecond))
				require.InDelta(t, tc.gap, do(), float64(time.Microsecond))
			})
		})
	}
}

// AWS's list of what belongs to which category, for the actions that we call. The
// actions of a category share its bucket.
func TestCategoriesAsPublished(t *testing.T) {
	categories := map[string][]string{
		"elb-resource-intensive": {"CreateLoadBalancer", "SetSubnets"},
		"elb-registration":       {"RegisterTargets", "DeregisterTargets"},
		"elb-non-mutating": {
			"DescribeListeners", "DescribeLoadBalancers", "DescribeRules", "DescribeTags", "DescribeTargetGroups",
			"DescribeTargetHealth", "DescribeListenerAttributes", "DescribeLoadBalancerAttributes", "DescribeTargetGroupAttributes",
			"DescribeListenerCertificates",
		},
		"elb-mutating": {
			"AddTags", "CreateListener", "CreateRule", "CreateTargetGroup", "DeleteListener", "DeleteLoadBalancer",
			"DeleteRule", "DeleteTargetGroup", "ModifyListener", "ModifyRule", "ModifyTargetGroup", "RemoveTags",
			"SetRulePriorities", "SetSecurityGroups", "ModifyListenerAttributes", "ModifyLoadBalancerAttributes",
			"ModifyTargetGroupAttributes", "AddListenerCertificate", "RemoveListenerCertificate", "SetIPAddressType",
		},
	}
	listed := 0
	for category, methods := range categories {
		for _, method := range methods {
			s := &sightings{}
			require.NoError(t, everyCall[method].do(t.Context(), clients(t, Options{HTTPClient: &wire{}, Observer: s})))
			require.Equal(t, map[string]int{category: 1, "elb-account": 1}, s.tokens, method)
			listed++
		}
	}
	for method, call := range everyCall {
		if service, action, _ := strings.Cut(call.action, ":"); service != serviceELB {
			s := &sightings{}
			require.NoError(t, call.do(t.Context(), clients(t, Options{HTTPClient: &wire{}, Observer: s})))
			require.Equal(t, map[string]int{service + "-" + action: 1}, s.tokens, method)
			listed++
		}
	}
	require.Equal(t, len(everyCall), listed)
}

// All of ELBv2's actions drain the account's bucket, and the wait is seen under the
// account's name. Reading leaves registration its floor of 20 tokens. EC2 is not part
// of it.
func TestAccountBucketIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sightings{}
		c := clients(t, Options{HTTPClient: &wire{}, Observer: s})
		do := func(method string) { require.NoError(t, everyCall[method].do(t.Context(), c)) }
		start := time.Now()
		for range 20 {
			do("DescribeTargetHealth")
		}
		do("DescribeSubnets")
		do("RegisterTargets")
		require.Zero(t, time.Since(start))
		do("DescribeTargetHealth") // when the bucket, now at 19, is one above the floor
		require.InDelta(t, 200*time.Millisecond, time.Since(start), float64(time.Microsecond))
		require.Zero(t, s.waits["elb-non-mutating"])
		require.InDelta(t, 200*time.Millisecond, s.waits["elb-account"], float64(time.Microsecond))
		require.Equal(t, map[string]int{
			"elb-account": 22, "elb-non-mutating": 21, "elb-registration": 1, "ec2-DescribeSubnets": 1,
		}, s.tokens)
		require.Zero(t, s.took[len(s.took)-1], "the wait is no part of the request's duration")
	})
}

// A call made with a token that was taken ahead does not pay twice.
func TestTokenTakenAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sightings{}
		c := clients(t, Options{HTTPClient: &wire{}, Observer: s})
		token, err := c.RegistrationToken(t.Context())
		require.NoError(t, err)
		ctx := opqueue.WithToken(t.Context(), token)
		require.NoError(t, everyCall["RegisterTargets"].do(ctx, c))
		require.Equal(t, map[string]int{"elb-account": 1, "elb-registration": 1}, s.tokens)
		require.NoError(t, everyCall["RegisterTargets"].do(ctx, c))
		require.Equal(t, map[string]int{"elb-account": 2, "elb-registration": 2}, s.tokens)
	})
}

// What AWS throttles goes slower for a while, and nothing else of EC2 does.
func TestThrottlingSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(form url.Values, n int) (int, string) {
			if n == 1 {
				return 400, failure(form, "ThrottlingException")
			}
			return 200, fine(form.Get("Action"))
		}}
		c := clients(t, Options{HTTPClient: w})
		require.Equal(t, Throttled, ClassOf(everyCall["RegisterTargets"].do(t.Context(), c)))
		start := time.Now()
		require.NoError(t, everyCall["DescribeSubnets"].do(t.Context(), c))
		require.Zero(t, time.Since(start))
		require.NoError(t, everyCall["RegisterTargets"].do(t.Context(), c))
		require.Greater(t, time.Since(start), 300*time.Millisecond, "the bucket is taken for empty, and refills by 0.7 of 4 a second")
	})
}

// The limiter stands inside the SDK's retry loop: four attempts take four tokens
// of both buckets.
func TestEveryAttemptTakesATokenOfBothBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(form url.Values, n int) (int, string) {
			if n < 4 {
				return 500, failure(form, "InternalFailure")
			}
			return 200, fine(form.Get("Action"))
		}}
		s := &sightings{}
		cfg, err := load(t.Context())
		require.NoError(t, err)
		client := newClients(cfg, Options{HTTPClient: w, Observer: s, Share: 1}).ELB.read
		_, err = client.DescribeTags(t.Context(), &elb.DescribeTagsInput{ResourceArns: []string{"arn:tg"}},
			func(o *elb.Options) { o.RetryMaxAttempts = 4 })
		require.NoError(t, err)
		require.Len(t, w.forms, 4)
		require.Equal(t, map[string]int{"elb-account": 4, "elb-non-mutating": 4}, s.tokens)
	})
}

func TestWaitForATokenEndsWithTheContext(t *testing.T) {
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
		"cancel": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				c := clients(t, Options{HTTPClient: w})
				for range 10 {
					require.NoError(t, c.ELB.SetSubnets(t.Context(), "arn:lb", nil))
				}
				ctx, cancel := end(t.Context())
				defer cancel()
				start := time.Now()
				err := c.ELB.SetSubnets(ctx, "arn:lb", nil)
				require.ErrorContains(t, err, "SetSubnets arn:lb: wait for a token of elb-resource-intensive")
				require.Equal(t, Canceled, ClassOf(err))
				require.LessOrEqual(t, time.Since(start), time.Second)
				require.Len(t, w.forms, 10, "the request was sent without a token")
			})
		})
	}
}

func TestLimiterRefusesWhatHasNoBucket(t *testing.T) {
	err := newLimiter(1, silent{}).take(t.Context(), "elasticloadbalancing:DescribeSSLPolicies")
	require.ErrorContains(t, err, "no token bucket is known for elasticloadbalancing:DescribeSSLPolicies")
}

func TestLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clients(t, Options{HTTPClient: &wire{}, Share: 0.5})
		_, err := c.RegistrationToken(t.Context())
		require.NoError(t, err)
		levels := c.Levels()
		require.Equal(t, opqueue.Level{Bucket: "elb-account", Tokens: 19, Size: 20, Refill: 5}, levels[0])
		require.Contains(t, levels, opqueue.Level{Bucket: "elb-account", Class: ClassRegistration, Tokens: 9, Size: 10, Refill: 2})
		require.Contains(t, levels, opqueue.Level{Bucket: "elb-registration", Tokens: 9, Size: 10, Refill: 2})
	})
}
