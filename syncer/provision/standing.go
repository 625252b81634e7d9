package provision

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// forBuild returns what AWS holds of the group as ingress.Build wants to see it. Where
// a load balancer takes the place of another, what it has already comes first, and what
// it lacks is told as the other has it.
func (st *stack) forBuild(backend string) ingress.Standing {
	balancers := st.current()
	out := ingress.Standing{Rules: st.standing(balancers)}
	if len(balancers) > 0 {
		b := balancers[0]
		out.Scheme, out.IPAddressType, out.Tags = b.Scheme, b.IPAddressType, maps.Clone(b.Tags)
		managed := func(id string) bool {
			return slices.ContainsFunc(st.securityGroups, func(g *awsapi.SecurityGroup) bool { return g.ID == id })
		}
		if !slices.ContainsFunc(b.SecurityGroups, managed) {
			out.Backend = backend != "" && slices.Contains(b.SecurityGroups, backend)
			out.SecurityGroups = slices.DeleteFunc(slices.Clone(b.SecurityGroups), func(id string) bool { return id == backend })
		}
	}
	for _, g := range st.securityGroups {
		for _, p := range g.Ingress {
			// Ours are for one port.
			out.Permissions = append(out.Permissions, ingress.Permission{
				Port: p.FromPort, CIDR: p.CIDR, CIDRv6: p.CIDRv6, PrefixList: p.PrefixListID,
			})
		}
	}
	told := map[int32]bool{}
	for _, b := range balancers {
		for port, l := range b.listeners {
			if told[port] {
				continue
			}
			told[port] = true
			listener := ingress.StandingListener{Port: port, Protocol: l.Protocol, SSLPolicy: l.SSLPolicy}
			if l.CertificateARN != "" {
				listener.Certificates = append([]string{l.CertificateARN}, l.certificates...)
			}
			out.Listeners = append(out.Listeners, listener)
		}
	}
	slices.SortFunc(out.Listeners, func(a, b ingress.StandingListener) int { return cmp.Compare(a.Port, b.Port) })
	return out
}

// current are the load balancers, those first that take the place of others: the one
// that the last pass was about, then those that are not marked as replaced.
func (st *stack) current() []*balancer {
	rank := func(b *balancer) int {
		switch _, replaced := b.Tags[tagReplaced]; {
		case b.Scheme == st.serves:
			return 0
		case !replaced:
			return 1
		}
		return 2
	}
	return slices.SortedStableFunc(slices.Values(st.balancers), func(a, b *balancer) int { return cmp.Compare(rank(a), rank(b)) })
}

// standing returns the rules as ingress.Build wants to see them: a listener's
// default action is its rule 0. What several of the load balancers do is said once, as
// the first does it.
func (st *stack) standing(balancers []*balancer) []ingress.StandingRule {
	resources := map[string]string{}
	for _, g := range st.targetGroups {
		resources[g.ARN] = g.Tags[ingress.TagResource]
	}
	var rules []ingress.StandingRule
	said := map[string]*balancer{}
	note := func(b *balancer, port int32, r *awsapi.Rule) {
		key := quoted(strconv.Itoa(int(port)), conditionsKey(r.Conditions))
		if said[key] == nil {
			said[key] = b
		}
		if said[key] == b {
			rules = append(rules, standingRule(port, r, resources))
		}
	}
	for _, b := range balancers {
		for port, l := range b.listeners {
			note(b, port, &awsapi.Rule{Actions: l.DefaultActions})
			for _, r := range l.rules {
				if !isParking(r) {
					note(b, port, r)
				}
			}
		}
	}
	slices.SortFunc(rules, func(a, b ingress.StandingRule) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Priority, b.Priority))
	})
	return rules
}

func standingRule(port int32, r *awsapi.Rule, resources map[string]string) ingress.StandingRule {
	out := ingress.StandingRule{ARN: r.ARN, Port: port, Priority: r.Priority}
	for _, c := range r.Conditions {
		condition := ingress.Condition{Field: c.Field, Header: c.Header, Values: slices.Clone(c.Values)}
		for _, q := range c.Queries {
			condition.Queries = append(condition.Queries, ingress.QueryValue(q))
		}
		out.Conditions = append(out.Conditions, condition)
	}
	for _, a := range r.Actions {
		for _, f := range a.Forward {
			share := ingress.Share{TargetGroup: resources[f.ARN], Weight: f.Weight}
			if share.TargetGroup == "" {
				share.ARN = f.ARN
			}
			out.Action.Forward = append(out.Action.Forward, share)
		}
		out.Action.Forward = withoutWaiting(out.Action.Forward)
		out.Action.StickySeconds = a.StickySeconds
		if a.Redirect != nil {
			out.Action.Redirect = new(ingress.Redirect(*a.Redirect))
		}
		if f := a.FixedResponse; f != nil {
			code, _ := strconv.Atoi(f.StatusCode)
			out.Action.FixedResponse = &ingress.FixedResponse{StatusCode: code, ContentType: f.ContentType, MessageBody: f.MessageBody}
		}
	}
	return out
}

// withoutWaiting leaves one share of those of an ID, the heaviest: a model knows nothing
// of a target group that waits to take the place of another one in the action.
func withoutWaiting(shares []ingress.Share) []ingress.Share {
	best := map[string]int32{}
	for _, s := range shares {
		best[s.TargetGroup] = max(best[s.TargetGroup], s.Weight)
	}
	return slices.DeleteFunc(slices.Clone(shares), func(s ingress.Share) bool {
		weight, first := best[s.TargetGroup]
		if s.TargetGroup != "" {
			if !first || s.Weight < weight {
				return true
			}
			delete(best, s.TargetGroup)
		}
		return false
	})
}
