package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

const addressTypeIPv4 = "ipv4"

// furnish gives the load balancer that stands what can be changed of it: its place,
// its kind of addresses, its tags and its attributes. Nothing of it keeps listeners
// from being made.
func (x *executor) furnish(ctx context.Context, m *ingress.Model) error {
	b, want := x.stack.balancer(m.LoadBalancer.Scheme), m.LoadBalancer
	before, after := []step(nil), diffAddressType(b, want)
	if want.IPAddressType == addressTypeIPv4 {
		before, after = after, nil // subnets without IPv6 may follow
	}
	if len(before) > 0 && x.stack.losesIPv6(m) {
		x.waiting = append(x.waiting, before[0].String()) // AWS refuses it until they have gone
		before = nil
	}
	if err := x.run(ctx, before); err != nil {
		return err
	}
	if err := x.place(ctx, b, want); err != nil {
		return err
	}
	if missing := missingTags(b.Tags, want.Tags); missing != nil {
		after = append(after, addTags{"load balancer " + b.Name, b.ARN, missing, &b.Tags})
	}
	if err := x.run(ctx, after); err != nil {
		return err
	}
	return x.attribute(ctx, attributedBalancer(m, x.stack))
}

// losesIPv6 reports whether target groups of IPv6 addresses that have the requests are
// about to be replaced by others.
func (st *stack) losesIPv6(m *ingress.Model) bool {
	return slices.ContainsFunc(st.replacements(m), func(t *turn) bool {
		return t.old.IPAddressType == ipv6 && t.new.IPAddressType != ipv6
	})
}

func diffAddressType(b *balancer, want *ingress.LoadBalancer) []step {
	if want.IPAddressType == "" || b.IPAddressType == want.IPAddressType {
		return nil
	}
	return []step{setAddressType{b, want.IPAddressType}}
}

type setAddressType struct {
	balancer *balancer
	want     string
}

func (s setAddressType) String() string {
	return fmt.Sprintf("change addresses of load balancer %s from %s to %s", s.balancer.Name, s.balancer.IPAddressType, s.want)
}

func (s setAddressType) do(ctx context.Context, x *executor) error {
	if err := s.check(ctx, x); err != nil {
		return s.blame(err)
	}
	if err := x.elb.SetIPAddressType(ctx, s.balancer.ARN, s.want); err != nil {
		return s.blame(err)
	}
	s.balancer.IPAddressType = s.want
	return nil
}

// check looks whether every subnet has the addresses: AWS does not tell which one has
// not.
func (s setAddressType) check(ctx context.Context, x *executor) error {
	if s.want == addressTypeIPv4 {
		return nil
	}
	subnets, err := x.ec2.DescribeSubnets(ctx, x.vpcID)
	if err != nil {
		return err
	}
	return checkIPv6(slices.DeleteFunc(subnets, func(n awsapi.Subnet) bool { return !slices.Contains(s.balancer.SubnetIDs, n.ID) }), s.want)
}

func (s setAddressType) blame(err error) error {
	return settingError{
		func(lb *ingress.LoadBalancer) bool { return lb.IPAddressType == s.want },
		fmt.Errorf("load balancer %s: %w", s.balancer.Name, err),
	}
}

// place moves the load balancer to the subnets that the model names. If it names none,
// it stays where it is. What was compared once is not compared again until the model
// changes or everything is read again.
func (x *executor) place(ctx context.Context, b *balancer, want *ingress.LoadBalancer) error {
	named := want.Subnets.Named
	if key := placeKey(want); len(named)+len(want.Subnets.Tags) == 0 || b.placed == key || sameSet(named, b.SubnetIDs) {
		b.placed = key
		return nil
	}
	var ids []string
	if err := x.look(ctx, func(ctx context.Context) (err error) {
		ids, err = x.findSubnets(ctx, want, b.SubnetIDs)
		return err
	}); err != nil || ids == nil {
		return err
	}
	if !sameSet(ids, b.SubnetIDs) {
		return x.run(ctx, []step{setSubnets{b, want, ids}})
	}
	b.placed = placeKey(want)
	return nil
}

// placeKey is equal for two load balancers that ask for the same subnets.
func placeKey(want *ingress.LoadBalancer) string {
	return fmt.Sprintf("%q %q %s", want.Subnets.Named, want.Subnets.Tags, want.IPAddressType)
}

func sameSet(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

type setSubnets struct {
	balancer *balancer
	want     *ingress.LoadBalancer
	ids      []string
}

func (s setSubnets) String() string {
	return fmt.Sprintf("move load balancer %s to %s", s.balancer.Name, strings.Join(s.ids, ", "))
}

func (s setSubnets) do(ctx context.Context, x *executor) error {
	if err := x.elb.SetSubnets(ctx, s.balancer.ARN, s.ids); err != nil {
		return blameSubnets(s.want, fmt.Errorf("subnets %s: %w", strings.Join(s.ids, ", "), err))
	}
	s.balancer.SubnetIDs, s.balancer.placed = s.ids, placeKey(s.want)
	return nil
}

// blameSubnets says that an error is the fault of those who named the subnets.
func blameSubnets(want *ingress.LoadBalancer, err error) error {
	return settingError{
		func(lb *ingress.LoadBalancer) bool { return placeKey(lb) == placeKey(want) },
		fmt.Errorf("load balancer %s: %w", want.Name, err),
	}
}
