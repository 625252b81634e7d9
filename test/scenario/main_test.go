package scenario

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	"k8s.io/klog/v2"

	"github.com/tgsync/tgsync/metrics"
	"github.com/tgsync/tgsync/test/kubesim"
)

func TestMain(m *testing.M) {
	kubesim.DisableErrorBackoff()
	klog.SetLogger(logr.Discard()) // client-go talks about every fault
	for name, value := range map[string]string{"AWS_REGION": region, "AWS_ACCESS_KEY_ID": daemonKey, "AWS_SECRET_ACCESS_KEY": "secret"} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	// client-go takes its metrics from the first Metrics of a process, which must not
	// belong to a bubble.
	metrics.New("test")
	goleak.VerifyTestMain(m)
}
