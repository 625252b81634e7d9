package kubesim

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	DisableErrorBackoff()
	goleak.VerifyTestMain(m)
}
