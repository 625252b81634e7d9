package metrics

import "github.com/prometheus/client_golang/prometheus"

// Group is what is shown of one target group.
type Group struct {
	Name    string
	State   string
	Targets map[string]int // by AWS's word for their state
	Parked  map[string]int // by reason
}

// WatchGroups shows target groups, in one of the given states each. The function is
// asked at every scrape, so that a group's series end with it.
func (m *Metrics) WatchGroups(states []string, groups func() []Group) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	m.registry.MustRegister(&groupCollector{
		states: states, groups: groups,
		byState: desc("groups", "Target groups, by state: unknown (AWS was not asked yet), held (a guard keeps targets), "+
			"parked (AWS refuses targets), pending (changes wait for a call), synced.", "state"),
		targets: desc("targets", "Targets of a target group by AWS's word for their state, as of the last look and the calls since.",
			"target_group", "state"),
		parked: desc("parked_targets", "Targets that AWS refuses, kept apart from those it takes, by reason.", "reason"),
	})
}

// groupCollector makes samples of what its function says.
type groupCollector struct {
	states                   []string
	groups                   func() []Group
	byState, targets, parked *prometheus.Desc
}

var _ prometheus.Collector = (*groupCollector)(nil)

// Describe implements prometheus.Collector.
func (c *groupCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.byState
	ch <- c.targets
	ch <- c.parked
}

// Collect implements prometheus.Collector.
func (c *groupCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, n int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), labels...)
	}
	byState, parked := map[string]int{}, map[string]int{}
	for _, state := range c.states {
		byState[state] = 0
	}
	for _, g := range c.groups() {
		byState[g.State]++
		for state, n := range g.Targets {
			gauge(c.targets, n, g.Name, state)
		}
		for reason, n := range g.Parked {
			parked[reason] += n
		}
	}
	for state, n := range byState {
		gauge(c.byState, n, state)
	}
	for reason, n := range parked {
		gauge(c.parked, n, reason)
	}
}
