package ingress

// Settings are what the whole cluster shares. Those that are named after a flag of the
// AWS Load Balancer Controller mean what it means there.
type Settings struct {
	// ClusterName goes into every name hash and into the ownership tag.
	ClusterName string
	// IngressClass is the value of the annotation kubernetes.io/ingress.class that
	// selects us, "alb" by custom. If empty, the annotation selects nobody.
	IngressClass string
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
		DefaultTargetType:      targetTypeInstance,
		TolerateMissingService: true,
		TolerateMissingAction:  true,
	}
}
