package main

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bank is a module of its own with a few mutants.
const bank = "testdata/bank"

// runBank runs the mutants of the bank that a pattern selects, and returns the table
// without what was printed below the lines.
func runBank(ctx context.Context, t *testing.T, pattern string, more ...string) (table string, err error) {
	t.Helper()
	var out strings.Builder
	err = command(ctx, append([]string{"-root", bank, "-rules", "rules", "-select", pattern}, more...), &out)
	line := regexp.MustCompile(`(?m)^bank/.*$`)
	return strings.Join(line.FindAllString(out.String(), -1), "\n"), err
}

func TestTable(t *testing.T) {
	table, err := runBank(t.Context(), t, "killed|survived|not-compiled|hangs")
	require.EqualError(t, err, "2 of 4 mutants were not killed")
	require.Equal(t, strings.TrimSpace(`
bank/killed        What is not there cannot be withdrawn.  killed by TestWithdraw/too_little (.)
bank/survived      The first parts are the larger ones.    SURVIVED
bank/not-compiled  What is withdrawn is gone.              DOES NOT COMPILE
bank/hangs         Every part is paid.                     killed by timeout
`), table)
}

func TestAllKilled(t *testing.T) {
	_, err := runBank(t.Context(), t, "killed")
	require.NoError(t, err)
}

func TestTimeoutIsNoProofUnlessSaid(t *testing.T) {
	table, err := runBank(t.Context(), t, "timed-out", "-timeout", "1s")
	require.EqualError(t, err, "1 of 1 mutants were not killed")
	require.Equal(t, "bank/timed-out  Every part is paid.  TIMED OUT", table)
}

func TestSelectsNone(t *testing.T) {
	_, err := runBank(t.Context(), t, "nobody")
	require.EqualError(t, err, `no mutant has a name like "nobody"`)
}

// TestFailingTestsProveNothing: nothing is broken, and yet a test fails.
func TestFailingTestsProveNothing(t *testing.T) {
	t.Setenv("BANK_TEST_LISTENER", "nobody")
	table, err := runBank(t.Context(), t, "killed")
	require.ErrorContains(t, err, "the tests of . fail although nothing is broken: killed by TestSplit (.)")
	require.Empty(t, table)
}

// TestStopTakesTheTestsAlong: the test binary is a child of a child. It ends with us,
// and the line that it holds does.
func TestStopTakesTheTestsAlong(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	t.Setenv("BANK_TEST_LISTENER", listener.Addr().String())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := runBank(ctx, t, "timed-out", "-timeout", "10m")
		ended <- err
	}()
	var line net.Conn
	for range 2 { // the first comes from the tests with nothing broken
		line, err = listener.Accept()
		require.NoError(t, err)
		defer line.Close()
	}
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	_, err = line.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// TestRulesApply keeps the mutants of the product from rotting, without running any.
func TestRulesApply(t *testing.T) {
	const root = "../.."
	mutants, err := load("rules")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, m := range mutants {
		require.False(t, seen[m.Name], "%s stands twice", m.Name)
		seen[m.Name] = true
		for _, problem := range m.problems(root) {
			t.Error(problem)
		}
	}
}

func TestProblems(t *testing.T) {
	good := mutant{
		Name: "bank/x", Rule: "It is so.", File: "bank.go", Old: "amount > balance", New: "false",
		Packages: []string{"."}, Run: "TestWith/enough",
	}
	tests := map[string]struct {
		change  func(m *mutant)
		problem string // empty: none
	}{
		"none":              {func(*mutant) {}, ""},
		"a behaviour":       {func(m *mutant) { m.Behaviour = behaviours[0] }, ""},
		"other behaviour":   {func(m *mutant) { m.Behaviour = "luck" }, "bank/x: no behaviour is called luck"},
		"no file":           {func(m *mutant) { m.File = "none.go" }, "open " + filepath.Join(bank, "none.go") + ": no such file or directory"},
		"text is gone":      {func(m *mutant) { m.Old = "amount >= balance" }, "bank/x: the text to be replaced stands 0 times in bank.go"},
		"text stands twice": {func(m *mutant) { m.Old = "return" }, "bank/x: the text to be replaced stands 5 times in bank.go"},
		"the same text":     {func(m *mutant) { m.New = m.Old }, "bank/x: nothing is replaced"},
		"no text":           {func(m *mutant) { m.Old = "" }, "bank/x: nothing is replaced"},
		"no sentence":       {func(m *mutant) { m.Rule = "so" }, "bank/x: the rule is not a sentence"},
		"no test":           {func(m *mutant) { m.Run = "TestDeposit" }, `bank/x: . has no test that matches "TestDeposit"`},
		"no tests at all":   {func(m *mutant) { m.Packages, m.Run = []string{"rules"}, "" }, `bank/x: rules has no test that matches ""`},
		"a bad pattern":     {func(m *mutant) { m.Run = "Test(" }, `bank/x: . has no test that matches "Test("`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := good
			tt.change(&m)
			if tt.problem == "" {
				require.Empty(t, m.problems(bank))
				return
			}
			require.Equal(t, []string{tt.problem}, m.problems(bank))
		})
	}
}
