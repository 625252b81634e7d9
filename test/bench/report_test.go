package bench

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBars(t *testing.T) {
	bounded := figure{"done", 12, "s", 10}.row("s", "hash", productName)
	tests := map[string]struct {
		bar  Bar
		row  Row
		text string
		pass bool
	}{
		"by the bound, met":      {bar: Bar{MostBy: new(1.2)}, row: bounded, text: "<= 1.2 x bound", pass: true},
		"by the bound, missed":   {bar: Bar{MostBy: new(1.1)}, row: bounded, text: "<= 1.1 x bound"},
		"by a bound that is not": {bar: Bar{MostBy: new(2.0)}, row: Row{Value: 1}, text: "<= 2 x bound"},
		"exactly, met":           {bar: Bar{Least: new(12.0), Most: new(12.0)}, row: bounded, text: "= 12", pass: true},
		"exactly, more":          {bar: Bar{Least: new(11.0), Most: new(11.0)}, row: bounded, text: "= 11"},
		"a range, less":          {bar: Bar{Least: new(13.0), Most: new(14.0)}, row: bounded, text: ">= 13, <= 14"},
		"not a number":           {bar: Bar{Most: new(13.0)}, row: Row{Value: math.NaN()}, text: "<= 13"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.text, tt.bar.String())
			require.Equal(t, tt.pass, tt.bar.allows(tt.row))
		})
	}
}

func TestJudge(t *testing.T) {
	rows := []Row{
		figure{"done", 12, "s", 10}.row("drain", "hash", productName),
		figure{"done", 99, "s", 10}.row("drain", "hash", "another"),
		figure{"calls", 3, "calls", 0}.row("drain", "hash", productName),
	}
	judged := judge(rows, []Bar{
		{Scenario: "drain", Figure: "done", MostBy: new(1.1)},
		{Scenario: "drain", Figure: "calls", Most: new(3.0)},
		{Scenario: "drain", Figure: "dome", Most: new(3.0)},
	})
	require.Len(t, judged, 4)
	require.Nil(t, judged[1].Pass, "a reference has no bar")
	require.True(t, *judged[2].Pass)
	var names []string
	for _, r := range missed(judged) {
		names = append(names, r.Figure)
	}
	require.Equal(t, []string{"done", "dome"}, names, "a bar that nothing was measured for is missed")
	var table bytes.Buffer
	require.NoError(t, writeTable(&table, judged))
	require.Contains(t, table.String(), "99.00 s")
	require.Contains(t, table.String(), "MISSED")
}

// TestEveryBarHasItsScenario finds bars that nothing can meet.
func TestEveryBarHasItsScenario(t *testing.T) {
	bars, err := readBars()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, s := range scenarios() {
		names[s.name] = true
	}
	barred := map[string]bool{}
	for _, b := range bars {
		require.True(t, names[b.Scenario], b.Scenario)
		require.NotEmpty(t, b.String(), "%s, %s", b.Scenario, b.Figure)
		barred[b.Scenario] = true
	}
	require.Equal(t, names, barred, "every scenario has a bar")
}
