package main

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/tgsync/tgsync/syncer/lease"
)

// config is everything that can be set, from the environment alone. The README's
// table is generated from the tags: doc says what a setting does.
type config struct {
	ClusterName string `env:"TGSYNC_CLUSTER_NAME,required,notEmpty" doc:"Name of the cluster. It goes into names and tags of everything in AWS, so it must never change."`
	VPCID       string `env:"TGSYNC_VPC_ID" doc:"VPC of the cluster. Empty: asked from the instance metadata service."`
	DryRun      bool   `env:"TGSYNC_DRY_RUN" doc:"Change nothing: take no Lease, and log once, as \"dry run: ...\", each change that would be made. Metrics and /targets show what would be."`
	IngressConfig
	BatchSize              int           `env:"TGSYNC_BATCH_SIZE" envDefault:"200" doc:"Most targets in one RegisterTargets or DeregisterTargets call, 1 to 200."`
	MaxTargets             int           `env:"TGSYNC_MAX_TARGETS_PER_TARGET_GROUP" doc:"The most targets of a group; the others wait for a place. 0: any number. The AWS Load Balancer Controller's flag of the same name."`
	BatchInterval          time.Duration `env:"TGSYNC_BATCH_INTERVAL" envDefault:"200ms" doc:"Least time from the end of a target group's call to the start of its next of the same kind. The first change never waits."`
	AuditInterval          time.Duration `env:"TGSYNC_AUDIT_INTERVAL" envDefault:"10m" doc:"How often each target group's targets are compared with AWS although nothing has changed, 1m to 24h."`
	ProvisionAuditInterval time.Duration `env:"TGSYNC_PROVISION_AUDIT_INTERVAL" envDefault:"1h" doc:"How often each load balancer with its rules and target groups is read again and put right, although nothing has changed in the cluster, 10m to 24h."`
	GracePeriod            time.Duration `env:"TGSYNC_GRACE_PERIOD" envDefault:"60s" doc:"How long targets stay registered whose Service, Service port or EndpointSlices are not found, 0 to 1h. A Service that is deleted and made again keeps its targets."`
	ReplaceTimeout         time.Duration `env:"TGSYNC_REPLACE_TIMEOUT" envDefault:"5m" doc:"How long requests stay with a target group or load balancer that is being replaced while fewer targets of its successor are healthy; then they turn with a warning event. 0 to 1h; 0: at once."`
	LBLinger               time.Duration `env:"TGSYNC_LB_LINGER" envDefault:"10m" doc:"How long a load balancer that was replaced, or whose Ingress has moved to another group, still answers clients that know its address from DNS, 0 to 24h."`
	FailOpen               bool          `env:"TGSYNC_FAIL_OPEN" envDefault:"true" doc:"Keep the targets of a Service registered when all its pods become not ready and none is terminating, and those on nodes that have stopped reporting when there are no others."`
	GateLatch              bool          `env:"TGSYNC_GATE_LATCH" envDefault:"true" doc:"A readiness gate that was opened for a pod stays open. With false it follows the health of the target, as the AWS Load Balancer Controller's gates do."`
	GateTimeout            time.Duration `env:"TGSYNC_GATE_TIMEOUT" envDefault:"10m" doc:"How long a readiness gate waits for a target group that is missing, not used by a load balancer, or cannot take the pod; then it is opened with a warning event. 0: for ever."`
	APIShare               float64       `env:"TGSYNC_API_SHARE" envDefault:"0.8" doc:"Share of AWS's published API rates that tgsync uses, above 0, at most 1. The rates belong to the whole account and Region."`
	LeaseName              string        `env:"TGSYNC_LEASE_NAME" envDefault:"tgsync" doc:"Name of the Lease whose holder leads: of all replicas, it alone writes."`
	LeaseNamespace         string        `env:"TGSYNC_LEASE_NAMESPACE,expand" envDefault:"${POD_NAMESPACE}" doc:"Namespace of the Lease. Empty: that of the pod's service account."`
	LeaseDuration          time.Duration `env:"TGSYNC_LEASE_DURATION" envDefault:"6s" doc:"How long after its last renewal of the Lease a leader that is gone is replaced, in whole seconds. A clean stop gives the Lease up at once."`
	LeaseRenewDeadline     time.Duration `env:"TGSYNC_LEASE_RENEW_DEADLINE" envDefault:"4s" doc:"How long a leader tries to renew the Lease before it ends its work: at most nine tenths of the duration less the retry period."`
	LeaseRetryPeriod       time.Duration `env:"TGSYNC_LEASE_RETRY_PERIOD" envDefault:"1s" doc:"Time between two renewals; a standby that cannot watch the Lease looks at it as often, or half as often. Less than the renew deadline / 1.2."`
	LBCLeaseName           string        `env:"TGSYNC_LBC_LEASE_NAME" envDefault:"aws-load-balancer-controller-leader" doc:"Name of the AWS Load Balancer Controller's Lease. While that is renewed, nothing is written. Set to nothing: not looked for."`
	LBCLeaseNamespace      string        `env:"TGSYNC_LBC_LEASE_NAMESPACE" envDefault:"kube-system" doc:"Namespace of the AWS Load Balancer Controller's Lease: its own, or its --leader-election-namespace."`
	PodName                string        `env:"POD_NAME" doc:"Names the holder of the Lease, with something random added. Empty: the host's name."`
	MetricsAddress         string        `env:"TGSYNC_METRICS_ADDRESS" envDefault:":8080" doc:"Where /metrics, /targets, /healthz and /readyz are served."`
	LogLevel               slog.Level    `env:"TGSYNC_LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error."`
	LogFormat              logFormat     `env:"TGSYNC_LOG_FORMAT" envDefault:"auto" doc:"text, json, or auto: text on a terminal, JSON otherwise."`
	Kubeconfig             string        `env:"KUBECONFIG" doc:"Kubeconfig file. Empty: the pod's service account."`
}

