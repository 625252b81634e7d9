// Package metrics holds every Prometheus metric of tgsync in one struct with one
// constructor, and the HTTP server that shows them.
//
// The package imports nothing of ours: its methods take plain values and satisfy
// the small interfaces that the other packages declare for what they want
// observed.
//
//	metrics.go     the metrics of the product, prefix tgsync_
//	groups.go      target groups, read when somebody asks
//	problems.go    problems of Ingresses, likewise
//	kubernetes.go  client-go's own: work queues and API requests
//	informers.go   and informers
//	server.go      /metrics, /healthz, /readyz
//	page.go        what /targets shows: its JSON, field by field
//	targets.go     /targets and /targets.json: filter, template (targets.html), headers
//	view.go        the page as the template needs it
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const namespace = "tgsync"

// latencyBuckets reach from one fast AWS call to a queue that waits for tokens
// for minutes: 25 ms doubled up to 204.8 s.
var latencyBuckets = prometheus.ExponentialBuckets(0.025, 2, 14)

// Metrics are the metrics of one daemon.
type Metrics struct {
	registry *prometheus.Registry

	programming  *prometheus.HistogramVec
	batchSize    *prometheus.HistogramVec
	awsRequests  *prometheus.CounterVec
	awsDuration  *prometheus.HistogramVec
	tokenWait    *prometheus.HistogramVec
	drift        prometheus.Counter
	guardHolds   *prometheus.CounterVec
	targetReady  prometheus.Histogram
	gateLag      prometheus.Histogram
	gateTimeouts prometheus.Counter
	passes       *prometheus.CounterVec
	passDuration prometheus.Histogram
}

// New returns the metrics of a daemon of the given version, on a registry of
// their own. With them are those of the Go runtime, the process and client-go, which
// belong to the process: a second Metrics shows them too.
func New(version string) *Metrics {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(kubernetesMetrics()...)
	f := promauto.With(reg)
	f.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the version is in the label.",
		ConstLabels: prometheus.Labels{"version": version},
	}).Set(1)
	m := &Metrics{
		registry: reg,
		programming: f.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "target_programming_duration_seconds",
			Help: "Time from the change of an endpoint (its EndpointSlice's last change trigger time, " +
				"or when the event arrived) to AWS's answer to the call that carried it.",
			Buckets: latencyBuckets,
		}, []string{"operation"}),
		batchSize: f.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "batch_size", Help: "Targets in one RegisterTargets or DeregisterTargets call.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200},
		}, []string{"operation"}),
		awsRequests: f.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "aws_requests_total", Help: "Requests to AWS, each attempt counted, by AWS's error code (OK: none).",
		}, []string{"service", "operation", "code"}),
		awsDuration: f.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "aws_request_duration_seconds", Help: "Duration of one attempt of a request to AWS, without waiting for tokens.",
			Buckets: latencyBuckets,
		}, []string{"service", "operation"}),
		tokenWait: f.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "token_wait_seconds", Help: "Time that a request to AWS waited for a token of a bucket.",
			Buckets: append([]float64{0.001}, latencyBuckets...),
		}, []string{"bucket"}),
		drift: f.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "drift_repaired_total",
			Help: "Targets that somebody else had registered or deregistered, found by comparing with AWS.",
		}),
		guardHolds: f.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "guard_holds_total",
			Help: "Times that a guard began to keep targets of a group registered.",
		}, []string{"guard"}),
		targetReady: f.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "target_ready_duration_seconds",
			Help:    "Time from AWS's answer to the registration of a gated pod's target until the pod's gate was opened.",
			Buckets: latencyBuckets,
		}),
		gateLag: f.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "gate_lag_seconds",
			Help: "Time from a target's becoming healthy until the pod's gate was opened, at most: " +
				"nobody tells when it becomes healthy, so it counts from the last moment at which it was not.",
			Buckets: latencyBuckets,
		}),
		gateTimeouts: f.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "gate_timeouts_total",
			Help: "Gates that were opened because a target group could not take the pod for TGSYNC_GATE_TIMEOUT.",
		}),
		passes: f.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "ingress_group_passes_total",
			Help: "Provisioning passes over an Ingress group by result: ok, or the class of the error.",
		}, []string{"result"}),
		passDuration: f.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "ingress_group_pass_duration_seconds", Help: "Duration of a provisioning pass over an Ingress group.",
			Buckets: latencyBuckets,
		}),
	}
	return m
}

