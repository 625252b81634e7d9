package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/syncer/provision"
)

const deploy = root + "/deploy"

// decodeManifests returns the objects of a YAML stream. A field that Kubernetes
// does not know is an error.
func decodeManifests(stream []byte) ([]runtime.Object, error) {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(stream)))
	var objects []runtime.Object
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

// manifests returns what kubectl apply -k deploy would apply.
func manifests(t *testing.T) []runtime.Object {
	t.Helper()
	return manifestsIn(t, deploy)
}

// manifestsIn returns what kubectl apply -k would apply of a directory.
func manifestsIn(t *testing.T, dir string) []runtime.Object {
	t.Helper()
	var objects []runtime.Object
	for _, name := range kustomization(t, dir) {
		stream, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		some, err := decodeManifests(stream)
		require.NoError(t, err, name)
		objects = append(objects, some...)
	}
	return objects
}

// kustomization returns the files that the kustomization of a directory names.
func kustomization(t *testing.T, dir string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	require.NoError(t, err)
	var k struct{ Resources []string }
	require.NoError(t, yaml.Unmarshal(content, &k))
	return k.Resources
}

// only returns the one object of type T.
func only[T runtime.Object](t *testing.T) T {
	t.Helper()
	found := ofType[T](manifests(t))
	require.Len(t, found, 1)
	return found[0]
}

