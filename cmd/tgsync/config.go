package main

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/caarlos0/env/v11"
)

// config is everything that can be set, from the environment alone. The README's
// table is generated from the tags: doc says what a setting does.
type config struct {
	ClusterName            string        `env:"TGSYNC_CLUSTER_NAME,required,notEmpty" doc:"Name of the cluster. It goes into names and tags of everything in AWS, so it must never change."`
	VPCID                  string        `env:"TGSYNC_VPC_ID" doc:"VPC of the cluster. Empty: asked from the instance metadata service."`
	IngressClass           string        `env:"TGSYNC_INGRESS_CLASS" envDefault:"alb" doc:"Value of the legacy annotation kubernetes.io/ingress.class that is ours. IngressClasses are recognised by their controller, ingress.k8s.aws/alb."`
	BatchSize              int           `env:"TGSYNC_BATCH_SIZE" envDefault:"200" doc:"Most targets in one RegisterTargets or DeregisterTargets call, 1 to 200."`
	BatchInterval          time.Duration `env:"TGSYNC_BATCH_INTERVAL" envDefault:"200ms" doc:"Least time from the end of a target group's call to the start of its next of the same kind. The first change never waits."`
	AuditInterval          time.Duration `env:"TGSYNC_AUDIT_INTERVAL" envDefault:"10m" doc:"How often each target group's targets are compared with AWS although nothing has changed, 1m to 24h."`
	ProvisionAuditInterval time.Duration `env:"TGSYNC_PROVISION_AUDIT_INTERVAL" envDefault:"1h" doc:"How often each load balancer with its rules and target groups is read again and put right, although nothing has changed in the cluster, 10m to 24h."`
	APIShare               float64       `env:"TGSYNC_API_SHARE" envDefault:"0.8" doc:"Share of AWS's published API rates that tgsync uses, above 0, at most 1. The rates belong to the whole account and Region."`
	MetricsAddress         string        `env:"TGSYNC_METRICS_ADDRESS" envDefault:":8080" doc:"Where /metrics, /healthz and /readyz are served."`
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
	return c, c.validate()
}

func (c config) validate() error {
	var errs []error
	check := func(ok bool, setting string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %v is not %s", setting, value, want))
		}
	}
	check(clusterNames.MatchString(c.ClusterName), "TGSYNC_CLUSTER_NAME", c.ClusterName,
		"1 to 100 letters, digits, dots, underscores and hyphens that start with a letter or digit")
	check(c.BatchSize >= 1 && c.BatchSize <= maxBatchSize, "TGSYNC_BATCH_SIZE", c.BatchSize, fmt.Sprintf("within 1 to %d", maxBatchSize))
	check(c.BatchInterval >= 0 && c.BatchInterval <= maxBatchInterval, "TGSYNC_BATCH_INTERVAL", c.BatchInterval, fmt.Sprintf("within 0s to %v", maxBatchInterval))
	check(c.AuditInterval >= minAuditInterval && c.AuditInterval <= maxAuditInterval, "TGSYNC_AUDIT_INTERVAL", c.AuditInterval,
		fmt.Sprintf("within %v to %v", minAuditInterval, maxAuditInterval))
	check(c.ProvisionAuditInterval >= minProvisionAuditInterval && c.ProvisionAuditInterval <= maxAuditInterval,
		"TGSYNC_PROVISION_AUDIT_INTERVAL", c.ProvisionAuditInterval, fmt.Sprintf("within %v to %v", minProvisionAuditInterval, maxAuditInterval))
	check(c.APIShare > 0 && c.APIShare <= 1, "TGSYNC_API_SHARE", c.APIShare, "above 0 and at most 1")
	return errors.Join(errs...)
}
