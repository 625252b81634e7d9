package metrics

import "github.com/prometheus/client_golang/prometheus"

// WatchProblems shows how many problems Ingresses have, by reason. The function is asked
// at every scrape; a reason that nobody has any more is not shown.
func (m *Metrics) WatchProblems(problems func() map[string]int) {
	m.registry.MustRegister(&problemCollector{problems, prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "ingress_problems"),
		"Problems that Ingresses have now, by the reason of the event that told of them.", []string{"reason"}, nil)})
}

// problemCollector makes samples of what its function says.
type problemCollector struct {
	problems func() map[string]int
	desc     *prometheus.Desc
}

var _ prometheus.Collector = (*problemCollector)(nil)

// Describe implements prometheus.Collector.
func (c *problemCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *problemCollector) Collect(ch chan<- prometheus.Metric) {
	for reason, n := range c.problems() {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n), reason)
	}
}
