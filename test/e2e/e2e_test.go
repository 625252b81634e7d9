// Package e2e runs the daemon as it ships, as a process with its own service
// account, between a real Kubernetes API server and the simulated AWS account, and
// looks at the result as a person would: at objects, at AWS over the wire, and at
// the answers to HTTP requests through the load balancer.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/test/playground"
)

// patience is how long anything may take before a test gives up. It bounds a hang
// and asserts no speed.
const patience = time.Minute

// world is one test's stack with its daemon.
type world struct {
	*playground.Stack
	t *testing.T
	// mayForbid says that the daemon's requests may be forbidden, because of what the
	// test does. Otherwise none may.
	mayForbid bool
}

// start starts a stack of the test's own with a daemon.
func start(t *testing.T) *world {
	t.Helper()
	w := startStack(t)
	w.startDaemon()
	return w
}

// startStack starts a stack without a daemon, with an environment for those that
// come.
func startStack(t *testing.T, daemonEnv ...string) *world {
	t.Helper()
	return startWith(t, playground.Options{DaemonEnv: daemonEnv})
}

// startWith starts a stack without a daemon. At the end every test asks what must never
// happen (always_test.go), and a failed one prints the daemons' logs.
func startWith(t *testing.T, o playground.Options) *world {
	t.Helper()
	w := startCluster(t, o)
	t.Cleanup(func() {
		if t.Failed() {
			w.printLogs()
		}
	})
	t.Cleanup(w.nothingWasForbidden)
	t.Cleanup(w.secretsWereKept)
	return w
}

// startCluster starts a stack that need never have a daemon.
func startCluster(t *testing.T, o playground.Options) *world {
	t.Helper()
	o.BinDir = os.Getenv("TGSYNC_TEST_BIN")
	if o.BinDir == "" {
		t.Skip("TGSYNC_TEST_BIN names no directory of binaries: run `make test` or `make e2e`")
	}
	// All that a daemon could ever log shall be looked through.
	o.DaemonEnv = append([]string{"TGSYNC_LOG_LEVEL=debug"}, o.DaemonEnv...)
	stack, err := playground.Start(t.Context(), o)
	require.NoError(t, err)
	w := &world{Stack: stack, t: t}
	t.Cleanup(func() { require.NoError(t, stack.Close()) })
	return w
}

func (w *world) printLogs() {
	w.t.Helper()
	for file, log := range w.logs() {
		w.t.Logf("%s:\n%s", file, log)
	}
}

func (w *world) startDaemon() {
	w.t.Helper()
	require.NoError(w.t, w.StartDaemon(w.t.Context()))
}

func (w *world) apply(manifests ...string) {
	w.t.Helper()
	require.NoError(w.t, w.Apply(w.t.Context(), []byte(strings.Join(manifests, "\n---\n"))))
}

// eventually waits until check returns nil, and fails with what it said last.
func (w *world) eventually(what string, check func(ctx context.Context) error) {
	w.t.Helper()
	w.within(patience, what, check)
}

// within is the same with a patience of its own.
func (w *world) within(patience time.Duration, what string, check func(ctx context.Context) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case failed := <-w.Failed():
			require.NoError(w.t, failed, "the playground broke while waiting for %s", what)
		case <-ctx.Done():
			require.NoError(w.t, err, "waited for %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// namespace, echo and ingress make manifests.
func namespace(name string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Namespace, metadata: {name: %s}}`, name)
}

// echoOptions vary an echo: what it answers is its name.
type echoOptions struct {
	replicas   int
	targetPort string // default 8000
	preStop    int    // seconds
	version    string // a new one is a rollout
}

// echo is a Deployment of http-echo with its Service, which has port 80.
func echo(ns, name string, o echoOptions) string {
	if o.targetPort == "" {
		o.targetPort = "8000"
	}
	lifecycle := ""
	if o.preStop > 0 {
		lifecycle = fmt.Sprintf("lifecycle: {preStop: {sleep: {seconds: %d}}}", o.preStop)
	}
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: %[1]s, name: %[2]s}
spec:
  replicas: %[3]d
  minReadySeconds: 2
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}, annotations: {version: "%[4]s"}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - name: echo
        image: hashicorp/http-echo
        args: ["-listen=:8000", "-text=%[2]s"]
        ports: [{name: web, containerPort: 8000}]
        %[5]s
---
apiVersion: v1
kind: Service
metadata: {namespace: %[1]s, name: %[2]s}
spec:
  selector: {app: %[2]s}
  ports: [{port: 80, targetPort: %[6]s}]`, ns, name, o.replicas, o.version, lifecycle, o.targetPort)
}

