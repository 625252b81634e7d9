package provision

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// Times and sizes of the directory.
const (
	// firstRefresh is when a process that does not lead fills its directory for the
	// first time: who starts to lead at once has no use for it.
	firstRefresh = time.Minute
	// namesAtOnce is how many target groups are looked up in one call: DescribeTags
	// takes as many.
	namesAtOnce = 20
	// namesAtAll bounds what is looked up by name. To read the whole account costs no
	// more than that, a page of 400 being one call and 20 tags another.
	namesAtAll = 100
)

// Directory knows the ARNs of this cluster's target groups, so that a process that
// begins to lead can sync targets before it has read what the account holds. It
// outlives terms, and may be out of date: what it says is a start. It is safe for
// concurrent use.
type Directory struct {
	elb     ELB
	cluster string
	log     *slog.Logger

	mu     sync.Mutex // guards all below; not held across calls
	tags   map[string]awsapi.Tags
	groups map[string]awsapi.TargetGroup // the cluster's, by name
}

// NewDirectory returns an empty directory.
func NewDirectory(elb ELB, cluster string, log *slog.Logger) *Directory {
	return &Directory{
		elb: elb, cluster: cluster, log: log,
		tags: map[string]awsapi.Tags{}, groups: map[string]awsapi.TargetGroup{},
	}
}

// Run reads the account again and again while idle says so, which is while another
// process leads, until ctx ends.
func (d *Directory) Run(ctx context.Context, interval time.Duration, idle func() bool) {
	ctx = awsapi.WithClass(ctx, awsapi.ClassAudit)
	timer := time.NewTimer(jitter(firstRefresh))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(jitter(interval))
		if !idle() {
			continue
		}
		if err := d.refresh(ctx); err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "cannot read the target groups of the account", slog.Any("error", err))
		}
	}
}

// refresh reads all target groups of the account, and the tags of those that are new.
func (d *Directory) refresh(ctx context.Context) error {
	all, err := d.elb.DescribeTargetGroups(ctx)
	if err != nil {
		return err
	}
	return d.enter(ctx, all, true)
}

// find looks up target groups by name, those that it does not know. AWS refuses a call
// that names one which does not exist, so a refused call is halved.
func (d *Directory) find(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if len(names) > namesAtOnce {
		half := len(names) / 2
		if err := d.find(ctx, names[:half]); err != nil {
			return err
		}
		return d.find(ctx, names[half:])
	}
	found, err := d.elb.DescribeTargetGroups(ctx, names...)
	switch {
	case awsapi.ClassOf(err) == awsapi.NotFound && len(names) == 1:
		return nil
	case awsapi.ClassOf(err) == awsapi.NotFound:
		half := len(names) / 2
		if err := d.find(ctx, names[:half]); err != nil {
			return err
		}
		return d.find(ctx, names[half:])
	case err != nil:
		return err
	}
	return d.enter(ctx, found, false)
}

// enter takes in target groups; if they are all, others are forgotten.
func (d *Directory) enter(ctx context.Context, groups []awsapi.TargetGroup, all bool) error {
	tags := map[string]awsapi.Tags{}
	var unread []string
	d.mu.Lock()
	for _, g := range groups {
		if known, ok := d.tags[g.ARN]; ok {
			tags[g.ARN] = known
		} else {
			unread = append(unread, g.ARN)
		}
	}
	d.mu.Unlock()
	read, err := d.elb.DescribeTags(ctx, unread)
	if err != nil {
		return fmt.Errorf("tags of target groups: %w", err)
	}
	for _, arn := range unread {
		tags[arn] = read[arn]
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if all {
		clear(d.tags)
		clear(d.groups)
	}
	for _, g := range groups {
		d.tags[g.ARN] = tags[g.ARN]
		if g.Tags = tags[g.ARN]; g.Tags[ingress.TagCluster] == d.cluster {
			d.groups[g.Name] = g
		}
	}
	return nil
}

// knows reports whether a target group of that name has been seen.
func (d *Directory) knows(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.groups[name]
	return ok
}

// stack returns what is known of a stack: its target groups.
func (d *Directory) stack(name string) *stack {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := &stack{targetGroups: map[string]*awsapi.TargetGroup{}}
	for _, g := range d.groups {
		if g.Tags[ingress.TagStack] == name {
			st.targetGroups[g.Name] = &g
		}
	}
	return st
}
