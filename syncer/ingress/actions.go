package ingress

import (
	"fmt"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// actionSpec is the value of an annotation actions.NAME. The names are those of AWS's
// API, as the AWS Load Balancer Controller takes them.
type actionSpec struct {
	Type string `json:"type"`
	// One of the two, or ForwardConfig.
	TargetGroupARN  *string `json:"targetGroupARN"`
	TargetGroupName *string `json:"targetGroupName"`

	ForwardConfig       *forwardSpec       `json:"forwardConfig"`
	RedirectConfig      *redirectSpec      `json:"redirectConfig"`
	FixedResponseConfig *fixedResponseSpec `json:"fixedResponseConfig"`
}

type forwardSpec struct {
	TargetGroups                []shareSpec `json:"targetGroups"`
	TargetGroupStickinessConfig *stickySpec `json:"targetGroupStickinessConfig"`
}

type shareSpec struct {
	TargetGroupARN  *string             `json:"targetGroupARN"`
	TargetGroupName *string             `json:"targetGroupName"`
	ServiceName     *string             `json:"serviceName"`
	ServicePort     *intstr.IntOrString `json:"servicePort"`
	Weight          *int32              `json:"weight"`
}

type stickySpec struct {
	Enabled         bool   `json:"enabled"`
	DurationSeconds *int32 `json:"durationSeconds"`
}

type redirectSpec struct {
	Host       *string `json:"host"`
	Path       *string `json:"path"`
	Port       *string `json:"port"`
	Protocol   *string `json:"protocol"`
	Query      *string `json:"query"`
	StatusCode string  `json:"statusCode"`
}

type fixedResponseSpec struct {
	ContentType string             `json:"contentType"`
	MessageBody string             `json:"messageBody"`
	StatusCode  intstr.IntOrString `json:"statusCode"`
}

const (
	actionForward       = "forward"
	actionRedirect      = "redirect"
	actionFixedResponse = "fixed-response"

	// Limits of a forward, from AWS's pages on rule actions and on quotas.
	maxShares          = 5
	maxWeight          = 999
	maxTargetGroupName = 32
)

var (
	targetGroupARNPattern  = regexp.MustCompile(`^arn:[^:]+:elasticloadbalancing:[^:]+:\d+:targetgroup/[^/]+/[^/]+$`)
	targetGroupNamePattern = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$`)
)

// annotatedAction is what the annotation actions.NAME says. Nobody else says what to do
// for its requests, so that one that is missing is answered for by the load balancer.
func (b *builder) annotatedAction(m *member, name string, backend place) (Action, bool) {
	key := keyActions + name
	if _, ok := m.ing.Annotations[key]; !ok {
		if !b.in.Settings.TolerateMissingAction {
			m.blockAt(ReasonActionNotFound, backend, "there is no annotation %s", key)
			return Action{}, false
		}
		m.warnAt(ReasonActionNotFound, backend, "there is no annotation %s; its requests are answered with 503", key)
		return fixedResponse(503, missingActionBody), true
	}
	var spec actionSpec
	if !m.reader().json(key, `an action in JSON like {"type":"forward","forwardConfig":{...}}`, &spec) {
		return Action{}, false
	}
	a := actionReader{builder: b, member: m, ok: true}
	action := a.read(spec, annotationPlace(key))
	return action, a.ok
}

// actionReader reads one action. ok turns false with the first fault.
type actionReader struct {
	*builder
	member *member
	ok     bool
}

func (a *actionReader) invalid(at place, format string, args ...any) {
	a.ok = false
	a.member.blockAt(ReasonInvalidAnnotation, at, format, args...)
}

func (a *actionReader) read(spec actionSpec, at place) Action {
	switch spec.Type {
	case actionForward:
		return a.readForward(spec, at)
	case actionRedirect:
		if spec.RedirectConfig != nil {
			redirect := a.readRedirect(*spec.RedirectConfig, at.at(".redirectConfig"))
			a.member.redirects[redirect] = at.at(".redirectConfig.protocol")
			return Action{Redirect: redirect}
		}
		a.invalid(at.at(".redirectConfig"), "must be given for a redirect")
	case actionFixedResponse:
		if spec.FixedResponseConfig != nil {
			return Action{FixedResponse: a.readFixedResponse(*spec.FixedResponseConfig, at.at(".fixedResponseConfig"))}
		}
		a.invalid(at.at(".fixedResponseConfig"), "must be given for a fixed response")
	default:
		a.invalid(at.at(".type"), "%q must be %s, %s or %s", spec.Type, actionForward, actionRedirect, actionFixedResponse)
	}
	return Action{}
}

// readForward takes the short form with one target group, and the long one.
func (a *actionReader) readForward(spec actionSpec, at place) Action {
	given := 0
	for _, ok := range []bool{spec.TargetGroupARN != nil, spec.TargetGroupName != nil, spec.ForwardConfig != nil} {
		if ok {
			given++
		}
	}
	switch {
	case given != 1:
		a.invalid(at, "one of targetGroupARN, targetGroupName and forwardConfig must be given for a forward")
		return Action{}
	case spec.ForwardConfig == nil:
		share := shareSpec{TargetGroupARN: spec.TargetGroupARN, TargetGroupName: spec.TargetGroupName}
		return Action{Forward: []Share{a.readForeign(share, at)}}
	}
	config, at := *spec.ForwardConfig, at.at(".forwardConfig")
	sticky := a.readSticky(config.TargetGroupStickinessConfig, at.at(".targetGroupStickinessConfig"))
	action := a.readShares(config.TargetGroups, at.at(".targetGroups"))
	if action.FixedResponse == nil {
		action.StickySeconds = sticky
	}
	return action
}

func (a *actionReader) readSticky(spec *stickySpec, at place) int32 {
	switch {
	case spec == nil || !spec.Enabled:
		return 0
	case spec.DurationSeconds == nil || *spec.DurationSeconds < 1 || *spec.DurationSeconds > maxStickySeconds:
		a.invalid(at.at(".durationSeconds"), "must be a whole number from 1 to %d", maxStickySeconds)
		return 0
	}
	return *spec.DurationSeconds
}

// readShares takes one share, whose Service may be missing, or several.
func (a *actionReader) readShares(specs []shareSpec, at place) Action {
	if len(specs) == 0 || len(specs) > maxShares {
		a.invalid(at, "must have 1 to %d target groups, and has %d", maxShares, len(specs))
		return Action{}
	}
	if len(specs) == 1 && specs[0].ServiceName != nil {
		return a.readSingle(specs[0], at.at("[0]"))
	}
	action := Action{}
	for i, spec := range specs {
		at := at.at(fmt.Sprintf("[%d]", i))
		share, ok := a.readShare(spec, at)
		share.Weight = a.readWeight(spec, len(specs) > 1, at)
		if same := slices.IndexFunc(action.Forward, share.sameGroup); ok && same >= 0 {
			a.invalid(at, "is the target group of targetGroups[%d] again", same)
		}
		action.Forward = append(action.Forward, share)
	}
	return action
}

// readSingle forwards to one Service.
func (a *actionReader) readSingle(spec shareSpec, at place) Action {
	weight := a.readWeight(spec, false, at)
	ref, ok := a.readRef(spec, at)
	if !ok {
		return Action{}
	}
	action, ok := a.forward(a.member, ref)
	a.ok = a.ok && ok
	for i := range action.Forward {
		action.Forward[i].Weight = weight
	}
	return action
}

// readShare reads one of several target groups. One that does not exist cannot be left
// out: its part of the requests would go where nobody asked for.
func (a *actionReader) readShare(spec shareSpec, at place) (Share, bool) {
	if spec.ServiceName == nil {
		return a.readForeign(spec, at), true
	}
	ref, ok := a.readRef(spec, at)
	if !ok {
		return Share{}, false
	}
	svc, exists := a.in.Services(ref.name)
	if !exists {
		a.ok = false
		a.member.blockAt(ReasonServiceNotFound, ref.nameAt, "Service %s does not exist, and is one of several that share the requests", ref.name)
		return Share{}, false
	}
	id, ok := a.serviceGroup(a.member, svc, ref)
	a.ok = a.ok && ok
	return Share{TargetGroup: id}, ok
}

func (a *actionReader) readRef(spec shareSpec, at place) (serviceRef, bool) {
	switch {
	case spec.TargetGroupARN != nil || spec.TargetGroupName != nil:
		a.invalid(at, "must have one of targetGroupARN, targetGroupName and serviceName")
		return serviceRef{}, false
	case spec.ServicePort == nil:
		a.invalid(at.at(".servicePort"), "must be given with a serviceName")
		return serviceRef{}, false
	}
	return serviceRef{
		name: types.NamespacedName{Namespace: a.member.key.Namespace, Name: *spec.ServiceName},
		// "80" is the port 80: so it was written before JSON numbers were taken.
		port:   intstr.Parse(spec.ServicePort.String()),
		nameAt: at.at(".serviceName"), portAt: at.at(".servicePort"),
	}, true
}

// readForeign reads a target group that somebody else made.
func (a *actionReader) readForeign(spec shareSpec, at place) Share {
	share := Share{Weight: 1}
	switch arn, name := spec.TargetGroupARN, spec.TargetGroupName; {
	case (arn == nil) == (name == nil):
		a.invalid(at, "must have one of targetGroupARN, targetGroupName and serviceName")
	case arn != nil:
		share.ARN = *arn
		if !targetGroupARNPattern.MatchString(share.ARN) {
			a.invalid(at.at(".targetGroupARN"), "%q is not the ARN of a target group", share.ARN)
		}
	default:
		share.Name = *name
		if len(share.Name) > maxTargetGroupName || !targetGroupNamePattern.MatchString(share.Name) {
			a.invalid(at.at(".targetGroupName"), "%q is not the name of a target group: 1 to %d letters, digits and '-', without '-' at either end",
				share.Name, maxTargetGroupName)
		}
	}
	return share
}

func (a *actionReader) readWeight(spec shareSpec, mandatory bool, at place) int32 {
	switch {
	case spec.Weight == nil && !mandatory:
		return 1
	case spec.Weight == nil:
		a.invalid(at.at(".weight"), "must be given with more than one target group")
		return 0
	case *spec.Weight < 0 || *spec.Weight > maxWeight:
		a.invalid(at.at(".weight"), "%d must be from 0 to %d", *spec.Weight, maxWeight)
	}
	return *spec.Weight
}

// sameGroup compares without the weight.
func (s Share) sameGroup(other Share) bool {
	s.Weight, other.Weight = 0, 0
	return s == other
}
