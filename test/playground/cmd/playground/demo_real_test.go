package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/playground"
)

// TestDemo plays the whole demo on a real API server: each of its steps fails at the
// first thing that differs.
func TestDemo(t *testing.T) {
	bin := os.Getenv("TGSYNC_TEST_BIN")
	if bin == "" {
		t.Skip("TGSYNC_TEST_BIN names no directory of binaries: run `make test` or `make e2e`")
	}
	require.NoError(t, demo(t.Context(), playground.Options{BinDir: bin}))
}
