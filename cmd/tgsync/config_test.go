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
		ClusterName: "demo", IngressClass: "alb", BatchSize: 200, BatchInterval: 200 * time.Millisecond,
		AuditInterval: 10 * time.Minute, ProvisionAuditInterval: time.Hour, APIShare: 0.8, MetricsAddress: ":8080", LogLevel: slog.LevelInfo, LogFormat: formatAuto,
	}, c)
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
				"TGSYNC_CLUSTER_NAME": "a b", "TGSYNC_BATCH_SIZE": "201", "TGSYNC_BATCH_INTERVAL": "-1s", "TGSYNC_API_SHARE": "0",
				"TGSYNC_PROVISION_AUDIT_INTERVAL": "9m59s", "TGSYNC_AUDIT_INTERVAL": "1s",
			},
			want: []string{
				"TGSYNC_CLUSTER_NAME: a b is not", "TGSYNC_BATCH_SIZE: 201 is not within 1 to 200",
				"TGSYNC_PROVISION_AUDIT_INTERVAL: 9m59s is not within 10m0s to 24h0m0s",
				"TGSYNC_AUDIT_INTERVAL: 1s is not within 1m0s to 24h0m0s",
				"TGSYNC_BATCH_INTERVAL: -1s is not within 0s to 1m0s", "TGSYNC_API_SHARE: 0 is not above 0 and at most 1",
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
