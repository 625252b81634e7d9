package provision

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// inventory knows what this cluster owns in AWS, by stack. AWS cannot be asked for
// one stack: load balancers and target groups are listed with those of everybody
// else in the account, and told apart by their tags.
type inventory struct {
	elb     ELB
	ec2     EC2
	vpcID   string
	cluster string
	backend Backend

	// mu guards the maps below. A stack itself belongs to its worker.
	mu sync.Mutex
	// stacks by name. A stack that is not in the map has nothing in AWS; one that is
	// nil has to be read again.
	stacks map[string]*stack
	tags   map[string]awsapi.Tags // by ARN, nil for what is not the cluster's: owners do not change
	names  map[name]owner
	// adopted target groups by stack, and in it by the name that they stand for.
	adopted map[string]map[string]string
	// partial says that the tags of what did not look like ours have not been read.
	partial bool
}

// name is a name that AWS lets only one resource of a kind have.
type name struct{ kind, name string }

// Kinds of names, as they are worded.
const (
	kindLoadBalancer = "load balancer"
	kindTargetGroup  = "target group"
)

// owner says whose a name is.
type owner struct {
	arn   string
	stack string // "": not this cluster's
}

func newInventory(o Options) *inventory {
	return &inventory{
		elb: o.ELB, ec2: o.EC2, vpcID: o.VPCID, cluster: o.Settings.ClusterName, backend: o.Backend,
		stacks: map[string]*stack{}, tags: map[string]awsapi.Tags{}, names: map[name]owner{},
		adopted: map[string]map[string]string{},
	}
}

// listing is one reading of the account.
type listing struct {
	balancers      []awsapi.LoadBalancer
	targetGroups   []awsapi.TargetGroup
	securityGroups []awsapi.SecurityGroup
	tags           map[string]awsapi.Tags // by ARN
	partial        bool                   // some tags have not been read
	readAt         time.Time
}

// load reads every stack. Of load balancers and target groups that do not look like
// ours the tags are not read yet, which would cost a call per 20. What looks like
// ours has a name as we and the AWS Load Balancer Controller make them, or one of
// those given, or serves a target group that has. What looks different and is ours
// nevertheless (a load balancer whose name was taken out of its Ingresses, and that
// has no target groups) is found before anything is made in its place, see stack, or
// by the audit.
func (i *inventory) load(ctx context.Context, names map[string]bool) error {
	l, err := i.list(ctx, "", names)
	if err != nil {
		return err
	}
	i.backend.Seen(l.securityGroups)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.enterLocked(l)
	for _, stack := range l.stacks() {
		i.stacks[stack] = l.stack(stack)
	}
	return nil
}

// stack returns what AWS holds for a group, listeners and rules included. It reads
// what it does not know.
func (i *inventory) stack(ctx context.Context, stackName string) (*stack, error) {
	st := i.known(stackName)
	if st == nil || i.mayHoldMore(st) {
		l, err := i.list(ctx, stackName, nil)
		if err != nil {
			return nil, err
		}
		st = i.enter(l, stackName)
	}
	if st.listenersRead {
		return st, nil
	}
	for _, b := range st.balancers {
		if err := i.readListeners(ctx, b); err != nil {
			if awsapi.ClassOf(err) == awsapi.NotFound {
				i.forget(stackName) // it went after it was listed
			}
			return nil, err
		}
	}
	st.listenersRead = true
	return st, nil
}

// known returns a stack as far as it has been read, nil if it has to be read
// again.
func (i *inventory) known(stackName string) *stack {
	i.mu.Lock()
	defer i.mu.Unlock()
	st, seen := i.stacks[stackName]
	if !seen {
		// It was not there when everything was read, and only we make it.
		st = &stack{targetGroups: map[string]*awsapi.TargetGroup{}, listenersRead: true, readAt: time.Now()}
		i.stacks[stackName] = st
	}
	return st
}

// mayHoldMore reports whether a stack may have a load balancer that does not look
// like it.
func (i *inventory) mayHoldMore(st *stack) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.partial && len(st.balancers) == 0
}

// forget makes the next pass read the stack again.
func (i *inventory) forget(stackName string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stacks[stackName] = nil
}

// drop forgets a stack that no group stands for, unless AWS holds something of it.
func (i *inventory) drop(stackName string) (gone bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	st, seen := i.stacks[stackName]
	if seen && (st == nil || !st.empty()) {
		return false
	}
	delete(i.stacks, stackName)
	return true
}

// foreign returns the ARN of what has the name and is not the stack's, or "".
func (i *inventory) foreign(kind, called, stackName string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if o, ok := i.names[name{kind, called}]; ok && o.stack != stackName {
		return o.arn
	}
	return ""
}

// enter takes a reading in as far as it concerns one stack. Other stacks may be
// changing under the hands of their workers.
func (i *inventory) enter(l *listing, stackName string) *stack {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.enterLocked(l)
	st := l.stack(stackName)
	st.adopted = i.adopted[stackName]
	i.stacks[stackName] = st
	return st
}

