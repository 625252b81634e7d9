package bench

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tgsync/tgsync/test/kubesim"
)

var out = flag.String("out", "", "where TestBench writes its rows; without it, TestBench is skipped")

func TestMain(m *testing.M) {
	for k, v := range map[string]string{
		"AWS_REGION": "ap-northeast-3", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(k, v); err != nil {
			panic(err)
		}
	}
	kubesim.DisableErrorBackoff()
	goleak.VerifyTestMain(m)
}

// TestBench plays every scenario, writes the rows, prints the table, and fails for
// every bar that is missed.
func TestBench(t *testing.T) {
	if *out == "" {
		t.Skip("make bench runs this")
	}
	bars, err := readBars()
	require.NoError(t, err)
	var rows []Row
	for _, s := range scenarios() {
		for _, e := range s.entrants {
			for _, f := range playInBubble(t, s, e) {
				rows = append(rows, f.row(s.name, s.trace.Hash(), e.name))
			}
		}
	}
	rows = judge(rows, bars)
	data, err := json.MarshalIndent(rows, "", " ")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(*out), 0o755))
	require.NoError(t, os.WriteFile(*out, append(data, '\n'), 0o600))
	require.NoError(t, writeTable(os.Stdout, rows))
	for _, r := range missed(rows) {
		t.Errorf("missed: %s, %s: %g, bar %s", r.Scenario, r.Figure, r.Value, r.Bar)
	}
}

// playInBubble plays a scenario in virtual time.
func playInBubble(t *testing.T, s scenario, e entrant) (figures []figure) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		figures, err = s.play(t.Context(), s.trace, e)
		require.NoError(t, err, "%s, %s", s.name, e.name)
	})
	return figures
}
