package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	admissionclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"github.com/tgsync/tgsync/test/playground"
)

// policyName is the policy in deploy/policy.
const policyName = "zero-downtime.tgsync.io"

// policyNamespaces are those in which pods are made: shop is labelled as tgsync says,
// legacy as the AWS Load Balancer Controller does.
const policyNamespaces = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tgsync.io/zero-downtime: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: legacy, labels: {elbv2.k8s.aws/pod-readiness-gate-inject: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: both, labels: {tgsync.io/zero-downtime: enabled, elbv2.k8s.aws/pod-readiness-gate-inject: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: left, labels: {tgsync.io/zero-downtime: disabled, elbv2.k8s.aws/pod-readiness-gate-inject: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: plain}
---
apiVersion: v1
kind: Namespace
metadata: {name: tgsync, labels: {tgsync.io/zero-downtime: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: kube-system, labels: {tgsync.io/zero-downtime: enabled}}
---
apiVersion: v1
kind: Namespace
metadata:
  name: slow
  labels: {tgsync.io/zero-downtime: enabled}
  annotations: {tgsync.io/pre-stop-sleep-seconds: "40"}
---
apiVersion: v1
kind: Namespace
metadata:
  name: mistaken
  labels: {tgsync.io/zero-downtime: enabled}
  annotations: {tgsync.io/pre-stop-sleep-seconds: 40s}`

// applyPolicy applies deploy/policy and waits until it is in force.
func (w *world) applyPolicy() {
	w.t.Helper()
	dir := filepath.Join("..", "..", "deploy", "policy")
	content, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	require.NoError(w.t, err)
	var k struct{ Resources []string }
	require.NoError(w.t, yaml.Unmarshal(content, &k))
	require.NotEmpty(w.t, k.Resources)
	for _, name := range k.Resources {
		manifest, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(w.t, err)
		w.apply(string(manifest))
	}
	w.apply(policyNamespaces)
	for _, ns := range []string{"shop", "legacy"} {
		w.becomes(ns, "spec: {containers: [{name: app, image: app}]}", "gates [tgsync.io/targets-ready], 50 s, app: sleep 20")
	}
}

// in returns the world for a subtest.
func (w *world) in(t *testing.T) *world {
	t.Helper()
	return &world{Stack: w.Stack, t: t}
}

// podOf makes a pod named pod of its YAML.
func podOf(t *testing.T, text string) *corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &pod))
	pod.Name = "pod"
	return &pod
}

// admitted returns the pod as the API server would store it.
func (w *world) admitted(ctx context.Context, ns string, pod *corev1.Pod) (*corev1.Pod, error) {
	return w.Clientset().CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// becomes waits until a pod would be stored like that: a change of a policy or of a
// namespace takes the API server a moment.
func (w *world) becomes(ns, pod, want string) {
	w.t.Helper()
	w.eventually(ns+"'s pods to become "+want, func(ctx context.Context) error {
		got, err := w.admitted(ctx, ns, podOf(w.t, pod))
		if err == nil && shape(got) != want {
			err = errors.New(shape(got))
		}
		return err
	})
}

// shape says what a pod has of all that the policy adds: its gates, its grace period,
// the preStop hooks of its containers.
func shape(pod *corev1.Pod) string {
	gates := []string{}
	for _, gate := range pod.Spec.ReadinessGates {
		gates = append(gates, string(gate.ConditionType))
	}
	parts := []string{fmt.Sprintf("gates %v", gates), fmt.Sprintf("%d s", *pod.Spec.TerminationGracePeriodSeconds)}
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		parts = append(parts, c.Name+": "+hook(c.Lifecycle))
	}
	return strings.Join(parts, ", ")
}

func hook(lifecycle *corev1.Lifecycle) string {
	switch {
	case lifecycle == nil || lifecycle.PreStop == nil:
		return "none"
	case lifecycle.PreStop.Sleep != nil:
		return fmt.Sprintf("sleep %d", lifecycle.PreStop.Sleep.Seconds)
	default:
		return "own"
	}
}

// TestPolicy holds deploy/policy to what it says, by what a real API server makes of
// pods.
func TestPolicy(t *testing.T) {
	w := startCluster(t, playground.Options{})
	w.applyPolicy()
	for _, part := range []struct {
		name string
		test func(*world)
	}{
		{"pods", (*world).policyOnPods},
		{"readme", (*world).policyByHand},
		{"owners", (*world).policyOnOwners},
		{"webhook", (*world).policyBesideWebhook},
		{"length", (*world).policyLength},
		{"broken", (*world).policyBroken},
		{"deleted", (*world).policyDeleted}, // the last one
	} {
		t.Run(part.name, func(t *testing.T) { part.test(w.in(t)) })
	}
}

// policyOnPods looks at pods that somebody makes by hand. What comes out is admitted
// once more and must come out the same.
func (w *world) policyOnPods() {
	const untouched = "gates [], 30 s, app: none"
	const added = "gates [tgsync.io/targets-ready], 50 s, app: sleep 20"
	for name, c := range map[string]struct{ ns, pod, want string }{
		"tgsync's label":         {"shop", `spec: {containers: [{name: app, image: app}]}`, added},
		"LBC's label":            {"legacy", `spec: {containers: [{name: app, image: app}]}`, added},
		"both labels":            {"both", `spec: {containers: [{name: app, image: app}]}`, added},
		"LBC's, but left out":    {"left", `spec: {containers: [{name: app, image: app}]}`, untouched},
		"no label":               {"plain", `spec: {containers: [{name: app, image: app}]}`, untouched},
		"kube-system":            {"kube-system", `spec: {containers: [{name: app, image: app}]}`, untouched},
		"the daemon's namespace": {"tgsync", `spec: {containers: [{name: app, image: app}]}`, untouched},

		"opted out": {
			"shop", `{metadata: {labels: {tgsync.io/zero-downtime: disabled}}, spec: {containers: [{name: app, image: app}]}}`, untouched,
		},
		"runs once":         {"shop", `spec: {restartPolicy: Never, containers: [{name: app, image: app}]}`, untouched},
		"runs to an end":    {"shop", `spec: {restartPolicy: OnFailure, containers: [{name: app, image: app}]}`, untouched},
		"on the host":       {"shop", `spec: {hostNetwork: true, containers: [{name: app, image: app}]}`, added},
		"on Windows":        {"shop", `spec: {os: {name: windows}, containers: [{name: app, image: app}]}`, added},
		"of somebody's Job": {"shop", ownedBy("batch.volcano.sh/v1alpha1", "Job"), untouched},
		"of somebody's set": {"shop", ownedBy("apps.kruise.io/v1beta1", "StatefulSet"), added},
		"of a static pod": {
			"shop", `{metadata: {annotations: {kubernetes.io/config.mirror: hash}}, spec: {nodeName: node, containers: [{name: app, image: app}]}}`, untouched,
		},

		"gate of its own": {
			"shop", `spec: {readinessGates: [{conditionType: example.com/warm}], containers: [{name: app, image: app}]}`,
			"gates [example.com/warm tgsync.io/targets-ready], 50 s, app: sleep 20",
		},
		"gated by hand": {
			"shop", `spec: {readinessGates: [{conditionType: tgsync.io/targets-ready}, {conditionType: example.com/warm}], containers: [{name: app, image: app}]}`,
			"gates [tgsync.io/targets-ready example.com/warm], 50 s, app: sleep 20",
		},
		"hook of its own": {
			"shop", `spec: {containers: [{name: app, image: app, lifecycle: {preStop: {exec: {command: [drain]}}}}]}`,
			"gates [tgsync.io/targets-ready], 30 s, app: own",
		},
		"several containers": {
			"shop", `spec: {containers: [{name: app, image: app}, {name: log, image: log, lifecycle: {preStop: {exec: {command: [flush]}}}}, ` +
				`{name: proxy, image: proxy, lifecycle: {postStart: {exec: {command: [wait]}}}}, {name: web, image: web, lifecycle: {}}]}`,
			"gates [tgsync.io/targets-ready], 50 s, app: sleep 20, log: own, proxy: sleep 20, web: sleep 20",
		},
		"init containers": {
			"shop", `spec: {containers: [{name: app, image: app}], initContainers: [{name: mesh, image: mesh, restartPolicy: Always}, {name: setup, image: setup}]}`,
			added + ", mesh: none, setup: none",
		},

		"long grace period":  {"shop", grace(300, 0), "gates [tgsync.io/targets-ready], 320 s, app: sleep 20"},
		"short grace period": {"shop", grace(5, 0), "gates [tgsync.io/targets-ready], 25 s, app: sleep 20"},
		"no grace period":    {"shop", grace(0, 0), "gates [tgsync.io/targets-ready], 20 s, app: sleep 20"},
		"one sleeps less":    {"shop", grace(30, 5), "gates [tgsync.io/targets-ready], 45 s, app: sleep 20, slow: sleep 5"},
		"one sleeps as long": {"shop", grace(30, 20), "gates [tgsync.io/targets-ready], 30 s, app: sleep 20, slow: sleep 20"},
		"one sleeps longer":  {"shop", grace(60, 50), "gates [tgsync.io/targets-ready], 60 s, app: sleep 20, slow: sleep 50"},

		"length of the namespace":          {"slow", sleeping(""), "gates [tgsync.io/targets-ready], 70 s, app: sleep 40"},
		"length of the pod":                {"shop", sleeping("7"), "gates [tgsync.io/targets-ready], 37 s, app: sleep 7"},
		"length of the pod first":          {"slow", sleeping("7"), "gates [tgsync.io/targets-ready], 37 s, app: sleep 7"},
		"no sleep":                         {"slow", sleeping("0"), "gates [tgsync.io/targets-ready], 30 s, app: none"},
		"longest sleep":                    {"shop", sleeping("999"), "gates [tgsync.io/targets-ready], 1029 s, app: sleep 999"},
		"too long":                         {"shop", sleeping("1000"), added},
		"not a number":                     {"slow", sleeping("soon"), "gates [tgsync.io/targets-ready], 70 s, app: sleep 40"},
		"negative":                         {"shop", sleeping("-1"), added},
		"namespace's is not a number":      {"mistaken", sleeping(""), added},
		"namespace's is not, the pod's is": {"mistaken", sleeping("7"), "gates [tgsync.io/targets-ready], 37 s, app: sleep 7"},
	} {
		w.t.Run(name, func(t *testing.T) {
			pod := podOf(t, c.pod)
			first, err := w.admitted(t.Context(), c.ns, pod)
			require.NoError(t, err)
			require.Equal(t, c.want, shape(first))
			pod.Spec = first.Spec
			second, err := w.admitted(t.Context(), c.ns, pod)
			require.NoError(t, err)
			require.Equal(t, c.want, shape(second), "the second time")
		})
	}
}

func ownedBy(apiVersion, kind string) string {
	return fmt.Sprintf(`{metadata: {ownerReferences: [{apiVersion: %s, kind: %s, name: owner, uid: "1", controller: true}]}, `+
		`spec: {containers: [{name: app, image: app}]}}`, apiVersion, kind)
}

// grace is a pod with a grace period, and, if asked for, a container that sleeps.
func grace(seconds, sleep int) string {
	slow := ""
	if sleep > 0 {
		slow = fmt.Sprintf(", {name: slow, image: slow, lifecycle: {preStop: {sleep: {seconds: %d}}}}", sleep)
	}
	return fmt.Sprintf("spec: {terminationGracePeriodSeconds: %d, containers: [{name: app, image: app}%s]}", seconds, slow)
}

// sleeping is a pod with an annotation.
func sleeping(seconds string) string {
	return fmt.Sprintf("{metadata: {annotations: {tgsync.io/pre-stop-sleep-seconds: %q}}, spec: {containers: [{name: app, image: app}]}}", seconds)
}

// policyByHand: who writes into a Deployment what README.md says has all that the
// policy would add.
func (w *world) policyByHand() {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(w.t, err)
	_, snippet, _ := strings.Cut(string(readme), "```yaml\n")
	snippet, _, _ = strings.Cut(snippet, "```")
	var d appsv1.Deployment
	require.NoError(w.t, yaml.UnmarshalStrict([]byte(snippet), &d))
	written := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod"}, Spec: d.Spec.Template.Spec}
	for i := range written.Spec.Containers {
		written.Spec.Containers[i].Image = "web"
	}
	want := shape(written)
	require.Equal(w.t, "gates [tgsync.io/targets-ready], 50 s, web: sleep 20", want)
	got, err := w.admitted(w.t.Context(), "shop", written)
	require.NoError(w.t, err)
	require.Equal(w.t, want, shape(got))
}

// policyOnOwners looks at the pods that controllers make.
func (w *world) policyOnOwners() {
	const forEver = `{metadata: {labels: {app: %s}}, spec: {containers: [{name: app, image: app}]}}`
	const toAnEnd = `{metadata: {labels: {app: %s}}, spec: {restartPolicy: OnFailure, containers: [{name: app, image: app}]}}`
	workload := func(api, kind, name, spec, template string) string {
		return fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {namespace: shop, name: %s}, spec: {%s template: %s}}",
			api, kind, name, spec, fmt.Sprintf(template, name))
	}
	w.apply(
		workload("apps/v1", "Deployment", "web", "replicas: 2, selector: {matchLabels: {app: web}},", forEver),
		workload("apps/v1", "StatefulSet", "db", "serviceName: db, selector: {matchLabels: {app: db}},", forEver),
		workload("apps/v1", "DaemonSet", "edge", "selector: {matchLabels: {app: edge}},", forEver),
		workload("batch/v1", "Job", "once", "", toAnEnd),
		fmt.Sprintf(`{apiVersion: batch/v1, kind: CronJob, metadata: {namespace: shop, name: nightly}, `+
			`spec: {schedule: "0 3 * * *", suspend: true, jobTemplate: {spec: {template: %s}}}}`, fmt.Sprintf(toAnEnd, "nightly")),
	)
	w.startCronJob("shop", "nightly")
	const added, untouched = "gates [tgsync.io/targets-ready], 50 s, app: sleep 20", "gates [], 30 s, app: none"
	for name, want := range map[string][]string{
		"web": {added, added}, "db": {added}, "edge": {added, added, added}, "once": {untouched}, "nightly": {untouched},
	} {
		w.eventually("the pods of "+name, func(ctx context.Context) error {
			pods, err := w.Clientset().CoreV1().Pods("shop").List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
			if err != nil {
				return err
			}
			got := []string{}
			for i := range pods.Items {
				got = append(got, shape(&pods.Items[i]))
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("pods: %q", got)
			}
			return nil
		})
	}
}

