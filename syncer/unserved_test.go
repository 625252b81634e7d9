package syncer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

func TestProvisionerOf(t *testing.T) {
	const controller, cloud = "the AWS Load Balancer Controller", "the service controller of the cloud provider"
	for name, tt := range map[string]struct {
		kind       corev1.ServiceType
		class      *string
		annotation string
		want       string
	}{
		"none":              {kind: corev1.ServiceTypeClusterIP},
		"node port":         {kind: corev1.ServiceTypeNodePort, annotation: "external"},
		"in-tree":           {kind: corev1.ServiceTypeLoadBalancer, want: cloud},
		"in-tree NLB":       {kind: corev1.ServiceTypeLoadBalancer, annotation: "nlb", want: cloud},
		"by class":          {kind: corev1.ServiceTypeLoadBalancer, class: new("service.k8s.aws/nlb"), want: controller},
		"by annotation":     {kind: corev1.ServiceTypeLoadBalancer, annotation: "external", want: controller},
		"by annotation, ip": {kind: corev1.ServiceTypeLoadBalancer, annotation: "nlb-ip", want: controller},
		"somebody else's":   {kind: corev1.ServiceTypeLoadBalancer, class: new("metallb.io/l2"), annotation: "external"},
	} {
		svc := &corev1.Service{Spec: corev1.ServiceSpec{Type: tt.kind, LoadBalancerClass: tt.class}}
		if tt.annotation != "" {
			svc.Annotations = map[string]string{"service.beta.kubernetes.io/aws-load-balancer-type": tt.annotation}
		}
		trimmed, err := trim(svc)
		require.NoError(t, err)
		require.Equal(t, tt.want, provisionerOf(trimmed.(*corev1.Service)), name)
	}
}

// A Service is told of once, and again if it has asked for something else meanwhile.
func TestUnservedIsToldOnce(t *testing.T) {
	events := record.NewFakeRecorder(10)
	u := &unserved{events: events, told: map[types.UID]bool{}}
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{UID: "1"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer}}
	u.look(svc)
	u.look(svc)
	require.Len(t, events.Events, 1)
	require.True(t, strings.HasPrefix(<-events.Events, "Warning NotProvisioned "))

	plain := svc.DeepCopy()
	plain.Spec.Type = corev1.ServiceTypeClusterIP
	u.look(plain)
	require.Empty(t, events.Events)
	u.look(svc)
	require.Len(t, events.Events, 1)

	u.forget(cache.DeletedFinalStateUnknown{Obj: svc})
	require.Empty(t, u.told)
}
