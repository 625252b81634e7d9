package awssim

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
)

// service is one of the simulated APIs.
type service struct {
	name       string // as in a credential scope
	version    string // jsonDialect: what stands before the action in X-Amz-Target
	namespace  string
	dialect    dialect
	operations map[string]operation
}

var (
	elbService = &service{
		name:       "elasticloadbalancing",
		version:    "2015-12-01",
		namespace:  "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
		dialect:    queryDialect,
		operations: elbOperations,
	}
	ec2Service = &service{
		name:       "ec2",
		version:    "2016-11-15",
		namespace:  "http://ec2.amazonaws.com/doc/2016-11-15/",
		dialect:    ec2Dialect,
		operations: ec2Operations,
	}
	stsService = &service{
		name:       "sts",
		version:    "2011-06-15",
		namespace:  "https://sts.amazonaws.com/doc/2011-06-15/",
		dialect:    queryDialect,
		operations: stsOperations,
	}
	acmService = &service{
		name:       "acm",
		version:    "CertificateManager",
		dialect:    jsonDialect,
		operations: acmOperations,
	}
)

var services = []*service{elbService, ec2Service, stsService, acmService}

// operation is one action: its bucket, its parameters, and what it does.
type operation struct {
	rate   rate
	params func() any // a new parameter struct
	run    func(s *Sim, params any) (any, error)
}

// op makes an operation. P declares the action's parameters; run is called
// with the lock held.
func op[P any](r rate, run func(*Sim, *P) (any, error)) operation {
	return operation{
		rate:   r,
		params: func() any { return new(P) },
		run:    func(s *Sim, params any) (any, error) { return run(s, params.(*P)) },
	}
}

// decode finds the operation of a request and its parameters.
func (svc *service) decode(form url.Values) (operation, any, error) {
	name := form.Get("Action")
	op, ok := svc.operations[name]
	if !ok || form.Get("Version") != svc.version {
		code := "InvalidAction"
		if svc.dialect == jsonDialect {
			code = "UnknownOperationException"
		}
		return op, nil, errAPI(code, "Could not find operation %s for version %s", name, form.Get("Version"))
	}
	tree, err := parseForm(svc.dialect, parametersOf(form))
	if err != nil {
		return op, nil, err
	}
	params := op.params()
	if err := decode(tree, params); err != nil {
		return op, nil, err
	}
	return op, params, check(params)
}

// parametersOf is form without what every request carries.
func parametersOf(form url.Values) url.Values {
	params := url.Values{}
	for name, values := range form {
		if name != "Action" && name != "Version" {
			params[name] = values
		}
	}
	return params
}

// throttled is the service's answer when a bucket is empty.
func (svc *service) throttled(switches Switches) *apiError {
	if svc == ec2Service {
		return &apiError{http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded."}
	}
	return errAPI(orElse(switches.ThrottleCode, "ThrottlingException"), "Rate exceeded")
}

// demands are the buckets that a call takes a token of.
func (svc *service) demands(action string, op operation, params any) []demand {
	if svc == elbService {
		return []demand{elbAccountRate.demand(), op.rate.demand()}
	}
	if p, ok := params.(interface{ scans() bool }); ok && p.scans() {
		return []demand{{svc.name + "/" + action + "/scan", ec2ScanRate}}
	}
	return []demand{{svc.name + "/" + action, op.rate}}
}

// apiErrorOf gives any error the service's own form.
func (svc *service) apiErrorOf(err error) *apiError {
	if answer, ok := errors.AsType[*apiError](err); ok {
		return answer
	}
	wrong, ok := errors.AsType[*paramError](err)
	if !ok {
		return &apiError{http.StatusInternalServerError, "InternalFailure", err.Error()}
	}
	switch svc {
	case ec2Service:
		return ec2ParamError(wrong)
	case acmService:
		failure := elbParamError(wrong)
		failure.code = "ValidationException"
		return failure
	}
	return elbParamError(wrong)
}

func elbParamError(e *paramError) *apiError {
	at := strings.ToLower(e.name[:1]) + e.name[1:]
	switch e.class {
	case missingParam:
		return errValidation("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", at)
	case wrongValue:
		return errValidation("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", e.value, at, e.problem)
	case malformedParam, unsupportedParam:
	}
	return errValidation("The parameter %s %s", e.name, e.problem)
}

func ec2ParamError(e *paramError) *apiError {
	switch e.class {
	case missingParam:
		return errAPI("MissingParameter", "The request must contain the parameter %s", e.name)
	case wrongValue:
		return errInvalidValue("Value (%s) for parameter %s is invalid. %s", e.value, e.name, e.problem)
	case unsupportedParam:
		return errAPI("UnsupportedOperation", "The parameter %s %s", e.name, e.problem)
	case malformedParam:
	}
	return errAPI("UnknownParameter", "The parameter %s %s", e.name, e.problem)
}

// encodeResult is the body of a success. The SDKs fail on an ELBv2 answer without
// a Result element, so it is there even when it is empty.
func (svc *service) encodeResult(action, requestID string, result any) ([]byte, error) {
	if svc.dialect == jsonDialect {
		return encodeJSON(result)
	}
	e := &encoder{dialect: svc.dialect}
	fmt.Fprintf(&e.buf, `<%sResponse xmlns="%s">`, action, svc.namespace)
	v := reflect.Indirect(reflect.ValueOf(result))
	if svc.dialect == ec2Dialect {
		e.text("requestId", requestID)
		if err := e.fields(v); err != nil {
			return nil, err
		}
	} else {
		if err := e.element(action+"Result", v); err != nil {
			return nil, err
		}
		e.open("ResponseMetadata")
		e.text("RequestId", requestID)
		e.close("ResponseMetadata")
	}
	e.close(action + "Response")
	return e.buf.Bytes(), nil
}

// encodeError is the body of a failure.
func (svc *service) encodeError(requestID string, err *apiError) []byte {
	if svc.dialect == jsonDialect {
		return encodeJSONError(err)
	}
	e := &encoder{dialect: svc.dialect}
	if svc.dialect == ec2Dialect {
		e.buf.WriteString("<Response><Errors><Error>")
		e.text("Code", err.code)
		e.text("Message", err.message)
		e.buf.WriteString("</Error></Errors>")
		e.text("RequestID", requestID)
		e.close("Response")
		return e.buf.Bytes()
	}
	fmt.Fprintf(&e.buf, `<ErrorResponse xmlns="%s"><Error>`, svc.namespace)
	blame := "Sender"
	if err.status >= http.StatusInternalServerError {
		blame = "Receiver"
	}
	e.text("Type", blame)
	e.text("Code", err.code)
	e.text("Message", err.message)
	e.close("Error")
	e.text("RequestId", requestID)
	e.close("ErrorResponse")
	return e.buf.Bytes()
}
