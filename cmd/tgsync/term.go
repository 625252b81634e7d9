package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/metrics"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/syncer/lease"
	"github.com/tgsync/tgsync/syncer/provision"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/syncer/target"
)

// lead does the leader's work until ctx ends. All that it needs beside the caches is
// built anew, so that nothing that was believed in an earlier term is left.
func (d *parts) lead(ctx context.Context, term lease.Term) (err error) {
	optional := map[string]func() bool{
		groupbinding.Resource.Resource:        d.bindings.Served,
		provision.ParamsResource.Resource:     d.params.Served,
		provision.NamespacesResource.Resource: func() bool { return true },
	}
	if !d.clients.watches.Follow(ctx, optional) && ctx.Err() == nil {
		d.log.WarnContext(ctx, "the caches do not follow the cluster; the work begins all the same")
	}
	liveSince := d.liveSince(term)
	backend := d.newBackend()
	loop := d.newProvision(liveSince, backend)
	bindings := d.newGroupBindings(loop)
	stop, err := d.informers.OnModelChange(func(namespace string) {
		loop.Wake(namespace)
		bindings.Wake()
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	guards := d.newSecurityGroups(backend, loop.Needs(), bindings.Needs())
	unreach, err := d.informers.OnReachChange(guards.Wake)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unreach()) }()
	untell, err := d.informers.TellUnserved(d.recorder())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, untell()) }()
	s, err := syncer.New(syncer.Options{
		AWS: d.clients.elb, Tokens: d.clients.aws, Roles: d.role, Source: bindings, Informers: d.informers, Metrics: d.metrics,
		Events: d.recorder(), Log: d.log, BatchSize: d.config.BatchSize, MaxTargets: d.config.MaxTargets, BatchInterval: d.config.BatchInterval,
		AuditInterval: d.config.AuditInterval, GracePeriod: d.config.GracePeriod, FailOpen: d.config.FailOpen,
		Pods: d.clients.pods, GateLatch: d.config.GateLatch, GateTimeout: d.config.GateTimeout,
		Ledger: groupbinding.NewLedger(d.clients.kube.CoreV1(), d.bindings),
		Live:   syncer.ReadLiveSlices(d.clients.kube.DiscoveryV1()), LiveSince: liveSince,
	})
	if err != nil {
		return err
	}
	d.syncer.Store(s)
	defer d.syncer.Store(nil)
	d.provision.Store(loop)
	defer d.provision.Store(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return loop.Run(ctx) })
	g.Go(func() error { return bindings.Run(ctx) })
	g.Go(func() error { return guards.Run(ctx) })
	g.Go(func() error { return s.Run(ctx) })
	return g.Wait()
}

// role returns the way to the account of a role.
func (d *parts) role(r target.Role) (syncer.TargetAPI, syncer.Tokens) {
	c := d.clients.aws.Assume(r)
	return d.elbOf(c), c
}

// liveSince returns from when on nobody has taken care of changes: the previous leader
// may have been at the end of its strength for as long as a Lease lasts before it
// renewed it for the last time. Zero: there was none.
func (d *parts) liveSince(term lease.Term) time.Time {
	if term.Previous.IsZero() {
		return term.Previous
	}
	return term.Previous.Add(-d.config.LeaseDuration)
}

// newProvision builds the provisioning loop of a term.
func (d *parts) newProvision(liveSince time.Time, backend provision.Backend) *provision.Loop {
	urgent := func() map[types.NamespacedName]bool { return d.informers.ChangedSince(liveSince) }
	if liveSince.IsZero() {
		urgent = nil
	}
	return provision.New(provision.Options{
		Settings:  d.config.settings(d.config.ClusterName),
		VPCID:     d.vpcID,
		Ingresses: d.informers.Ingresses.Lister(),
		Classes:   d.informers.IngressClasses.Lister(),
		Services:  d.informers.Services.Lister(),
		Params:    d.params,
		Synced:    d.informers.HasSynced,
		Client:    d.clients.kube,
		Events:    d.recorder(),
		ELB:       d.clients.elb,
		EC2:       d.clients.ec2,
		ACM:       d.clients.aws.ACM,
		Subnets:   d.config.subnets(),
		Directory: d.directory,
		Backend:   backend,
		Urgent:    urgent,
		Metrics:   d.metrics,
		Log:       d.log,

		AuditInterval: d.config.ProvisionAuditInterval,
		GracePeriod:   d.config.GracePeriod,

		ReplaceTimeout: d.config.ReplaceTimeout,
		LBLinger:       d.config.LBLinger,
	})
}

