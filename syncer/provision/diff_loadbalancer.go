package provision

import (
	"context"
	"fmt"
	"slices"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// diffNameClash deletes a load balancer that has the name of the one which is to
// replace it: both cannot stand. A name is a user's then.
func diffNameClash(m *ingress.Model, st *stack) []step {
	want := m.LoadBalancer
	if st.balancer(want.Scheme) != nil {
		return nil
	}
	var steps []step
	for _, b := range st.balancers {
		if b.Name == want.Name {
			steps = append(steps, deleteLoadBalancer{b, "scheme changes from " + b.Scheme + " to " + want.Scheme + " and the name stays"})
		}
	}
	return steps
}

// diffLoadBalancer makes the load balancer. One that stands with the right scheme
// stays whatever it is called: a name cannot be changed, and a new one would be a
// new address. A scheme cannot be changed either: then the new load balancer is
// made beside the old one, which retire deletes when nobody asks it any more.
func diffLoadBalancer(m *ingress.Model, st *stack) []step {
	want := m.LoadBalancer
	have := st.balancer(want.Scheme)
	if have == nil {
		return []step{createLoadBalancer{want}}
	}
	if _, marked := have.Tags[tagReplaced]; marked { // it was being replaced, and is wanted again
		return []step{removeTags{have, []string{tagReplaced}}}
	}
	return nil
}

// diffGone deletes the listeners that the model does not have, or with the whole
// load balancer all of them.
func diffGone(m *ingress.Model, st *stack) []step {
	var steps []step
	if m.LoadBalancer == nil {
		for _, b := range st.balancers {
			steps = append(steps, deleteLoadBalancer{b, ""})
		}
		return steps
	}
	b := st.balancer(m.LoadBalancer.Scheme)
	for _, l := range goneListeners(m, b) {
		steps = append(steps, deleteListener{b, l})
	}
	return steps
}

type createLoadBalancer struct{ want *ingress.LoadBalancer }

func (s createLoadBalancer) String() string { return "create load balancer " + s.want.Name }

func (s createLoadBalancer) do(ctx context.Context, x *executor) error {
	if arn := x.inventory.foreign(kindLoadBalancer, s.want.Name, x.owned[ingress.TagStack]); arn != "" {
		return takenError{kindLoadBalancer, s.want.Name, arn}
	}
	ids, err := x.findSubnets(ctx, s.want, nil)
	if err != nil {
		return fmt.Errorf("load balancer %s: %w", s.want.Name, err)
	}
	groups, _ := x.stack.groupIDs(s.want.SecurityGroups)
	b := &balancer{listeners: map[int32]*listener{}}
	b.LoadBalancer, err = x.elb.CreateLoadBalancer(ctx, awsapi.LoadBalancer{
		Name: s.want.Name, Type: typeApplication, Scheme: s.want.Scheme, IPAddressType: s.want.IPAddressType,
		SubnetIDs: ids, SecurityGroups: groups, Tags: s.want.Tags,
	})
	if err != nil {
		return fmt.Errorf("load balancer %s: %w", s.want.Name, err)
	}
	b.Tags, b.placed = s.want.Tags, placeKey(s.want)
	x.stack.enterAttributes(b.ARN, nil)
	x.stack.balancers = append(slices.Clone(x.stack.balancers), b)
	return nil
}

type deleteLoadBalancer struct {
	balancer *balancer
	why      string // "": nobody wants it any more
}

func (s deleteLoadBalancer) String() string { return "delete load balancer " + s.balancer.Name }

func (s deleteLoadBalancer) do(ctx context.Context, x *executor) error {
	if err := x.elb.DeleteLoadBalancer(ctx, s.balancer.ARN); err != nil {
		return fmt.Errorf("load balancer %s: %w", s.balancer.Name, err)
	}
	x.stack.balancers = slices.DeleteFunc(slices.Clone(x.stack.balancers), func(b *balancer) bool { return b == s.balancer })
	if s.why != "" {
		x.announce(reasonReplaced, fmt.Sprintf("load balancer %s (%s) was deleted: %s; its address changes",
			s.balancer.Name, s.balancer.DNSName, s.why))
	}
	return nil
}
