package takeover

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/metrics"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/syncer/provision"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/syncer/target"
)

// The daemon's own settings.
const (
	auditInterval          = 10 * time.Minute
	provisionAuditInterval = time.Hour
	gracePeriod            = time.Minute
	linger                 = 10 * time.Minute
)

// daemon is what a leader runs, put together as cmd/tgsync does it.
type daemon struct {
	world     *world
	kube      kubernetes.Interface
	custom    dynamic.Interface
	aws       *awsapi.Clients
	log       *slog.Logger
	metrics   *metrics.Metrics
	events    record.EventRecorder
	informers *syncer.Informers
	bindings  *groupbinding.Watch
	params    *provision.ClassWatch
	syncer    atomic.Pointer[syncer.Syncer]
	provision *provision.Loop
}

// start starts a leader that takes over from LBC, of whose term nothing is known.
func (w *world) start() {
	w.t.Helper()
	d := &daemon{world: w, log: slog.New(slog.DiscardHandler), metrics: metrics.New("test"), events: &record.FakeRecorder{}}
	config := w.kube.Config()
	config.UserAgent = "tgsync"
	var err error
	d.kube, err = kubernetes.NewForConfig(config)
	require.NoError(w.t, err)
	d.custom, err = dynamic.NewForConfig(config)
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	d.aws, err = awsapi.New(ctx, awsapi.Options{HTTPClient: &http.Client{Transport: w.sim.Transport()}, Cluster: cluster})
	require.NoError(w.t, err)
	d.informers, err = syncer.NewInformers(nil, d.kube)
	require.NoError(w.t, err)
	d.bindings, err = groupbinding.NewWatch(nil, d.custom, nil, d.log)
	require.NoError(w.t, err)
	d.params, err = provision.NewClassWatch(d.custom, nil, d.log)
	require.NoError(w.t, err)
	w.daemon = d
	end := d.run(ctx)
	w.stop = func() {
		cancel()
		end()
		w.stop = func() {}
	}
}

// run starts all loops and returns what waits for their end.
func (d *daemon) run(ctx context.Context) (end func()) {
	t := d.world.t
	backend := securitygroup.NewBackend(securitygroup.BackendOptions{EC2: d.aws.EC2, VPCID: vpcID, Cluster: cluster, Tags: defaultTags})
	loop := provision.New(d.provisioning(backend))
	d.provision = loop
	bindings := groupbinding.New(groupbinding.Options{
		Watch: d.bindings, Provisioned: loop, Services: d.informers.Services.Lister(), Synced: d.informers.HasSynced, Client: d.custom,
		Webhooks: d.kube.AdmissionregistrationV1(), Events: d.events, AWS: d.aws.ELB, VPCID: vpcID, Cluster: cluster, AuditInterval: auditInterval, Log: d.log,
		Roles: func(r target.Role) groupbinding.AWS { return d.aws.Assume(r).ELB },
		Drained: func(arn string) bool {
			s := d.syncer.Load()
			return s != nil && s.Drained(arn)
		},
	})
	guards := securitygroup.New(securitygroup.Options{
		EC2: d.aws.EC2, VPCID: vpcID, Cluster: cluster, Sources: []securitygroup.Source{loop.Needs(), bindings.Needs()},
		Pods: d.informers.PodsBehind, Node: d.informers.NodeBehind, Synced: d.informers.HasSynced, Backend: backend,
		Unrestricted: d.world.settings.DisableRestrictedRules, AuditInterval: provisionAuditInterval, Events: d.events, Log: d.log,
	})
	s, err := syncer.New(syncer.Options{
		AWS: d.aws.ELB, Tokens: d.aws, Roles: func(r target.Role) (syncer.TargetAPI, syncer.Tokens) { c := d.aws.Assume(r); return c.ELB, c },
		Source: bindings, Informers: d.informers, Metrics: d.metrics, Events: d.events, Log: d.log, BatchSize: 200, BatchInterval: 200 * time.Millisecond,
		AuditInterval: auditInterval, GracePeriod: gracePeriod, FailOpen: true, Pods: d.kube.CoreV1(), GateLatch: true, GateTimeout: auditInterval,
		Ledger: groupbinding.NewLedger(d.kube.CoreV1(), d.bindings), Live: syncer.ReadLiveSlices(d.kube.DiscoveryV1()),
	})
	require.NoError(t, err)
	d.syncer.Store(s)
	unhook, err := d.informers.OnModelChange(func(namespace string) {
		loop.Wake(namespace)
		bindings.Wake()
	})
	require.NoError(t, err)
	unreach, err := d.informers.OnReachChange(guards.Wake)
	require.NoError(t, err)
	d.informers.Start(ctx.Done())
	var running sync.WaitGroup
	running.Go(func() { d.bindings.Run(ctx) })
	running.Go(func() { d.params.Run(ctx) })
	for _, run := range []func(context.Context) error{loop.Run, bindings.Run, guards.Run, s.Run} {
		running.Go(func() { require.NoError(t, run(ctx)) })
	}
	return func() {
		running.Wait()
		require.NoError(t, unhook())
		require.NoError(t, unreach())
		d.informers.Shutdown()
	}
}

func (d *daemon) provisioning(backend provision.Backend) provision.Options {
	return provision.Options{
		Settings: d.world.settings, VPCID: vpcID, Subnets: provision.SubnetSettings{ClusterTagCheck: true, ByReachability: true},
		Ingresses: d.informers.Ingresses.Lister(), Classes: d.informers.IngressClasses.Lister(), Services: d.informers.Services.Lister(),
		Params: d.params, Synced: d.informers.HasSynced, Client: d.kube, Events: d.events, ELB: d.aws.ELB, EC2: d.aws.EC2, ACM: d.aws.ACM, Backend: backend,
		Urgent:  func() map[types.NamespacedName]bool { return nil },
		Metrics: d.metrics, Log: d.log, AuditInterval: provisionAuditInterval, GracePeriod: gracePeriod,
		ReplaceTimeout: 2 * time.Minute, LBLinger: linger,
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wrote returns what changed in AWS and in the cluster since a moment: the actions of AWS,
// and "verb resource namespace/name".
func (w *world) wrote(since time.Time) []string {
	var all []string
	for _, c := range w.sim.Calls() {
		if !c.Time.Before(since) && !strings.HasPrefix(c.Action, "Describe") && !strings.HasPrefix(c.Action, "List") && !strings.HasPrefix(c.Action, "Get") {
			all = append(all, c.Action)
		}
	}
	for _, c := range w.kube.Calls() {
		if c.UserAgent == "tgsync" && !c.Time.Before(since) && !slices.Contains([]string{"get", "list", "watch"}, c.Verb) {
			all = append(all, c.Verb+" "+c.Resource+" "+c.Namespace+"/"+c.Name)
		}
	}
	return all
}

// asked returns how often AWS was asked something since a moment.
func (w *world) asked(since time.Time) (n int) {
	for _, c := range w.sim.Calls() {
		if !c.Time.Before(since) {
			n++
		}
	}
	return n
}

// synced returns the states of the target groups that are synced, by name.
func (w *world) synced() map[string]string {
	states := map[string]string{}
	for _, s := range w.daemon.syncer.Load().Status() {
		states[s.Binding.GroupName] = string(s.State)
	}
	return states
}
