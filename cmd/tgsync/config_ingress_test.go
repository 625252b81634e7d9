package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/provision"
)

// TestIngressSettings: without a word they are LBC's, and each can be said.
func TestIngressSettings(t *testing.T) {
	c, err := loadConfig(map[string]string{"TGSYNC_CLUSTER_NAME": "demo"})
	require.NoError(t, err)
	require.Equal(t, ingress.DefaultSettings("demo"), c.settings("demo"))

	c, err = loadConfig(map[string]string{
		"TGSYNC_CLUSTER_NAME": "demo", "TGSYNC_INGRESS_CLASS": "own", "TGSYNC_DISABLE_INGRESS_CLASS_ANNOTATION": "true",
		"TGSYNC_DISABLE_INGRESS_GROUP_NAME_ANNOTATION": "true", "TGSYNC_STRICT_GROUPS": "true", "TGSYNC_DEFAULT_LOAD_BALANCER_SCHEME": "internet-facing",
		"TGSYNC_DEFAULT_TARGET_TYPE": "ip", "TGSYNC_DEFAULT_SSL_POLICY": "ELBSecurityPolicy-TLS13-1-2-2021-06", "TGSYNC_DEFAULT_TAGS": "team=a, cost = b=c",
		"TGSYNC_EXTERNAL_MANAGED_TAGS": "x, y,,x", "TGSYNC_TOLERATE_NON_EXISTENT_BACKEND_SERVICE": "false", "TGSYNC_TOLERATE_NON_EXISTENT_BACKEND_ACTION": "false",
		"TGSYNC_ENABLE_BACKEND_SECURITY_GROUP": "false", "TGSYNC_ENABLE_MANAGE_BACKEND_SECURITY_GROUP_RULES": "true", "TGSYNC_DISABLE_RESTRICTED_SG_RULES": "true",
		"TGSYNC_FEATURE_GATES": "ListenerRulesTagging=false,EnableDefaultTagsLowPriority=true", "TGSYNC_WATCH_NAMESPACE": "a,b",
	})
	require.NoError(t, err)
	require.Equal(t, ingress.Settings{
		ClusterName: "demo", IngressClass: "own", DisableClassAnnotation: true, DisableGroupNameAnnotation: true,
		Namespaces: []string{"a", "b"}, StrictGroups: true, DefaultScheme: "internet-facing", DefaultSSLPolicy: "ELBSecurityPolicy-TLS13-1-2-2021-06",
		DefaultTags: map[string]string{"team": "a", "cost": "b=c"}, DefaultTagsLowPriority: true, ExternalManagedTags: []string{"x", "y"},
		ManageBackendRules: true, DefaultTargetType: "ip", DisableRestrictedRules: true,
	}, c.settings("demo"))
}

func TestGatesOfSubnets(t *testing.T) {
	c, err := loadConfig(map[string]string{"TGSYNC_CLUSTER_NAME": "demo"})
	require.NoError(t, err)
	require.Equal(t, provision.SubnetSettings{ClusterTagCheck: true, ByReachability: true}, c.subnets())
	c, err = loadConfig(map[string]string{
		"TGSYNC_CLUSTER_NAME":  "demo",
		"TGSYNC_FEATURE_GATES": "SubnetsClusterTagCheck=false,SubnetDiscoveryByReachability=false,ALBSingleSubnet=true",
	})
	require.NoError(t, err)
	require.Equal(t, provision.SubnetSettings{SingleSubnet: true}, c.subnets())
}

func TestIngressSettingsAreChecked(t *testing.T) {
	tests := map[string]struct{ setting, value, want string }{
		"scheme":               {"TGSYNC_DEFAULT_LOAD_BALANCER_SCHEME", "public", "public is not internal or internet-facing"},
		"target type":          {"TGSYNC_DEFAULT_TARGET_TYPE", "lambda", "lambda is not instance or ip"},
		"no value":             {"TGSYNC_DEFAULT_TAGS", "a", `"a" is not key=value`},
		"no key":               {"TGSYNC_DEFAULT_TAGS", "=a", `"=a" is not key=value`},
		"a key twice":          {"TGSYNC_DEFAULT_TAGS", "a=1,a=2", `"a=2" is not key=value, each key once`},
		"a tag of ours":        {"TGSYNC_DEFAULT_TAGS", "elbv2.k8s.aws/cluster=x", "elbv2.k8s.aws/cluster is not a key that is free"},
		"an unknown gate":      {"TGSYNC_FEATURE_GATES", "LBCapacityReservation=true", "LBCapacityReservation=true is not one of"},
		"a gate that is maybe": {"TGSYNC_FEATURE_GATES", "ListenerRulesTagging=maybe", "ListenerRulesTagging=maybe is not one of"},
		"no namespace":         {"TGSYNC_WATCH_NAMESPACE", "a,B", "B is not the name of a namespace"},
		"no security group":    {"TGSYNC_BACKEND_SECURITY_GROUP", "mine", "mine is not the ID of a security group"},
		"less than nothing":    {"TGSYNC_MAX_TARGETS_PER_TARGET_GROUP", "-1", "-1 is not 0 or more"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := loadConfig(map[string]string{"TGSYNC_CLUSTER_NAME": "demo", tt.setting: tt.value})
			require.ErrorContains(t, err, tt.want)
		})
	}
	_, err := loadConfig(map[string]string{"TGSYNC_CLUSTER_NAME": "demo", "TGSYNC_DEFAULT_TAGS": "a=1", "TGSYNC_EXTERNAL_MANAGED_TAGS": "a"})
	require.ErrorContains(t, err, "TGSYNC_DEFAULT_TAGS: a is not ours to set")
}
