package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/provision"
)

// IngressConfig is what shapes the load balancers of Ingresses: the AWS Load Balancer
// Controller's flags, under the same names. It is exported for the env package alone.
type IngressConfig struct {
	IngressClass               string `env:"TGSYNC_INGRESS_CLASS" envDefault:"alb" doc:"Value of the legacy annotation kubernetes.io/ingress.class that is ours. Set to nothing: Ingresses without any class are ours. IngressClasses are recognised by their controller, ingress.k8s.aws/alb."`
	DisableClassAnnotation     bool   `env:"TGSYNC_DISABLE_INGRESS_CLASS_ANNOTATION" doc:"Take up no new Ingress for its annotation kubernetes.io/ingress.class."`
	DisableGroupNameAnnotation bool   `env:"TGSYNC_DISABLE_INGRESS_GROUP_NAME_ANNOTATION" doc:"Let no Ingress join a group by its annotation group.name: IngressClassParams alone name groups."`
	StrictGroups               bool   `env:"TGSYNC_STRICT_GROUPS" doc:"Leave a whole Ingress group as it stands while one of its members is bad, as the AWS Load Balancer Controller does."`
	DefaultScheme              string `env:"TGSYNC_DEFAULT_LOAD_BALANCER_SCHEME" envDefault:"internal" doc:"Scheme of load balancers without the annotation scheme: internal or internet-facing."`
	DefaultTargetType          string `env:"TGSYNC_DEFAULT_TARGET_TYPE" envDefault:"instance" doc:"Target type of Ingresses without the annotation target-type: instance or ip. Only ip is served, so set ip where the annotation is missing."`
	DefaultSSLPolicy           string `env:"TGSYNC_DEFAULT_SSL_POLICY" envDefault:"ELBSecurityPolicy-2016-08" doc:"Policy of HTTPS listeners without the annotation ssl-policy."`
	DefaultTags                tagMap `env:"TGSYNC_DEFAULT_TAGS" doc:"Tags for all that is made in AWS: key=value,key=value. They win over those of annotations, but for the gate EnableDefaultTagsLowPriority."`
	ExternalManagedTags        list   `env:"TGSYNC_EXTERNAL_MANAGED_TAGS" doc:"Keys of tags that others manage, separated by commas: nobody may set them, and what stands of them stays."`
	TolerateMissingService     bool   `env:"TGSYNC_TOLERATE_NON_EXISTENT_BACKEND_SERVICE" envDefault:"true" doc:"Answer with 503 for a Service that does not exist. With false the Ingress is bad."`
	TolerateMissingAction      bool   `env:"TGSYNC_TOLERATE_NON_EXISTENT_BACKEND_ACTION" envDefault:"true" doc:"Answer with 503 for an action that no annotation tells. With false the Ingress is bad."`
	BackendSecurityGroup       bool   `env:"TGSYNC_ENABLE_BACKEND_SECURITY_GROUP" envDefault:"true" doc:"Give load balancers the cluster's backend security group, from which their targets are reached."`
	ManageBackendRules         bool   `env:"TGSYNC_ENABLE_MANAGE_BACKEND_SECURITY_GROUP_RULES" doc:"Do so also for Ingresses that name their security groups and do not say whether to."`
	DisableRestrictedRules     bool   `env:"TGSYNC_DISABLE_RESTRICTED_SG_RULES" doc:"Open all ports of the targets to the load balancers, not only those that they use."`
	BackendGroupID             string `env:"TGSYNC_BACKEND_SECURITY_GROUP" doc:"ID of the backend security group, if somebody else has made it. Empty: it is made and deleted with need."`
	TargetGroupTags            tagMap `env:"TGSYNC_SERVICE_TARGET_ENI_SECURITY_GROUP_TAGS" doc:"Tags, beside the cluster's, of the security group that gets the rules where a pod's network interface has several: key=value,key=value."`
	FeatureGates               gates  `env:"TGSYNC_FEATURE_GATES" doc:"Gates of the AWS Load Balancer Controller: name=true,name=false. ListenerRulesTagging (true): tags on listeners and rules, too. EnableDefaultTagsLowPriority (false): default tags yield to those of annotations. SubnetsClusterTagCheck (true): leave out subnets that are tagged for other clusters alone. SubnetDiscoveryByReachability (true): where no subnet has the tag of the role, take those with, or for internal load balancers without, a way to the internet. ALBSingleSubnet (false): one subnet is enough, for accounts that AWS lets do so."`
	WatchNamespaces            list   `env:"TGSYNC_WATCH_NAMESPACE" doc:"The only namespaces that are looked at, separated by commas. Empty: all. See below for the rights that this takes."`
}