// enterLocked takes in who owns what.
func (i *inventory) enterLocked(l *listing) {
	i.tags, i.partial = l.tags, l.partial
	i.names = make(map[name]owner, len(l.tags))
	for _, b := range l.balancers {
		i.names[name{kindLoadBalancer, b.Name}] = owner{b.ARN, l.tags[b.ARN][ingress.TagStack]}
	}
	for _, g := range l.targetGroups {
		i.names[name{kindTargetGroup, g.Name}] = owner{g.ARN, l.tags[g.ARN][ingress.TagStack]}
	}
}

// list reads the account. Tags are read of what was not seen before and of the
// stack's own; for all stacks, of what looks like ours.
func (i *inventory) list(ctx context.Context, stackName string, names map[string]bool) (*listing, error) {
	l := &listing{readAt: time.Now()}
	var err error
	if l.balancers, err = i.elb.DescribeLoadBalancers(ctx); err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	if l.targetGroups, err = i.elb.DescribeTargetGroups(ctx); err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	owned := awsapi.Tags{ingress.TagCluster: i.cluster}
	if stackName != "" {
		owned[ingress.TagStack] = stackName
	}
	if l.securityGroups, err = i.ec2.DescribeSecurityGroups(ctx, i.vpcID, owned); err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	unread := i.unknown(l, stackName)
	if stackName == "" {
		suspects := l.suspects(unread, names)
		l.partial = len(suspects) < len(unread)
		unread = suspects
	}
	found, err := i.elb.DescribeTags(ctx, unread)
	if err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	for _, arn := range unread {
		l.tags[arn] = nil
		if tags := found[arn]; tags[ingress.TagCluster] == i.cluster {
			l.tags[arn] = tags
		}
	}
	return l, nil
}

// unknown fills in the tags that need not be read, and returns the ARNs of the
// rest. What is in another VPC is not ours.
func (i *inventory) unknown(l *listing, stackName string) (unread []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	l.tags = make(map[string]awsapi.Tags, len(l.balancers)+len(l.targetGroups))
	note := func(arn, vpcID string) {
		tags, known := i.tags[arn]
		switch {
		case vpcID != i.vpcID:
			l.tags[arn] = nil
		case known && tags[ingress.TagStack] != stackName:
			l.tags[arn] = tags
		default:
			unread = append(unread, arn)
		}
	}
	for _, b := range l.balancers {
		note(b.ARN, b.VPCID)
	}
	for _, g := range l.targetGroups {
		note(g.ARN, g.VPCID)
	}
	return unread
}

// madeName is how the names begin that are not given by somebody.
const madeName = "k8s-"

// suspects are those of the ARNs that look like ours.
func (l *listing) suspects(arns []string, names map[string]bool) []string {
	looks := map[string]bool{}
	for _, g := range l.targetGroups {
		if strings.HasPrefix(g.Name, madeName) {
			looks[g.ARN] = true
			for _, arn := range g.LoadBalancerARNs {
				looks[arn] = true
			}
		}
	}
	for _, b := range l.balancers {
		if strings.HasPrefix(b.Name, madeName) || names[b.Name] {
			looks[b.ARN] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(arns), func(arn string) bool { return !looks[arn] })
}

// readListeners reads the listeners of a load balancer and their rules.
func (i *inventory) readListeners(ctx context.Context, b *balancer) error {
	listeners, err := i.elb.DescribeListeners(ctx, b.ARN)
	if err != nil {
		return fmt.Errorf("load balancer %s: %w", b.Name, err)
	}
	b.listeners = map[int32]*listener{}
	for _, l := range listeners {
		rules, err := i.elb.DescribeRules(ctx, l.ARN)
		if err != nil {
			return fmt.Errorf("load balancer %s: %w", b.Name, err)
		}
		held := &listener{Listener: l}
		for _, r := range rules {
			if r.Priority != 0 {
				held.rules = append(held.rules, &r)
			}
		}
		b.listeners[l.Port] = held
	}
	return nil
}

// stacks returns the names of the stacks that a reading shows something of.
func (l *listing) stacks() []string {
	names := map[string]bool{}
	for _, tags := range l.tags {
		names[tags[ingress.TagStack]] = true
	}
	for _, g := range l.securityGroups {
		names[g.Tags[ingress.TagStack]] = true
	}
	delete(names, "")
	return slices.Sorted(maps.Keys(names))
}

// stack picks what carries a stack's tags.
func (l *listing) stack(stackName string) *stack {
	st := &stack{targetGroups: map[string]*awsapi.TargetGroup{}, readAt: l.readAt}
	for _, b := range l.balancers {
		if t := l.tags[b.ARN]; t[ingress.TagStack] == stackName && t[ingress.TagResource] == ingress.ResourceLoadBalancer {
			b.Tags = t
			st.balancers = append(st.balancers, &balancer{LoadBalancer: b})
		}
	}
	slices.SortFunc(st.balancers, func(a, b *balancer) int { return cmp.Compare(a.ARN, b.ARN) })
	for _, g := range l.targetGroups {
		if t := l.tags[g.ARN]; t[ingress.TagStack] == stackName {
			g.Tags = t
			st.targetGroups[g.Name] = &g
		}
	}
	for _, g := range l.securityGroups {
		if g.Tags[ingress.TagStack] == stackName {
			st.securityGroups = append(st.securityGroups, &g)
		}
	}
	return st
}
