package metrics

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/cache"
	clientmetrics "k8s.io/client-go/tools/metrics"
	"k8s.io/client-go/util/workqueue"
)

// kubernetesMetrics returns client-go's own measurements. client-go takes its
// providers once per process, in package variables, and a second registration is
// lost without a word. So these metrics belong to the process, like those of the Go
// runtime: every Metrics of a process shows the same ones.
var kubernetesMetrics = sync.OnceValue(func() []prometheus.Collector {
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rest_client_request_duration_seconds", Help: "Duration of a request to the Kubernetes API, by verb.",
		Buckets: latencyBuckets,
	}, []string{"verb"})
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rest_client_requests_total", Help: "Requests to the Kubernetes API by status code and method.",
	}, []string{"code", "method"})
	clientmetrics.Register(clientmetrics.RegisterOpts{RequestLatency: requestLatency{latency}, RequestResult: requestResult{results}})
	queues := newQueueMetrics()
	workqueue.SetProvider(queues)
	caches := newInformerMetrics()
	cache.SetInformerMetricsProvider(caches)
	return slices.Concat(queues.collectors(), caches.collectors(), []prometheus.Collector{latency, results})
})

type requestLatency struct{ h *prometheus.HistogramVec }

func (l requestLatency) Observe(_ context.Context, verb string, _ url.URL, d time.Duration) {
	l.h.WithLabelValues(verb).Observe(d.Seconds())
}

type requestResult struct{ c *prometheus.CounterVec }

func (r requestResult) Increment(_ context.Context, code, method, _ string) {
	r.c.WithLabelValues(code, method).Inc()
}

// queueMetrics gives client-go's work queues the metrics that Kubernetes' own
// controllers have, under the same names, so that existing dashboards fit.
type queueMetrics struct {
	depth, unfinished, longest *prometheus.GaugeVec
	adds, retries              *prometheus.CounterVec
	latency, work              *prometheus.HistogramVec
}

var _ workqueue.MetricsProvider = (*queueMetrics)(nil)

func newQueueMetrics() *queueMetrics {
	name := []string{"name"}
	gauge := func(n, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Subsystem: "workqueue", Name: n, Help: help}, name)
	}
	counter := func(n, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Subsystem: "workqueue", Name: n, Help: help}, name)
	}
	histogram := func(n, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Subsystem: "workqueue", Name: n, Help: help, Buckets: latencyBuckets}, name)
	}
	return &queueMetrics{
		depth:      gauge("depth", "Items that wait in the queue."),
		unfinished: gauge("unfinished_work_seconds", "Seconds of work in progress that is not yet counted in work_duration."),
		longest:    gauge("longest_running_processor_seconds", "Seconds that the longest running worker has worked."),
		adds:       counter("adds_total", "Items added to the queue."),
		retries:    counter("retries_total", "Items added again after a failure."),
		latency:    histogram("queue_duration_seconds", "How long an item waits in the queue."),
		work:       histogram("work_duration_seconds", "How long it takes to process an item."),
	}
}

func (q *queueMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{q.depth, q.unfinished, q.longest, q.adds, q.retries, q.latency, q.work}
}

func (q *queueMetrics) NewDepthMetric(name string) workqueue.GaugeMetric {
	return q.depth.WithLabelValues(name)
}

func (q *queueMetrics) NewAddsMetric(name string) workqueue.CounterMetric {
	return q.adds.WithLabelValues(name)
}

func (q *queueMetrics) NewLatencyMetric(name string) workqueue.HistogramMetric {
	return q.latency.WithLabelValues(name)
}

func (q *queueMetrics) NewWorkDurationMetric(name string) workqueue.HistogramMetric {
	return q.work.WithLabelValues(name)
}

func (q *queueMetrics) NewUnfinishedWorkSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return q.unfinished.WithLabelValues(name)
}

func (q *queueMetrics) NewLongestRunningProcessorSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return q.longest.WithLabelValues(name)
}

func (q *queueMetrics) NewRetriesMetric(name string) workqueue.CounterMetric {
	return q.retries.WithLabelValues(name)
}
