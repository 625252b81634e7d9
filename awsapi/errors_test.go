package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

// Every code that the API references of ELBv2 and EC2 list for our actions, and
// those that are common to all actions.
func TestClassOfCode(t *testing.T) {
	for class, codes := range map[Class][]string{
		Throttled: {
			"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
			"TooManyRequestsException", "RequestLimitExceeded", "Client.RequestLimitExceeded", "BandwidthLimitExceeded",
			"SlowDown", "EC2ThrottledException", "PriorRequestNotComplete", "ProvisionedThroughputExceededException",
		},
		NotFound: {
			"LoadBalancerNotFound", "ListenerNotFound", "RuleNotFound", "TargetGroupNotFound", "SubnetNotFound",
			"CertificateNotFound", "SSLPolicyNotFound", "AllocationIdNotFound", "TrustStoreNotFound", "ALPNPolicyNotFound",
			"InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound", "InvalidPermission.NotFound",
			"InvalidSubnetID.NotFound", "InvalidVpcID.NotFound",
		},
		InUse: {
			"ResourceInUse", "DependencyViolation", "InvalidGroup.InUse", "CapacityReservationPending", "TrustStoreNotReady",
		},
		Duplicate: {
			"DuplicateLoadBalancerName", "DuplicateTargetGroupName", "DuplicateListener", "PriorityInUse",
			"InvalidGroup.Duplicate", "InvalidPermission.Duplicate",
		},
		Limit: {
			"TooManyTargets", "TooManyRules", "TooManyListeners", "TooManyActions",
			"TooManyTargetGroups", "TooManyLoadBalancers", "TooManyTags", "TooManyCertificates",
			"TooManyUniqueTargetGroupsPerLoadBalancer", "TargetGroupAssociationLimit",
			"RulesPerSecurityGroupLimitExceeded", "TagLimitExceeded", "SecurityGroupLimitExceeded",
		},
		Invalid: {
			"ValidationError", "ValidationException", "InvalidTarget", "InvalidConfigurationRequest", "InvalidScheme",
			"InvalidSecurityGroup", "InvalidSubnet", "InvalidLoadBalancerAction", "InvalidAction",
			"InvalidParameterValue", "InvalidParameterCombination", "InvalidQueryParameter", "MissingParameter",
			"MissingAction", "MalformedQueryString", "IncompatibleProtocols", "UnsupportedProtocol",
			"AvailabilityZoneNotSupported", "DuplicateTagKeys", "TooManyRegistrationsForTargetId", "InvalidGroupId.Malformed", "InvalidGroup.Reserved",
			"InvalidPermission.Malformed", "InvalidTagKey.Malformed", "InvalidNextToken", "InvalidMaxResults",
		},
		Denied: {
			"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthFailure", "ExpiredToken",
			"ExpiredTokenException", "RequestExpired", "UnrecognizedClient", "UnrecognizedClientException",
			"InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException",
			"IncompleteSignature", "MissingAuthenticationToken", "NotAuthorized", "OptInRequired",
			"PendingVerification", "Blocked", "OperationNotPermitted",
		},
		Unavailable: {
			"HealthUnavailable", "InsufficientCapacity", "InternalFailure", "InternalError", "InternalServerError",
			"ServiceUnavailable", "Unavailable", "RequestTimeout", "RequestTimeoutException",
		},
		Unknown: {"DryRunOperation", "IHaveNeverSeenThis"},
	} {
		for _, code := range codes {
			err := fmt.Errorf("doing it: %w", &smithy.GenericAPIError{Code: code, Message: "no"})
			require.Equal(t, class, ClassOf(err), code)
			require.Equal(t, code, Code(err))
		}
	}
}

