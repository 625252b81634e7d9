package provision

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	clienttesting "k8s.io/client-go/testing"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/rehearsal"
	"github.com/tgsync/tgsync/test/awssim"
)

// once makes one pass over every group, as a process of its own would.
func (w *world) once(clients func(*awsapi.Clients) (ELB, EC2)) []Outcome {
	w.t.Helper()
	own, err := awsapi.New(w.t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: w.wire}})
	require.NoError(w.t, err)
	elb, ec2 := clients(own)
	factory := informers.NewSharedInformerFactory(w.client, 0)
	ingresses, classes, services := factory.Networking().V1().Ingresses(), factory.Networking().V1().IngressClasses(), factory.Core().V1().Services()
	loop := New(Options{
		Settings: ingress.DefaultSettings(cluster), VPCID: vpcID,
		Ingresses: ingresses.Lister(), Classes: classes.Lister(), Services: services.Lister(),
		Client: w.client, Events: recorder{w}, ELB: elb, EC2: ec2, Metrics: w, Log: w.log, GracePeriod: gracePeriod,
	})
	stop := make(chan struct{})
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	outcomes, err := loop.Once(w.t.Context())
	require.NoError(w.t, err)
	close(stop)
	factory.Shutdown()
	return outcomes
}

func rehearsed(c *awsapi.Clients) (ELB, EC2) {
	return rehearsal.ELB{ELB: c.ELB}, rehearsal.EC2{EC2: c.EC2}
}

func performed(c *awsapi.Clients) (ELB, EC2) { return c.ELB, c.EC2 }

// What a rehearsal says is what is done then, for the first build, a change, and the
// end; and it writes nothing.
func TestRehearsalIsWhatIsDone(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		dry := false // as an API server takes dry runs
		w.client.PrependReactor("patch", "ingresses", func(clienttesting.Action) (bool, runtime.Object, error) {
			return dry, &networkingv1.Ingress{}, nil
		})
		rehearseAndPerform := func() (steps int) {
			w.writes() // those before
			dry = true
			plan := w.once(rehearsed)
			dry = false
			require.Empty(t, w.writes())
			require.Equal(t, plan, w.once(performed))
			for _, o := range plan {
				require.NoError(t, o.Err)
				steps += len(o.Steps)
			}
			if steps > 0 {
				require.NotEmpty(t, w.writes())
			}
			time.Sleep(time.Minute)
			return steps
		}
		w.service("demo0", "echo0")
		w.service("demo0", "echo1")
		w.ingress("demo0", "first", nil, "echo0")
		require.Equal(t, 6, rehearseAndPerform())
		require.Zero(t, rehearseAndPerform())
		w.update("demo0", "first", func(ing *networkingv1.Ingress) {
			ing.Annotations["alb.ingress.kubernetes.io/healthcheck-path"] = "/up"
			ing.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "echo1"
		})
		require.Positive(t, rehearseAndPerform())
		w.remove("demo0", "first")
		require.Positive(t, rehearseAndPerform())
	})
}