// Gates that mean something here, with what they are if nobody says.
const (
	gateRulesTagging   = "ListenerRulesTagging"
	gateLowPriorityTag = "EnableDefaultTagsLowPriority"
	gateClusterTag     = "SubnetsClusterTagCheck"
	gateReachability   = "SubnetDiscoveryByReachability"
	gateSingleSubnet   = "ALBSingleSubnet"
)

var gateDefaults = map[string]bool{
	gateRulesTagging: true, gateLowPriorityTag: false, gateClusterTag: true, gateReachability: true, gateSingleSubnet: false,
}

// reservedTags are what our own tags begin with, and AWS's.
var reservedTags = []string{"aws:", "elbv2.k8s.aws/", "ingress.k8s.aws/", "service.k8s.aws/"}

// Limits of AWS for tags.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

var securityGroupIDs = regexp.MustCompile(`^sg-[0-9a-z-]+$`)

var namespaceNames = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// settings are what Models are built with.
func (c IngressConfig) settings(cluster string) ingress.Settings {
	return ingress.Settings{
		ClusterName:                cluster,
		IngressClass:               c.IngressClass,
		DisableClassAnnotation:     c.DisableClassAnnotation,
		DisableGroupNameAnnotation: c.DisableGroupNameAnnotation,
		Namespaces:                 c.WatchNamespaces,
		StrictGroups:               c.StrictGroups,
		DefaultScheme:              c.DefaultScheme,
		DefaultSSLPolicy:           c.DefaultSSLPolicy,
		DefaultTags:                c.DefaultTags,
		DefaultTagsLowPriority:     c.FeatureGates.enabled(gateLowPriorityTag),
		ExternalManagedTags:        c.ExternalManagedTags,
		ListenerRulesTagging:       c.FeatureGates.enabled(gateRulesTagging),
		BackendSecurityGroup:       c.BackendSecurityGroup,
		ManageBackendRules:         c.ManageBackendRules,
		DefaultTargetType:          c.DefaultTargetType,
		TolerateMissingService:     c.TolerateMissingService,
		TolerateMissingAction:      c.TolerateMissingAction,
		DisableRestrictedRules:     c.DisableRestrictedRules,
	}
}

// subnets say how subnets are found.
func (c IngressConfig) subnets() provision.SubnetSettings {
	return provision.SubnetSettings{
		ClusterTagCheck: c.FeatureGates.enabled(gateClusterTag),
		ByReachability:  c.FeatureGates.enabled(gateReachability),
		SingleSubnet:    c.FeatureGates.enabled(gateSingleSubnet),
	}
}

// validate names what is wrong with what is told to check.
func (c IngressConfig) validate(check func(ok bool, setting string, value any, want string)) {
	check(slices.Contains([]string{"internal", "internet-facing"}, c.DefaultScheme), "TGSYNC_DEFAULT_LOAD_BALANCER_SCHEME", c.DefaultScheme, "internal or internet-facing")
	check(slices.Contains([]string{"instance", "ip"}, c.DefaultTargetType), "TGSYNC_DEFAULT_TARGET_TYPE", c.DefaultTargetType, "instance or ip")
	for key, value := range c.DefaultTags {
		reserved := slices.ContainsFunc(reservedTags, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
		check(!reserved, "TGSYNC_DEFAULT_TAGS", key, "a key that is free: "+strings.Join(reservedTags, ", ")+" are not")
		check(len(key) <= maxTagKey && len(value) <= maxTagValue, "TGSYNC_DEFAULT_TAGS", key+"="+value,
			fmt.Sprintf("a tag: a key has at most %d letters and a value %d", maxTagKey, maxTagValue))
		check(!slices.Contains(c.ExternalManagedTags, key), "TGSYNC_DEFAULT_TAGS", key, "ours to set: it is in TGSYNC_EXTERNAL_MANAGED_TAGS")
	}
	check(c.BackendGroupID == "" || securityGroupIDs.MatchString(c.BackendGroupID), "TGSYNC_BACKEND_SECURITY_GROUP", c.BackendGroupID, "the ID of a security group (sg-...)")
	for _, name := range c.WatchNamespaces {
		check(namespaceNames.MatchString(name), "TGSYNC_WATCH_NAMESPACE", name, "the name of a namespace")
	}
}