// The outcome of a real round trip, for what a network and an HTTP server can do.
func TestClassOfRoundTrip(t *testing.T) {
	answer := func(status int, body string) doer {
		return (&wire{answer: func(url.Values, int) (int, string) { return status, body }}).Do
	}
	fail := func(err error) doer {
		return func(*http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: "https://elb", Err: err}
		}
	}
	for name, tc := range map[string]struct {
		aws   doer
		class Class
		code  string // empty: the class
	}{
		"connection refused": {aws: fail(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), class: Unavailable},
		"connection reset":   {aws: fail(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), class: Unavailable},
		"no such host":       {aws: fail(&net.DNSError{IsNotFound: true}), class: Unavailable},
		"closed early":       {aws: fail(io.ErrUnexpectedEOF), class: Unavailable},
		"timeout":            {aws: fail(&net.OpError{Op: "read", Err: context.DeadlineExceeded}), class: Unavailable},
		"proxy's 502":        {aws: answer(502, "<html>bad gateway</html>"), class: Unavailable},
		"empty 503":          {aws: answer(503, ""), class: Unavailable},
		"429 of a kind":      {aws: answer(429, failure(nil, "Whatever")), class: Throttled, code: "Whatever"},
		"400 of a kind":      {aws: answer(400, failure(nil, "Whatever")), class: Unknown, code: "Whatever"},
		"answer cut off":     {aws: answer(200, "<SetSubnetsResponse><SetSubnetsResult><Avail"), class: Unavailable},
		"fine":               {aws: answer(200, fine("SetSubnets")), class: OK, code: "OK"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sightings{}
			err := clients(t, Options{HTTPClient: tc.aws, Observer: s}).ELB.SetSubnets(t.Context(), "arn:lb", nil)
			require.NotContains(t, fmt.Sprint(err), "no answer within", "that is said of our own limit")
			require.Equal(t, tc.class, ClassOf(err), "%v", err)
			if tc.code == "" {
				tc.code = string(tc.class)
			}
			require.Equal(t, tc.code, Code(err))
			require.Equal(t, []string{"elasticloadbalancing SetSubnets " + tc.code}, s.requests)
		})
	}
}

// What the SDK finds wrong before it sends is wrong for good.
func TestClassOfRequestThatCannotBeSent(t *testing.T) {
	w := &wire{}
	err := second(clients(t, Options{HTTPClient: w}).ELB.CreateListener(t.Context(), Listener{}))
	require.Equal(t, Invalid, ClassOf(err), "%v", err)
	require.Empty(t, w.forms)
}

// noCredentials stands for a token service that is throttled itself.
type noCredentials struct{}

func (noCredentials) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}
}

// Another service's code is not taken for the answer of the one that was called.
func TestClassOfMissingCredentials(t *testing.T) {
	w := &wire{}
	c := newClients(aws.Config{Region: "ap-northeast-3", Credentials: credentials{noCredentials{}}},
		Options{HTTPClient: w, Observer: silent{}, Share: 1})
	err := c.ELB.SetSubnets(t.Context(), "arn:lb", nil)
	require.ErrorContains(t, err, "get AWS credentials: api error Throttling")
	require.Equal(t, Denied, ClassOf(err))
	require.Equal(t, "Denied", Code(err))
	require.Empty(t, w.forms)
}

// AWS quotes the session token when a signature does not match.
func TestErrorsHoldNoSecrets(t *testing.T) {
	for _, code := range []string{"SignatureDoesNotMatch", "InvalidSignatureException"} {
		w := &wire{answer: func(url.Values, int) (int, string) {
			return 403, "<ErrorResponse><Error><Code>" + code + "</Code><Message>The Canonical String for this request " +
				"should have been 'POST / x-amz-security-token:session-token'</Message></Error></ErrorResponse>"
		}}
		err := everyCall["ModifyRule"].do(t.Context(), clients(t, Options{HTTPClient: w}))
		require.ErrorContains(t, err, "ModifyRule arn:rule: api error "+code)
		require.NotContains(t, err.Error(), "session-token")
		require.Equal(t, Denied, ClassOf(err))
		api, ok := errors.AsType[smithy.APIError](err)
		require.True(t, ok)
		require.NotContains(t, api.ErrorMessage(), "session-token")
	}
}

func TestErrorSaysWhatWasDone(t *testing.T) {
	w := &wire{answer: func(form url.Values, _ int) (int, string) { return 400, failure(form, "PriorityInUse") }}
	err := everyCall["CreateRule"].do(t.Context(), clients(t, Options{HTTPClient: w}))
	require.EqualError(t, err, "CreateRule of arn:listener, priority 1: "+
		"https response error StatusCode: 400, RequestID: , PriorityInUse: no")
}