// TargetsProgrammed records a call that AWS accepted. A latency of zero stands
// for a change whose time nobody knows (found at start-up).
func (m *Metrics) TargetsProgrammed(operation string, targets int, latency time.Duration) {
	m.batchSize.WithLabelValues(operation).Observe(float64(targets))
	if latency > 0 {
		m.programming.WithLabelValues(operation).Observe(latency.Seconds())
	}
}

// WatchPending shows what waits for an operation. Both functions are asked at
// every scrape, so that the age of the oldest change grows between events and is
// zero when nothing waits.
func (m *Metrics) WatchPending(operation string, groups func() int, oldest func() time.Duration) {
	f := promauto.With(m.registry)
	label := prometheus.Labels{"operation": operation}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "pending_changes", ConstLabels: label,
		Help: "Target groups with a change that AWS has not accepted yet.",
	}, func() float64 { return float64(groups()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "oldest_pending_change_seconds", ConstLabels: label,
		Help: "Age of the oldest change that AWS has not accepted yet; 0 when there is none.",
	}, func() float64 { return oldest().Seconds() })
}

// DriftFound records targets that somebody else changed.
func (m *Metrics) DriftFound(targets int) { m.drift.Add(float64(targets)) }

// GateOpened records that a gate was opened: how long after AWS took the registration
// of the target, and how long at most after it could have been opened. Zero: not known.
func (m *Metrics) GateOpened(sinceRegistered, lag time.Duration) {
	if sinceRegistered > 0 {
		m.targetReady.Observe(sinceRegistered.Seconds())
	}
	if lag > 0 {
		m.gateLag.Observe(lag.Seconds())
	}
}

// GateTimedOut records that a gate was opened without a target group in trouble.
func (m *Metrics) GateTimedOut() { m.gateTimeouts.Inc() }

// WatchGates shows how many pods wait for a target to become healthy. The function is
// asked at every scrape.
func (m *Metrics) WatchGates(waiting func() int) {
	promauto.With(m.registry).NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "gates_waiting", Help: "Pods whose containers are ready and whose readiness gate is not open yet, summed over their target groups.",
	}, func() float64 { return float64(waiting()) })
}

// GuardHolds records that a guard began to hold targets of a group.
func (m *Metrics) GuardHolds(guard string) { m.guardHolds.WithLabelValues(guard).Inc() }

// WatchLeader shows whether this process leads. The function is asked at every
// scrape: leading can end without anything happening.
func (m *Metrics) WatchLeader(leads func() bool) {
	promauto.With(m.registry).NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "leader", Help: "1 if this process holds the Lease: of all replicas, it alone may change AWS and Kubernetes. 0 if not.",
	}, gauge(leads))
}

// WatchAside shows whether another controller keeps this process from writing. The
// function is asked at every scrape.
func (m *Metrics) WatchAside(aside func() bool) {
	promauto.With(m.registry).NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "standing_aside",
		Help: "1 while the AWS Load Balancer Controller renews its Lease, or may: then nothing is written to AWS or Kubernetes. 0 if not.",
	}, gauge(aside))
}

// gauge is 1 while something is so.
func gauge(is func() bool) func() float64 {
	return func() float64 {
		if is() {
			return 1
		}
		return 0
	}
}

// Request records one attempt of a request to AWS.
func (m *Metrics) Request(service, operation, code string, d time.Duration) {
	m.awsRequests.WithLabelValues(service, operation, code).Inc()
	m.awsDuration.WithLabelValues(service, operation).Observe(d.Seconds())
}

// TokenWait records how long a request waited for a token.
func (m *Metrics) TokenWait(bucket string, d time.Duration) {
	m.tokenWait.WithLabelValues(bucket).Observe(d.Seconds())
}

// GroupPass records one provisioning pass.
func (m *Metrics) GroupPass(result string, d time.Duration) {
	m.passes.WithLabelValues(result).Inc()
	m.passDuration.Observe(d.Seconds())
}
