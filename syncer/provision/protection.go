package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/securitygroup"
)

// protection is what is known of the security groups that a load balancer is to have,
// beside the managed one.
type protection struct {
	named   map[string][]string // IDs by ID and by value of the tag Name
	backend string              // the backend group; empty: it is not known
}

// groupsError says which of the named security groups do not exist.
type groupsError struct {
	missing []string
	vpcID   string
}

func (e groupsError) Error() string {
	return fmt.Sprintf("annotation %s: %s has no security group with the ID or the tag Name %s", annotationGroups, e.vpcID, strings.Join(e.missing, ", "))
}

// namedBy reports whether an Ingress names one of the missing groups.
func (e groupsError) namedBy(ing *networkingv1.Ingress) bool {
	return slices.ContainsFunc(e.missing, func(name string) bool { return strings.Contains(ing.Annotations[annotationGroups], name) })
}

// annotationGroups names security groups.
const annotationGroups = "alb.ingress.kubernetes.io/security-groups"

// groupIDs returns the security groups that a load balancer is to have, in order, and
// those that it is to have and that are not known.
func (st *stack) groupIDs(want ingress.SecurityGroups) (ids, missing []string) {
	if want.Managed != nil {
		if g := st.securityGroup(want.Managed.Name); g != nil {
			ids = append(ids, g.ID)
		}
	}
	for _, name := range want.Named {
		found := st.protection.named[name]
		if len(found) == 0 {
			missing = append(missing, name)
		}
		for _, id := range found {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	if want.Backend && !slices.Contains(ids, st.protection.backend) {
		ids = append(ids, st.protection.backend)
	}
	return ids, missing
}

// protect finds out which security groups the load balancer is to have, and makes the
// backend group if it is the first to need it. Named groups that do not exist are
// refused: a load balancer that stands keeps what it has, and a new one is not made, for
// it would be open to the wrong people.
func (x *executor) protect(ctx context.Context, lb *ingress.LoadBalancer) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	want := lb.SecurityGroups
	if want.Backend {
		if err := x.share(ctx); err != nil {
			return err
		}
	}
	if _, missing := x.stack.groupIDs(want); len(missing) == 0 {
		return nil
	}
	if err := x.find(ctx, want.Named); err != nil {
		return err
	}
	_, missing := x.stack.groupIDs(want)
	switch {
	case len(missing) == 0:
	case x.stack.balancer(lb.Scheme) == nil:
		return groupsError{missing, x.vpcID}
	default:
		x.refused = append(x.refused, groupsError{missing, x.vpcID})
	}
	return nil
}

// share finds or makes the backend group.
func (x *executor) share(ctx context.Context) error {
	id := x.backend.ID()
	if id == "" {
		// Whoever deletes it has to know first that it is needed.
		x.publish()
		var err error
		id, err = x.backend.Get(ctx)
		if errors.Is(err, securitygroup.ErrGoing) {
			return errWaiting
		}
		if err != nil {
			return err
		}
	}
	x.stack.protection.backend = id
	return nil
}

// find looks up security groups, all at once. The answer counts until the stack is read
// again.
func (x *executor) find(ctx context.Context, named []string) error {
	var ids, names []string
	for _, name := range named {
		if strings.HasPrefix(name, "sg-") {
			ids = append(ids, name)
		} else {
			names = append(names, name)
		}
	}
	found, err := x.ec2.FindSecurityGroups(ctx, x.vpcID, ids, names)
	if err != nil {
		return fmt.Errorf("annotation %s: %w", annotationGroups, err)
	}
	x.stack.protection.named = map[string][]string{}
	for _, name := range named {
		for _, g := range found {
			if g.ID == name || g.Tags["Name"] == name {
				x.stack.protection.named[name] = append(x.stack.protection.named[name], g.ID)
			}
		}
	}
	return nil
}

// diffAttachment gives a load balancer that stands exactly the security groups that it
// is to have. Their order is nothing that AWS keeps.
func diffAttachment(m *ingress.Model, st *stack) []step {
	have := st.balancer(m.LoadBalancer.Scheme)
	want, missing := st.groupIDs(m.LoadBalancer.SecurityGroups)
	if have == nil || len(missing) > 0 || slices.Equal(slices.Sorted(slices.Values(have.SecurityGroups)), slices.Sorted(slices.Values(want))) {
		return nil
	}
	return []step{attachSecurityGroups{have, want}}
}

// attachSecurityGroups replaces the security groups of a load balancer.
type attachSecurityGroups struct {
	balancer *balancer
	ids      []string
}

func (s attachSecurityGroups) String() string {
	return "attach security groups to load balancer " + s.balancer.Name
}

func (s attachSecurityGroups) do(ctx context.Context, x *executor) error {
	if err := x.elb.SetSecurityGroups(ctx, s.balancer.ARN, s.ids); err != nil {
		return fmt.Errorf("load balancer %s: %w", s.balancer.Name, err)
	}
	s.balancer.SecurityGroups = s.ids
	return nil
}
