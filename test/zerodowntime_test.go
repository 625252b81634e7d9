package test

import (
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// zeroDowntime is applied by itself: clusters before Kubernetes 1.36 lack its kinds.
// What it makes of pods is seen on a real API server, in test/e2e.
const zeroDowntime = deploy + "/policy"

// zeroDowntimePolicy returns the policy and the bindings.
func zeroDowntimePolicy(t *testing.T) (*admissionv1.MutatingAdmissionPolicy, []*admissionv1.MutatingAdmissionPolicyBinding) {
	t.Helper()
	objects := manifestsIn(t, zeroDowntime)
	policies := ofType[*admissionv1.MutatingAdmissionPolicy](objects)
	require.Len(t, policies, 1)
	bindings := ofType[*admissionv1.MutatingAdmissionPolicyBinding](objects)
	require.Len(t, objects, 1+len(bindings), "the daemon serves no webhook and nothing else is needed")
	return policies[0], bindings
}

// selects tells whether a selector of a manifest matches labels.
func selects(t *testing.T, selector *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	return s.Matches(labels.Set(set))
}

// TestManifestsOfZeroDowntimeLetPodsStart: no fault of the policy keeps a pod from
// being made, and it is asked about nothing but new pods.
func TestManifestsOfZeroDowntimeLetPodsStart(t *testing.T) {
	policy, _ := zeroDowntimePolicy(t)
	require.Equal(t, admissionv1.Ignore, *policy.Spec.FailurePolicy)
	require.Nil(t, policy.Spec.ParamKind, "a parameter may be missing")
	require.Equal(t, []admissionv1.NamedRuleWithOperations{{
		RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
		},
	}}, policy.Spec.MatchConstraints.ResourceRules)
}

// TestManifestsOfZeroDowntimeIsOnePatch: two could be applied by halves, and an
// Object in a list makes kube-apiserver 1.36 panic.
func TestManifestsOfZeroDowntimeIsOnePatch(t *testing.T) {
	policy, _ := zeroDowntimePolicy(t)
	require.Len(t, policy.Spec.Mutations, 1)
	patch := policy.Spec.Mutations[0].JSONPatch
	require.NotNil(t, patch)
	require.NotContains(t, patch.Expression, "Object{")
	require.NotContains(t, patch.Expression, "Object.")
}

// TestManifestsOfZeroDowntimeSelect holds what bindings and policy select together
// against the namespaces.
func TestManifestsOfZeroDowntimeSelect(t *testing.T) {
	policy, bindings := zeroDowntimePolicy(t)
	const ours, lbc = "tgsync.io/zero-downtime", "elbv2.k8s.aws/pod-readiness-gate-inject"
	for name, c := range map[string]struct {
		namespace string
		labels    map[string]string
		want      int // bindings
	}{
		"tgsync's label":         {"shop", map[string]string{ours: "enabled"}, 1},
		"LBC's label":            {"shop", map[string]string{lbc: "enabled"}, 1},
		"both":                   {"shop", map[string]string{ours: "enabled", lbc: "enabled"}, 2},
		"LBC's, but left out":    {"shop", map[string]string{ours: "disabled", lbc: "enabled"}, 0},
		"none":                   {"shop", map[string]string{}, 0},
		"kube-system":            {metav1.NamespaceSystem, map[string]string{ours: "enabled", lbc: "enabled"}, 0},
		"the daemon's namespace": {only[*corev1.Namespace](t).Name, map[string]string{ours: "enabled", lbc: "enabled"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c.labels[corev1.LabelMetadataName] = c.namespace
			got := 0
			for _, binding := range bindings {
				require.Equal(t, policy.Name, binding.Spec.PolicyName)
				if selects(t, policy.Spec.MatchConstraints.NamespaceSelector, c.labels) &&
					selects(t, binding.Spec.MatchResources.NamespaceSelector, c.labels) {
					got++
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}

// TestManifestsOfZeroDowntimeSpareTheDaemon: its pods cannot wait for themselves, in
// a namespace of another name neither.
func TestManifestsOfZeroDowntimeSpareTheDaemon(t *testing.T) {
	policy, _ := zeroDowntimePolicy(t)
	pod := only[*appsv1.Deployment](t).Spec.Template.Labels
	require.False(t, selects(t, policy.Spec.MatchConstraints.ObjectSelector, pod))
	require.True(t, selects(t, policy.Spec.MatchConstraints.ObjectSelector, map[string]string{"app": "web"}))
}

// TestManifestsOfZeroDowntimeCanBePatched: the kustomization says by which path the
// length of the sleep is set.
func TestManifestsOfZeroDowntimeCanBePatched(t *testing.T) {
	policy, _ := zeroDowntimePolicy(t)
	require.Equal(t, "clusterSeconds", policy.Spec.Variables[0].Name)
	require.Contains(t, readFile(t, "deploy/policy/kustomization.yaml"), "/spec/variables/0/expression")
}
