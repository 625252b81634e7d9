package groupbinding

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/syncer/target"
)

// Resource is where TargetGroupBindings are served.
var Resource = schema.GroupVersionResource{Group: "elbv2.k8s.aws", Version: "v1beta1", Resource: "targetgroupbindings"}

const (
	kind = "TargetGroupBinding"
	// Finalizer keeps a TargetGroupBinding until its targets are deregistered.
	Finalizer = "elbv2.k8s.aws/resources"
)

// The labels of what LBC wrote for an Ingress: with a group of its own it has the
// second, and a label for the namespace.
const (
	labelStack     = "ingress.k8s.aws/stack"
	labelStackName = "ingress.k8s.aws/stack-name"
)

// Object is what is read of a TargetGroupBinding. It is never changed.
type Object struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status"`
	// Malformed is why the rest could not be read. Empty: it could.
	Malformed string `json:"-"`
}

// Spec is what a TargetGroupBinding asks for.
type Spec struct {
	TargetGroupARN      string                `json:"targetGroupARN"`
	TargetGroupName     string                `json:"targetGroupName"`
	TargetType          string                `json:"targetType"` // instance, ip; empty: the group's
	TargetGroupProtocol string                `json:"targetGroupProtocol"`
	ServiceRef          ServiceRef            `json:"serviceRef"`
	Networking          *Networking           `json:"networking"` // nil: no rules are asked for
	NodeSelector        *metav1.LabelSelector `json:"nodeSelector"`
	IPAddressType       string                `json:"ipAddressType"` // ipv4, ipv6; empty: the group's
	VPCID               string                `json:"vpcID"`         // empty: the group's
	MultiCluster        bool                  `json:"multiClusterTargetGroup"`
	RoleARN             string                `json:"iamRoleArnToAssume"`
	ExternalID          string                `json:"assumeRoleExternalId"`
}

// ServiceRef names a port of a Service in the object's namespace.
type ServiceRef struct {
	Name string             `json:"name"`
	Port intstr.IntOrString `json:"port"`
}

// Status is what is told about a TargetGroupBinding.
type Status struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

// read turns what the API server sends into an Object, before it goes into the cache.
// client-go may do that twice. An object that its definition should not have let
// through is kept, with the reason: whoever wrote it is told.
func read(obj any) (any, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return obj, nil
	}
	o := &Object{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, o); err != nil {
		o = &Object{Malformed: err.Error(), ObjectMeta: metav1.ObjectMeta{
			Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(),
			Generation: u.GetGeneration(), Labels: u.GetLabels(), Finalizers: u.GetFinalizers(),
			CreationTimestamp: u.GetCreationTimestamp(), DeletionTimestamp: u.GetDeletionTimestamp(),
		}}
	}
	o.ManagedFields, o.Annotations, o.OwnerReferences = nil, nil, nil
	return o, nil
}

func (o *Object) key() types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
}

func (o *Object) service() types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Spec.ServiceRef.Name}
}

// leftover reports whether LBC wrote the object for an Ingress.
func (o *Object) leftover() bool { return o.Labels[labelStack] != "" || o.Labels[labelStackName] != "" }

// role returns the role that is assumed for the target group, zero: none. An external ID
// says nothing without one.
func (o *Object) role() target.Role {
	if o.Spec.RoleARN == "" {
		return target.Role{}
	}
	return target.Role{ARN: o.Spec.RoleARN, ExternalID: o.Spec.ExternalID}
}

func (o *Object) deleting() bool { return o.DeletionTimestamp != nil }

// finalized reports whether the object waits for us before it goes.
func (o *Object) finalized() bool { return slices.Contains(o.Finalizers, Finalizer) }

// groupName returns the name of the target group that the object asks for, empty if
// it is not known.
func (o *Object) groupName() string {
	if o.Spec.TargetGroupARN == "" {
		return o.Spec.TargetGroupName
	}
	return nameIn(o.Spec.TargetGroupARN)
}

// nameIn returns the name in a target group's ARN, empty if it is no such ARN:
// arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID.
func nameIn(arn string) string {
	fields := strings.SplitN(arn, ":", 6)
	if len(fields) < 6 || fields[0] != "arn" || fields[2] != "elasticloadbalancing" {
		return ""
	}
	path := strings.Split(fields[5], "/")
	if len(path) != 3 || path[0] != "targetgroup" {
		return ""
	}
	return path[1]
}
