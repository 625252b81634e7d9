package provision

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/webhook"
)

// patchError says that one Ingress could not be written.
type patchError struct {
	reason string // of the event
	uid    types.UID
	err    error
}

func (e patchError) Error() string { return e.err.Error() }
func (e patchError) Unwrap() error { return e.err }

// resourceError says that something could not be done for one target group, or for
// a rule that forwards to it. Its ID tells whose it is.
type resourceError struct {
	id  string
	err error
}

func (e resourceError) Error() string { return e.err.Error() }
func (e resourceError) Unwrap() error { return e.err }

// settingError says that something could not be done for a setting of the load
// balancer. Whoever would ask for it if he were alone in the group is told.
type settingError struct {
	asks func(*ingress.LoadBalancer) bool
	err  error
}

func (e settingError) Error() string { return e.err.Error() }
func (e settingError) Unwrap() error { return e.err }

// askedFor is an error about a setting of a listener.
func askedFor(port int32, asks func(*ingress.Listener) bool, err error) error {
	return settingError{func(lb *ingress.LoadBalancer) bool {
		return slices.ContainsFunc(lb.Listeners, func(l ingress.Listener) bool { return l.Port == port && asks(&l) })
	}, err}
}

// askers returns the members who would ask for a setting if each were alone.
func (p *pass) askers(asks func(*ingress.LoadBalancer) bool) []*networkingv1.Ingress {
	return slices.DeleteFunc(slices.Clone(p.good), func(ing *networkingv1.Ingress) bool {
		in := p.input()
		in.Group.Members, in.Group.Leaving, in.Group.Problems = []*networkingv1.Ingress{ing}, nil, nil
		lb := ingress.Build(in).LoadBalancer
		return lb == nil || !asks(lb)
	})
}

// causes are the errors that were joined into err.
func causes(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) // What is wrapped further down is one cause.
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, causes(e)...)
	}
	return out
}

// isWaiting reports whether nothing else is the matter than that something has to
// finish first.
func isWaiting(err error) bool {
	return !slices.ContainsFunc(causes(err), func(e error) bool { return !errors.Is(e, errWaiting) })
}

// blame returns the Ingresses that a cause concerns, and the reason of the event
// that tells them. A cause that is nobody's is that of all who are served or leave.
func (p *pass) blame(cause error) (concerned []*networkingv1.Ingress, reason string) {
	all := slices.Concat(p.group.Members, p.group.Leaving)
	if e, ok := errors.AsType[patchError](cause); ok {
		return slices.DeleteFunc(all, func(ing *networkingv1.Ingress) bool { return ing.UID != e.uid }), e.reason
	}
	if e, ok := errors.AsType[groupsError](cause); ok {
		return slices.DeleteFunc(all, func(ing *networkingv1.Ingress) bool { return !e.namedBy(ing) }), reasonFailedDeploy
	}
	id := ""
	if e, ok := errors.AsType[resourceError](cause); ok {
		id = e.id
	} else if e, ok := errors.AsType[unresolvedError](cause); ok {
		id = e.id
	}
	if e, ok := errors.AsType[settingError](cause); ok {
		if concerned = p.askers(e.asks); len(concerned) > 0 {
			return concerned, reasonFailedDeploy
		}
	}
	if owners := ingress.Owners(id, all); len(owners) > 0 {
		return owners, reasonFailedDeploy
	}
	return slices.Concat(p.good, p.group.Leaving), reasonFailedDeploy
}

// transport is what the SDK puts in front of AWS's own words. The request's ID in
// it makes every text a new one.
var transport = regexp.MustCompile(`https? response error StatusCode: \d+, RequestID: [^,]*, `)

// warning is an event that is told once.
type warning struct {
	uid    types.UID
	reason string
}

// tellFailure warns those whom a failure concerns. One that the next try usually
// mends is news only the second time.
func (p *pass) tellFailure(ctx context.Context, err error) {
	p.log.WarnContext(ctx, "a pass failed and is tried again", slog.Any("error", err), slog.Int("failures", p.state.failures+1))
	if p.state.failures == 0 && !lasts(err) {
		return
	}
	texts := map[warning][]string{}
	for _, cause := range causes(err) {
		if errors.Is(cause, errWaiting) {
			continue
		}
		concerned, reason := p.blame(cause)
		for _, ing := range concerned {
			w := warning{ing.UID, reason}
			texts[w] = append(texts[w], transport.ReplaceAllString(cause.Error(), ""))
		}
	}
	now := map[warning]string{}
	for _, ing := range slices.Concat(p.group.Members, p.group.Leaving) {
		for _, reason := range []string{reasonFailedFinalizer, reasonFailedDeploy, reasonFailedStatus, reasonFailedRemoval} {
			w := warning{ing.UID, reason}
			text := strings.Join(texts[w], "\n")
			if text == "" {
				continue
			}
			if now[w] = text; p.state.failure[w] != text {
				p.o.Events.Event(ing, corev1.EventTypeWarning, reason, text)
			}
		}
	}
	p.state.failure = now
}

// classOf returns what a failed pass counts as.
func classOf(err error) string {
	if webhook.Is(err) {
		return webhook.Class
	}
	return string(awsapi.ClassOf(err))
}

// lasts reports whether trying again is unlikely to mend a failure.
func lasts(err error) bool {
	return isRefusal(err) || webhook.Is(err) || awsapi.ClassOf(err) == awsapi.Denied
}
