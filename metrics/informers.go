package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/cache"
)

// informerMetrics are client-go's measurements of informers that have a name: how far
// the caches are behind what the API server has sent.
type informerMetrics struct {
	queued, version *prometheus.GaugeVec
	processing      *prometheus.HistogramVec
}

var _ cache.InformerMetricsProvider = (*informerMetrics)(nil)

func newInformerMetrics() *informerMetrics {
	resource := []string{"resource"}
	gauge := func(n, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Subsystem: "informer", Name: n, Help: help}, resource)
	}
	return &informerMetrics{
		queued:  gauge("queued_items", "Events that the API server has sent and that are not in the cache yet."),
		version: gauge("store_resource_version", "Resource version of the latest event in the cache."),
		processing: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Subsystem: "informer", Name: "processing_latency_seconds", Help: "How long it takes to bring an event into the cache and to its handlers.",
			Buckets: prometheus.ExponentialBuckets(0.00001, 4, 10), // 10 µs to 2.6 s
		}, resource),
	}
}

func (m *informerMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.queued, m.version, m.processing}
}

func (m *informerMetrics) NewQueuedItemMetric(id cache.InformerNameAndResource) cache.GaugeMetric {
	return m.queued.WithLabelValues(id.GroupVersionResource().Resource)
}

func (m *informerMetrics) NewProcessingLatencyMetric(id cache.InformerNameAndResource) cache.HistogramMetric {
	return m.processing.WithLabelValues(id.GroupVersionResource().Resource)
}

func (m *informerMetrics) NewStoreResourceVersionMetric(id cache.InformerNameAndResource) cache.GaugeMetric {
	return m.version.WithLabelValues(id.GroupVersionResource().Resource)
}