// Limits of what can be set.
const (
	// maxBatchSize is what AWS is known to take in one call (LBC's chunk size, from
	// its maintainers' talks with the ELBv2 team: LBC PR 1342).
	maxBatchSize = 200
	// maxBatchInterval keeps a typo from stopping the sync.
	maxBatchInterval = time.Minute
	// An audit reads all that the account holds: a short interval eats the API rates
	// of everybody, and a long one leaves what somebody broke for a day.
	minProvisionAuditInterval = 10 * time.Minute
	// A group's targets cost one read, of ten a second for the whole account.
	minAuditInterval = time.Minute
	maxAuditInterval = 24 * time.Hour
	// maxGracePeriod keeps a typo from leaving dead targets for a day.
	maxGracePeriod = time.Hour
	// maxReplaceTimeout keeps a typo from leaving requests with what nobody wants.
	maxReplaceTimeout = time.Hour
	// maxLBLinger keeps a typo from paying for a load balancer for weeks.
	maxLBLinger = 24 * time.Hour
	// maxLease keeps a typo from leaving a cluster without a leader for hours.
	maxLease = 5 * time.Minute
)

// clusterNames are the names that fit into tags and names everywhere (EKS allows
// the same).
var clusterNames = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_.-]{0,99}$`)

// loadConfig reads the environment and names every problem at once.
func loadConfig(environ map[string]string) (config, error) {
	c, err := env.ParseAsWithOptions[config](env.Options{Environment: environ})
	if err != nil {
		if all, ok := errors.AsType[env.AggregateError](err); ok {
			return c, errors.Join(all.Errors...)
		}
		return c, err
	}
	// What is set to nothing on purpose has no default.
	for setting, field := range map[string]*string{"TGSYNC_LBC_LEASE_NAME": &c.LBCLeaseName, "TGSYNC_INGRESS_CLASS": &c.IngressClass} {
		if value, set := environ[setting]; set && value == "" {
			*field = ""
		}
	}
	return c, c.validate()
}

func (c config) validate() error {
	var errs []error
	check := func(ok bool, setting string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %v is not %s", setting, value, want))
		}
	}
	during := func(d time.Duration, setting string, least, most time.Duration) {
		check(d >= least && d <= most, setting, d, fmt.Sprintf("within %v to %v", least, most))
	}
	check(clusterNames.MatchString(c.ClusterName), "TGSYNC_CLUSTER_NAME", c.ClusterName,
		"1 to 100 letters, digits, dots, underscores and hyphens that start with a letter or digit")
	check(c.BatchSize >= 1 && c.BatchSize <= maxBatchSize, "TGSYNC_BATCH_SIZE", c.BatchSize, fmt.Sprintf("within 1 to %d", maxBatchSize))
	check(c.MaxTargets >= 0, "TGSYNC_MAX_TARGETS_PER_TARGET_GROUP", c.MaxTargets, "0 or more")
	c.IngressConfig.validate(check)
	during(c.BatchInterval, "TGSYNC_BATCH_INTERVAL", 0, maxBatchInterval)
	during(c.AuditInterval, "TGSYNC_AUDIT_INTERVAL", minAuditInterval, maxAuditInterval)
	during(c.ProvisionAuditInterval, "TGSYNC_PROVISION_AUDIT_INTERVAL", minProvisionAuditInterval, maxAuditInterval)
	whole := c.LeaseDuration >= time.Second && c.LeaseDuration <= maxLease && c.LeaseDuration%time.Second == 0
	check(whole, "TGSYNC_LEASE_DURATION", c.LeaseDuration, fmt.Sprintf("a number of whole seconds within 1s to %v", maxLease))
	longest := c.LeaseDuration - lease.Margin(c.LeaseDuration) - c.LeaseRetryPeriod
	check(c.LeaseRenewDeadline <= longest, "TGSYNC_LEASE_RENEW_DEADLINE", c.LeaseRenewDeadline,
		fmt.Sprintf("at most %v, nine tenths of TGSYNC_LEASE_DURATION less TGSYNC_LEASE_RETRY_PERIOD", longest))
	// client-go spreads the retry period by up to 1.2 of itself.
	check(c.LeaseRetryPeriod > 0 && c.LeaseRenewDeadline > c.LeaseRetryPeriod*12/10, "TGSYNC_LEASE_RETRY_PERIOD", c.LeaseRetryPeriod,
		fmt.Sprintf("above 0 and below %v, TGSYNC_LEASE_RENEW_DEADLINE / 1.2", c.LeaseRenewDeadline*10/12))
	check(c.LeaseName != "", "TGSYNC_LEASE_NAME", `""`, "a name")
	during(c.GracePeriod, "TGSYNC_GRACE_PERIOD", 0, maxGracePeriod)
	during(c.ReplaceTimeout, "TGSYNC_REPLACE_TIMEOUT", 0, maxReplaceTimeout)
	during(c.LBLinger, "TGSYNC_LB_LINGER", 0, maxLBLinger)
	check(c.GateTimeout >= 0, "TGSYNC_GATE_TIMEOUT", c.GateTimeout, "0 or more")
	check(c.APIShare > 0 && c.APIShare <= 1, "TGSYNC_API_SHARE", c.APIShare, "above 0 and at most 1")
	return errors.Join(errs...)
}
