package securitygroup

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tgsync/tgsync/awsapi"
)

// shared is the description of the rules that are made here: LBC's, which tells by it
// which rules are its own.
const shared = "elbv2.k8s.aws/targetGroupBinding=shared"

// Description is that of the rules that are made here.
const Description = shared

// maxPort is the last port there is.
const maxPort = 65535

// plan is what is wanted of the groups of pods. It is a value: nothing is called for it.
type plan struct {
	groups   map[string]*wanted  // by group ID
	held     []awsapi.Permission // stay on every group: of pods whose groups are not known
	frozen   bool                // every rule stays
	unread   bool                // there is a group that has not been read
	complete bool                // these are all needs
	backend  bool                // somebody needs the backend group
	asks     asks
	problems map[string][]string // by name of the need
	owners   map[string]Need     // those with problems
}

// wanted is what is wanted of one group.
type wanted struct {
	open   []awsapi.Permission
	held   []awsapi.Permission // what overlaps these stays
	frozen bool                // every rule stays
	needs  []Need              // whose rules they are
}

// asks is what has to be looked up.
type asks struct {
	instances map[string]bool
	addresses map[string]owner
	groups    map[string]bool
}

func (a asks) empty() bool { return len(a.instances)+len(a.addresses)+len(a.groups) == 0 }

// view is what a plan is made of.
type view struct {
	needs        []Need
	complete     bool
	pods         func(Need) []Pod
	group        func(Pod, *asks) finding
	backend      string // the backend group's ID; empty: it is not known
	unrestricted bool
}

// finding is what is known of the group that guards a pod.
type finding struct {
	group   string // empty: none is, or it is not known
	outside bool   // no group guards it
	problem string // why it is not known, or what is wrong with it
}

// makePlan returns what the needs come to.
func makePlan(v view) *plan {
	p := &plan{
		groups: map[string]*wanted{}, complete: v.complete, problems: map[string][]string{}, owners: map[string]Need{},
		asks: asks{instances: map[string]bool{}, addresses: map[string]owner{}, groups: map[string]bool{}},
	}
	for _, n := range v.needs {
		p.backend = p.backend || n.Backend || slices.ContainsFunc(n.Openings, func(o Opening) bool { return v.backend != "" && o.From.Group == v.backend })
		if len(n.Openings) > 0 || n.Broken != "" {
			p.add(v, n)
		}
	}
	for _, w := range p.groups {
		w.open = merge(w.open, v.unrestricted)
	}
	return p
}

// add enters one need.
func (p *plan) add(v view, n Need) {
	if n.Broken != "" {
		p.tell(n, n.Broken)
	}
	byGroup, unknown := p.sort(v, n)
	for _, id := range sortedKeys(byGroup) {
		w := p.wanted(id)
		w.frozen = w.frozen || n.Broken != ""
		open, held, problem := permissions(n.Openings, byGroup[id])
		if problem != "" {
			p.tell(n, problem)
		}
		if n.Held {
			open, held = nil, append(held, open...)
		}
		w.open, w.held, w.needs = append(w.open, open...), append(w.held, held...), append(w.needs, n)
	}
	if len(unknown) == 0 && n.Service.Name != "" {
		return
	}
	p.frozen = p.frozen || n.Broken != ""
	open, held, _ := permissions(n.Openings, unknown)
	p.held = append(append(p.held, open...), held...)
}

// sort sorts the pods of a need by their groups.
func (p *plan) sort(v view, n Need) (byGroup map[string][]Pod, unknown []Pod) {
	byGroup = map[string][]Pod{}
	if n.Service.Name == "" {
		return nil, nil
	}
	for _, pod := range v.pods(n) {
		f := v.group(pod, &p.asks)
		if f.problem != "" {
			p.tell(n, f.problem)
		}
		switch {
		case f.group != "":
			byGroup[f.group] = append(byGroup[f.group], pod)
		case !f.outside:
			unknown = append(unknown, pod)
		}
	}
	return byGroup, unknown
}

func (p *plan) wanted(id string) *wanted {
	if p.groups[id] == nil {
		p.groups[id] = &wanted{}
	}
	return p.groups[id]
}

// tell notes what is wrong with a need, once.
func (p *plan) tell(n Need, problem string) {
	p.owners[n.Name] = n
	if !slices.Contains(p.problems[n.Name], problem) {
		p.problems[n.Name] = append(p.problems[n.Name], problem)
	}
}

// known reports whether the groups of all pods are.
func (p *plan) known() bool { return len(p.held) == 0 && !p.frozen && !p.unread }

// permissions are openings in AWS's terms, for pods of one group: what is to be opened,
// and what stays if it stands because a name is not a port of every pod.
func permissions(openings []Opening, pods []Pod) (open, held []awsapi.Permission, problem string) {
	for _, o := range openings {
		ports := o.Ports
		if len(ports) == 0 {
			ports = []Port{{Protocol: TCP}}
		}
		for _, port := range ports {
			numbers, missing := port.numbers(pods)
			for _, r := range numbers {
				open = append(open, o.From.permission(port.Protocol, r))
			}
			if missing.Name != "" || port.Name != "" && len(pods) == 0 {
				held = append(held, o.From.permission(port.Protocol, portRange{0, maxPort}))
				problem = fmt.Sprintf("port %s: pod %s has no port of this name that its Service sends to", port.Name, missing)
			}
		}
	}
	return open, held, problem
}

