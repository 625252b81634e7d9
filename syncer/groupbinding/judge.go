package groupbinding

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/target"
)

// Reasons of the Ready condition and of events. Some are LBC's.
const (
	reasonBound        = "Bound"
	reasonNoBackend    = "BackendNotFound"
	reasonCleanup      = "FailedCleanup"
	reasonInvalid      = "InvalidSpec"
	reasonNotSupported = "NotSupported"
	reasonNoGroup      = "TargetGroupNotFound"
	reasonLookup       = "FailedLookup"
	reasonRole         = "FailedAssumeRole"
	reasonLeft         = "TargetsLeft"
	reasonWrongGroup   = "WrongTargetGroup"
	reasonTaken        = "TargetGroupTaken"
	reasonDraining     = "Draining"
	reasonFinalizer    = "FailedAddFinalizer"
)

// patience is how long a deleted object of another account waits until its targets are
// deregistered.
const patience = 10 * time.Minute

// readyType is the condition that we write.
const readyType = "Ready"

// action is what is to be done about an object.
type action int

const (
	leave   action = iota // nothing: it is not ours to bind, or not known well enough
	bind                  // sync the targets of its group
	drain                 // empty its group, then let it go
	release               // let it go: take the finalizer off
	remove                // delete it
)

// verdict is what follows for one object.
type verdict struct {
	object *Object
	action action
	// binding is set for bind and drain.
	binding target.Binding
	ready   bool
	problem        // what is said of it; without a reason, nothing is
	left    string // what is not cleaned up although it is let go; empty: nothing
}

// problem is why something is not as the object asks, in a word and a sentence.
type problem struct{ reason, message string }

func (p problem) is() bool { return p != problem{} }

// unknown is the problem of a group that was not looked up yet: nobody is told.
var unknown = problem{message: "not looked up yet"}

// input is all that verdicts depend on. Nothing of it is changed.
type input struct {
	cluster     string
	vpc         string // the cluster's
	now         time.Time
	objects     []*Object              // the oldest first
	found       func(*Object) *finding // its group; nil: not looked up
	provisioned map[string]bool        // ARNs that the provisioner binds
	service     func(types.NamespacedName) *corev1.Service
}

// judge returns the verdicts on all objects, in their order. The package comment has
// the rules in words.
func judge(in input) []verdict {
	verdicts := make([]verdict, len(in.objects))
	owners := map[string]*Object{}
	for i, o := range in.objects {
		if !o.deleting() {
			verdicts[i] = in.living(o, owners)
		}
	}
	for i, o := range in.objects {
		if o.deleting() {
			verdicts[i] = in.deleted(o, owners)
		}
	}
	return verdicts
}

// living judges an object that stays, and enters it as the owner of its group.
func (in *input) living(o *Object, owners map[string]*Object) verdict {
	v := verdict{object: o}
	if o.leftover() && in.provisioned[o.Spec.TargetGroupARN] {
		return v // an alias
	}
	group, p := in.group(o)
	if owner := owners[group.ARN]; !p.is() && owner != nil {
		p = problem{reasonTaken, fmt.Sprintf("%s: target group %s is bound by TargetGroupBinding %s, which is older", o.field(), group.Name, owner.key())}
	}
	switch {
	case p.is() && o.leftover():
		// Once is not enough: for about a second, AWS may not find what was just made.
		if p.reason == reasonNoGroup && in.found(o).failures > 1 {
			v.action = remove
		}
		return v
	case p.is():
		v.problem = p
		return v
	}
	owners[group.ARN] = o
	v.action, v.binding = bind, in.binding(o, group)
	if !o.leftover() {
		in.tell(&v)
	}
	return v
}

// tell completes what is said of an object that is bound.
func (in *input) tell(v *verdict) {
	v.ready, v.problem = true, problem{reasonBound, "the targets of target group " + v.binding.GroupName + " are those of the Service"}
	if p := backend(in.service(v.object.service()), v.object); p.is() {
		v.ready, v.problem = false, p
	}
	if p := roleProblem(v.object, in.found(v.object)); p.is() {
		v.ready, v.problem = false, p // it is bound, and nothing comes of it
	}
}

// backend returns what is wrong with the Service that an object names.
func backend(svc *corev1.Service, o *Object) problem {
	if svc == nil {
		return problem{reasonNoBackend, fmt.Sprintf("spec.serviceRef.name: Service %s does not exist", o.service())}
	}
	port := o.Spec.ServiceRef.Port
	has := slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
		return port.Type == intstr.String && p.Name == port.StrVal || port.Type == intstr.Int && p.Port == port.IntVal
	})
	if !has {
		return problem{reasonNoBackend, fmt.Sprintf("spec.serviceRef.port: Service %s has no port %s", o.service(), port.String())}
	}
	return problem{}
}

