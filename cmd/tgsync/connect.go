package main

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/transport"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/rehearsal"
	"github.com/tgsync/tgsync/syncer/standaside"
)

// client-go's own default of 5 requests a second is made for command lines. The
// API server's priority and fairness protects it from us; this is a safety net.
const (
	kubeQPS   = 50
	kubeBurst = 100
)

// wires are the ways to the outside.
type wires struct {
	kube *rest.Config
	aws  awsapi.HTTPClient // nil: the SDK's own
}

// daemonWires are those of the daemon.
func daemonWires(c config) (wires, error) {
	// An empty path means the service account of the pod.
	rc, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return wires{}, fmt.Errorf("configure the Kubernetes client: %w", err)
	}
	return wires{kube: rc}, nil
}

// personWires are those of a person with a command line: as kubectl, or as the daemon if
// it is in a pod.
func personWires() (wires, error) {
	rc, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return wires{}, fmt.Errorf("configure the Kubernetes client: %w", err)
	}
	return wires{kube: rc}, nil
}

// connect makes the clients, and the two that have the last word before what they send.
// It calls nobody, except for what the SDK needs to know about its surroundings.
func (d *parts) connect(ctx context.Context, w wires) error {
	c, rc := d.config, rest.CopyConfig(w.kube)
	rc.QPS, rc.Burst, rc.UserAgent = kubeQPS, kubeBurst, "tgsync/"+version
	if c.DryRun {
		rc.Wrap(rehearsal.Wrap(d.log)) // for all clients
	}
	err := d.connectLeases(rc)
	if err != nil {
		return err
	}
	d.guard(rc, d.fence.Wrap)
	if d.clients.events, err = typedcorev1.NewForConfig(rc); err != nil {
		return fmt.Errorf("configure the client for Events: %w", err)
	}
	d.guard(rc, d.aside.Wrap)
	d.clients.watches = &syncer.Watches{Namespaces: len(c.WatchNamespaces)}
	rc.Wrap(d.clients.watches.Wrap)
	if d.clients.kube, err = kubernetes.NewForConfig(rc); err != nil {
		return fmt.Errorf("configure the Kubernetes client: %w", err)
	}
	if d.clients.dynamic, err = dynamic.NewForConfig(rc); err != nil {
		return fmt.Errorf("configure the Kubernetes client: %w", err)
	}
	patches := rest.CopyConfig(rc)
	patches.QPS = -1
	if d.clients.pods, err = typedcorev1.NewForConfig(patches); err != nil {
		return fmt.Errorf("configure the client for Pods: %w", err)
	}
	d.clients.aws, err = awsapi.New(ctx, awsapi.Options{HTTPClient: w.aws, Observer: d.metrics, Fence: d.mayWrite, Share: c.APIShare, Cluster: c.ClusterName, Version: version})
	if err != nil {
		return err
	}
	d.clients.elb, d.clients.ec2 = d.elbOf(d.clients.aws), d.clients.aws.EC2
	if c.DryRun {
		d.clients.ec2 = rehearsal.EC2{EC2: d.clients.aws.EC2}
	}
	return nil
}

// guard lets what has the last word before writes stand in front of clients. The writes
// of a dry run are none.
func (d *parts) guard(rc *rest.Config, wrap transport.WrapperFunc) {
	if !d.config.DryRun {
		rc.Wrap(wrap)
	}
}

// elbOf returns the way to the ELBv2 of an account.
func (d *parts) elbOf(c *awsapi.Clients) elb {
	if d.config.DryRun {
		return rehearsal.ELB{ELB: c.ELB, Targets: &d.rehearsed}
	}
	return c.ELB
}

// connectLeases makes the clients for Leases: ours, and that of another controller.
func (d *parts) connectLeases(rc *rest.Config) error {
	// A renewal waits for no other request, and one that hangs leaves time for another
	// before the deadline.
	renewals := rest.CopyConfig(rc)
	renewals.QPS, renewals.Timeout = -1, d.config.LeaseRenewDeadline/2
	var err error
	if d.clients.leases, err = coordinationv1.NewForConfig(renewals); err != nil {
		return fmt.Errorf("configure the client for the Lease: %w", err)
	}
	watches, err := coordinationv1.NewForConfig(rc)
	if err != nil {
		return fmt.Errorf("configure the client for the Lease: %w", err)
	}
	d.aside = standaside.New(standaside.Options{
		Looks: d.clients.leases, Watches: watches, Namespace: d.config.LBCLeaseNamespace, Name: d.config.LBCLeaseName,
		Tell: d.tellAside, Log: d.log,
	})
	return nil
}

// errDryRun refuses what a rehearsal should have answered.
var errDryRun = errors.New("this is a dry run")

// mayWrite has the last word before a request to AWS that changes something.
func (d *parts) mayWrite() error {
	if d.config.DryRun {
		return errDryRun
	}
	if err := d.fence.Check(); err != nil {
		return err
	}
	return d.aside.Check()
}
