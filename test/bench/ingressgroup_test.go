package bench

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestIngressGroup holds one Ingress group against its bars: unlike the other scenarios
// this one is quick.
func TestIngressGroup(t *testing.T) {
	bars, err := readBars()
	require.NoError(t, err)
	const name = "an Ingress group"
	all := scenarios()
	s := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == name })]
	bars = slices.DeleteFunc(bars, func(b Bar) bool { return b.Scenario != name })
	require.NotEmpty(t, bars)
	var rows []Row
	for _, f := range playInBubble(t, s, s.entrants[0]) {
		rows = append(rows, f.row(s.name, s.trace.Hash(), productName))
	}
	require.Empty(t, missed(judge(rows, bars)))
}
