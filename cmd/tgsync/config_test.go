package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLoadConfig(t *testing.T) {
	c, err := loadConfig(map[string]string{"TGSYNC_CLUSTER_NAME": "demo"})
	require.NoError(t, err)
	require.Equal(t, config{
		ClusterName: "demo", BatchSize: 200, BatchInterval: 200 * time.Millisecond,
		LeaseName: "tgsync", LeaseDuration: 6 * time.Second, LeaseRenewDeadline: 4 * time.Second, LeaseRetryPeriod: time.Second,
		IngressConfig: IngressConfig{
			IngressClass: "alb", DefaultScheme: "internal", DefaultTargetType: "instance", DefaultSSLPolicy: "ELBSecurityPolicy-2016-08",
			TolerateMissingService: true, TolerateMissingAction: true, BackendSecurityGroup: true,
		},
		LBCLeaseName: "aws-load-balancer-controller-leader", LBCLeaseNamespace: "kube-system",
		AuditInterval: 10 * time.Minute, ProvisionAuditInterval: time.Hour, GracePeriod: time.Minute, ReplaceTimeout: 5 * time.Minute, LBLinger: 10 * time.Minute, FailOpen: true, GateLatch: true, GateTimeout: 10 * time.Minute, APIShare: 0.8, MetricsAddress: ":8080", LogLevel: slog.LevelInfo, LogFormat: formatAuto,
	}, c)
}

func TestLoadConfigInAPod(t *testing.T) {
	environ := map[string]string{"TGSYNC_CLUSTER_NAME": "demo", "POD_NAME": "tgsync-0", "POD_NAMESPACE": "sync"}
	c, err := loadConfig(environ)
	require.NoError(t, err)
	require.Equal(t, "tgsync-0", c.PodName)
	require.Equal(t, "sync", c.LeaseNamespace)
	environ["TGSYNC_LEASE_NAMESPACE"] = "elsewhere"
	c, err = loadConfig(environ)
	require.NoError(t, err)
	require.Equal(t, "elsewhere", c.LeaseNamespace)
}

func TestLoadConfigSetToNothing(t *testing.T) {
	c, err := loadConfig(map[string]string{"TGSYNC_CLUSTER_NAME": "demo", "TGSYNC_LBC_LEASE_NAME": "", "TGSYNC_INGRESS_CLASS": "", "TGSYNC_LEASE_NAME": ""})
	require.NoError(t, err)
	require.Empty(t, c.LBCLeaseName)
	require.Empty(t, c.IngressClass)
	require.Equal(t, "tgsync", c.LeaseName)
}

func TestLoadConfigNamesEveryProblemAtOnce(t *testing.T) {
	tests := map[string]struct {
		environ map[string]string
		want    []string
	}{
		"nothing set": {want: []string{`required environment variable "TGSYNC_CLUSTER_NAME" is not set`}},
		"unparsable": {
			environ: map[string]string{
				"TGSYNC_CLUSTER_NAME": "demo", "TGSYNC_BATCH_SIZE": "many", "TGSYNC_BATCH_INTERVAL": "soon", "TGSYNC_LOG_FORMAT": "xml",
			},
			want: []string{"BatchSize", `"many"`, "BatchInterval", `"soon"`, `"xml" is not auto, text or json`},
		},
		"out of range": {
			environ: map[string]string{
				"TGSYNC_CLUSTER_NAME": "a b", "TGSYNC_BATCH_SIZE": "201", "TGSYNC_REPLACE_TIMEOUT": "2h", "TGSYNC_LB_LINGER": "25h", "TGSYNC_BATCH_INTERVAL": "-1s", "TGSYNC_API_SHARE": "0",
				"TGSYNC_PROVISION_AUDIT_INTERVAL": "9m59s", "TGSYNC_AUDIT_INTERVAL": "1s",
			},
			want: []string{
				"TGSYNC_CLUSTER_NAME: a b is not", "TGSYNC_BATCH_SIZE: 201 is not within 1 to 200",
				"TGSYNC_PROVISION_AUDIT_INTERVAL: 9m59s is not within 10m0s to 24h0m0s",
				"TGSYNC_AUDIT_INTERVAL: 1s is not within 1m0s to 24h0m0s",
				"TGSYNC_REPLACE_TIMEOUT: 2h0m0s is not within 0s to 1h0m0s", "TGSYNC_LB_LINGER: 25h0m0s is not within 0s to 24h0m0s",
				"TGSYNC_BATCH_INTERVAL: -1s is not within 0s to 1m0s", "TGSYNC_API_SHARE: 0 is not above 0 and at most 1",
			},
		},
		"lease times that do not fit": {
			environ: map[string]string{
				"TGSYNC_CLUSTER_NAME": "demo", "TGSYNC_LEASE_DURATION": "4500ms",
				"TGSYNC_LEASE_RENEW_DEADLINE": "4100ms", "TGSYNC_LEASE_RETRY_PERIOD": "3500ms",
			},
			want: []string{
				"TGSYNC_LEASE_DURATION: 4.5s is not a number of whole seconds within 1s to 5m0s",
				"TGSYNC_LEASE_RENEW_DEADLINE: 4.1s is not at most 550ms",
				"TGSYNC_LEASE_RETRY_PERIOD: 3.5s is not above 0 and below 3.416",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := loadConfig(tt.environ)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
