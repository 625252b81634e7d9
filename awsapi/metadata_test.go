package awsapi

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// metadataService is an instance metadata service with these values.
func metadataService(t *testing.T, values map[string]string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
			_, _ = w.Write([]byte("token"))
			return
		}
		value, ok := values[r.URL.Path]
		if !ok || r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(value))
	}))
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
}

const macPath = "/latest/meta-data/mac"

func TestVPCFromMetadata(t *testing.T) {
	for name, tc := range map[string]struct {
		values map[string]string
		want   string
		err    string
	}{
		"instance": {
			values: map[string]string{
				macPath: "02:00:00:00:00:01",
				"/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/vpc-id": "vpc-1\n",
			},
			want: "vpc-1",
		},
		"no VPC":       {values: map[string]string{macPath: "02:00:00:00:00:01"}, err: "read network/interfaces/macs/"},
		"empty answer": {values: map[string]string{macPath: ""}, err: "has no mac"},
	} {
		t.Run(name, func(t *testing.T) {
			metadataService(t, tc.values)
			got, err := VPCFromMetadata(t.Context())
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestRegionComesFromMetadataAtLast(t *testing.T) {
	w := &wire{}
	metadataService(t, map[string]string{"/latest/meta-data/placement/region": "eu-west-1"})
	require.NoError(t, everyCall["ModifyRule"].do(t.Context(), clients(t, Options{HTTPClient: w})))
	t.Setenv("AWS_REGION", "")
	require.NoError(t, everyCall["ModifyRule"].do(t.Context(), clients(t, Options{HTTPClient: w})))
	require.Contains(t, w.requests[0].URL.Host, "ap-northeast-3", "the environment comes first")
	require.Contains(t, w.requests[1].URL.Host, "eu-west-1")
}

func TestWithoutMetadataTheErrorSaysWhatToSet(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	_, err := New(t.Context(), Options{})
	require.ErrorContains(t, err, "no AWS Region is set (AWS_REGION): read placement/region from the EC2 instance metadata service")
	_, err = VPCFromMetadata(t.Context())
	require.ErrorContains(t, err, "hop limit of 2")
}
