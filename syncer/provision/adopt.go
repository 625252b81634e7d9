package provision

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/target"
)

// adopt finds the target groups that stand for those of the models though they are
// called otherwise. The AWS Load Balancer Controller knows a group by its resource tag: it
// keeps one whose Service was made again or got another targetPort, and with it the name
// that was right before. Whoever takes over finds it so, and nothing is to move.
//
// It is called once, before anything is shown. What becomes of a Service later is a
// change, and makes a new group that takes the old one's place.
func (l *Loop) adopt(ctx context.Context) error {
	for id, g := range *l.groups.Load() {
		st, adopted := l.inventory.known(id.String()), map[string]string{}
		if len(st.targetGroups) == 0 {
			continue
		}
		m := ingress.Build(l.input(g))
		for _, resource := range slices.Sorted(maps.Keys(m.TargetGroups)) {
			want := m.TargetGroups[resource]
			have := st.otherwiseCalled(want)
			if have == nil {
				continue
			}
			serves, err := l.servesPort(ctx, have, want.Port)
			if err != nil {
				return err
			}
			if serves {
				adopted[want.Name] = have.Name
			}
		}
		l.inventory.adopt(id.String(), adopted)
	}
	return nil
}

// called returns those of the bindings whose groups are called as the model says. What
// the others are for is not known before everything has been read.
func called(m *ingress.Model, bindings []target.Binding) []target.Binding {
	names := map[string]bool{}
	for _, want := range m.TargetGroups {
		names[want.Name], names[salted(want.Name)] = true, true
	}
	return slices.DeleteFunc(bindings, func(b target.Binding) bool { return !names[b.GroupName] })
}

// otherwiseCalled returns the only group with the resource ID of one of the model that
// serves a load balancer, if it differs in nothing that AWS keeps but for its name and
// port.
func (st *stack) otherwiseCalled(want *ingress.TargetGroup) *awsapi.TargetGroup {
	if want.Kept || st.targetGroups[want.Name] != nil || st.targetGroups[salted(want.Name)] != nil {
		return nil
	}
	attached := slices.DeleteFunc(st.tagged(want.ID), func(g *awsapi.TargetGroup) bool { return len(g.LoadBalancerARNs) == 0 })
	if len(attached) != 1 {
		return nil
	}
	g := attached[0]
	if g.TargetType != want.TargetType || g.Protocol != want.Protocol || g.ProtocolVersion != want.ProtocolVersion || g.IPAddressType != want.IPAddressType {
		return nil
	}
	return g
}

// servesPort reports whether a group was made for a port, or has been given targets with
// it since: then it followed its Service, and who made it did not replace it.
func (l *Loop) servesPort(ctx context.Context, g *awsapi.TargetGroup, port int32) (bool, error) {
	if g.Port == port || port == anyTargetPort {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	health, err := l.o.ELB.DescribeTargetHealth(ctx, g.ARN)
	if err != nil {
		return false, fmt.Errorf("targets of %s: %w", g.Name, err)
	}
	return slices.ContainsFunc(health, func(h awsapi.TargetHealth) bool {
		return h.State != awsapi.StateDraining && h.Target.Port == port
	}), nil
}

// adopt notes which groups of a stack stand for others, by name.
func (i *inventory) adopt(stackName string, adopted map[string]string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.adopted[stackName] = adopted
	if st := i.stacks[stackName]; st != nil {
		st.adopted = adopted
	}
}
