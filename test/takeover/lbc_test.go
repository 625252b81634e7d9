package takeover

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"strconv"
	"strings"
)

const (
	cluster = "prod"
	vpcID   = "vpc-1"
)

// defaultTags are LBC's --default-tags.
var defaultTags = map[string]string{"env": "prod"}

// stack is one load balancer of LBC.
type stack struct {
	id     string // "namespace/name", or the name of an explicit group
	scheme string
}

// hashed is the tail of LBC's names: the sum of all words written one after the other.
func hashed(words ...string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(words, ""))))[:10]
}

// short is the readable part of LBC's names: letters and digits, cut off.
func short(word string, length int) string {
	var out []rune
	for _, r := range word {
		if len(out) < length && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') {
			out = append(out, r)
		}
	}
	return string(out)
}

// named is the name of what a stack has one of.
func (s stack) named(hash string) string {
	namespace, name, own := strings.Cut(s.id, "/")
	if own {
		return "k8s-" + short(namespace, 8) + "-" + short(name, 8) + "-" + hash
	}
	return "k8s-" + short(s.id, 17) + "-" + hash
}

func (s stack) balancerName() string { return s.named(hashed(cluster, s.id, s.scheme)) }

func (s stack) securityGroupName() string { return s.named(hashed(cluster, s.id)) }

// tags are those of one resource, with what users add.
func (s stack) tags(resource string, users map[string]string) map[string]string {
	tags := map[string]string{}
	maps.Copy(tags, users)
	maps.Copy(tags, defaultTags)
	tags["elbv2.k8s.aws/cluster"] = cluster
	tags["ingress.k8s.aws/stack"] = s.id
	tags["ingress.k8s.aws/resource"] = resource
	return tags
}

// labels are those of a stack's TargetGroupBindings.
func (s stack) labels() map[string]string {
	if namespace, name, own := strings.Cut(s.id, "/"); own {
		return map[string]string{"ingress.k8s.aws/stack-namespace": namespace, "ingress.k8s.aws/stack-name": name}
	}
	return map[string]string{"ingress.k8s.aws/stack": s.id}
}

// backend is a port of a Service behind an Ingress, and the target group that LBC makes
// for it.
type backend struct {
	namespace, ingress, service string
	port                        string // as the Ingress has it
	targetPort                  string // as the Service has it
	groupPort                   int32  // the same as a number, or 1
	podPort                     int32  // in its pods
	targetType                  string // empty: ip
	multiCluster                bool
	protocol, version           string
	users                       map[string]string // tags
	check                       check
	attributes                  map[string]string
	address                     string // of its only pod, or the ID of its node
	uid                         string // of the Service that it was made for; empty: of the one that is there
}

type check struct {
	protocol, port, path, codes        string
	interval, timeout, healthy, unwell int32
}

func (b backend) resource() string {
	return b.namespace + "/" + b.ingress + "-" + b.service + ":" + b.port
}

func (b backend) kind() string { return cmp.Or(b.targetType, "ip") }

// groupName hashes the Service by its UID.
func (b backend) groupName(s stack, uid string) string {
	if b.uid != "" {
		uid = b.uid
	}
	return "k8s-" + short(b.namespace, 8) + "-" + short(b.service, 8) + "-" +
		hashed(cluster, s.id, b.namespace, b.ingress, uid, b.port, strconv.Itoa(int(b.groupPort)), b.kind(), b.protocol, b.version)
}

// The backend security group, which all stacks share.
const (
	sharedGroupDescription  = "[k8s] Shared Backend SecurityGroup for LoadBalancer"
	managedGroupDescription = "[k8s] Managed SecurityGroup for LoadBalancer"
	sharedRuleDescription   = "elbv2.k8s.aws/targetGroupBinding=shared"
)

func sharedGroupName() string { return "k8s-traffic-" + cluster + "-" + hashed(cluster) }

func sharedGroupTags() map[string]string {
	return map[string]string{"env": "prod", "elbv2.k8s.aws/cluster": cluster, "elbv2.k8s.aws/resource": "backend-sg"}
}
