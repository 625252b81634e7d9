package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/playground"
)

// run runs a subcommand, which must end with a code, and returns what it printed.
func (w *world) run(code int, args ...string) string {
	w.t.Helper()
	out, err := w.Run(w.t.Context(), args...)
	return w.ended(code, out, err)
}

func (w *world) ended(code int, out playground.Output, err error) string {
	w.t.Helper()
	require.NoError(w.t, err)
	require.Equal(w.t, code, out.ExitCode, "%s\n%s", out.Stdout, out.Stderr)
	return out.Stdout
}

// onlyRehearsed says that nothing was changed since the n-th call and request: what was
// written to Kubernetes were dry runs.
func (w *world) onlyRehearsed(calls, requests int) {
	w.t.Helper()
	require.Empty(w.t, w.mutations(calls))
	for _, r := range w.requests()[requests:] {
		reads := slices.Contains([]string{"get", "list", "watch"}, r.Verb)
		require.True(w.t, reads || r.DryRun, "%+v", r)
	}
}

// actions are the calls that the steps of a plan stand for.
func actions(t *testing.T, planned string) []string {
	t.Helper()
	var plan struct {
		Groups []struct {
			Changes []struct{ Sign, What string }
		}
		SecurityGroups struct {
			Changes []struct{ Sign, What string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(planned), &plan))
	changes := plan.SecurityGroups.Changes
	for _, g := range plan.Groups {
		changes = append(changes, g.Changes...)
	}
	var all []string
	for _, c := range changes {
		n := slices.IndexFunc(stepActions, func(a [2]string) bool { return strings.HasPrefix(c.What, a[0]) })
		require.GreaterOrEqual(t, n, 0, c.What)
		all = append(all, stepActions[n][1])
	}
	slices.Sort(all)
	return all
}

var stepActions = [][2]string{
	{"create backend security group", "CreateSecurityGroup"},
	{"create security group", "CreateSecurityGroup"},
	{"create target group", "CreateTargetGroup"},
	{"create load balancer", "CreateLoadBalancer"},
	{"create listener", "CreateListener"},
	{"create rule", "CreateRule"},
	{"grant ingress", "AuthorizeSecurityGroupIngress"},
	{"open ", "AuthorizeSecurityGroupIngress"},
	{"change health check", "ModifyTargetGroup"},
	{"delete listener", "DeleteListener"},
	{"delete load balancer", "DeleteLoadBalancer"},
	{"delete target group", "DeleteTargetGroup"},
}

// becomesPods waits until a Service has so many ready pods.
func (w *world) becomesPods(ns, service string, pods int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d pods of %s", pods, service), func(ctx context.Context) error {
		ready, err := w.ready(ctx, ns, service)
		if err == nil && len(ready) != pods {
			err = fmt.Errorf("ready: %v", ready)
		}
		return err
	})
}

// planned returns the calls since the n-th that a plan knows of. Targets are not in it.
func (w *world) planned(from int) []string {
	all := slices.DeleteFunc(w.mutations(from), func(action string) bool {
		return slices.Contains([]string{"RegisterTargets", "DeregisterTargets"}, action)
	})
	slices.Sort(all)
	return all
}

// does waits until the daemon has made exactly the calls that a plan stands for.
func (w *world) does(from int, plan []string) {
	w.t.Helper()
	w.eventually("what was planned", func(context.Context) error {
		if done := w.planned(from); !slices.Equal(plan, done) {
			return fmt.Errorf("planned %v, done %v", plan, done)
		}
		return nil
	})
}

// TestPlan: what is planned for a new Ingress, and for a change of it, is what the daemon
// does then; and the plan itself does nothing.
func TestPlan(t *testing.T) {
	w := startStack(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}), ingress("demo0", "web", nil, "echo0"))
	w.becomesPods("demo0", "echo0", 2)

	w.mayForbid = true // the daemon has no right to Gateways, and this is as the daemon
	text := w.run(2, "plan")
	t.Logf("tgsync plan\n%s", text)
	require.Regexp(t, `(?m)^Ingress group demo0/web\n  \+ create security group k8s-demo0-web-`, text)
	require.Equal(t, 1, strings.Count(text, "is forbidden"), "Gateways alone may not be read")
	plan := actions(t, w.run(2, "plan", "-o", "json"))
	require.Contains(t, plan, "CreateLoadBalancer")
	w.onlyRehearsed(0, 0)
	ing, err := w.Clientset().NetworkingV1().Ingresses("demo0").Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.Empty(t, ing.Finalizers)
	require.True(t, slices.ContainsFunc(w.requests(), func(r playground.Request) bool { return r.Verb == "patch" && r.DryRun }),
		"the API server was asked whether it would take the finalizer")

	w.startDaemon()
	w.synced("demo0", "echo0", 2)
	w.dnsName("demo0", "web")
	w.does(0, plan)
	require.Contains(t, w.run(0, "plan"), "Nothing to do in AWS.")

	require.NoError(t, w.StopDaemon())
	w.annotate("demo0", "web", "healthcheck-path", "/up")
	w.annotate("demo0", "web", "listen-ports", `[{"HTTP": 80}, {"HTTP": 8080}]`)
	calls, requests := len(w.Sim().Calls()), len(w.requests())
	text = w.run(2, "plan")
	t.Logf("tgsync plan\n%s", text)
	require.Contains(t, text, "  ~ change health check of target group ")
	plan = actions(t, w.run(2, "plan", "-o", "json"))
	w.onlyRehearsed(calls, requests)
	w.startDaemon()
	w.does(calls, plan)
	require.Contains(t, w.run(0, "plan"), "Nothing to do in AWS.")
}

