package e2e

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

// permission is what a rule allows: something with a resource.
type permission struct{ group, resource, verb string }

// newPermission takes get, list and watch for one: whoever may do one of them sees
// the objects. Which of them a cache needs depends on the API server's age.
func newPermission(group, resource, verb string) permission {
	if slices.Contains([]string{"get", "list", "watch"}, verb) {
		verb = "read"
	}
	return permission{group, resource, verb}
}

// granted returns what the daemon's roles allow.
func (w *world) granted() map[permission]bool {
	w.t.Helper()
	role, err := w.Clientset().RbacV1().Roles("tgsync").Get(w.t.Context(), "tgsync", metav1.GetOptions{})
	require.NoError(w.t, err)
	return w.grantedBy("tgsync", role.Rules...)
}

// grantedBy returns what a ClusterRole and more rules allow.
func (w *world) grantedBy(clusterRole string, more ...rbacv1.PolicyRule) map[permission]bool {
	w.t.Helper()
	cluster, err := w.Clientset().RbacV1().ClusterRoles().Get(w.t.Context(), clusterRole, metav1.GetOptions{})
	require.NoError(w.t, err)
	granted := map[permission]bool{}
	for _, rule := range slices.Concat(cluster.Rules, more) {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					granted[newPermission(group, resource, verb)] = true
				}
			}
		}
	}
	return granted
}

// TestPermissions lets the daemon do all that it can do, once, and compares what the
// API server says it asked for with what the manifests grant.
func TestPermissions(t *testing.T) {
	t.Parallel()
	w := startStack(t)
	w.defineBindings()
	w.startDaemon()
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 1}), ingress("demo0", "web", nil, "echo0"))
	w.dnsName("demo0", "web")
	w.addGate("demo0", "echo0", endpoints.GateTargetsReady)
	w.rolledOut("demo0", "echo0")
	w.annotate("demo0", "web", "healthcheck-interval-seconds", "soon")
	w.warned("demo0", "web", "soon")
	w.annotate("demo0", "web", "healthcheck-interval-seconds", "20")
	w.eventually("the repair", func(context.Context) error {
		if !slices.Contains(w.mutations(0), "ModifyTargetGroup") {
			return errors.New("none yet")
		}
		return nil
	})
	w.annotate("demo0", "web", "healthcheck-interval-seconds", "soon") // the event of before is counted up
	own := w.ownGroup("mine")
	w.bind("demo0", "mine", own, "echo0", nil)
	// Its group is gone, so it is deleted: LBC wrote it for an Ingress.
	w.bind("demo0", "left", strings.Replace(own, "/mine/", "/gone/", 1), "echo0", map[string]any{"ingress.k8s.aws/stack": "web"})
	w.apply(ingress("demo0", "late", nil, "echo0"))
	w.dnsName("demo0", "late")
	remove := w.deadWebhook("left-behind")
	w.deleteIngress("demo0", "late")
	w.warned("demo0", "late", "FailedRemoveFinalizer")
	remove()

	granted := w.granted()
	w.eventually("a use of every permission", func(context.Context) error {
		used := map[permission]bool{}
		for _, r := range w.requests() {
			p := newPermission(r.Group, r.Resource, r.Verb)
			require.Contains(t, granted, p)
			require.Contains(t, r.AllowedBy, `"tgsync" to ServiceAccount "tgsync/tgsync"`, "not what everybody may do")
			used[p] = true
		}
		for p := range granted {
			if !used[p] {
				return errors.New("not used: " + strings.Join([]string{p.verb, p.group, p.resource}, " "))
			}
		}
		return nil
	})
	w.annotate("demo0", "web", "healthcheck-interval-seconds", "20")
	w.deleteIngress("demo0", "web")
	require.NoError(t, w.somebody().DeleteTargetGroup(t.Context(), own))
	w.empty()
}

