package bench

import (
	"context"
	"log/slog"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/provision"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/syncer/target"
)

// part is one of the loops of a leader.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// The parts of a leader that call AWS.
const (
	targetsPart   = "targets"
	provisionPart = "provisioning"
	bindingsPart  = "TargetGroupBindings"
	guardsPart    = "security groups"
)

// cluster is what a daemon sees of Kubernetes.
type cluster struct {
	kube   kubernetes.Interface
	custom dynamic.Interface            // for kinds that are not Kubernetes' own
	slices []*discoveryv1.EndpointSlice // by group
}

// daemon is all that a leader runs, put together as cmd/tgsync does it: the product, and
// what provisions the groups.
type daemon struct {
	*product
	cluster   cluster
	clients   *awsapi.Clients
	watch     *groupbinding.Watch
	params    *provision.ClassWatch
	provision *provision.Loop
	bindings  *groupbinding.Loop
}

// newDaemon makes a fresh process that leads when it runs.
func newDaemon(ctx context.Context, w *world, c cluster) (*daemon, error) {
	clients, err := w.clients(ctx)
	if err != nil {
		return nil, err
	}
	d := &daemon{
		cluster: c, clients: clients,
		product: &product{kube: c.kube, slices: c.slices, liveSince: time.Now().Add(-leaseDuration)},
	}
	if d.informers, err = syncer.NewInformers(nil, c.kube); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if d.watch, err = groupbinding.NewWatch(nil, c.custom, nil, log); err != nil {
		return nil, err
	}
	if d.params, err = provision.NewClassWatch(c.custom, nil, log); err != nil {
		return nil, err
	}
	backend := securitygroup.NewBackend(securitygroup.BackendOptions{EC2: clients.EC2, VPCID: vpcID, Cluster: namespace})
	d.addProvision(backend)
	d.addBindings()
	if err := d.addGuards(backend); err != nil {
		return nil, err
	}
	d.beside = append(d.beside,
		part{name: provisionPart, run: d.provision.Run}, part{name: bindingsPart, run: d.bindings.Run},
		part{run: func(ctx context.Context) error { d.watch.Run(ctx); return nil }},
		part{run: func(ctx context.Context) error { d.params.Run(ctx); return nil }},
	)
	_, err = d.informers.OnModelChange(func(namespace string) {
		d.provision.Wake(namespace)
		d.bindings.Wake()
	})
	if err != nil {
		return nil, err
	}
	return d, d.addSyncer(api{clients.ELB, clients}, d.bindings)
}

func (d *daemon) addProvision(backend provision.Backend) {
	d.provision = provision.New(provision.Options{
		Settings: ingress.DefaultSettings(namespace), VPCID: vpcID, Subnets: provision.SubnetSettings{ClusterTagCheck: true, ByReachability: true},
		Ingresses: d.informers.Ingresses.Lister(), Classes: d.informers.IngressClasses.Lister(), Params: d.params,
		Services: d.informers.Services.Lister(), Synced: d.informers.HasSynced,
		Client: d.kube, Events: &record.FakeRecorder{}, ELB: d.clients.ELB, EC2: d.clients.EC2, ACM: d.clients.ACM,
		Backend: backend, Metrics: unmeasured{}, Log: slog.New(slog.DiscardHandler),
		Urgent:        func() map[types.NamespacedName]bool { return d.informers.ChangedSince(d.liveSince) },
		AuditInterval: provisionAuditInterval, GracePeriod: gracePeriod, ReplaceTimeout: replaceTimeout, LBLinger: lbLinger,
	})
}

func (d *daemon) addBindings() {
	d.bindings = groupbinding.New(groupbinding.Options{
		Watch: d.watch, Provisioned: d.provision, Services: d.informers.Services.Lister(), Synced: d.informers.HasSynced,
		Client: d.cluster.custom, Webhooks: d.kube.AdmissionregistrationV1(), Events: &record.FakeRecorder{},
		AWS: d.clients.ELB, Roles: func(r target.Role) groupbinding.AWS { return d.clients.Assume(r).ELB },
		Drained: func(arn string) bool { return d.syncer.Drained(arn) },
		VPCID:   vpcID, Cluster: namespace, AuditInterval: auditInterval, Log: slog.New(slog.DiscardHandler),
	})
}

func (d *daemon) addGuards(backend *securitygroup.Backend) error {
	guards := securitygroup.New(securitygroup.Options{
		EC2: d.clients.EC2, VPCID: vpcID, Cluster: namespace, Sources: []securitygroup.Source{d.provision.Needs(), d.bindings.Needs()},
		Pods: d.informers.PodsBehind, Node: d.informers.NodeBehind, Synced: d.informers.HasSynced,
		Backend: backend, AuditInterval: provisionAuditInterval, Events: &record.FakeRecorder{}, Log: slog.New(slog.DiscardHandler),
	})
	d.beside = append(d.beside, part{name: guardsPart, run: guards.Run})
	_, err := d.informers.OnReachChange(guards.Wake)
	return err
}
