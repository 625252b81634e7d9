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
	err := r.ParseForm()
	if err != nil {
		r.Form = url.Values{}
	}
	authorization := r.Header.Get("Authorization")
	_, credential, _ := strings.Cut(authorization, "Credential=")
	credential, _, _ = strings.Cut(credential, ",")
	scope := strings.Split(credential, "/")
	q := &request{
		svc:     serviceOf(scope, r.Form.Get("Version")),
		action:  r.Form.Get("Action"),
		actor:   scope[0],
		signed:  authorization != "",
		form:    r.Form,
		params:  map[string]string{},
		arrived: time.Now(),
		cut:     isCut(err),
	}
	for name := range parametersOf(r.Form) {
		q.params[name] = r.Form.Get(name)
	}
	return q
}

// isCut tells whether a body could not be read to its end.
func isCut(err error) bool {
	_, network := errors.AsType[*net.OpError](err)
	return network || errors.Is(err, io.ErrUnexpectedEOF)
}

// serviceOf routes by credential scope (KEY/DATE/REGION/SERVICE/aws4_request), and
// where there is none, by API version.
func serviceOf(scope []string, version string) *service {
	ec2 := version == ec2Service.version
	if len(scope) > 4 {
		ec2 = scope[3] == ec2Service.name
	}
	if ec2 {
		return ec2Service
	}
	return elbService
}

// reads tells whether the call changes nothing.
func (q *request) reads() bool { return strings.HasPrefix(q.action, "Describe") }

// takesOf tells whether the call takes a token of one of ELBv2's buckets.
func (q *request) takesOf(b Bucket) bool {
	op, known := q.svc.operations[q.action]
	return known && q.svc == elbService && (b == AccountBucket || b == op.rate.name)
}

// reply is the answer that an outcome makes, and its code.
func (q *request) reply(requestID string, result any, err error) (answer reply, code string) {
	answer = reply{status: http.StatusOK, requestID: requestID}
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