// portRange is from one port to another.
type portRange struct{ from, to int32 }

// numbers are what a port is for pods, and a pod that does not have it.
func (p Port) numbers(pods []Pod) (ranges []portRange, missing podName) {
	switch {
	case p.Name == "" && p.Number == 0:
		return []portRange{{0, maxPort}}, missing
	case p.Name == "":
		return []portRange{{p.Number, p.Number}}, missing
	}
	for _, pod := range pods {
		n, ok := pod.Ports[p.Name]
		if !ok {
			missing = pod.Name
		} else if r := (portRange{n, n}); !slices.Contains(ranges, r) {
			ranges = append(ranges, r)
		}
	}
	return ranges, missing
}

func (p Peer) permission(protocol string, r portRange) awsapi.Permission {
	return awsapi.Permission{
		Protocol: protocol, FromPort: r.from, ToPort: r.to, GroupID: p.Group, CIDR: p.CIDR, CIDRv6: p.CIDRv6, Description: shared,
	}
}

// merge makes one rule, from the lowest port to the highest, of all that open ports of a
// protocol to the same group: a group holds 60 rules. Those of addresses stay as they
// are. LBC does the same.
func merge(open []awsapi.Permission, unrestricted bool) []awsapi.Permission {
	var out []awsapi.Permission
	for _, p := range open {
		i := slices.IndexFunc(out, func(o awsapi.Permission) bool {
			if unrestricted || p.GroupID == "" {
				return o == p
			}
			return o.Protocol == p.Protocol && o.GroupID == p.GroupID
		})
		if i < 0 {
			out = append(out, p)
			continue
		}
		out[i].FromPort, out[i].ToPort = min(out[i].FromPort, p.FromPort), max(out[i].ToPort, p.ToPort)
	}
	slices.SortFunc(out, compare)
	return out
}

func compare(a, b awsapi.Permission) int {
	return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.FromPort, b.FromPort), cmp.Compare(a.ToPort, b.ToPort),
		cmp.Compare(a.GroupID, b.GroupID), cmp.Compare(a.CIDR, b.CIDR), cmp.Compare(a.CIDRv6, b.CIDRv6), cmp.Compare(a.PrefixListID, b.PrefixListID))
}

// missing returns what is to be opened on a group and is not. The same rule with another
// description is somebody's who opened it, too; a wider one counts while it is held.
func (p *plan) missing(g *awsapi.SecurityGroup) []awsapi.Permission {
	w := p.groups[g.ID]
	if w == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(w.open), func(o awsapi.Permission) bool {
		return contains(g.Ingress, o) || slices.ContainsFunc(g.Ingress, func(r awsapi.Permission) bool { return r.Description == shared && p.stays(w, r) && covers(r, o) })
	})
}

// stays reports whether a rule is one that is not taken away, whoever needs it.
func (p *plan) stays(w *wanted, r awsapi.Permission) bool {
	return p.frozen || w.frozen || overlaps(w.held, r) || overlaps(p.held, r)
}

// covers reports whether a rule opens all that another one does.
func covers(r, o awsapi.Permission) bool {
	return overlaps([]awsapi.Permission{r}, o) && r.FromPort <= o.FromPort && o.ToPort <= r.ToPort
}

// extra returns the rules of a group that were made here, or by LBC, and that nobody
// needs. Tags are those of all groups.
func (p *plan) extra(g *awsapi.SecurityGroup, ours func(*awsapi.SecurityGroup, awsapi.Permission) bool) []awsapi.Permission {
	w := p.groups[g.ID]
	if w == nil {
		w = &wanted{}
	}
	if !p.complete {
		return nil
	}
	var extra []awsapi.Permission
	for _, r := range g.Ingress {
		if r.Description == shared && !contains(w.open, r) && !p.stays(w, r) && ours(g, r) {
			extra = append(extra, r)
		}
	}
	slices.SortFunc(extra, compare)
	return extra
}

// contains reports whether one of the permissions is p, whatever their descriptions.
func contains(all []awsapi.Permission, p awsapi.Permission) bool {
	return slices.ContainsFunc(all, func(o awsapi.Permission) bool {
		o.Description = p.Description
		return o == p
	})
}

// overlaps reports whether a rule opens a port that one of the others does, to the same
// source.
func overlaps(all []awsapi.Permission, r awsapi.Permission) bool {
	return slices.ContainsFunc(all, func(o awsapi.Permission) bool {
		return o.Protocol == r.Protocol && o.GroupID == r.GroupID && o.CIDR == r.CIDR && o.CIDRv6 == r.CIDRv6 &&
			o.FromPort <= r.ToPort && r.FromPort <= o.ToPort
	})
}
