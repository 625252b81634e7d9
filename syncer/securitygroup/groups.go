package securitygroup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// clusterTag begins the key of the tag that says that a cluster uses a resource.
const clusterTag = "kubernetes.io/cluster/"

// group is what is known of a security group.
type group struct {
	awsapi.SecurityGroup
	began    time.Time // when the reading began that this is of
	wrote    time.Time // when the last write to it ended
	ours     bool      // pods of ours are or were behind it
	unneeded map[awsapi.Permission]time.Time
	failures int
	due      time.Time // when what failed is tried again
}

// groups knows the security groups of the VPC. It belongs to its loop.
type groups struct {
	ec2     EC2
	vpcID   string
	cluster string
	tags    map[string]string // that the group of a pod has, beside the cluster's
	known   map[string]*group
	at      time.Time
	missing map[string]time.Time // when groups were looked for and not found
}

func newGroups(o Options) *groups {
	return &groups{ec2: o.EC2, vpcID: o.VPCID, cluster: o.Cluster, tags: o.TargetTags, known: map[string]*group{}, missing: map[string]time.Time{}}
}

// readAll reads all groups of the VPC. One call brings a thousand of them with their
// rules, and what no pod of today has may still hold a rule of ours.
func (g *groups) readAll(ctx context.Context) ([]awsapi.SecurityGroup, time.Time, error) {
	began := time.Now()
	all, err := g.ec2.DescribeSecurityGroups(ctx, g.vpcID, nil)
	if err != nil {
		return nil, began, err
	}
	g.at = began
	shown := map[string]bool{}
	for _, sg := range all {
		shown[sg.ID] = true
		g.enter(sg, began)
	}
	maps.DeleteFunc(g.known, func(id string, known *group) bool { return !shown[id] && began.Sub(known.wrote) > showsLater })
	clear(g.missing)
	return all, began, nil
}

// read reads some groups.
func (g *groups) read(ctx context.Context, ids []string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := time.Now()
	found, err := g.ec2.FindSecurityGroups(ctx, g.vpcID, ids, nil)
	if err != nil {
		return fmt.Errorf("security groups: %w", err)
	}
	for _, id := range ids {
		g.missing[id] = began
	}
	for _, sg := range found {
		g.enter(sg, began)
		delete(g.missing, sg.ID)
	}
	return nil
}

// reread reads a group that is known. It fails if AWS does not show it.
func (g *groups) reread(ctx context.Context, known *group) error {
	if err := g.read(ctx, []string{known.ID}); err != nil {
		return err
	}
	if _, missing := g.missing[known.ID]; missing {
		if time.Since(known.wrote) > showsLater {
			delete(g.known, known.ID)
		}
		return fmt.Errorf("security group %s is not shown by AWS", known.ID)
	}
	return nil
}

// enter takes in a reading.
func (g *groups) enter(sg awsapi.SecurityGroup, began time.Time) {
	known := g.known[sg.ID]
	if known == nil {
		known = &group{unneeded: map[awsapi.Permission]time.Time{}}
		g.known[sg.ID] = known
	}
	if began.Before(known.wrote) {
		return // it may show the group as it was before the write
	}
	known.SecurityGroup, known.began = sg, began
	if _, tagged := sg.Tags[clusterTag+g.cluster]; tagged {
		known.ours = true
	}
}

// choose returns which of the groups of an interface gets the rules: the only one, or
// the one with the cluster's tag. If that is not one, it is the first of them, and the
// problem says so: traffic is served, and somebody has to decide.
func (g *groups) choose(ids []string, a *asks) (id, problem string) {
	if len(ids) < 2 {
		return strings.Join(ids, ""), ""
	}
	ids = slices.Sorted(slices.Values(ids))
	var tagged []string
	for _, id := range ids {
		known := g.known[id]
		if known == nil {
			if time.Since(g.missing[id]) >= firstPause {
				a.groups[id] = true
				return "", ""
			}
			continue
		}
		if g.marked(known) {
			tagged = append(tagged, id)
		}
	}
	if len(tagged) == 1 {
		return tagged[0], ""
	}
	if tagged == nil {
		tagged = ids
	}
	return tagged[0], fmt.Sprintf("a network interface has the security groups %s, and not exactly one of them has the tag %s%s: rules go to %s",
		strings.Join(ids, ", "), clusterTag, g.wantedTags(), tagged[0])
}

// marked reports whether a group has the tags of one that gets rules.
func (g *groups) marked(known *group) bool {
	if _, ok := known.Tags[clusterTag+g.cluster]; !ok {
		return false
	}
	for k, v := range g.tags {
		if got, ok := known.Tags[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// wantedTags are the tags of a group that gets rules, without the prefix of the first.
func (g *groups) wantedTags() string {
	words := []string{g.cluster}
	for _, k := range sortedKeys(g.tags) {
		words = append(words, k+"="+g.tags[k])
	}
	return strings.Join(words, " and ")
}

// removable reports whether a rule that looks like ours can be: another cluster that
// shares a group, or the VPC, marks its rules alike.
func (g *groups) removable(sg *awsapi.SecurityGroup, r awsapi.Permission) bool {
	if r.GroupID != "" {
		source := g.known[r.GroupID]
		return source == nil || source.Tags[ingress.TagCluster] == "" || source.Tags[ingress.TagCluster] == g.cluster
	}
	for key := range sg.Tags {
		if name, ok := strings.CutPrefix(key, clusterTag); ok && name != g.cluster {
			return false
		}
	}
	return true
}
