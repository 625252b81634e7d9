package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/metrics"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/syncer/lease"
	"github.com/tgsync/tgsync/syncer/provision"
	"github.com/tgsync/tgsync/syncer/rehearsal"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/syncer/standaside"
)

// namespaceFile is where a pod finds its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// parts are the parts of a daemon, built and not started. Those of the leader alone
// are built in each term (term.go).
type parts struct {
	config    config
	log       *slog.Logger
	vpcID     string
	metrics   *metrics.Metrics
	clients   clients
	informers *syncer.Informers
	bindings  *groupbinding.Watch
	params    *provision.ClassWatch
	events    record.EventBroadcaster
	directory *provision.Directory
	candidate *lease.Candidate
	fence     *lease.Fence
	rehearsed rehearsal.Targets // those of a dry run
	aside     *standaside.Watch
	server    *metrics.Server
	syncer    atomic.Pointer[syncer.Syncer]  // of this term; nil: a standby's
	provision atomic.Pointer[provision.Loop] // as syncer
}

// clients are the daemon's ways to the outside. What changes something passes the
// fence, but for the Lease itself, and stands aside, but for that and events.
type clients struct {
	watches *syncer.Watches // those of kube
	kube    kubernetes.Interface
	dynamic dynamic.Interface // for kinds that are not Kubernetes' own
	leases  coordinationv1.LeasesGetter
	events  typedcorev1.EventsGetter
	pods    typedcorev1.PodsGetter // for conditions: many at once, and none may wait
	aws     *awsapi.Clients
	elb     elb // that of aws; in a dry run its writes are rehearsed
	ec2     ec2 // the same
}

// elb is what the parts need of ELBv2 together.
type elb interface {
	provision.ELB
	syncer.TargetAPI
}

// ec2 is what the parts need of EC2 together.
type ec2 interface {
	provision.EC2
	securitygroup.EC2
}

// build builds a daemon from its configuration.
func build(ctx context.Context, c config, w wires, log *slog.Logger) (*parts, error) {
	d := &parts{config: c, log: log, vpcID: c.VPCID, metrics: metrics.New(version)}
	d.fence = lease.NewFence(c.LeaseDuration)
	var err error
	if d.config.LeaseNamespace, err = leaseNamespace(c); err != nil {
		return nil, err
	}
	if err = d.connect(ctx, w); err != nil {
		return nil, err
	}
	if d.vpcID == "" {
		if d.vpcID, err = awsapi.VPCFromMetadata(ctx); err != nil {
			return nil, fmt.Errorf("TGSYNC_VPC_ID is not set: %w", err)
		}
	}
	// A name makes client-go measure them.
	name, err := cache.NewInformerName("tgsync")
	if err != nil {
		return nil, err
	}
	if d.informers, err = syncer.NewInformers(c.WatchNamespaces, d.clients.kube, informers.WithInformerName(name)); err != nil {
		return nil, err
	}
	if d.bindings, err = groupbinding.NewWatch(c.WatchNamespaces, d.clients.dynamic, name, log); err != nil {
		return nil, err
	}
	if d.params, err = provision.NewClassWatch(d.clients.dynamic, name, log); err != nil {
		return nil, err
	}
	if d.candidate, err = newCandidate(d.config, d.clients, d.fence, log); err != nil {
		return nil, err
	}
	d.directory = provision.NewDirectory(d.clients.elb, c.ClusterName, log)
	d.tellAll(ctx)
	return d, nil
}

// tellAll makes what tells others of the daemon: events, metrics and the page.
func (d *parts) tellAll(ctx context.Context) {
	d.events = record.NewBroadcaster(record.WithContext(ctx))
	if !d.config.DryRun { // what has not happened is no event
		d.events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: d.clients.events.Events("")})
	}
	d.metrics.WatchLeader(d.fence.Open)
	d.metrics.WatchAside(d.aside.Aside)
	for _, op := range syncer.Operations() {
		d.metrics.WatchPending(op,
			func() int { groups, _ := d.pending(op); return groups },
			func() time.Duration { _, oldest := d.pending(op); return oldest })
	}
	d.metrics.WatchGroups(stateNames(), d.groups)
	d.metrics.WatchGates(d.gatesWaiting)
	d.metrics.WatchProblems(d.problems)
	d.server = &metrics.Server{Metrics: d.metrics, Ready: d.ready, Page: d.page, Log: d.log}
}

// newCandidate builds this process's part in the election.
func newCandidate(c config, cl clients, fence *lease.Fence, log *slog.Logger) (*lease.Candidate, error) {
	identity, err := lease.NewIdentity(c.PodName)
	if err != nil {
		return nil, err
	}
	return lease.New(lease.Options{
		Client: cl.leases, Watcher: cl.kube.CoordinationV1(), Namespace: c.LeaseNamespace, Name: c.LeaseName, Identity: identity,
		Duration: c.LeaseDuration, RenewDeadline: c.LeaseRenewDeadline, RetryPeriod: c.LeaseRetryPeriod,
		Fence: fence, Log: log,
	}), nil
}

// leaseNamespace returns where the Lease is.
func leaseNamespace(c config) (string, error) {
	if c.LeaseNamespace != "" || c.DryRun { // which has none
		return c.LeaseNamespace, nil
	}
	text, err := os.ReadFile(namespaceFile)
	if err != nil {
		return "", fmt.Errorf("TGSYNC_LEASE_NAMESPACE is not set, and this is no pod: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// ready returns why the daemon cannot do its work yet. A standby is ready: it could
// lead in the next moment.
func (d *parts) ready() error {
	if !d.informers.HasSynced() {
		return errors.New("the caches are not full yet")
	}
	return nil
}
