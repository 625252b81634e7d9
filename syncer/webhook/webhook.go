// Package webhook recognises writes to Kubernetes that are rejected because a webhook
// cannot be asked which the AWS Load Balancer Controller (LBC) has left behind.
//
// LBC has the API server ask it before an Ingress or a TargetGroupBinding is written
// (failurePolicy Fail). Its webhook configurations outlive it where it was scaled to 0,
// or was not removed with Helm. Then every write fails, and so do our finalizers and
// statuses, until somebody deletes the configurations. We must not do that ourselves,
// but we can say how.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	registrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
)

const (
	// Class is what a RejectionError counts as, where others have the class of AWS's error.
	Class = "DeadWebhook"

	// domain is what the names of LBC's webhooks end with: vingress.elbv2.k8s.aws.
	domain = ".elbv2.k8s.aws"
	// usualName is what LBC's configurations are called, if nobody has renamed them.
	usualName = "aws-load-balancer-webhook"
	// usualService is who answers them.
	usualService = "aws-load-balancer-webhook-service"
)

// unreachable is how the API server says that it could not ask a webhook. What a
// webhook itself has rejected reads otherwise, and is no business of ours.
var unreachable = regexp.MustCompile(`failed calling webhook "([^"]+)"`)

// RejectionError is a write that was rejected because a webhook of LBC cannot be asked.
type RejectionError struct {
	Webhook string
	Command string // removes it
	err     error
}

// Error implements error.
func (r *RejectionError) Error() string {
	return fmt.Sprintf("the webhook %s does not answer, and nothing can be written until it does or is removed; "+
		"if the AWS Load Balancer Controller is gone: %s (%v)", r.Webhook, r.Command, r.err)
}

// Unwrap returns what the API server said.
func (r *RejectionError) Unwrap() error { return r.err }

// Is reports whether err is due to such a rejection.
func Is(err error) bool {
	_, ok := errors.AsType[*RejectionError](err)
	return ok
}

// Configurations reads which webhooks the cluster has.
type Configurations interface {
	typed.ValidatingWebhookConfigurationsGetter
	typed.MutatingWebhookConfigurationsGetter
}

// Explain makes the error of a write a RejectionError if it is one. Any other is returned as
// it is.
func Explain(ctx context.Context, configurations Configurations, err error) error {
	name := nameIn(err)
	if !strings.HasSuffix(name, domain) {
		return err
	}
	return &RejectionError{Webhook: name, Command: command(ctx, configurations), err: err}
}

// nameIn returns the webhook that could not be asked; empty: something else failed.
func nameIn(err error) string {
	if !apierrors.IsInternalError(err) {
		return ""
	}
	found := unreachable.FindStringSubmatch(err.Error())
	if found == nil {
		return ""
	}
	return found[1]
}

// command removes LBC's webhooks: all of them, since the next write would meet another.
func command(ctx context.Context, configurations Configurations) string {
	found, _ := Find(ctx, configurations)
	if found.Command() == "" { // they cannot be read, or are gone by now
		found = Found{Validating: []string{usualName}, Mutating: []string{usualName}}
	}
	return found.Command()
}

// Found are the configurations that hold webhooks of LBC, by name.
type Found struct {
	Validating []string `json:"validating"`
	Mutating   []string `json:"mutating"`
}

// Command returns what removes them; empty: there are none.
func (f Found) Command() string {
	var commands []string
	if len(f.Validating) > 0 {
		commands = append(commands, "kubectl delete validatingwebhookconfiguration "+strings.Join(f.Validating, " "))
	}
	if len(f.Mutating) > 0 {
		commands = append(commands, "kubectl delete mutatingwebhookconfiguration "+strings.Join(f.Mutating, " "))
	}
	return strings.Join(commands, "; ")
}

// Find returns the configurations that hold webhooks of LBC, as far as they can be read,
// and why the others cannot.
func Find(ctx context.Context, configurations Configurations) (Found, error) {
	var f Found
	validating, refused := configurations.ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if refused == nil {
		for i := range validating.Items {
			c := &validating.Items[i]
			if c.Name == usualName || slices.ContainsFunc(c.Webhooks, func(w registrationv1.ValidatingWebhook) bool { return isLBCs(w.Name, w.ClientConfig) }) {
				f.Validating = append(f.Validating, c.Name)
			}
		}
	}
	mutating, err := configurations.MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err == nil {
		for i := range mutating.Items {
			c := &mutating.Items[i]
			if c.Name == usualName || slices.ContainsFunc(c.Webhooks, func(w registrationv1.MutatingWebhook) bool { return isLBCs(w.Name, w.ClientConfig) }) {
				f.Mutating = append(f.Mutating, c.Name)
			}
		}
	}
	return f, errors.Join(refused, err)
}

// isLBCs reports whether a webhook is LBC's, by its name or by who answers it.
func isLBCs(name string, client registrationv1.WebhookClientConfig) bool {
	return strings.HasSuffix(name, domain) || client.Service != nil && client.Service.Name == usualService
}
