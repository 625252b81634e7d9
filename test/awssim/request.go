package awssim

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody is the longest request body that is read. The largest real call (200
// targets) has about 20 kB.
const maxBody = 1 << 20

// request is a call on its way.
type request struct {
	svc     *service
	action  string
	actor   string // the access key of who calls
	token   string // of a session, "" for a user
	signed  bool
	form    url.Values
	params  map[string]string // as in Call
	arrived time.Time
	// cut says that the caller's connection ended within the request: AWS never gets to
	// see such a one.
	cut bool
}

func newRequest(r *http.Request) *request {
	if r.Body != nil {
		r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
	}
	form, err := formOf(r)
	authorization := r.Header.Get("Authorization")
	_, credential, _ := strings.Cut(authorization, "Credential=")
	credential, _, _ = strings.Cut(credential, ",")
	scope := strings.Split(credential, "/")
	q := &request{
		svc:     serviceOf(scope, form.Get("Version")),
		action:  form.Get("Action"),
		actor:   scope[0],
		token:   r.Header.Get("X-Amz-Security-Token"),
		signed:  authorization != "",
		form:    form,
		params:  map[string]string{},
		arrived: time.Now(),
		cut:     isCut(err),
	}
	for name := range parametersOf(form) {
		q.params[name] = form.Get(name)
	}
	return q
}

// formOf reads a request. The services that speak JSON name the action in a header.
func formOf(r *http.Request) (url.Values, error) {
	if target := r.Header.Get("X-Amz-Target"); target != "" && r.Body != nil {
		body, err := io.ReadAll(r.Body)
		return jsonForm(target, body), err
	}
	err := r.ParseForm()
	if err != nil {
		return url.Values{}, err
	}
	return r.Form, nil
}

// isCut tells whether a body could not be read to its end.
func isCut(err error) bool {
	_, network := errors.AsType[*net.OpError](err)
	return network || errors.Is(err, io.ErrUnexpectedEOF)
}

// serviceOf routes by credential scope (KEY/DATE/REGION/SERVICE/aws4_request), and
// where there is none, by API version.
func serviceOf(scope []string, version string) *service {
	for _, svc := range services {
		if len(scope) > 4 && scope[3] == svc.name || len(scope) <= 4 && version == svc.version {
			return svc
		}
	}
	return elbService
}

// reads tells whether the call changes nothing.
func (q *request) reads() bool {
	for _, verb := range []string{"Describe", "List", "Get"} {
		if strings.HasPrefix(q.action, verb) {
			return true
		}
	}
	return false
}

// takesOf tells whether the call takes a token of one of ELBv2's buckets.
func (q *request) takesOf(b Bucket) bool {
	op, known := q.svc.operations[q.action]
	return known && q.svc == elbService && (b == AccountBucket || b == op.rate.name)
}

// reply is the answer that an outcome makes, and its code.
func (q *request) reply(requestID string, result any, err error) (answer reply, code string) {
	answer = reply{status: http.StatusOK, requestID: requestID, contentType: "text/xml"}
	if q.svc.dialect == jsonDialect {
		answer.contentType = "application/x-amz-json-1.1"
	}
	if err == nil {
		answer.body, err = q.svc.encodeResult(q.action, requestID, result)
	}
	if err != nil {
		failure := q.svc.apiErrorOf(err)
		answer.status, answer.body = failure.status, q.svc.encodeError(requestID, failure)
		return answer, failure.code
	}
	return answer, "OK"
}