// TestNoMorePermissions does as the daemon what it has no business with.
func TestNoMorePermissions(t *testing.T) {
	w := start(t)
	config, err := clientcmd.BuildConfigFromFlags("", w.DaemonKubeconfig())
	require.NoError(t, err)
	daemon, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	me, err := daemon.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, "system:serviceaccount:tgsync:tgsync", me.Status.UserInfo.Username)
	require.NotContains(t, me.Status.UserInfo.Groups, "system:masters")

	core := daemon.CoreV1()
	for what, do := range map[string]func(context.Context) error{
		"read secrets": func(ctx context.Context) error {
			_, err := core.Secrets("").List(ctx, metav1.ListOptions{})
			return err
		},
		"read its namespace's secrets": func(ctx context.Context) error {
			_, err := core.Secrets("tgsync").List(ctx, metav1.ListOptions{})
			return err
		},
		"read another Lease": func(ctx context.Context) error {
			_, err := daemon.CoordinationV1().Leases("kube-system").Get(ctx, "tgsync", metav1.GetOptions{})
			return err
		},
		"list its namespace's Leases": func(ctx context.Context) error {
			_, err := daemon.CoordinationV1().Leases("tgsync").List(ctx, metav1.ListOptions{})
			return err
		},
		"make a Lease elsewhere": func(ctx context.Context) error {
			l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "tgsync"}}
			_, err := daemon.CoordinationV1().Leases("default").Create(ctx, l, metav1.CreateOptions{})
			return err
		},
		"delete Ingresses": func(ctx context.Context) error {
			return daemon.NetworkingV1().Ingresses("default").Delete(ctx, "web", metav1.DeleteOptions{})
		},
		"delete pods": func(ctx context.Context) error {
			return core.Pods("default").Delete(ctx, "web", metav1.DeleteOptions{})
		},
		"change pods": func(ctx context.Context) error {
			_, err := core.Pods("default").Patch(ctx, "web", types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
			return err
		},
		"change nodes": func(ctx context.Context) error {
			_, err := core.Nodes().Patch(ctx, "web", types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
			return err
		},
		"change Services": func(ctx context.Context) error {
			_, err := core.Services("default").Patch(ctx, "web", types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
			return err
		},
		"run containers": func(ctx context.Context) error {
			_, err := core.Pods("default").Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, metav1.CreateOptions{})
			return err
		},
	} {
		err := do(t.Context())
		require.True(t, apierrors.IsForbidden(err), "%s: %v", what, err)
	}
}

// TestMissingPermission takes a permission away from the running daemon: it says so,
// makes nothing in AWS that it could not clean up, and goes on when it has it back.
func TestMissingPermission(t *testing.T) {
	w := start(t)
	w.mayForbid = true
	role, err := w.Clientset().RbacV1().ClusterRoles().Get(t.Context(), "tgsync", metav1.GetOptions{})
	require.NoError(t, err)
	rules := len(role.Rules)
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.Resources, "ingresses") && slices.Contains(r.Verbs, "patch")
	})
	require.Len(t, role.Rules, rules-1)
	_, err = w.Clientset().RbacV1().ClusterRoles().Update(t.Context(), role, metav1.UpdateOptions{})
	require.NoError(t, err)

	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 1}), ingress("demo0", "web", nil, "echo0"))
	w.eventually("a request that is forbidden", func(context.Context) error {
		for _, r := range w.requests() {
			if r.Forbidden && r.Verb == "patch" && r.Resource == "ingresses" && r.Name == "web" {
				return nil
			}
		}
		return errors.New("none")
	})
	require.Empty(t, w.mutations(0), "no finalizer, so nothing in AWS")

	require.NoError(t, w.ApplyIdentity(t.Context()))
	w.dnsName("demo0", "web")
	w.synced("demo0", "echo0", 1)
	require.Contains(t, w.logs()["tgsync.log"], "forbidden", "whoever reads the log learns why")
}
