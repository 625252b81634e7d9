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
// here and deleted by diffUnusedTargetGroups after the rules have turned.
func diffTargetGroups(m *ingress.Model, st *stack) []step {
	var steps []step
	for _, id := range slices.Sorted(maps.Keys(m.TargetGroups)) {
		want := m.TargetGroups[id]
		if want.Kept {
			continue
		}
		have := st.group(want)
		if have == nil {
			steps = append(steps, createTargetGroup{want})
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

// diffUnusedTargetGroups deletes the groups that the model does not have, as soon
// as no rule refers to them.
func diffUnusedTargetGroups(m *ingress.Model, st *stack) []step {
	wanted := map[*awsapi.TargetGroup]bool{}
	for _, want := range m.TargetGroups {
		wanted[st.group(want)] = true
	}
	inUse := st.referenced()
	var steps []step
	for _, name := range slices.Sorted(maps.Keys(st.targetGroups)) {
		if g := st.targetGroups[name]; !wanted[g] && !inUse[g.ARN] {
			steps = append(steps, deleteTargetGroup{g})
		}
	}
	return steps
}

type createTargetGroup struct{ want *ingress.TargetGroup }

func (s createTargetGroup) String() string { return "create target group " + s.want.Name }

func (s createTargetGroup) do(ctx context.Context, x *executor) error {
	if arn := x.inventory.foreign(kindTargetGroup, s.want.Name, x.owned[ingress.TagStack]); arn != "" {
		return resourceError{s.want.ID, takenError{kindTargetGroup, s.want.Name, arn}}
	}
	g := awsapi.TargetGroup{
		Name: s.want.Name, Port: s.want.Port, Protocol: s.want.Protocol, ProtocolVersion: s.want.ProtocolVersion,
		TargetType: s.want.TargetType, IPAddressType: s.want.IPAddressType, VPCID: x.vpcID,
		HealthCheck: awsapi.HealthCheck(s.want.HealthCheck), Tags: s.want.Tags,
	}
	created, err := x.elb.CreateTargetGroup(ctx, g)
	if err != nil {
		return resourceError{s.want.ID, fmt.Errorf("target group of %s: %w", s.want.ID, err)}
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
