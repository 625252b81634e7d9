package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Class says what a caller can do about an error. The set is closed; the empty
// Class stands for no error.
type Class string

const (
	// OK stands for no error.
	OK Class = ""
	// Throttled means that the request was refused for its rate. Nothing was done.
	Throttled Class = "Throttled"
	// NotFound means that something the request names does not exist, or not yet.
	NotFound Class = "NotFound"
	// InUse means that something else must go, or finish, first.
	InUse Class = "InUse"
	// Duplicate means that the name, the place or the rule is taken, a rule's
	// priority included: the caller's picture of AWS is out of date.
	Duplicate Class = "Duplicate"
	// Limit means that a quota is used up.
	Limit Class = "Limit"
	// Invalid means that the request cannot be carried out as it is, now or later.
	Invalid Class = "Invalid"
	// Denied means that the credentials are missing, expired or not allowed to, or
	// that the resource is protected. Nothing was done.
	Denied Class = "Denied"
	// Unavailable means that the outcome is open. No answer came (timeout, reset,
	// broken response), or one that says nothing about the effect (5xx). A write may
	// have been carried out, or may still be: look before doing the opposite.
	Unavailable Class = "Unavailable"
	// Canceled means that the caller's context ended. What was under way at that
	// moment may have been carried out, as with Unavailable; an attempt that still
	// waited for a token was not sent.
	Canceled Class = "Canceled"
	// Fenced means that Options.Fence refused: this process may change nothing now.
	// Nothing was done.
	Fenced Class = "Fenced"
	// Unknown means none of the above: a code that AWS has not documented.
	Unknown Class = "Unknown"
)

// ClassOf returns the class of an error of this package, OK for nil.
func ClassOf(err error) Class {
	if err == nil {
		return OK
	}
	if _, ok := errors.AsType[*fencedError](err); ok {
		return Fenced
	}
	if _, ok := errors.AsType[*tokenError](err); ok || errors.Is(err, context.Canceled) {
		return Canceled
	}
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return Denied
	}
	if c := classOfCode(codeOf(err)); c != Unknown {
		return c
	}
	return classOfTransport(err)
}

// Code returns AWS's error code as it was sent, "OK" for nil, and the class for
// errors that are not AWS's.
func Code(err error) string {
	if err == nil {
		return "OK"
	}
	if code := codeOf(err); code != "" {
		return code
	}
	return string(ClassOf(err))
}

// codeOf returns the code that the called service sent, if it sent one.
func codeOf(err error) string {
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return ""
	}
	const none = "UnknownError" // the SDK's word for an answer without a code: a proxy's, say
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() != none {
		return api.ErrorCode()
	}
	return ""
}

// classOfTransport sorts what has no code of AWS's that means anything to us.
func classOfTransport(err error) Class {
	if _, ok := errors.AsType[smithy.InvalidParamsError](err); ok {
		return Invalid
	}
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		switch status := response.HTTPStatusCode(); {
		case status == http.StatusTooManyRequests:
			return Throttled
		case status >= http.StatusInternalServerError, status < http.StatusBadRequest:
			// Below 400 the error is about the body: it was cut off.
			return Unavailable
		default:
			return Unknown
		}
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return Unavailable
	}
	return Unknown
}

// codes holds the codes that the families below would miss or misplace, without
// the suffix "Exception" that some services add to them. Sources: the error
// tables of the ELBv2 and EC2 API references, and the SDK's list of throttles.
var codes = map[string]Class{
	"Throttling":                    Throttled,
	"Throttled":                     Throttled,
	"ThrottlingError":               Throttled,
	"RequestThrottled":              Throttled,
	"RequestLimitExceeded":          Throttled,
	"BandwidthLimitExceeded":        Throttled,
	"TooManyRequests":               Throttled,
	"SlowDown":                      Throttled,
	"EC2Throttled":                  Throttled,
	"PriorRequestNotComplete":       Throttled,
	"ProvisionedThroughputExceeded": Throttled,
	"DependencyViolation":           InUse,
	"CapacityReservationPending":    InUse,
	"TrustStoreNotReady":            InUse,
	"PriorityInUse":                 Duplicate,
	"TargetGroupAssociationLimit":   Limit,
	"ValidationError":               Invalid,
	"Validation":                    Invalid,
	"AvailabilityZoneNotSupported":  Invalid,
	"DuplicateTagKeys":              Invalid,
	// A quota, but of one target: there is room for the others.
	"TooManyRegistrationsForTargetId": Invalid,
	"AccessDenied":                    Denied,
	"AuthFailure":                     Denied,
	"Blocked":                         Denied,
	"ExpiredToken":                    Denied,
	"IncompleteSignature":             Denied,
	"InvalidAccessKeyId":              Denied,
	"InvalidClientTokenId":            Denied,
	"InvalidSignature":                Denied,
	"MissingAuthenticationToken":      Denied,
	"NotAuthorized":                   Denied,
	"OperationNotPermitted":           Denied, // deletion protection, mostly
	"OptInRequired":                   Denied,
	"PendingVerification":             Denied,
	"RequestExpired":                  Denied,
	"SignatureDoesNotMatch":           Denied,
	"UnauthorizedOperation":           Denied,
	"UnrecognizedClient":              Denied,
	"HealthUnavailable":               Unavailable,
	"InsufficientCapacity":            Unavailable,
	"InternalError":                   Unavailable,
	"InternalFailure":                 Unavailable,
	"InternalServerError":             Unavailable,
	"RequestTimeout":                  Unavailable,
	"ServiceUnavailable":              Unavailable,
	"Unavailable":                     Unavailable,
}

// families are tried in order on codes that the table does not hold.
var families = []struct {
	prefix, suffix string
	class          Class
}{
	{suffix: "NotFound", class: NotFound}, // TargetGroupNotFound, InvalidGroup.NotFound
	{suffix: ".Duplicate", class: Duplicate},
	{suffix: "InUse", class: InUse}, // ResourceInUse, InvalidGroup.InUse
	{suffix: "LimitExceeded", class: Limit},
	{prefix: "Duplicate", class: Duplicate},
	{prefix: "TooMany", class: Limit},
	{prefix: "Invalid", class: Invalid},
	{prefix: "Incompatible", class: Invalid},
	{prefix: "Malformed", class: Invalid},
	{prefix: "Missing", class: Invalid},
	{prefix: "Unsupported", class: Invalid},
}

func classOfCode(code string) Class {
	code = strings.TrimSuffix(code, "Exception")
	code = strings.TrimPrefix(code, "Client.") // EC2's documentation writes both
	if c, ok := codes[code]; ok {
		return c
	}
	for _, f := range families {
		if strings.HasPrefix(code, f.prefix) && strings.HasSuffix(code, f.suffix) {
			return f.class
		}
	}
	return Unknown
}

// wrap says what was being done, in place of the SDK's longer way to say it.
func wrap(action, what string, err error) error {
	if err == nil {
		return nil
	}
	if operation, ok := errors.AsType[*smithy.OperationError](err); ok {
		err = operation.Err
	}
	return fmt.Errorf("%s %s: %w", action, what, redact(err))
}

// redact drops AWS's text where a signature did not match: it quotes the headers
// that were signed, and the session token is one of them.
func redact(err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || !strings.Contains(api.ErrorCode(), "Signature") {
		return err
	}
	return &smithy.GenericAPIError{
		Code:    api.ErrorCode(),
		Message: "AWS did not accept the signature (its text is left out: it holds the session token)",
		Fault:   api.ErrorFault(),
	}
}