// ingress routes /SERVICE to each of the Services.
func ingress(ns, name string, annotations map[string]string, services ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  namespace: %s
  name: %s
  annotations:
`, ns, name)
	all := map[string]string{"target-type": "ip", "scheme": "internet-facing"}
	maps.Copy(all, annotations)
	for k, v := range all {
		fmt.Fprintf(&b, "    alb.ingress.kubernetes.io/%s: %q\n", k, v)
	}
	b.WriteString("spec:\n  ingressClassName: alb\n  rules:\n  - http:\n      paths:\n")
	for _, s := range services {
		fmt.Fprintf(&b, "      - {path: /%[1]s, pathType: Prefix, backend: {service: {name: %[1]s, port: {number: 80}}}}\n", s)
	}
	return b.String()
}

// dnsName waits for an Ingress's address.
func (w *world) dnsName(ns, name string) string {
	w.t.Helper()
	var dns string
	w.eventually("the address of "+name, func(ctx context.Context) error {
		ing, err := w.Clientset().NetworkingV1().Ingresses(ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(ing.Status.LoadBalancer.Ingress) != 1 {
			return fmt.Errorf("status %+v", ing.Status)
		}
		dns = ing.Status.LoadBalancer.Ingress[0].Hostname
		return nil
	})
	return dns
}

// answer is what a request got.
type answer struct {
	status int
	body   string
	pod    string
}

func (w *world) get(ctx context.Context, dns, path string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+dns+path, nil)
	if err != nil {
		return answer{}, err
	}
	resp, err := w.HTTPClient().Do(req)
	if err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(body), resp.Header.Get(playground.PodHeader)}, errors.Join(err, resp.Body.Close())
}

// answers waits until requests for a path are answered so.
func (w *world) answers(dns, path string, status int, body string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d %q for %s", status, body, path), func(ctx context.Context) error {
		a, err := w.get(ctx, dns, path)
		if err == nil && (a.status != status || a.body != body) {
			err = fmt.Errorf("answer %+v", a)
		}
		return err
	})
}

// ready returns the ready endpoints of a Service, sorted.
func (w *world) ready(ctx context.Context, ns, service string) ([]string, error) {
	list, err := w.Clientset().DiscoveryV1().EndpointSlices(ns).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + service,
	})
	if err != nil {
		return nil, err
	}
	ready := []string{}
	for _, slice := range list.Items {
		for _, ep := range slice.Endpoints {
			if *ep.Conditions.Ready {
				ready = append(ready, fmt.Sprintf("%s:%d", ep.Addresses[0], *slice.Ports[0].Port))
			}
		}
	}
	slices.Sort(ready)
	return ready, nil
}

// groupTargets returns the targets of a Service's group, as AWS lists them.
func (w *world) groupTargets(ctx context.Context, ns, service string) ([]playground.Target, error) {
	groups, err := w.Account().TargetGroups(ctx)
	if err != nil {
		return nil, err
	}
	prefix := fmt.Sprintf("k8s-%s-%s-", ns, service)
	n := slices.IndexFunc(groups, func(g playground.TargetGroup) bool { return strings.HasPrefix(g.TargetGroupName, prefix) })
	if n < 0 {
		return nil, fmt.Errorf("no target group %s*", prefix)
	}
	return w.Account().Targets(ctx, groups[n].TargetGroupArn)
}

// targets returns those that are not draining, sorted, and how many of them are
// healthy.
func (w *world) targets(ctx context.Context, ns, service string) (all []string, healthy int, err error) {
	rows, err := w.groupTargets(ctx, ns, service)
	if err != nil {
		return nil, 0, err
	}
	all = []string{}
	for _, row := range rows {
		if row.State != "draining" {
			all = append(all, row.String())
		}
		if row.State == "healthy" {
			healthy++
		}
	}
	slices.Sort(all)
	return all, healthy, nil
}

// synced waits until a Service has that many ready endpoints and its target group
// has exactly these, all healthy.
func (w *world) synced(ns, service string, pods int) []string {
	w.t.Helper()
	var ready []string
	w.eventually(fmt.Sprintf("%d healthy targets of %s", pods, service), func(ctx context.Context) (err error) {
		if ready, err = w.ready(ctx, ns, service); err != nil {
			return err
		}
		targets, healthy, err := w.targets(ctx, ns, service)
		if err != nil {
			return err
		}
		if len(ready) != pods || !slices.Equal(ready, targets) || healthy != pods {
			return fmt.Errorf("endpoints %v, targets %v, healthy %d", ready, targets, healthy)
		}
		return nil
	})
	return ready
}

// empty waits until nothing is left in AWS and no Ingress in the cluster. The backend
// security group may stay: it goes when no rule has been needed for a minute.
func (w *world) empty() {
	w.t.Helper()
	w.eventually("an empty account", func(ctx context.Context) error {
		return w.left(ctx, func(g playground.SecurityGroup) bool { return strings.HasPrefix(g.GroupName, "k8s-traffic-") })
	})
}

// emptyInTheEnd waits longer, until that is gone too.
func (w *world) emptyInTheEnd() {
	w.t.Helper()
	w.empty()
	w.within(3*patience, "an account without a backend security group", func(ctx context.Context) error {
		return w.left(ctx, func(playground.SecurityGroup) bool { return false })
	})
}

// left says what is left in AWS, and of Ingresses in the cluster.
func (w *world) left(ctx context.Context, mayStay func(playground.SecurityGroup) bool) error {
	lbs, err := w.Account().LoadBalancers(ctx)
	if err != nil {
		return err
	}
	groups, err := w.Account().TargetGroups(ctx)
	if err != nil {
		return err
	}
	sgs, err := w.Account().SecurityGroups(ctx)
	if err != nil {
		return err
	}
	ings, err := w.Clientset().NetworkingV1().Ingresses("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	sgs = slices.DeleteFunc(sgs, mayStay)
	if len(lbs)+len(groups)+len(sgs)+len(ings.Items) > 0 {
		return fmt.Errorf("%d load balancers, %d target groups, %d security groups, %d Ingresses", len(lbs), len(groups), len(sgs), len(ings.Items))
	}
	return nil
}

func (w *world) deleteIngress(ns, name string) {
	w.t.Helper()
	require.NoError(w.t, w.Clientset().NetworkingV1().Ingresses(ns).Delete(w.t.Context(), name, metav1.DeleteOptions{}))
}

// annotate sets an annotation of an Ingress.
func (w *world) annotate(ns, name, key, value string) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"alb.ingress.kubernetes.io/%s":%q}}}`, key, value)
	_, err := w.Clientset().NetworkingV1().Ingresses(ns).Patch(w.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(w.t, err)
}

// warned waits for a Warning event on an Ingress whose text has all of the words.
func (w *world) warned(ns, name string, words ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("an event on %s with %v", name, words), func(ctx context.Context) error {
		events, err := w.Clientset().CoreV1().Events(ns).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
		if err != nil {
			return err
		}
		var texts []string
		for _, e := range events.Items {
			text := e.Reason + ": " + e.Message
			if e.Type == corev1.EventTypeWarning && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) }) {
				return nil
			}
			texts = append(texts, text)
		}
		return fmt.Errorf("events: %q", texts)
	})
}

// mutations returns the calls that change AWS, from the n-th call on.
func (w *world) mutations(from int) []string {
	var actions []string
	for _, c := range w.Sim().Calls()[from:] {
		if !strings.HasPrefix(c.Action, "Describe") && !strings.HasPrefix(c.Action, "List") {
			actions = append(actions, c.Action)
		}
	}
	return actions
}
