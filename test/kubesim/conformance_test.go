package kubesim

import (
	"testing"
	"testing/synctest"
)

// TestConformance runs each check in a bubble; against a real server they run in the
// end-to-end tests.
func TestConformance(t *testing.T) {
	for name, check := range Checks() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{Kinds: []Kind{Widget}})
				t.Cleanup(s.Close)
				check(t, s.Config())
			})
		})
	}
}
