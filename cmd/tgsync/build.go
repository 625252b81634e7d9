package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/metrics"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/provision"
)

// client-go's own default of 5 requests a second is made for command lines. The
// API server's priority and fairness protects it from us; this is a safety net.
const (
	kubeQPS   = 50
	kubeBurst = 100
)

// parts are the parts of a daemon, built and not started.
type parts struct {
	vpcID     string
	informers *syncer.Informers
	events    record.EventBroadcaster
	provision *provision.Loop
	syncer    *syncer.Syncer
	server    *metrics.Server
}

// clients are the daemon's ways to the outside.
type clients struct {
	kube kubernetes.Interface
	aws  *awsapi.Clients
}

// build builds a daemon from its configuration.
func build(ctx context.Context, c config, log *slog.Logger) (*parts, error) {
	m := metrics.New(version)
	cl, err := connect(ctx, c, m)
	if err != nil {
		return nil, err
	}
	d := &parts{vpcID: c.VPCID}
	if d.vpcID == "" {
		if d.vpcID, err = awsapi.VPCFromMetadata(ctx); err != nil {
			return nil, fmt.Errorf("TGSYNC_VPC_ID is not set: %w", err)
		}
	}
	if d.informers, err = syncer.NewInformers(cl.kube); err != nil {
		return nil, err
	}
	d.events = record.NewBroadcaster(record.WithContext(ctx))
	d.events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: cl.kube.CoreV1().Events("")})
	d.provision = newProvision(c, d, m, cl, log)
	if err := d.informers.OnModelChange(d.provision.Wake); err != nil {
		return nil, err
	}
	d.syncer, err = syncer.New(syncer.Options{
		AWS: cl.aws.ELB, Tokens: cl.aws, Source: d.provision, Informers: d.informers, Metrics: m, Log: log,
		Events:    d.recorder(),
		BatchSize: c.BatchSize, BatchInterval: c.BatchInterval, AuditInterval: c.AuditInterval,
	})
	if err != nil {
		return nil, err
	}
	for _, op := range syncer.Operations() {
		m.WatchPending(op,
			func() int { groups, _ := d.syncer.Pending(op); return groups },
			func() time.Duration { _, oldest := d.syncer.Pending(op); return oldest })
	}
	m.WatchParked(d.syncer.Parked)
	d.server = &metrics.Server{Metrics: m, Ready: d.ready, Log: log}
	return d, nil
}

// newProvision builds the provisioning loop.
func newProvision(c config, d *parts, m *metrics.Metrics, cl clients, log *slog.Logger) *provision.Loop {
	return provision.New(provision.Options{
		Settings:  ingress.Settings{ClusterName: c.ClusterName, IngressClass: c.IngressClass},
		VPCID:     d.vpcID,
		Ingresses: d.informers.Ingresses.Lister(),
		Classes:   d.informers.IngressClasses.Lister(),
		Services:  d.informers.Services.Lister(),
		Synced:    d.informers.HasSynced,
		Client:    cl.kube,
		Events:    d.recorder(),
		ELB:       cl.aws.ELB,
		EC2:       cl.aws.EC2,
		Metrics:   m,
		Log:       log,

		AuditInterval: c.ProvisionAuditInterval,
	})
}

// recorder returns what events are told to.
func (d *parts) recorder() record.EventRecorder {
	return d.events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "tgsync"})
}

// ready returns why the daemon cannot do its work yet.
func (d *parts) ready() error {
	if !d.informers.HasSynced() {
		return errors.New("the caches are not full yet")
	}
	return nil
}

// connect makes the clients. It calls nobody, except for what the SDK needs to
// know about its surroundings.
func connect(ctx context.Context, c config, m *metrics.Metrics) (clients, error) {
	// An empty path means the service account of the pod.
	rc, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return clients{}, fmt.Errorf("configure the Kubernetes client: %w", err)
	}
	rc.QPS, rc.Burst, rc.UserAgent = kubeQPS, kubeBurst, "tgsync/"+version
	kube, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return clients{}, fmt.Errorf("configure the Kubernetes client: %w", err)
	}
	aws, err := awsapi.New(ctx, awsapi.Options{Observer: m, Share: c.APIShare, Version: version})
	if err != nil {
		return clients{}, err
	}
	return clients{kube: kube, aws: aws}, nil
}
