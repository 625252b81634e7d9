package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/webhook"
)

// patch is a change of an Ingress. The UID makes it miss another Ingress that has
// taken the name since.
type patch struct {
	Metadata patchMetadata `json:"metadata"`
	Status   *patchStatus  `json:"status,omitempty"`
}

type patchMetadata struct {
	UID types.UID `json:"uid,omitempty"`
	// Annotations that are nil are taken away.
	Annotations map[string]*string `json:"annotations,omitempty"`
	// A strategic merge patch adds to and takes from the list of finalizers without
	// naming the others, so it needs no current copy of the object.
	Add    []string `json:"finalizers,omitempty"`
	Remove []string `json:"$deleteFromPrimitiveList/finalizers,omitempty"`
}

type patchStatus struct {
	LoadBalancer networkingv1.IngressLoadBalancerStatus `json:"loadBalancer"`
}

func send(ctx context.Context, c kubernetes.Interface, ing *networkingv1.Ingress, p patch, subresources ...string) error {
	p.Metadata.UID = ing.UID
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode a patch of Ingress %s/%s: %w", ing.Namespace, ing.Name, err)
	}
	kind := types.StrategicMergePatchType
	if len(subresources) > 0 {
		kind = types.MergePatchType // a status is replaced, not merged
	}
	if _, err = c.NetworkingV1().Ingresses(ing.Namespace).Patch(ctx, ing.Name, kind, data, metav1.PatchOptions{}, subresources...); err != nil {
		err = webhook.Explain(ctx, c.AdmissionregistrationV1(), err)
		return fmt.Errorf("patch Ingress %s/%s: %w", ing.Namespace, ing.Name, err)
	}
	return nil
}

// addFinalizers puts the group's finalizer on its members and returns those that
// could not take it. It comes before anything is created, so that nothing can be
// left behind.
func addFinalizers(ctx context.Context, c kubernetes.Interface, id ingress.GroupID, members []*networkingv1.Ingress) (refused []*networkingv1.Ingress, err error) {
	var errs []error
	finalizer := ingress.Finalizer(id)
	for _, ing := range members {
		if slices.Contains(ing.Finalizers, finalizer) {
			continue
		}
		if err := send(ctx, c, ing, patch{Metadata: patchMetadata{Add: []string{finalizer}}}); err != nil {
			refused = append(refused, ing)
			errs = append(errs, patchError{reasonFailedFinalizer, ing.UID, err})
		}
	}
	return refused, errors.Join(errs...)
}

// removeFinalizers lets go of Ingresses of which nothing is left. One that is gone
// or is another one now needs nothing.
func removeFinalizers(ctx context.Context, c kubernetes.Interface, id ingress.GroupID, leaving []*networkingv1.Ingress) error {
	var errs []error
	for _, ing := range leaving {
		p := patch{Metadata: patchMetadata{Remove: []string{ingress.Finalizer(id)}}}
		if _, marked := ing.Annotations[leftKey(id)]; marked {
			p.Metadata.Annotations = map[string]*string{leftKey(id): nil}
		}
		err := send(ctx, c, ing, p)
		if err != nil && !apierrors.IsNotFound(err) && !isAnotherNow(err) {
			errs = append(errs, patchError{reasonFailedRemoval, ing.UID, err})
		}
	}
	return errors.Join(errs...)
}

// isAnotherNow reports whether a patch missed because another object has the name:
// the API server takes the UID in it for an attempt to change the other's.
func isAnotherNow(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsInvalid(err) || status.ErrStatus.Details == nil {
		return apierrors.IsConflict(err)
	}
	return slices.ContainsFunc(status.ErrStatus.Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}

// writeStatus publishes the load balancer's name and ports on members and returns
// those that did not show it.
func writeStatus(ctx context.Context, c kubernetes.Interface, lb *balancer, members []*networkingv1.Ingress) ([]*networkingv1.Ingress, error) {
	want := statusOf(lb)
	var changed []*networkingv1.Ingress
	var errs []error
	for _, ing := range members {
		if equality.Semantic.DeepEqual(ing.Status.LoadBalancer, want) {
			continue
		}
		if err := send(ctx, c, ing, patch{Status: &patchStatus{want}}, "status"); err != nil {
			errs = append(errs, patchError{reasonFailedStatus, ing.UID, err})
			continue
		}
		changed = append(changed, ing)
	}
	return changed, errors.Join(errs...)
}

// statusOf is one host name with the ports that it listens on.
func statusOf(lb *balancer) networkingv1.IngressLoadBalancerStatus {
	entry := networkingv1.IngressLoadBalancerIngress{Hostname: strings.ToLower(lb.DNSName)}
	for _, port := range sortedPorts(lb.listeners) {
		entry.Ports = append(entry.Ports, networkingv1.IngressPortStatus{Port: port, Protocol: corev1.ProtocolTCP})
	}
	return networkingv1.IngressLoadBalancerStatus{Ingress: []networkingv1.IngressLoadBalancerIngress{entry}}
}
