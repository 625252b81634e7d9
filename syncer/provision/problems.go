package provision

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/syncer/ingress"
)

// Problems returns how many problems the Ingresses have now, by their reasons: what cannot be used of what they ask for, and what has failed.
func (l *Loop) Problems() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]int{}
	for _, of := range l.problems {
		for reason, n := range of {
			all[reason] += n
		}
	}
	return all
}

// tellProblems warns the owners of problems that they have not been told of: one that
// stays is no news when another one joins it.
func (p *pass) tellProblems() {
	for _, problem := range p.model.Problems {
		if slices.Contains(p.state.problems, problem) {
			continue
		}
		for _, ing := range p.group.Members {
			if problem.Ingress == (types.NamespacedName{Namespace: ing.Namespace, Name: ing.Name}) {
				reason, message := inEvent(problem)
				p.o.Events.Event(ing, corev1.EventTypeWarning, reason, message)
			}
		}
	}
	p.state.problems = p.model.Problems
}

// inEvent returns the reason and the message of the event that tells of a problem. What
// keeps an Ingress from being served has the reason that the AWS Load Balancer Controller
// has for it, by which alerts may know it, and the problem's own in its message.
func inEvent(problem ingress.Problem) (reason, message string) {
	if !problem.Blocking {
		return problem.Reason, problem.Message
	}
	reason = reasonFailedBuild
	switch problem.Reason {
	case ingress.ReasonClassNotFound, ingress.ReasonClassParamsNotFound, ingress.ReasonNamespaceNotSelected:
		reason = reasonFailedGroup
	}
	return reason, problem.Reason + ": " + problem.Message
}

// note notes the problems of the pass's group, as they are after it.
func (p *pass) note() {
	now := map[string]int{}
	for _, problem := range p.model.Problems {
		if problem.Reason != "" { // one without was told otherwise
			now[problem.Reason]++
		}
	}
	for failed := range p.state.failure {
		now[failed.reason]++
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems[p.group.ID] = now
}

// forget drops what is remembered of a group that is gone.
func (l *Loop) forget(id ingress.GroupID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.states, id)
	delete(l.problems, id)
}