// startCronJob does what `kubectl create job --from=cronjob/NAME` does, and the
// controller at the time it is set for.
func (w *world) startCronJob(ns, name string) {
	w.t.Helper()
	cron, err := w.Clientset().BatchV1().CronJobs(ns).Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	job := &batchv1.Job{Spec: cron.Spec.JobTemplate.Spec}
	job.Name = name + "-1"
	job.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))}
	_, err = w.Clientset().BatchV1().Jobs(ns).Create(w.t.Context(), job, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

func (w *world) policies() admissionclient.MutatingAdmissionPolicyInterface {
	return w.Clientset().AdmissionregistrationV1().MutatingAdmissionPolicies()
}

// patchPolicy replaces the expression of clusterSeconds as deploy/policy's
// kustomization proposes.
func (w *world) patchPolicy(expression string) {
	w.t.Helper()
	patch := fmt.Sprintf(`[{"op":"test","path":"/spec/variables/0/name","value":"clusterSeconds"},
		{"op":"replace","path":"/spec/variables/0/expression","value":%q}]`, expression)
	_, err := w.policies().Patch(w.t.Context(), policyName, types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(w.t, err)
}

// policyLength changes the length for the cluster and for a namespace.
func (w *world) policyLength() {
	w.patchPolicy("30")
	w.becomes("shop", sleeping(""), "gates [tgsync.io/targets-ready], 60 s, app: sleep 30")
	w.becomes("slow", sleeping(""), "gates [tgsync.io/targets-ready], 70 s, app: sleep 40")
	annotate := func(value string) {
		patch := fmt.Sprintf(`{"metadata":{"annotations":{"tgsync.io/pre-stop-sleep-seconds":%s}}}`, value)
		_, err := w.Clientset().CoreV1().Namespaces().Patch(w.t.Context(), "slow", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		require.NoError(w.t, err)
	}
	annotate(`"45"`)
	w.becomes("slow", sleeping(""), "gates [tgsync.io/targets-ready], 75 s, app: sleep 45")
	annotate("null")
	w.becomes("slow", sleeping(""), "gates [tgsync.io/targets-ready], 60 s, app: sleep 30")
}

// policyBroken makes the policy fail: pods start without it, whole, unless what is
// broken does not matter to them.
func (w *world) policyBroken() {
	w.patchPolicy("-1")
	w.becomes("shop", sleeping(""), "gates [], 30 s, app: none")
	w.becomes("shop", sleeping("7"), "gates [tgsync.io/targets-ready], 37 s, app: sleep 7")
}

func (w *world) policyDeleted() {
	require.NoError(w.t, w.policies().Delete(w.t.Context(), policyName, metav1.DeleteOptions{}))
	w.becomes("shop", sleeping("7"), "gates [], 30 s, app: none")
}
