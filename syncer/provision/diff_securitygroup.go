package provision

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// diffSecurityGroup makes the managed security group, if the load balancer is to have
// one, and opens what the model opens. Closing comes last, see diffRevocations.
func diffSecurityGroup(m *ingress.Model, st *stack) []step {
	want := m.LoadBalancer.SecurityGroups.Managed
	if want == nil {
		return nil
	}
	have := st.securityGroup(want.Name)
	if have == nil {
		steps := []step{createSecurityGroup{want}}
		if len(want.Ingress) > 0 {
			steps = append(steps, grant{want})
		}
		return steps
	}
	var steps []step
	if missing := missingTags(have.Tags, want.Tags); missing != nil {
		steps = append(steps, tagSecurityGroup{have, missing})
	}
	if missing := without(permissions(want), have.Ingress); len(missing) > 0 {
		steps = append(steps, grant{want})
	}
	return steps
}

// diffRevocations closes what the model does not open. Whoever else writes to the
// managed group is undone too: the group is ours.
func diffRevocations(m *ingress.Model, st *stack) []step {
	want := m.LoadBalancer.SecurityGroups.Managed
	if want == nil {
		return nil
	}
	have := st.securityGroup(want.Name)
	if have == nil || len(without(have.Ingress, permissions(want))) == 0 {
		return nil
	}
	return []step{revoke{want}}
}

// diffUnusedSecurityGroups deletes the managed security groups that the load balancer
// is not to have, or all of them once there is none to protect.
func diffUnusedSecurityGroups(m *ingress.Model, st *stack) []step {
	var steps []step
	for _, g := range st.securityGroups {
		if m.LoadBalancer == nil || !st.wants(m.LoadBalancer, g) {
			steps = append(steps, deleteSecurityGroup{g})
		}
	}
	return steps
}

// wants reports whether a load balancer is to have a security group of the stack, or has
// it for as long as it is not known which others it is to have.
func (st *stack) wants(lb *ingress.LoadBalancer, g *awsapi.SecurityGroup) bool {
	if managed := lb.SecurityGroups.Managed; managed != nil && managed.Name == g.Name {
		return true
	}
	_, missing := st.groupIDs(lb.SecurityGroups)
	return len(missing) > 0
}

// permissions are the model's in AWS's terms: each once, and addresses as AWS writes
// them.
func permissions(want *ingress.SecurityGroup) []awsapi.Permission {
	out := make([]awsapi.Permission, 0, len(want.Ingress))
	for _, p := range want.Ingress {
		rule := awsapi.Permission{
			Protocol: "tcp", FromPort: p.Port, ToPort: p.Port, CIDR: canonical(p.CIDR), CIDRv6: canonical(p.CIDRv6), PrefixListID: p.PrefixList,
		}
		if !slices.Contains(out, rule) {
			out = append(out, rule)
		}
	}
	return out
}

// canonical returns a block without host bits. What is none is returned as it is, and
// AWS refuses it.
func canonical(cidr string) string {
	if p, err := netip.ParsePrefix(cidr); err == nil {
		return p.Masked().String()
	}
	return cidr
}

