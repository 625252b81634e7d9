package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// tagReplaced is written once on a load balancer that nobody shows any more: the
// moment from which on it lingers.
const tagReplaced = "tgsync.io/replaced-at"

// besideAtMost is how many target groups one is compared with: each costs a read.
const besideAtMost = 2

// stateActive is that of a load balancer that answers.
const stateActive = "active"

// Annotations that say since when an Ingress is served by another group, for the group
// that it leaves: what they end in is the group's name.
const (
	leftOwnGroup    = "tgsync.io/left-own-group"
	leftGroupPrefix = "left.tgsync.io/"
)

// leftKey is the annotation of a group that is left.
func leftKey(id ingress.GroupID) string {
	if id.Explicit() {
		return leftGroupPrefix + id.Name
	}
	return leftOwnGroup
}

// hostOf returns the address that an Ingress shows, "" if it shows none.
func hostOf(ing *networkingv1.Ingress) string {
	for _, entry := range ing.Status.LoadBalancer.Ingress {
		return entry.Hostname
	}
	return ""
}

// at returns the load balancer with an address, or nil.
func (st *stack) at(host string) *balancer {
	for _, b := range st.balancers {
		if host != "" && strings.EqualFold(b.DNSName, host) {
			return b
		}
	}
	return nil
}

// others are the load balancers that stand beside the one that a model asks for.
func (st *stack) others(m *ingress.Model) []*balancer {
	return slices.DeleteFunc(slices.Clone(st.balancers), func(b *balancer) bool { return b.Scheme == m.LoadBalancer.Scheme })
}

// staying are the Ingresses that move to another group and go on being served by this
// one: until they show another address, and for as long as clients may still know the
// old one.
func (p *pass) staying(ctx context.Context) ([]*networkingv1.Ingress, error) {
	if len(p.group.Moving) == 0 {
		return nil, nil
	}
	st, err := p.stack(ctx)
	if err != nil {
		return nil, err
	}
	var staying []*networkingv1.Ingress
	for _, ing := range p.group.Moving {
		stays, err := p.stays(ctx, st, ing)
		if err != nil {
			return nil, patchError{reasonFailedStatus, ing.UID, err}
		}
		if stays {
			staying = append(staying, ing)
		}
	}
	return staying, nil
}

func (p *pass) stays(ctx context.Context, st *stack, ing *networkingv1.Ingress) (bool, error) {
	shown := hostOf(ing)
	switch {
	case shown == "" || len(st.balancers) == 0 || p.o.LBLinger <= 0 && st.at(shown) == nil:
		return false, nil
	case len(p.group.Members) == 0 && st.balancers[0].Name == ingress.WantedName(ing):
		p.tell([]*networkingv1.Ingress{ing}, "Normal", reasonReplaced, fmt.Sprintf(
			"load balancer %s goes before the one of that name that replaces it: requests fail until that one is active", st.balancers[0].Name))
		return false, nil
	case st.at(shown) != nil:
		return true, nil
	}
	left, err := time.Parse(time.RFC3339, ing.Annotations[leftKey(p.group.ID)])
	if err != nil {
		left = time.Now()
		note := map[string]*string{leftKey(p.group.ID): new(left.Format(time.RFC3339))}
		if err := send(ctx, p.o.Client, ing, patch{Metadata: patchMetadata{Annotations: note}}); err != nil {
			return false, err
		}
	}
	end := left.Add(p.o.LBLinger)
	p.lookAgain(end)
	return time.Now().Before(end), nil
}

// comeBack takes the mark of having left from members that have come back: next time
// they leave, they stay as long again.
func (p *pass) comeBack(ctx context.Context) error {
	key := leftKey(p.group.ID)
	for _, ing := range p.group.Members {
		if _, marked := ing.Annotations[key]; !marked {
			continue
		}
		if err := send(ctx, p.o.Client, ing, patch{Metadata: patchMetadata{Annotations: map[string]*string{key: nil}}}); err != nil {
			return patchError{reasonFailedStatus, ing.UID, err}
		}
	}
	return nil
}

