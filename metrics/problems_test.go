package metrics

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// gauges returns the values of a gauge, by the value of its label; "" if it has none.
func gauges(t *testing.T, m *Metrics, name string) map[string]float64 {
	t.Helper()
	all, err := m.registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range all {
		for _, metric := range family.GetMetric() {
			label := ""
			for _, pair := range metric.GetLabel() {
				label = pair.GetValue()
			}
			if family.GetName() == name {
				values[label] = metric.GetGauge().GetValue()
			}
		}
	}
	return values
}

func TestProblems(t *testing.T) {
	m := New("test")
	problems := map[string]int{"InvalidAnnotation": 2, "FailedDeployModel": 1}
	m.WatchProblems(func() map[string]int { return problems })
	require.Equal(t, map[string]float64{"InvalidAnnotation": 2, "FailedDeployModel": 1}, gauges(t, m, "tgsync_ingress_problems"))
	problems = nil
	require.Empty(t, gauges(t, m, "tgsync_ingress_problems"))
}

func TestAside(t *testing.T) {
	m := New("test")
	aside := true
	m.WatchAside(func() bool { return aside })
	require.Equal(t, map[string]float64{"": 1}, gauges(t, m, "tgsync_standing_aside"))
	aside = false
	require.Equal(t, map[string]float64{"": 0}, gauges(t, m, "tgsync_standing_aside"))
}
