package target

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Binding says which Service port feeds which target group. Two bindings are
// equal if they are ==.
type Binding struct {
	GroupARN    string
	GroupName   string
	Service     types.NamespacedName
	ServicePort intstr.IntOrString // as the Ingress names it
	Stack       string             // the Ingress group that the target group belongs to
}