// takeOver finds which of the Ingresses that show another load balancer may show the
// model's: it is active, and as many targets are healthy behind it. It ends when it has
// found so many that may not: their targets are read again in every pass.
func (p *pass) takeOver(ctx context.Context, x *executor) error {
	p.ready = map[string]bool{}
	b := p.balancer()
	if b == nil {
		return nil
	}
	elsewhere := slices.DeleteFunc(p.served(), func(ing *networkingv1.Ingress) bool { return !p.isElsewhere(x.stack, b, ing) })
	if len(elsewhere) == 0 {
		return nil
	}
	if b.State != stateActive {
		if err := x.readState(ctx, b); err != nil {
			return err
		}
	}
	// Who has waited longest for a look comes first.
	slices.SortStableFunc(elsewhere, func(a, c *networkingv1.Ingress) int {
		return x.timers.looked[takingOver(b, a)].Compare(x.timers.looked[takingOver(b, c)])
	})
	unready := 0
	for _, ing := range elsewhere {
		what := takingOver(b, ing)
		x.timers.touched[what] = true
		if b.State == stateActive && unready < turnsAtOnce {
			x.timers.looked[what] = time.Now()
			ready, err := p.canTakeOver(ctx, x, b, ing)
			if err != nil {
				return err
			}
			p.ready[string(ing.UID)] = ready
		}
		if !p.ready[string(ing.UID)] {
			unready++
			x.waiting = append(x.waiting, fmt.Sprintf("load balancer %s is to take %s/%s over", b.Name, ing.Namespace, ing.Name))
		}
	}
	return nil
}

// takingOver names what is waited for.
func takingOver(b *balancer, ing *networkingv1.Ingress) string {
	return "take over " + b.ARN + " " + string(ing.UID)
}

// isElsewhere reports whether another load balancer than b serves an Ingress: one of
// the stack, or that of a group that the Ingress leaves.
func (p *pass) isElsewhere(st *stack, b *balancer, ing *networkingv1.Ingress) bool {
	shown := hostOf(ing)
	if shown == "" || strings.EqualFold(shown, b.DNSName) {
		return false
	}
	return st.at(shown) != nil || ingress.HoldsOther(ing, p.group.ID)
}

func (p *pass) canTakeOver(ctx context.Context, x *executor, b *balancer, ing *networkingv1.Ingress) (bool, error) {
	if x.replaceTimeout <= 0 {
		return true, nil // nobody waits
	}
	since := x.timers.waited(takingOver(b, ing))
	for _, g := range x.stack.of(b, ing) {
		ready, err := p.isReadyBeside(ctx, x, g)
		if isRefusal(err) { // time alone tells
			x.refused = append(x.refused, resourceError{g.Tags[ingress.TagResource], err})
		} else if err != nil {
			return false, err
		}
		if !ready && time.Since(since) >= x.replaceTimeout {
			x.announceTo(g.Tags[ingress.TagResource], reasonUnhealthy, fmt.Sprintf("target group %s of load balancer %s is not as healthy after %v "+
				"as the one that it replaces: the address changes all the same", g.Name, b.Name, x.replaceTimeout))
			return true, nil
		}
		if !ready {
			return false, nil
		}
	}
	return true, nil
}

// readState reads whether a new load balancer is active.
func (x *executor) readState(ctx context.Context, b *balancer) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	all, err := x.elb.DescribeLoadBalancers(ctx)
	for _, found := range all {
		if found.ARN == b.ARN {
			b.State = found.State
		}
	}
	return err
}

