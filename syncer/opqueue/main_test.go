package opqueue

import (
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checkInBubble checks a property in virtual time. Rapid asks a test for its
// deadline, which is real time and not to be had in a bubble: a TB has none.
func checkInBubble(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, property)
	})
}