// deleted judges an object that is being deleted.
func (in *input) deleted(o *Object, owners map[string]*Object) verdict {
	v := verdict{object: o}
	if !o.finalized() {
		return v
	}
	v.action = release
	if o.leftover() {
		return v // its group is the provisioner's, or goes with its Ingress
	}
	group, p := in.group(o)
	switch {
	case p == unknown:
		v.action = leave
	case p.reason == reasonLookup, p.reason == reasonRole:
		if !v.abandon(in.now, p.message) {
			v.action, v.problem = leave, problem{reasonCleanup, p.message}
		}
	case p.is(), owners[group.ARN] != nil: // it was never bound, or is somebody else's
	default:
		v.action, v.binding = drain, in.binding(o, group)
		v.binding.Drain = true
		v.problem = problem{reasonDraining, "the targets of target group " + group.Name + " are being deregistered"}
	}
	return v
}

// abandon gives up on the target group of a deleted object, if it is of another account
// and has been tried for long enough: whoever holds that account may have cut us off, and
// a namespace cannot go before all that is in it. It reports whether it has.
func (v *verdict) abandon(now time.Time, why string) bool {
	o := v.object
	if o.role() == (target.Role{}) || now.Sub(o.DeletionTimestamp.Time) < patience {
		return false
	}
	v.action, v.problem = release, problem{}
	v.left = fmt.Sprintf("the targets of target group %s may still be registered, and nobody deregisters them: %s", o.groupName(), why)
	return true
}

// binding is what the syncer is told.
func (in *input) binding(o *Object, g awsapi.TargetGroup) target.Binding {
	b := o.binding(g)
	if g.VPCID != in.vpc {
		b.VPC = g.VPCID
	}
	return b
}

// binding is the same, but for what depends on the cluster.
func (o *Object) binding(g awsapi.TargetGroup) target.Binding {
	b := target.Binding{
		GroupARN: g.ARN, GroupName: g.Name, Service: o.service(), ServicePort: o.Spec.ServiceRef.Port, Name: o.Name,
		Shared: o.Spec.MultiCluster, Role: o.role(),
		Check: target.Check{
			IntervalSeconds: g.HealthCheck.IntervalSeconds, TimeoutSeconds: g.HealthCheck.TimeoutSeconds,
			UnhealthyThreshold: g.HealthCheck.UnhealthyThreshold,
		},
	}
	if g.IPAddressType == ipv6 {
		b.Family = discoveryv1.AddressTypeIPv6
	}
	return b
}

// field is where an object names its target group.
func (o *Object) field() string {
	if o.Spec.TargetGroupARN != "" {
		return "spec.targetGroupARN"
	}
	return "spec.targetGroupName"
}

// AWS's words for types.
const (
	typeIP = "ip"
	ipv4   = "ipv4"
	ipv6   = "ipv6"
)

// protocols are those whose targets are TCP ports of pods.
var protocols = []string{"HTTP", "HTTPS", "TCP", "TLS"}

// group returns the target group that an object asks for, and why it cannot be bound.
func (in *input) group(o *Object) (awsapi.TargetGroup, problem) {
	if p := o.wrong(); p.is() {
		return awsapi.TargetGroup{}, p
	}
	g, p := in.lookedUp(o)
	if p.is() {
		return g, p
	}
	for _, check := range []func(*Object, awsapi.TargetGroup) problem{fits, in.free} {
		if p := check(o, g); p.is() {
			return g, p
		}
	}
	return g, problem{}
}

// wrong returns what is wrong with an object, whatever its group is.
func (o *Object) wrong() problem {
	s := o.Spec
	switch {
	case o.Malformed != "":
		return problem{reasonInvalid, o.Malformed}
	case s.TargetGroupARN == "" && s.TargetGroupName == "":
		return problem{reasonInvalid, "spec: one of targetGroupARN and targetGroupName is needed"}
	case o.groupName() == "":
		return problem{reasonInvalid, fmt.Sprintf("spec.targetGroupARN: %s is not the ARN of a target group", s.TargetGroupARN)}
	case s.TargetGroupName != "" && s.TargetGroupName != o.groupName():
		return problem{reasonInvalid, fmt.Sprintf("spec.targetGroupName: %s is not the name in spec.targetGroupARN", s.TargetGroupName)}
	case o.wrongRole().is():
		return o.wrongRole()
	case s.TargetType == "instance":
		return problem{reasonNotSupported, "spec.targetType: instance is not supported yet: use a target group of type ip"}
	}
	return problem{}
}

// wrongRole returns why the role of an object cannot be assumed for its group, whatever
// AWS says.
func (o *Object) wrongRole() problem {
	s := o.Spec
	switch {
	case s.RoleARN == "":
		return problem{}
	case o.role().Account() == "":
		return problem{reasonInvalid, fmt.Sprintf("spec.iamRoleArnToAssume: %s is not the ARN of a role", s.RoleARN)}
	case s.TargetType == "instance":
		return problem{reasonInvalid, "spec.targetType: instance cannot be used with spec.iamRoleArnToAssume: instances are targets in their own account alone"}
	}
	return problem{}
}

