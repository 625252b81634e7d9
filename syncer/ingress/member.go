package ingress

import (
	"cmp"
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// member is one Ingress as read on its own, before it meets the others.
type member struct {
	ing *networkingv1.Ingress
	key types.NamespacedName
	// served: it holds the finalizer, so the load balancer was made for it, too.
	served bool
	// bad: one of the problems is blocking.
	bad      bool
	problems []Problem

	params *ClassParams // of its class; nil: it has none
	class  map[string]classText
	// own is how many of the problems it has without the others; badGroup: it has one
	// from before.
	own      int
	badGroup bool
	opinions []opinion

	subnets      Subnets
	ports        map[int32]string // protocol by port that it listens on
	redirect     int32            // the port of ssl-redirect; 0: it has none
	certificates []string
	tags         map[string]string
	// defaultAction is nil without spec.defaultBackend.
	defaultAction *Action
	rules         []Rule              // without priority and tags
	redirects     map[*Redirect]place // where the member says so
	groups        map[string]*TargetGroup
}

// newMember returns a member of which nothing has been read yet.
func (b *builder) newMember(ing *networkingv1.Ingress) *member {
	m := &member{
		ing:    ing,
		key:    keyOf(ing),
		served: slices.Contains(ing.Finalizers, Finalizer(b.in.Group.ID)),
		groups: map[string]*TargetGroup{}, redirects: map[*Redirect]place{},
	}
	m.params = b.in.Group.Params[m.key]
	m.class = m.params.texts()
	m.badGroup = slices.ContainsFunc(b.in.Group.Problems, func(p Problem) bool { return p.Ingress == m.key && p.Blocking })
	m.bad = m.badGroup
	return m
}

// read reads one member. It goes on after a problem, so that its owner sees all
// of them at once.
func (b *builder) read(ing *networkingv1.Ingress) *member {
	m := b.newMember(ing)
	m.warnOfAnnotations(ing.Annotations, "")
	m.warnOfClass()
	b.readBalancer(m)
	b.readListeners(m)
	b.readTags(m)
	if backend := ing.Spec.DefaultBackend; backend != nil {
		if action, ok := b.action(m, backend, "spec.defaultBackend"); ok {
			m.defaultAction = &action
		}
	}
	for i := range ing.Spec.Rules {
		b.readRule(m, &ing.Spec.Rules[i], fmt.Sprintf("spec.rules[%d]", i))
	}
	return m
}

func (m *member) block(reason, field, format string, args ...any) {
	m.bad = true
	m.report(Problem{Reason: reason, Field: field, Message: fmt.Sprintf(format, args...), Blocking: true})
}

func (m *member) warn(reason, field, format string, args ...any) {
	m.report(Problem{Reason: reason, Field: field, Message: fmt.Sprintf(format, args...)})
}

// report tells each problem once: many paths may lead to one Service.
func (m *member) report(p Problem) {
	p.Ingress = m.key
	if !slices.Contains(m.problems, p) {
		m.problems = append(m.problems, p)
	}
}

// warnOfAnnotations warns of what is not read, and blocks where serving without it
// would not be what was asked for. Service is "" for the Ingress's own annotations.
func (m *member) warnOfAnnotations(annotations map[string]string, service string) {
	where := ""
	if service != "" {
		where = "Service " + service + ": "
	}
	for _, key := range sortedKeys(annotations) {
		if decides(key, annotations[key], service != "") {
			m.block(ReasonUnsupportedAnnotation, key, "%sannotation %s is not supported yet, and nothing is served otherwise than it asks", where, key)
			continue
		}
		if fault := unsupported(key, annotations[key], service != ""); fault != "" {
			m.warn(ReasonUnsupportedAnnotation, key, "%sannotation %s %s", where, key, fault)
		}
	}
}

// readRule adds the rules of one host.
func (b *builder) readRule(m *member, rule *networkingv1.IngressRule, field string) {
	if rule.HTTP == nil {
		return
	}
	if fault := hostFault(rule.Host); fault != "" {
		m.block(ReasonInvalidHost, field+".host", "%s.host: %q %s", field, rule.Host, fault)
	}
	for _, i := range pathOrder(rule.HTTP.Paths) {
		path := &rule.HTTP.Paths[i]
		field := fmt.Sprintf("%s.http.paths[%d]", field, i)
		b.readPath(m, rule.Host, path, field)
	}
}

// readPath adds the rule of one path. What it does and when are read apart, so that the
// faults of both are told.
func (b *builder) readPath(m *member, host string, path *networkingv1.HTTPIngressPath, field string) {
	action, ok := b.action(m, &path.Backend, field+".backend")
	patterns, fault := pathPatterns(path)
	var annotated []Condition
	if path.Backend.Service != nil {
		var readable bool
		annotated, readable = m.annotatedConditions(path.Backend.Service.Name)
		ok = ok && readable
	}
	all := conditions(host, patterns, annotated)
	if fault == "" && ok {
		_, fault = splitConditions(all)
	}
	if fault != "" {
		m.block(ReasonInvalidPath, field+".path", "%s.path: %q %s", field, path.Path, fault)
	}
	if ok && fault == "" {
		m.rules = append(m.rules, Rule{Conditions: all, Action: action})
	}
}

// pathOrder returns the indices of the paths in the order in which they are
// tried: exact ones, then prefixes, longest first, then the rest as written.
func pathOrder(paths []networkingv1.HTTPIngressPath) []int {
	rank := func(i int) (class, length int) {
		switch pathType(&paths[i]) {
		case networkingv1.PathTypeExact:
			return 0, 0
		case networkingv1.PathTypePrefix:
			return 1, len(paths[i].Path)
		default:
			return 2, 0
		}
	}
	order := make([]int, len(paths))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		classI, lengthI := rank(i)
		classJ, lengthJ := rank(j)
		return cmp.Or(cmp.Compare(classI, classJ), cmp.Compare(lengthJ, lengthI))
	})
	return order
}

func pathType(p *networkingv1.HTTPIngressPath) networkingv1.PathType {
	if p.PathType == nil {
		return networkingv1.PathTypeImplementationSpecific
	}
	return *p.PathType
}