// of are the target groups through which a load balancer serves an Ingress, by name.
func (st *stack) of(b *balancer, ing *networkingv1.Ingress) []*awsapi.TargetGroup {
	uses := st.uses()
	var groups []*awsapi.TargetGroup
	for _, name := range sortedNames(st.targetGroups) {
		g := st.targetGroups[name]
		owners := ingress.Owners(g.Tags[ingress.TagResource], []*networkingv1.Ingress{ing})
		if u := uses[g.ARN]; u.balancer == b && u.weight && len(owners) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// isReadyBeside reports whether a target group is as healthy as those of other load
// balancers that are fed by the same Service.
func (p *pass) isReadyBeside(ctx context.Context, x *executor, g *awsapi.TargetGroup) (bool, error) {
	now, err := x.census(ctx, g.ARN)
	if err != nil {
		return false, err
	}
	before, known := census{}, false
	for _, arn := range p.beside(x.stack, g) {
		c, err := x.census(ctx, arn)
		if err != nil && awsapi.ClassOf(err) != awsapi.NotFound {
			return false, err
		}
		if c.healthy > before.healthy || c.healthy == before.healthy && c.serving > before.serving {
			before = c
		}
		known = true
	}
	if !known {
		return now.healthy == now.serving, nil
	}
	return before.serving == 0 || now.canReplace(before), nil
}

// beside are the target groups that another load balancer has and that the Service of
// g feeds, too: that of the same ID, or else a few, which have the same targets.
func (p *pass) beside(st *stack, g *awsapi.TargetGroup) []string {
	want := p.model.TargetGroups[g.Tags[ingress.TagResource]]
	if want == nil {
		return nil
	}
	uses := st.uses()
	elsewhere := func(arn string) bool { return uses[arn].balancer != nil && uses[arn].balancer != uses[g.ARN].balancer }
	for _, other := range st.tagged(want.ID) {
		if elsewhere(other.ARN) {
			return []string{other.ARN}
		}
	}
	var arns []string
	for _, b := range p.board.all.Load().bindings {
		if b.Service != want.Service || b.ServicePort != want.ServicePort || b.Unused {
			continue
		}
		if b.Stack != p.group.ID.String() || elsewhere(b.GroupARN) {
			arns = append(arns, b.GroupARN)
		}
	}
	return arns[:min(besideAtMost, len(arns))]
}

// retire lets the load balancers linger that are replaced, and deletes those whose
// time has come.
func (x *executor) retire(ctx context.Context, m *ingress.Model, showing []*networkingv1.Ingress) error {
	var steps []step
	for _, b := range x.stack.others(m) {
		steps = append(steps, x.abandoned(b)...)
		if slices.ContainsFunc(showing, func(ing *networkingv1.Ingress) bool { return strings.EqualFold(hostOf(ing), b.DNSName) }) {
			continue
		}
		left, err := time.Parse(time.RFC3339, b.Tags[tagReplaced])
		if err != nil && x.linger > 0 {
			left = time.Now()
			tag := awsapi.Tags{tagReplaced: left.Format(time.RFC3339)}
			steps = append(steps, addTags{"load balancer " + b.Name, b.ARN, tag, &b.Tags})
		}
		if end := left.Add(x.linger); time.Now().Before(end) {
			x.wakeAt(end)
			continue
		}
		for arn, u := range x.stack.uses() {
			if u.balancer == b {
				x.finished = append(x.finished, arn)
			}
		}
		steps = append(steps, deleteLoadBalancer{b, "replaced"})
	}
	return x.run(ctx, steps)
}

// abandoned deletes the rules of those who leave for good from a load balancer that
// is being replaced. The others it keeps as they were.
func (x *executor) abandoned(b *balancer) []step {
	var steps []step
	for _, port := range sortedPorts(b.listeners) {
		for _, r := range b.listeners[port].rules {
			if x.isLeaving(r) {
				steps = append(steps, deleteRule{b.listeners[port], r})
			}
		}
	}
	return steps
}

// removeTags removes tags from a load balancer.
type removeTags struct {
	balancer *balancer
	keys     []string
}

func (s removeTags) String() string { return "remove tags from load balancer " + s.balancer.Name }

func (s removeTags) do(ctx context.Context, x *executor) error {
	if err := x.elb.RemoveTags(ctx, []string{s.balancer.ARN}, s.keys); err != nil {
		return fmt.Errorf("load balancer %s: %w", s.balancer.Name, err)
	}
	// The map that is there may be the inventory's, which others read.
	have := awsapi.Tags{}
	for k, v := range s.balancer.Tags {
		if !slices.Contains(s.keys, k) {
			have[k] = v
		}
	}
	s.balancer.Tags = have
	return nil
}
