package ingress

// Settings are what the whole cluster shares. Those that are named after a flag of the
// AWS Load Balancer Controller mean what it means there.
type Settings struct {
	// ClusterName goes into every name hash and into the ownership tag.
	ClusterName string
	// IngressClass is the value of the annotation kubernetes.io/ingress.class that
	// selects us, "alb" by custom. If empty, Ingresses without any class are ours.
	IngressClass string
	// DisableClassAnnotation and DisableGroupNameAnnotation keep Ingresses from taking
	// up the annotations kubernetes.io/ingress.class and group.name. Those that were
	// served with them still are.
	DisableClassAnnotation     bool
	DisableGroupNameAnnotation bool
	// Namespaces are those whose Ingresses are looked at. Empty: all.
	Namespaces []string
	// StrictGroups leaves a group as it stands while one of its members is bad.
	StrictGroups bool

	// DefaultScheme is that of load balancers without the annotation scheme. Empty:
	// internal.
	DefaultScheme string
	// DefaultSSLPolicy is that of HTTPS listeners without the annotation ssl-policy.
	// Empty: ELBSecurityPolicy-2016-08.
	DefaultSSLPolicy string
	// DefaultTags are on every resource. They win over those of annotations and
	// IngressClassParams, unless DefaultTagsLowPriority is set.
	DefaultTags            map[string]string
	DefaultTagsLowPriority bool
	// ExternalManagedTags are keys of tags that are others': nobody may set them, and
	// what stands of them stays.
	ExternalManagedTags []string
	// ListenerRulesTagging puts tags on listeners and rules, too.
	ListenerRulesTagging bool

	// BackendSecurityGroup attaches the cluster's backend security group to load
	// balancers, from which their targets are reached.
	BackendSecurityGroup bool
	// ManageBackendRules does so also where an Ingress names the security groups and
	// does not say whether to.
	ManageBackendRules bool

	// DefaultTargetType is that of target groups without the annotation target-type:
	// instance or ip. Empty: instance.
	DefaultTargetType string
	// TolerateMissingService answers with 503 for a Service that does not exist. If it
	// is off, the Ingress is bad.
	TolerateMissingService bool
	// TolerateMissingAction answers with 503 for an action that no annotation tells. If
	// it is off, the Ingress is bad.
	TolerateMissingAction bool
	// DisableRestrictedRules opens all ports of the targets to the load balancers, not
	// only those that they use.
	DisableRestrictedRules bool
}

// DefaultSettings are those of the AWS Load Balancer Controller without flags.
func DefaultSettings(cluster string) Settings {
	return Settings{
		ClusterName:            cluster,
		IngressClass:           "alb",
		DefaultScheme:          schemeInternal,
		DefaultSSLPolicy:       defaultSSLPolicy,
		ListenerRulesTagging:   true,
		BackendSecurityGroup:   true,
		DefaultTargetType:      targetTypeInstance,
		TolerateMissingService: true,
		TolerateMissingAction:  true,
	}
}
