package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/tgsync/tgsync/test/playground"
)

// TestMain gives the tests themselves an identity in AWS. It is one for all of them,
// since those that wait more than they work run side by side.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_REGION": playground.Region, "AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "else",
	} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
