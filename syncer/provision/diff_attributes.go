package provision

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// attributeCalls are how the attributes of a kind of resource are read and set.
type attributeCalls struct {
	describe func(ELB, context.Context, string) (awsapi.Attributes, error)
	modify   func(ELB, context.Context, string, awsapi.Attributes) error
}

// attributed is a resource that has attributes, and those that the model names.
// What nobody names stays as it is, also what somebody named until now.
type attributed struct {
	attributeCalls
	what string // as it is worded
	arn  string
	want map[string]string
	// blame says in an error whose fault it is that these could not be read or set.
	blame func(error, awsapi.Attributes) error
}

// attributedBalancer is the load balancer, if the model names attributes of it.
func attributedBalancer(m *ingress.Model, st *stack) []attributed {
	want := m.LoadBalancer
	b := st.balancer(want.Scheme)
	if b == nil || len(want.Attributes) == 0 {
		return nil
	}
	return []attributed{{
		attributeCalls: attributeCalls{ELB.DescribeLoadBalancerAttributes, ELB.ModifyLoadBalancerAttributes},
		what:           "load balancer " + b.Name, arn: b.ARN, want: want.Attributes,
		blame: func(err error, named awsapi.Attributes) error {
			return settingError{func(lb *ingress.LoadBalancer) bool { return namesAny(lb.Attributes, named) }, err}
		},
	}}
}

// attributedListeners are the listeners of which the model names attributes.
func attributedListeners(m *ingress.Model, st *stack) []attributed {
	b := st.balancer(m.LoadBalancer.Scheme)
	if b == nil {
		return nil
	}
	var out []attributed
	for _, want := range m.LoadBalancer.Listeners {
		l := b.listeners[want.Port]
		if l == nil || want.Kept || len(want.Attributes) == 0 {
			continue
		}
		out = append(out, attributed{
			attributeCalls: attributeCalls{ELB.DescribeListenerAttributes, ELB.ModifyListenerAttributes},
			what:           fmt.Sprintf("listener %d", l.Port), arn: l.ARN, want: want.Attributes,
			blame: func(err error, named awsapi.Attributes) error {
				return askedFor(want.Port, func(l *ingress.Listener) bool { return namesAny(l.Attributes, named) }, err)
			},
		})
	}
	return out
}

// attributedGroups are the target groups of which the model names attributes.
func attributedGroups(m *ingress.Model, st *stack) []attributed {
	var out []attributed
	for _, id := range slices.Sorted(maps.Keys(m.TargetGroups)) {
		want := m.TargetGroups[id]
		if want.Kept || len(want.Attributes) == 0 {
			continue
		}
		if g := st.group(want); g != nil {
			out = append(out, attributed{
				attributeCalls: attributeCalls{ELB.DescribeTargetGroupAttributes, ELB.ModifyTargetGroupAttributes},
				what:           "target group " + g.Name, arn: g.ARN, want: want.Attributes,
				blame: func(err error, _ awsapi.Attributes) error { return resourceError{id, err} },
			})
		}
	}
	return out
}

// namesAny reports whether one of the attributes is among those that somebody wants.
func namesAny(wanted map[string]string, attributes awsapi.Attributes) bool {
	for key, value := range attributes {
		if got, ok := wanted[key]; ok && got == value {
			return true
		}
	}
	return false
}

// attribute brings attributes to what the model names. Those of a resource are read
// once, and only if the model names any. AWS takes all of a call or none: if it
// refuses, those that have to do with each other are tried alone.
func (x *executor) attribute(ctx context.Context, resources []attributed) error {
	for _, r := range resources {
		if err := x.readAttributes(ctx, r); err != nil {
			return err
		}
		steps := diffAttributes(r, x.stack)
		refused := len(x.refused)
		if err := x.run(ctx, steps); err != nil {
			return err
		}
		if len(x.refused) == refused {
			continue
		}
		if families := steps[0].(modifyAttributes).families(); len(families) > 1 { //nolint:errcheck,forcetypeassert // As diffAttributes makes them.
			x.refused = x.refused[:refused]
			if err := x.run(ctx, families); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *executor) readAttributes(ctx context.Context, r attributed) error {
	if _, known := x.stack.attributes[r.arn]; known {
		return nil
	}
	return x.look(ctx, func(ctx context.Context) error {
		read, err := r.describe(x.elb, ctx, r.arn)
		if err != nil {
			return r.blame(fmt.Errorf("attributes of %s: %w", r.what, err), r.want)
		}
		x.stack.enterAttributes(r.arn, read)
		return nil
	})
}

// diffAttributes changes what is known to differ. What could not be read is not
// touched.
func diffAttributes(r attributed, st *stack) []step {
	have, known := st.attributes[r.arn]
	if !known {
		return nil
	}
	changed := awsapi.Attributes{}
	for key, value := range r.want {
		if got, ok := have[key]; !ok || got != value {
			changed[key] = value
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return []step{modifyAttributes{r, changed}}
}

// modifyAttributes sets attributes, up to 20 in one call.
type modifyAttributes struct {
	of      attributed
	changed awsapi.Attributes
}

func (s modifyAttributes) String() string {
	return fmt.Sprintf("set %s of %s", strings.Join(slices.Sorted(maps.Keys(s.changed)), ", "), s.of.what)
}

func (s modifyAttributes) do(ctx context.Context, x *executor) error {
	if err := s.of.modify(x.elb, ctx, s.of.arn, s.changed); err != nil {
		return s.of.blame(fmt.Errorf("attributes of %s: %w", s.of.what, err), s.changed)
	}
	x.stack.enterAttributes(s.of.arn, s.changed)
	return nil
}

// families parts attributes that have nothing to do with each other. Access logs
// are only taken with their bucket, stickiness with its kind: the first word of a key
// tells.
func (s modifyAttributes) families() []step {
	byName := map[string]awsapi.Attributes{}
	for key, value := range s.changed {
		name, _, _ := strings.Cut(key, ".")
		if byName[name] == nil {
			byName[name] = awsapi.Attributes{}
		}
		byName[name][key] = value
	}
	var out []step
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, modifyAttributes{s.of, byName[name]})
	}
	return out
}