// without returns the permissions of a that are not in b. Descriptions do not
// count: AWS holds one rule per protocol, ports and source.
func without(a, b []awsapi.Permission) []awsapi.Permission {
	in := make(map[awsapi.Permission]bool, len(b))
	for _, p := range b {
		p.Description = ""
		in[p] = true
	}
	var out []awsapi.Permission
	for _, p := range a {
		plain := p
		plain.Description = ""
		if !in[plain] {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(p, q awsapi.Permission) int {
		return cmp.Or(cmp.Compare(p.FromPort, q.FromPort), cmp.Compare(p.CIDR, q.CIDR), cmp.Compare(p.CIDRv6, q.CIDRv6),
			cmp.Compare(p.PrefixListID, q.PrefixListID), cmp.Compare(p.GroupID, q.GroupID))
	})
	return out
}

type createSecurityGroup struct{ want *ingress.SecurityGroup }

func (s createSecurityGroup) String() string { return "create security group " + s.want.Name }

func (s createSecurityGroup) do(ctx context.Context, x *executor) error {
	g := awsapi.SecurityGroup{Name: s.want.Name, Description: s.want.Description, VPCID: x.vpcID, Tags: s.want.Tags}
	id, err := x.ec2.CreateSecurityGroup(ctx, g)
	if err != nil {
		return fmt.Errorf("security group %s: %w", s.want.Name, err)
	}
	g.ID = id
	x.stack.securityGroups = append(x.stack.securityGroups, &g)
	return nil
}

type grant struct{ want *ingress.SecurityGroup }

func (s grant) String() string { return "grant ingress on security group " + s.want.Name }

func (s grant) do(ctx context.Context, x *executor) error {
	g := x.stack.securityGroup(s.want.Name)
	missing := without(permissions(s.want), g.Ingress)
	err := x.ec2.AuthorizeIngress(ctx, g.ID, missing)
	if awsapi.ClassOf(err) == awsapi.Limit && len(g.Ingress) > 0 {
		// No room for both: the one case in which the old must make way first.
		if err = revoke(s).do(ctx, x); err == nil {
			err = x.ec2.AuthorizeIngress(ctx, g.ID, missing)
		}
	}
	if err != nil {
		return fmt.Errorf("security group %s: %w", s.want.Name, err)
	}
	g.Ingress = append(g.Ingress, missing...)
	return nil
}

type revoke struct{ want *ingress.SecurityGroup }

func (s revoke) String() string { return "revoke ingress on security group " + s.want.Name }

// do reads the group again: a permission is never revoked on the word of memory.
func (s revoke) do(ctx context.Context, x *executor) error {
	g := x.stack.securityGroup(s.want.Name)
	fresh, err := x.ec2.DescribeSecurityGroups(ctx, x.vpcID, x.owned)
	if err != nil {
		return fmt.Errorf("security group %s: %w", s.want.Name, err)
	}
	i := slices.IndexFunc(fresh, func(f awsapi.SecurityGroup) bool { return f.ID == g.ID })
	if i < 0 {
		return fmt.Errorf("security group %s (%s) is not shown by AWS", s.want.Name, g.ID)
	}
	g.Ingress = fresh[i].Ingress
	extra := without(g.Ingress, permissions(s.want))
	if err := x.ec2.RevokeIngress(ctx, g.ID, extra); err != nil {
		return fmt.Errorf("security group %s: %w", s.want.Name, err)
	}
	g.Ingress = without(g.Ingress, extra)
	return nil
}

type tagSecurityGroup struct {
	group *awsapi.SecurityGroup
	tags  awsapi.Tags
}

func (s tagSecurityGroup) String() string { return "add tags to security group " + s.group.Name }

func (s tagSecurityGroup) do(ctx context.Context, x *executor) error {
	if err := x.ec2.TagSecurityGroup(ctx, s.group.ID, s.tags); err != nil {
		return fmt.Errorf("security group %s: %w", s.group.Name, err)
	}
	tags := maps.Clone(s.group.Tags)
	if tags == nil {
		tags = awsapi.Tags{}
	}
	maps.Copy(tags, s.tags)
	s.group.Tags = tags
	return nil
}

type deleteSecurityGroup struct{ group *awsapi.SecurityGroup }

func (s deleteSecurityGroup) String() string { return "delete security group " + s.group.Name }

func (s deleteSecurityGroup) do(ctx context.Context, x *executor) error {
	if err := x.ec2.DeleteSecurityGroup(ctx, s.group.ID); err != nil {
		return fmt.Errorf("security group %s: %w", s.group.Name, err)
	}
	x.stack.securityGroups = slices.DeleteFunc(slices.Clone(x.stack.securityGroups),
		func(g *awsapi.SecurityGroup) bool { return g == s.group })
	return nil
}
