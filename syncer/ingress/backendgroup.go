package ingress

import "fmt"

// BackendGroupName names the backend security group that all load balancers of a
// cluster share.
func BackendGroupName(cluster string) string {
	return fmt.Sprintf("k8s-traffic-%.232s-%.10s", readable(cluster), digest(cluster))
}