// TestPlanFails with a code of its own, and says why.
func TestPlanFails(t *testing.T) {
	w := startCluster(t, playground.Options{})
	for _, args := range [][]string{{"plan", "-o", "yaml"}, {"plan", "what"}, {"plan", "--lbc-args"}} {
		out, err := w.Run(t.Context(), args...)
		w.ended(1, out, err)
		require.Contains(t, out.Stderr, "usage: tgsync plan")
	}
	out, err := w.RunWithoutCluster(t.Context(), "plan")
	w.ended(1, out, err)
	require.Contains(t, out.Stderr, "TGSYNC_CLUSTER_NAME")
}

// TestDryRun runs the daemon so: it says once what it would do, shows it, and changes
// nothing, also no Lease.
func TestDryRun(t *testing.T) {
	w := startStack(t, "TGSYNC_DRY_RUN=true", "TGSYNC_AUDIT_INTERVAL=1m")
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}), ingress("demo0", "web", nil, "echo0"))
	w.becomesPods("demo0", "echo0", 2)
	w.startDaemon()
	says := func(words string, times int) {
		t.Helper()
		w.eventually(fmt.Sprintf("%q %d times", words, times), func(context.Context) error {
			if n := strings.Count(w.logs()["tgsync.log"], words); n != times {
				return fmt.Errorf("%d times", n)
			}
			return nil
		})
	}
	says(`"dry run: create load balancer k8s-demo0-web-`, 1)
	says(`"dry run: targets programmed"`, 1)
	w.scale("demo0", "echo0", 3)
	w.becomesPods("demo0", "echo0", 3)
	says(`"dry run: targets programmed"`, 2)
	w.annotate("demo0", "web", "listen-ports", `[{"HTTP": 80}, {"HTTP": 8080}]`)
	says(`"dry run: create listener 8080 of load balancer `, 1)
	says(`"dry run: create load balancer k8s-demo0-web-`, 1)
	w.saysNothingTwice()
	w.onlyRehearsed(0, 0)

	_, err := w.Clientset().CoordinationV1().Leases("tgsync").Get(t.Context(), "tgsync", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	text, err := w.metrics(t.Context(), w.Daemon(0))
	require.NoError(t, err)
	require.Contains(t, text, "\ntgsync_leader 0\n")
	require.Regexp(t, `(?m)^tgsync_targets\{.*target_group="k8s-demo0-echo0-.*\} 3$`, text)
	events, err := w.Clientset().CoreV1().Events("demo0").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=web"})
	require.NoError(t, err)
	require.Empty(t, events.Items, "what has not happened is no event")
}

// stamps are what differs between lines that say the same.
var stamps = regexp.MustCompile(`"time":"[^"]*",|,"latency":[0-9]+`)

// saysNothingTwice looks for lines of the log that tell again what would be done.
func (w *world) saysNothingTwice() {
	w.t.Helper()
	said := map[string]bool{}
	for line := range strings.Lines(w.logs()["tgsync.log"]) {
		if !strings.Contains(line, `"msg":"dry run: `) {
			continue
		}
		line = stamps.ReplaceAllString(line, "")
		require.False(w.t, said[line], line)
		said[line] = true
	}
	require.NotEmpty(w.t, said)
}

// TestCleanup: the cluster is gone, and its load balancers are not.
func TestCleanup(t *testing.T) {
	w := start(t)
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 1}), ingress("demo0", "web", nil, "echo0"))
	w.answers(w.dnsName("demo0", "web"), "/echo0", http.StatusOK, "echo0\n")
	w.synced("demo0", "echo0", 1)
	w.eventually("a rule of the nodes' security group", func(context.Context) error {
		if n := strings.Count(strings.Join(w.mutations(0), " "), "AuthorizeSecurityGroupIngress"); n < 2 {
			return fmt.Errorf("%d grants", n)
		}
		return nil
	})
	require.NoError(t, w.StopDaemon())
	require.NoError(t, w.StopControlPlane())

	calls := len(w.Sim().Calls())
	clean := func(code int, args ...string) string {
		t.Helper()
		out, err := w.RunWithoutCluster(t.Context(), append([]string{"cleanup"}, args...)...)
		return w.ended(code, out, err)
	}
	require.Contains(t, clean(0, "--cluster", "other"), "has left nothing")
	list := clean(2, "--cluster", w.ClusterName())
	t.Logf("tgsync cleanup\n%s", list)
	for _, what := range []string{"load balancer k8s-demo0-web-", "target group k8s-demo0-echo0-", "security group k8s-demo0-web-", "rules of security group default", "security group k8s-traffic-"} {
		require.Contains(t, list, what)
	}
	require.Empty(t, w.mutations(calls))
	t.Logf("tgsync cleanup --yes\n%s", clean(0, "--cluster", w.ClusterName(), "--yes"))
	w.eventually("an empty account", func(ctx context.Context) error {
		balancers, err := w.Account().LoadBalancers(ctx)
		groups, err2 := w.Account().TargetGroups(ctx)
		if err = errors.Join(err, err2); err == nil && len(balancers)+len(groups) > 0 {
			err = fmt.Errorf("%d load balancers, %d target groups", len(balancers), len(groups))
		}
		return err
	})
	require.Contains(t, clean(0, "--cluster", w.ClusterName()), "has left nothing")
	clean(1)
	w.controlPlaneReturns(0) // it is asked what it has seen
}
