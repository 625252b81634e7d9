package awssim

import (
	"fmt"
	"net/http"
)

// apiError is an error as AWS answers it: a code that programs read and a
// message that people read.
type apiError struct {
	status        int
	code, message string
}

// Error is the code and the message.
func (e *apiError) Error() string { return e.code + ": " + e.message }

// errAPI is an error with HTTP status 400, as nearly all of AWS's are.
func errAPI(code, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// errValidation is ELBv2's answer to parameters that are wrong in themselves.
func errValidation(format string, args ...any) *apiError {
	return errAPI("ValidationError", format, args...)
}

// errNotFound is the answer for something that does not exist, which has a code
// of its own for each kind: LoadBalancerNotFound, InvalidGroup.NotFound.
func errNotFound(code, format string, args ...any) *apiError {
	return errAPI(code, format, args...)
}

// errInvalidValue is EC2's answer to a parameter with a wrong value.
func errInvalidValue(format string, args ...any) *apiError {
	return errAPI("InvalidParameterValue", format, args...)
}
