package ingress

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Tags that say whose a resource is.
const (
	// TagCluster names the cluster.
	TagCluster = "elbv2.k8s.aws/cluster"
	// TagStack names the group.
	TagStack = "ingress.k8s.aws/stack"
	// TagResource tells the resources of a group apart.
	TagResource = "ingress.k8s.aws/resource"
)

// Values of TagResource; a listener's is its port, a rule's "port:priority", a
// target group's its ID.
const (
	// ResourceLoadBalancer marks the load balancer.
	ResourceLoadBalancer = "LoadBalancer"
	// ResourceSecurityGroup marks the managed security group.
	ResourceSecurityGroup = "ManagedLBSecurityGroup"
)

var notAlphanumeric = regexp.MustCompile(`[[:^alnum:]]`)

// digest is the tail of a name: it keeps names apart that look alike once they
// have been shortened.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func readable(s string) string { return notAlphanumeric.ReplaceAllString(s, "") }

// groupResourceName names what a group has one of. It is at most 32 characters.
func groupResourceName(id GroupID, digest string) string {
	if id.Explicit() {
		return fmt.Sprintf("k8s-%.17s-%.10s", readable(id.Name), digest)
	}
	return fmt.Sprintf("k8s-%.8s-%.8s-%.10s", readable(id.Namespace), readable(id.Name), digest)
}

func loadBalancerName(cluster string, id GroupID, scheme string) string {
	return groupResourceName(id, digest(cluster, id.String(), scheme))
}

func securityGroupName(cluster string, id GroupID) string {
	return groupResourceName(id, digest(cluster, id.String()))
}

// targetGroupID is the value of TagResource. The port is the one that the
// Ingress names: 80 and "http" are two target groups even if they are one port of
// the Service.
func targetGroupID(ing, svc types.NamespacedName, port intstr.IntOrString) string {
	return fmt.Sprintf("%s/%s-%s:%s", ing.Namespace, ing.Name, svc.Name, port.String())
}

// targetGroupName hashes everything that AWS does not let us change in place, and
// the Service's UID: a new Service of the same name is another backend.
func (b *builder) targetGroupName(ing types.NamespacedName, svc *corev1.Service, tg *TargetGroup) string {
	d := digest(b.in.Settings.ClusterName, b.in.Group.ID.String(), ing.Namespace, ing.Name, string(svc.UID),
		tg.ServicePort.String(), strconv.Itoa(int(tg.Port)), tg.TargetType, tg.Protocol, tg.ProtocolVersion)
	return fmt.Sprintf("k8s-%.8s-%.8s-%.10s", readable(svc.Namespace), readable(svc.Name), d)
}

// tags returns a new map: no two resources share one.
func (b *builder) tags(resource string) map[string]string {
	return map[string]string{
		TagCluster:  b.in.Settings.ClusterName,
		TagStack:    b.in.Group.ID.String(),
		TagResource: resource,
	}
}
