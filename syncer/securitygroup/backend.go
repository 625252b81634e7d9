package securitygroup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// Words of the backend security group, which are LBC's.
const (
	tagResource        = "elbv2.k8s.aws/resource"
	backendResource    = "backend-sg"
	backendDescription = "[k8s] Shared Backend SecurityGroup for LoadBalancer"
)

// BackendEC2 is what a Backend needs of EC2.
type BackendEC2 interface {
	DescribeSecurityGroups(ctx context.Context, vpcID string, tags awsapi.Tags) ([]awsapi.SecurityGroup, error)
	CreateSecurityGroup(ctx context.Context, g awsapi.SecurityGroup) (id string, err error)
	DeleteSecurityGroup(ctx context.Context, id string) error
}

// BackendOptions configure a Backend.
type BackendOptions struct {
	EC2     BackendEC2
	VPCID   string
	Cluster string
	// ID is a group that somebody else has made for it and that stays. Empty: it is made
	// when it is needed, and deleted when it is not.
	ID string
	// Tags are added when it is made.
	Tags map[string]string
}

// Backend is the cluster's backend security group: all load balancers that reach pods
// have it, so that a rule of the pods' group names it once. Its methods may be called by
// many at once.
type Backend struct {
	o BackendOptions

	mu       sync.Mutex // guards what follows; it is not held while AWS is called
	id       string     // empty: there is none, or it is not known
	asked    int        // how often Get was called
	deleting bool
	known    time.Time // since when the ID is
}

// NewBackend returns a Backend that does not know its group yet.
func NewBackend(o BackendOptions) *Backend { return &Backend{o: o, id: o.ID} }

// ID returns the group's ID, empty if it is not known.
func (b *Backend) ID() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.id
}

// Get returns the group's ID. It looks for it and makes it if need be. The error is
// ErrGoing while it is being deleted.
func (b *Backend) Get(ctx context.Context) (string, error) {
	id, err := b.ask()
	if id != "" || err != nil {
		return id, err
	}
	if id, err = b.find(ctx); id != "" || err != nil {
		return id, err
	}
	g := awsapi.SecurityGroup{
		Name: ingress.BackendGroupName(b.o.Cluster), Description: backendDescription, VPCID: b.o.VPCID, Tags: maps.Clone(b.o.Tags),
	}
	if g.Tags == nil {
		g.Tags = awsapi.Tags{}
	}
	maps.Copy(g.Tags, b.tags())
	id, err = b.o.EC2.CreateSecurityGroup(ctx, g)
	if err != nil {
		// A duplicate was made by somebody else who asked here, or is not ours.
		if id := b.ID(); id != "" && awsapi.ClassOf(err) == awsapi.Duplicate {
			return id, nil
		}
		return "", fmt.Errorf("backend security group %s: %w", g.Name, err)
	}
	b.know(id)
	return id, nil
}

// ErrGoing says that the backend group is being deleted: in a moment there is room for
// a new one.
var ErrGoing = errors.New("the backend security group is being deleted")

// ask notes that the group is wanted.
func (b *Backend) ask() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.deleting {
		return "", ErrGoing
	}
	return b.id, nil
}

func (b *Backend) tags() awsapi.Tags {
	return awsapi.Tags{ingress.TagCluster: b.o.Cluster, tagResource: backendResource}
}

func (b *Backend) find(ctx context.Context) (string, error) {
	found, err := b.o.EC2.DescribeSecurityGroups(ctx, b.o.VPCID, b.tags())
	if err != nil {
		return "", fmt.Errorf("backend security group: %w", err)
	}
	b.Seen(found)
	return b.ID(), nil
}

// Seen takes over the group's ID from a list of groups that have been read.
func (b *Backend) Seen(groups []awsapi.SecurityGroup) {
	id := ""
	for _, g := range groups {
		ours := g.Tags[ingress.TagCluster] == b.o.Cluster && g.Tags[tagResource] == backendResource
		if ours && (id == "" || g.ID < id) {
			id = g.ID
		}
	}
	if id != "" {
		b.know(id)
	}
}

// know keeps the first ID that it is told: of two groups with the same tags the same one
// is used all the time.
func (b *Backend) know(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.id == "" && !b.deleting {
		b.id, b.known = id, time.Now()
	}
}

// listed takes over what a list of all groups of the VPC says. Since a moment after it
// was made a group is not shown, the list is believed only if it was asked for later.
func (b *Backend) listed(all []awsapi.SecurityGroup, began time.Time) {
	b.mu.Lock()
	if has := slices.ContainsFunc(all, func(g awsapi.SecurityGroup) bool { return g.ID == b.id }); !has && b.o.ID == "" &&
		!b.deleting && began.Sub(b.known) > showsLater {
		b.id = ""
	}
	b.mu.Unlock()
	b.Seen(all)
}

// wishes returns how often the group was asked for.
func (b *Backend) wishes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// remove deletes the group, unless somebody has asked for it since it had been asked
// for so many times, or it is not ours to delete.
func (b *Backend) remove(ctx context.Context, asked int) error {
	id := b.seize(asked)
	if id == "" {
		return nil
	}
	err := b.o.EC2.DeleteSecurityGroup(ctx, id)
	gone := err == nil || awsapi.ClassOf(err) == awsapi.NotFound
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deleting = false
	if gone {
		b.id = ""
		return nil
	}
	if awsapi.ClassOf(err) == awsapi.Unavailable {
		b.id = "" // it may be gone; who needs it looks for it
	}
	return fmt.Errorf("delete backend security group %s: %w", id, err)
}

// removable reports whether there is a group that is ours to delete.
func (b *Backend) removable() bool { return b.o.ID == "" && b.ID() != "" }

// seize makes those who ask wait, and returns what is to be deleted; empty: nothing.
func (b *Backend) seize(asked int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.o.ID != "" || b.id == "" || b.deleting || b.asked != asked {
		return ""
	}
	b.deleting = true
	return b.id
}
