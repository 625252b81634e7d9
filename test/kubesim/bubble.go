package kubesim

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/runtime"
)

// DisableErrorBackoff makes client-go's errors fit for bubbles; call it in TestMain.
// After each error that client-go only logs it sleeps until a millisecond after the
// previous one, which it remembers for the whole process. Seen from a bubble, whose
// time begins in the year 2000, the previous error lies decades ahead: a reflector
// whose first list fails would sleep until then.
func DisableErrorBackoff() {
	// The first handler logs and the second sleeps. They are functions, which cannot
	// be told apart otherwise.
	runtime.ErrorHandlers = slices.Clone(runtime.ErrorHandlers[:1])
}