func ofType[T runtime.Object](objects []runtime.Object) []T {
	var found []T
	for _, object := range objects {
		if typed, ok := object.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

func TestManifestsAreAllApplied(t *testing.T) {
	for _, dir := range []string{deploy, zeroDowntime} {
		paths, err := filepath.Glob(dir + "/*.yaml")
		require.NoError(t, err)
		var got []string
		for _, path := range paths {
			got = append(got, filepath.Base(path))
		}
		require.ElementsMatch(t, append(kustomization(t, dir), "kustomization.yaml"), got)
		require.NotEmpty(t, manifestsIn(t, dir))
	}
}

func TestManifestsRejectUnknownFields(t *testing.T) {
	good := "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n"
	objects, err := decodeManifests([]byte(good + "---\n" + good))
	require.NoError(t, err)
	require.Len(t, objects, 2)
	_, err = decodeManifests([]byte(good + "  colour: b\n"))
	require.ErrorContains(t, err, "colour")
}

// TestManifestsRoleIsNarrow keeps wildcards and deletion out of the roles, but for the
// TargetGroupBindings that were left.
func TestManifestsRoleIsNarrow(t *testing.T) {
	for _, rule := range slices.Concat(only[*rbacv1.ClusterRole](t).Rules, rolesRules(t)) {
		require.NotContains(t, rule.APIGroups, "*")
		require.NotContains(t, rule.Resources, "*")
		if !slices.Equal(rule.Resources, []string{"targetgroupbindings"}) {
			require.NotContains(t, rule.Verbs, "delete")
		}
		require.Subset(t, []string{"get", "list", "watch", "create", "update", "patch", "delete"}, rule.Verbs)
		require.NotContains(t, rule.Resources, "secrets")
	}
}

// rolesRules returns the rules of all Roles.
func rolesRules(t *testing.T) (rules []rbacv1.PolicyRule) {
	t.Helper()
	for _, role := range ofType[*rbacv1.Role](manifests(t)) {
		rules = append(rules, role.Rules...)
	}
	return rules
}

// TestManifestsRoleAllowsWhatIsWatched: no cache without permission, no permission to
// watch without a cache.
func TestManifestsRoleAllowsWhatIsWatched(t *testing.T) {
	allowed := map[string]bool{}
	for _, rule := range only[*rbacv1.ClusterRole](t).Rules {
		if slices.Contains(rule.Verbs, "watch") {
			require.Subset(t, rule.Verbs, []string{"get", "list"})
			for _, resource := range rule.Resources {
				allowed[rule.APIGroups[0]+"/"+resource] = true
			}
		}
	}
	client := fake.NewClientset()
	informers, err := syncer.NewInformers(nil, client)
	require.NoError(t, err)
	stop := make(chan struct{})
	informers.Start(stop)
	custom := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{
			groupbinding.Resource: "TargetGroupBindingList", provision.ParamsResource: "IngressClassParamsList", provision.NamespacesResource: "NamespaceList",
		})
	bindings, err := groupbinding.NewWatch(nil, custom, nil, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { bindings.Run(ctx) })
	params, err := provision.NewClassWatch(custom, nil, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	running.Go(func() { params.Run(ctx) })
	require.Eventually(t, func() bool { return informers.HasSynced() && bindings.HasSynced() && params.HasSynced() }, 10*time.Second, time.Millisecond)
	close(stop)
	informers.Shutdown()
	cancel()
	running.Wait()
	watched := map[string]bool{}
	for _, action := range slices.Concat(client.Actions(), custom.Actions()) {
		watched[action.GetResource().Group+"/"+action.GetResource().Resource] = true
	}
	require.Equal(t, watched, allowed)
}

// TestManifestsSetWhatIsRead finds variables that the daemon would not look at.
func TestManifestsSetWhatIsRead(t *testing.T) {
	source := settingsSource(t)
	known := map[string]bool{}
	for _, match := range regexp.MustCompile(`env:"(TGSYNC_[A-Z_]+)[,"]`).FindAllStringSubmatch(source, -1) {
		known[match[1]] = true
	}
	require.NotEmpty(t, known)
	container := only[*appsv1.Deployment](t).Spec.Template.Spec.Containers[0]
	require.NotEmpty(t, container.Env)
	for _, variable := range container.Env {
		if strings.HasPrefix(variable.Name, "TGSYNC_") {
			require.Contains(t, known, variable.Name)
		}
	}
}

// TestManifestsAllowTheLeases: the Roles are for the Leases that the daemon uses if
// nothing else is set.
func TestManifestsAllowTheLeases(t *testing.T) {
	roles, bindings := ofType[*rbacv1.Role](manifests(t)), ofType[*rbacv1.RoleBinding](manifests(t))
	require.Len(t, roles, 2)
	require.Len(t, bindings, 2)
	for n, role := range roles {
		require.Equal(t, role.Namespace, bindings[n].Namespace)
		require.Equal(t, role.Name, bindings[n].RoleRef.Name)
		require.Equal(t, only[*rbacv1.ClusterRoleBinding](t).Subjects, bindings[n].Subjects)
	}
	ours, others := roles[0], roles[1]
	require.Equal(t, only[*appsv1.Deployment](t).Namespace, ours.Namespace)
	require.Len(t, ours.Rules, 2)
	require.Equal(t, []string{settingDefault(t, "TGSYNC_LEASE_NAME")}, ours.Rules[1].ResourceNames)
	require.Equal(t, settingDefault(t, "TGSYNC_LBC_LEASE_NAMESPACE"), others.Namespace)
	require.Equal(t, []rbacv1.PolicyRule{{
		APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"},
		ResourceNames: []string{settingDefault(t, "TGSYNC_LBC_LEASE_NAME")}, Verbs: []string{"get", "watch"},
	}}, others.Rules)
}

// settingDefault returns the default of a setting.
func settingDefault(t *testing.T, name string) string {
	t.Helper()
	found := regexp.MustCompile(`env:"` + name + `" envDefault:"([^"]+)"`).FindStringSubmatch(settingsSource(t))
	require.Len(t, found, 2)
	return found[1]
}

// settingsSource returns the source in which the settings are declared.
func settingsSource(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob(root + "/cmd/tgsync/config*.go")
	require.NoError(t, err)
	var source strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		source.Write(text)
	}
	return source.String()
}

// statement is one statement of an IAM policy.
type statement struct {
	Sid, Effect string
	Action      stringOrList
	Resource    stringOrList
	Condition   map[string]map[string]any
}

// stringOrList is a list that may be written as its only element.
type stringOrList []string

func (l *stringOrList) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = stringOrList{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// policy returns the statements of an IAM policy.
func policy(t *testing.T, name string) []statement {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(readFile(t, "deploy/iam/"+name)))
	decoder.DisallowUnknownFields()
	var document struct {
		Version   string
		Statement []statement
	}
	require.NoError(t, decoder.Decode(&document))
	require.Equal(t, "2012-10-17", document.Version)
	return document.Statement
}

// impliedActions are not called, but asked for by AWS when a load balancer is
// created: CreateLoadBalancer looks at the network in the caller's name, and the
// first one in an account creates ELB's service-linked role.
var impliedActions = []string{
	"ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways",
	"ec2:DescribeVpcs", "ec2:GetSecurityGroupsForVpc", "iam:CreateServiceLinkedRole",
}

// TestPolicyAllowsWhatIsCalled: no call without permission, no permission
// without a call.
func TestPolicyAllowsWhatIsCalled(t *testing.T) {
	allowed := map[string]bool{}
	for _, s := range policy(t, "policy.json") {
		require.Equal(t, "Allow", s.Effect)
		for _, action := range s.Action {
			allowed[action] = true
		}
	}
	want := slices.Concat(awsapi.Actions(), impliedActions)
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(allowed)))
}