// newBackend builds the backend security group of a term.
func (d *parts) newBackend() *securitygroup.Backend {
	return securitygroup.NewBackend(securitygroup.BackendOptions{
		EC2: d.clients.ec2, VPCID: d.vpcID, Cluster: d.config.ClusterName, ID: d.config.BackendGroupID, Tags: d.config.DefaultTags,
	})
}

// newSecurityGroups builds the loop of a term that opens the way to pods.
func (d *parts) newSecurityGroups(backend *securitygroup.Backend, needs ...securitygroup.Source) *securitygroup.Loop {
	return securitygroup.New(securitygroup.Options{
		EC2:           d.clients.ec2,
		VPCID:         d.vpcID,
		Cluster:       d.config.ClusterName,
		Sources:       needs,
		Pods:          d.informers.PodsBehind,
		Node:          d.informers.NodeBehind,
		Synced:        d.informers.HasSynced,
		Backend:       backend,
		TargetTags:    d.config.TargetGroupTags,
		Unrestricted:  d.config.DisableRestrictedRules,
		AuditInterval: d.config.ProvisionAuditInterval,
		Events:        d.recorder(),
		Log:           d.log,
	})
}

// newGroupBindings builds the loop of TargetGroupBindings of a term.
func (d *parts) newGroupBindings(provisioned groupbinding.Source) *groupbinding.Loop {
	return groupbinding.New(groupbinding.Options{
		Watch:       d.bindings,
		Provisioned: provisioned,
		Services:    d.informers.Services.Lister(),
		Synced:      d.informers.HasSynced,
		Client:      d.clients.dynamic,
		Webhooks:    d.clients.kube.AdmissionregistrationV1(),
		Events:      d.recorder(),
		AWS:         d.clients.elb,
		Roles:       func(r target.Role) groupbinding.AWS { return d.elbOf(d.clients.aws.Assume(r)) },
		VPCID:       d.vpcID,
		Drained: func(groupARN string) bool {
			s := d.syncer.Load()
			return s != nil && s.Drained(groupARN)
		},
		Cluster:       d.config.ClusterName,
		AuditInterval: d.config.AuditInterval,
		Log:           d.log,
	})
}

// pending returns how many groups wait for an operation, and for how long. On a
// standby nothing waits.
func (d *parts) pending(op string) (groups int, oldest time.Duration) {
	if s := d.syncer.Load(); s != nil {
		return s.Pending(op)
	}
	return 0, 0
}

// groups returns what is shown of the target groups. A standby has none.
func (d *parts) groups() []metrics.Group {
	s := d.syncer.Load()
	if s == nil {
		return nil
	}
	var groups []metrics.Group
	for _, st := range s.Status() {
		groups = append(groups, metrics.Group{
			Name: st.Binding.GroupName, State: string(st.State), Targets: st.Targets, Parked: st.Parked,
		})
	}
	return groups
}

// problems returns how many problems Ingresses have, by reason. A standby knows of none.
func (d *parts) problems() map[string]int {
	if l := d.provision.Load(); l != nil {
		return l.Problems()
	}
	return nil
}

// gatesWaiting returns how many pods wait for their gates.
func (d *parts) gatesWaiting() int {
	s := d.syncer.Load()
	if s == nil {
		return 0
	}
	return s.GatesWaiting()
}

// stateNames returns the states that a group can be in.
func stateNames() []string {
	var names []string
	for _, state := range syncer.States() {
		names = append(names, string(state))
	}
	return names
}

// recorder returns what events are told to.
func (d *parts) recorder() record.EventRecorder {
	return d.events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "tgsync"})
}

// tellAside tells of the leader's work that waits for another controller, or goes on.
// It is an event of our Lease: the work is nobody's but the leader's, whoever that is.
func (d *parts) tellAside(ctx context.Context, reason, message string) {
	d.log.InfoContext(ctx, message, slog.String("reason", reason))
	if d.config.DryRun {
		return
	}
	held, err := d.clients.leases.Leases(d.config.LeaseNamespace).Get(ctx, d.config.LeaseName, metav1.GetOptions{})
	if err != nil {
		d.log.WarnContext(ctx, "cannot tell why nothing is written", slog.Any("error", err))
		return
	}
	d.recorder().Event(held, corev1.EventTypeNormal, reason, message)
}
