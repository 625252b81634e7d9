package metrics

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	clientmetrics "k8s.io/client-go/tools/metrics"
	"k8s.io/client-go/util/workqueue"
)

// client-go takes its metrics providers once per process, in package variables.
// The first Metrics of a process gets them; a second one (in a test) has none.
var kubernetesOnce sync.Once

// registerKubernetes hooks client-go's own measurements up to f.
func registerKubernetes(f promauto.Factory) {
	kubernetesOnce.Do(func() {
		workqueue.SetProvider(newQueueMetrics(f))
		clientmetrics.Register(clientmetrics.RegisterOpts{
			RequestLatency: requestLatency{f.NewHistogramVec(prometheus.HistogramOpts{
				Name: "rest_client_request_duration_seconds", Help: "Duration of a request to the Kubernetes API, by verb.",
				Buckets: latencyBuckets,
			}, []string{"verb"})},
			RequestResult: requestResult{f.NewCounterVec(prometheus.CounterOpts{
				Name: "rest_client_requests_total", Help: "Requests to the Kubernetes API by status code and method.",
			}, []string{"code", "method"})},
		})
	})
}

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

func newQueueMetrics(f promauto.Factory) *queueMetrics {
	name := []string{"name"}
	gauge := func(n, help string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Subsystem: "workqueue", Name: n, Help: help}, name)
	}
	counter := func(n, help string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Subsystem: "workqueue", Name: n, Help: help}, name)
	}
	histogram := func(n, help string) *prometheus.HistogramVec {
		return f.NewHistogramVec(prometheus.HistogramOpts{Subsystem: "workqueue", Name: n, Help: help, Buckets: latencyBuckets}, name)
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
