package provision

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// diffTargetGroups makes the target groups and changes what AWS lets change. What
// it does not is in the hash of the name: such a change is another group, made
// here, that takes the old one's place when its targets are healthy. The family of
// addresses is not in the hash, as it is not in the AWS Load Balancer Controller's:
// there such a change never happens, here it is one of name.
func diffTargetGroups(m *ingress.Model, st *stack) []step {
	var steps []step
	for _, id := range slices.Sorted(maps.Keys(m.TargetGroups)) {
		want := m.TargetGroups[id]
		have := st.group(want)
		if have == nil {
			steps = append(steps, makeGroup(st, want)...)
			continue
		}
		if want.Kept {
			continue
		}
		if check := awsapi.HealthCheck(want.HealthCheck); have.HealthCheck != check {
			steps = append(steps, modifyTargetGroup{have, check})
		}
		if missing := missingTags(have.Tags, want.Tags); missing != nil {
			steps = append(steps, addTags{"target group " + have.Name, have.ARN, missing, &have.Tags})
		}
	}
	return steps
}

// makeGroup makes a target group under the name that is free: its own one, unless
// the load balancer that is being replaced has it, or a group of the other family. Of a kept one only what stands is
// known, so that is copied.
func makeGroup(st *stack, want *ingress.TargetGroup) []step {
	if !want.Kept {
		g := awsapi.TargetGroup{
			Name: want.Name, Port: want.Port, Protocol: want.Protocol, ProtocolVersion: want.ProtocolVersion,
			TargetType: want.TargetType, IPAddressType: want.IPAddressType,
			HealthCheck: awsapi.HealthCheck(want.HealthCheck), Tags: want.Tags,
		}
		if st.targetGroups[g.Name] != nil {
			g.Name = salted(want.Name)
		}
		return []step{createTargetGroup{want.ID, g}}
	}
	for _, g := range st.tagged(want.ID) {
		beside := *g
		beside.ARN, beside.Name, beside.LoadBalancerARNs = "", salted(g.Name), nil
		return []step{createTargetGroup{want.ID, beside}}
	}
	return nil
}

// diffUnusedTargetGroups deletes the groups that the model does not have, as soon
// as no rule refers to them.
func diffUnusedTargetGroups(m *ingress.Model, st *stack) []step {
	wanted := map[*awsapi.TargetGroup]bool{}
	for _, want := range m.TargetGroups {
		wanted[st.group(want)] = true
	}
	uses := st.uses()
	var steps []step
	for _, name := range sortedNames(st.targetGroups) {
		if g := st.targetGroups[name]; !wanted[g] && uses[g.ARN].balancer == nil {
			steps = append(steps, deleteTargetGroup{g})
		}
	}
	return steps
}

func sortedNames(groups map[string]*awsapi.TargetGroup) []string {
	return slices.Sorted(maps.Keys(groups))
}

type createTargetGroup struct {
	id    string
	group awsapi.TargetGroup
}

func (s createTargetGroup) String() string { return "create target group " + s.group.Name }

func (s createTargetGroup) do(ctx context.Context, x *executor) error {
	g := s.group
	if arn := x.inventory.foreign(kindTargetGroup, g.Name, x.owned[ingress.TagStack]); arn != "" {
		return resourceError{s.id, takenError{kindTargetGroup, g.Name, arn}}
	}
	g.VPCID = x.vpcID
	created, err := x.elb.CreateTargetGroup(ctx, g)
	if err != nil {
		return resourceError{s.id, fmt.Errorf("target group of %s: %w", s.id, err)}
	}
	g.ARN = created.ARN
	x.stack.targetGroups[g.Name] = &g
	x.stack.enterAttributes(g.ARN, nil)
	return nil
}

type modifyTargetGroup struct {
	group *awsapi.TargetGroup
	check awsapi.HealthCheck
}

func (s modifyTargetGroup) String() string {
	return "change health check of target group " + s.group.Name
}

func (s modifyTargetGroup) do(ctx context.Context, x *executor) error {
	if err := x.elb.ModifyTargetGroup(ctx, s.group.ARN, s.check); err != nil {
		id := s.group.Tags[ingress.TagResource]
		return resourceError{id, fmt.Errorf("target group of %s: %w", id, err)}
	}
	s.group.HealthCheck = s.check
	return nil
}

type deleteTargetGroup struct{ group *awsapi.TargetGroup }

func (s deleteTargetGroup) String() string { return "delete target group " + s.group.Name }

func (s deleteTargetGroup) do(ctx context.Context, x *executor) error {
	if err := x.elb.DeleteTargetGroup(ctx, s.group.ARN); err != nil {
		return fmt.Errorf("target group of %s: %w", cmp.Or(s.group.Tags[ingress.TagResource], s.group.Name), err)
	}
	delete(x.stack.targetGroups, s.group.Name)
	return nil
}