// lookedUp returns the target group that AWS has for an object.
func (in *input) lookedUp(o *Object) (awsapi.TargetGroup, problem) {
	f := in.found(o)
	switch {
	case f == nil:
		return awsapi.TargetGroup{}, unknown
	case f.group == nil && roleProblem(o, f).is():
		return awsapi.TargetGroup{}, roleProblem(o, f)
	case f.group == nil && f.err != nil:
		return awsapi.TargetGroup{}, problem{reasonLookup, fmt.Sprintf("%s: cannot look up target group %s: AWS answers %s", o.field(), o.groupName(), awsapi.Code(f.err))}
	case f.group == nil:
		return awsapi.TargetGroup{}, problem{reasonNoGroup, fmt.Sprintf("%s: there is no target group %s in %s", o.field(), o.groupName(), o.where())}
	case o.Spec.TargetGroupARN != "" && o.Spec.TargetGroupARN != f.group.ARN:
		return awsapi.TargetGroup{}, problem{reasonNoGroup, fmt.Sprintf("spec.targetGroupARN: the target group %s of %s is another one, %s", f.group.Name, o.where(), f.group.ARN)}
	}
	return *f.group, problem{}
}

// where says in words where the target group of an object is looked for.
func (o *Object) where() string {
	if role := o.role(); role != (target.Role{}) {
		return "account " + role.Account() + " and the Region"
	}
	return "the account and Region"
}

// roleProblem returns that the role of an object could not be assumed, at the last lookup
// of its group. Of the error it has AWS's code alone: the rest differs from call to call.
func roleProblem(o *Object, f *finding) problem {
	if f == nil {
		return problem{}
	}
	code, is := awsapi.RoleProblem(f.err)
	if !is {
		return problem{}
	}
	return problem{reasonRole, fmt.Sprintf("spec.iamRoleArnToAssume: cannot assume role %s: AWS answers %s", o.Spec.RoleARN, code)}
}

// fits returns why pods cannot be targets of a group as an object asks for it.
func fits(o *Object, g awsapi.TargetGroup) problem {
	s := o.Spec
	wrong := func(field, what, is, want string) problem {
		return problem{reasonWrongGroup, fmt.Sprintf("%s: target group %s has %s %s, not %s", field, g.Name, what, is, want)}
	}
	family := g.IPAddressType
	if family == "" {
		family = ipv4
	}
	switch {
	case g.TargetType != typeIP:
		return wrong(o.field(), "target type", g.TargetType, typeIP)
	case !slices.Contains(protocols, g.Protocol):
		return wrong(o.field(), "protocol", g.Protocol, strings.Join(protocols, ", "))
	case s.TargetGroupProtocol != "" && s.TargetGroupProtocol != g.Protocol:
		return wrong("spec.targetGroupProtocol", "protocol", g.Protocol, s.TargetGroupProtocol)
	case s.VPCID != "" && s.VPCID != g.VPCID:
		return wrong("spec.vpcID", "VPC", g.VPCID, s.VPCID)
	case s.IPAddressType != "" && s.IPAddressType != family:
		return wrong("spec.ipAddressType", "IP address type", family, s.IPAddressType)
	}
	return problem{}
}

// free returns whose a group is, if it is the provisioner's. Tags say it before the
// provisioner does: were it bound until then, its targets would be taken away.
func (in *input) free(o *Object, g awsapi.TargetGroup) problem {
	stack := g.Tags[ingress.TagStack]
	ours := stack != "" && g.Tags[ingress.TagCluster] == in.cluster
	if o.leftover() || !ours && !in.provisioned[g.ARN] {
		return problem{}
	}
	return problem{reasonTaken, fmt.Sprintf("%s: target group %s belongs to the Ingress group %s, by its tags", o.field(), g.Name, stack)}
}

// waitedFor reports whether readiness gates wait for the group of an object that is not
// bound: it may be in a moment, or when somebody has put it right. Not if pods are not
// its targets, or if the group is somebody else's; a leftover's gates are the
// provisioner's.
func (v *verdict) waitedFor() bool {
	o := v.object
	return !o.deleting() && !o.leftover() && v.reason != reasonTaken && v.reason != reasonNotSupported
}

// condition is what is told of a verdict.
func (v *verdict) condition(now metav1.Time) metav1.Condition {
	c := metav1.Condition{
		Type: readyType, Status: metav1.ConditionFalse, Reason: v.reason, Message: v.message,
		ObservedGeneration: v.object.Generation, LastTransitionTime: now,
	}
	if v.ready {
		c.Status = metav1.ConditionTrue
	}
	return c
}