// TestPoliciesForOtherAccounts: what is done there is what a TargetGroupBinding needs, and
// roles are assumed by those alone who ask for it.
func TestPoliciesForOtherAccounts(t *testing.T) {
	assume := policy(t, "assume-role.json")
	require.Len(t, assume, 1)
	require.Equal(t, stringOrList{"sts:AssumeRole"}, assume[0].Action)
	require.NotContains(t, assume[0].Resource, "*")

	allowed := map[string]bool{}
	for _, s := range policy(t, "other-account.json") {
		for _, action := range s.Action {
			allowed[action] = true
			require.Contains(t, awsapi.Actions(), action)
		}
	}
	require.Len(t, allowed, 5)
	for _, method := range []reflect.Type{reflect.TypeFor[groupbinding.AWS](), reflect.TypeFor[syncer.TargetAPI]()} {
		for m := range method.Methods() {
			require.True(t, allowed["elasticloadbalancing:"+m.Name], m.Name)
		}
	}
}

// TestPolicyChangesOnlyWhatIsOurs: whatever is not a read depends on the
// cluster's tag, but for the VPC of a new security group, ELB's own role, and the rules
// of the security groups of pods and nodes, which somebody else has made.
func TestPolicyChangesOnlyWhatIsOurs(t *testing.T) {
	reads := regexp.MustCompile(`:(Describe|Get|List)[A-Za-z]+$`)
	exempt := []string{"CreateSecurityGroupInAnyVPC", "FirstLoadBalancerOfTheAccount", "OpenSecurityGroupsOfPodsAndNodes"}
	for _, s := range policy(t, "policy.json") {
		changes := slices.ContainsFunc(s.Action, func(action string) bool { return !reads.MatchString(action) })
		if !changes || slices.Contains(exempt, s.Sid) {
			continue
		}
		of := s.Condition["Null"]
		present := of["aws:RequestTag/elbv2.k8s.aws/cluster"] == "false" || of["aws:ResourceTag/elbv2.k8s.aws/cluster"] == "false"
		require.True(t, present, "%s does not ask for the cluster's tag", s.Sid)
	}
}

// TestManifestsForSharedGroups: ConfigMaps are read and written by those alone who ask
// for it, and never deleted.
func TestManifestsForSharedGroups(t *testing.T) {
	objects, err := decodeManifests([]byte(readFile(t, "deploy/multicluster/rbac.yaml")))
	require.NoError(t, err)
	roles, bindings := ofType[*rbacv1.ClusterRole](objects), ofType[*rbacv1.ClusterRoleBinding](objects)
	require.Len(t, roles, 1)
	require.Len(t, bindings, 1)
	require.Equal(t, []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create", "patch"}}}, roles[0].Rules)
	require.Equal(t, roles[0].Name, bindings[0].RoleRef.Name)
	require.Equal(t, only[*rbacv1.ClusterRoleBinding](t).Subjects, bindings[0].Subjects)
	for _, rule := range only[*rbacv1.ClusterRole](t).Rules {
		require.NotContains(t, rule.Resources, "configmaps")
	}
}
