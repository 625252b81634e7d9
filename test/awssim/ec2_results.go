package awssim

import (
	"cmp"
	"fmt"
	"slices"
)

func (s *Sim) ec2ARN(resource string) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:%s", s.opts.Region, s.opts.AccountID, resource)
}

type permissionResult struct {
	IpProtocol    string
	FromPort      *int
	ToPort        *int
	Groups        []groupPairResult
	IpRanges      []cidrResult
	Ipv6Ranges    []cidrV6Result
	PrefixListIds []prefixListResult
}

type groupPairResult struct{ UserId, GroupId, Description string }

type cidrResult struct{ CidrIp, Description string }

type cidrV6Result struct{ CidrIpv6, Description string }

type prefixListResult struct{ PrefixListId, Description string }

// ports are a rule's, or none for all traffic.
func (p ipPermission) ports() (from, to *int) {
	if p.protocol == anyProtocol {
		return nil, nil
	}
	return &p.fromPort, &p.toPort
}

// permissionResults shows rules as EC2 does: those with the same protocol and
// ports are one permission.
func (s *Sim) permissionResults(rules []ipPermission) []permissionResult {
	type kind struct {
		protocol string
		from, to int
	}
	results := []permissionResult{}
	place := map[kind]int{}
	for _, r := range rules {
		k := kind{r.protocol, r.fromPort, r.toPort}
		if _, ok := place[k]; !ok {
			place[k] = len(results)
			from, to := r.ports()
			results = append(results, permissionResult{
				IpProtocol: r.protocol, FromPort: from, ToPort: to, Groups: []groupPairResult{},
				IpRanges: []cidrResult{}, Ipv6Ranges: []cidrV6Result{}, PrefixListIds: []prefixListResult{},
			})
		}
		p := &results[place[k]]
		switch {
		case r.cidr != "":
			p.IpRanges = append(p.IpRanges, cidrResult{r.cidr, r.description})
		case r.cidrV6 != "":
			p.Ipv6Ranges = append(p.Ipv6Ranges, cidrV6Result{r.cidrV6, r.description})
		case r.groupID != "":
			p.Groups = append(p.Groups, groupPairResult{s.opts.AccountID, r.groupID, r.description})
		default:
			p.PrefixListIds = append(p.PrefixListIds, prefixListResult{r.prefixListID, r.description})
		}
	}
	return results
}

type describeGroupRulesParams struct {
	SecurityGroupRuleIds []string `name:"SecurityGroupRuleId"`
	listParams
}

type groupRuleResult struct {
	SecurityGroupRuleId string
	GroupId             string
	GroupOwnerId        string
	IsEgress            bool
	IpProtocol          string
	FromPort            int
	ToPort              int
	CidrIpv4            string
	CidrIpv6            string
	PrefixListId        string
	ReferencedGroupInfo *groupPairResult
	Description         string
	TagSet              []ec2TagResult
}

func (s *Sim) groupRuleResults(g *securityGroup, rules []ipPermission, egress bool) []groupRuleResult {
	results := make([]groupRuleResult, 0, len(rules))
	for _, r := range rules {
		result := groupRuleResult{
			SecurityGroupRuleId: r.ruleID, GroupId: g.id, GroupOwnerId: s.opts.AccountID, IsEgress: egress,
			IpProtocol: r.protocol, FromPort: r.fromPort, ToPort: r.toPort, CidrIpv4: r.cidr, CidrIpv6: r.cidrV6,
			PrefixListId: r.prefixListID, Description: r.description, TagSet: []ec2TagResult{},
		}
		if r.protocol == anyProtocol { // Here, unlike in a permission, it has ports.
			result.FromPort, result.ToPort = -1, -1
		}
		if r.groupID != "" {
			result.ReferencedGroupInfo = &groupPairResult{UserId: s.opts.AccountID, GroupId: r.groupID}
		}
		results = append(results, result)
	}
	return results
}

var groupRuleListing = listing[groupRuleResult]{
	kind: groupRuleKind,
	id:   func(r groupRuleResult) string { return r.SecurityGroupRuleId },
	filters: map[string]func(groupRuleResult) []string{
		"group-id":               one(func(r groupRuleResult) string { return r.GroupId }),
		"security-group-rule-id": one(func(r groupRuleResult) string { return r.SecurityGroupRuleId }),
	},
	tags: func(groupRuleResult) tagList { return nil },
}

func (s *Sim) describeGroupRulesLocked(p *describeGroupRulesParams) (any, error) {
	var all []groupRuleResult
	for _, g := range sorted(s.securityGroups) {
		if s.visible(g.created) {
			all = slices.Concat(all, s.groupRuleResults(g, g.ingress, false), s.groupRuleResults(g, g.egress, true))
		}
	}
	slices.SortFunc(all, func(a, b groupRuleResult) int { return cmp.Compare(a.SecurityGroupRuleId, b.SecurityGroupRuleId) })
	shown, next, err := groupRuleListing.list(all, p.SecurityGroupRuleIds, p.listParams)
	if err != nil {
		return nil, err
	}
	return struct {
		SecurityGroupRuleSet []groupRuleResult
		NextToken            string
	}{shown, next}, nil
}
