package main

import (
	"context"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/standaside"
)

// client-go's own default of 5 requests a second is made for command lines. The
// API server's priority and fairness protects it from us; this is a safety net.
const (
	kubeQPS   = 50
	kubeBurst = 100
)

// connect makes the clients, and the two that have the last word before what they send.
// It calls nobody, except for what the SDK needs to know about its surroundings.
func (d *parts) connect(ctx context.Context) error {
	c := d.config
	// An empty path means the service account of the pod.
	rc, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return fmt.Errorf("configure the Kubernetes client: %w", err)
	}
	rc.QPS, rc.Burst, rc.UserAgent = kubeQPS, kubeBurst, "tgsync/"+version
	if err := d.connectLeases(rc); err != nil {
		return err
	}
	rc.Wrap(d.fence.Wrap)
	if d.clients.events, err = typedcorev1.NewForConfig(rc); err != nil {
		return fmt.Errorf("configure the client for Events: %w", err)
	}
	rc.Wrap(d.aside.Wrap)
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
	d.clients.aws, err = awsapi.New(ctx, awsapi.Options{Observer: d.metrics, Fence: d.mayWrite, Share: c.APIShare, Cluster: c.ClusterName, Version: version})
	return err
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

// mayWrite has the last word before a request to AWS that changes something.
func (d *parts) mayWrite() error {
	if err := d.fence.Check(); err != nil {
		return err
	}
	return d.aside.Check()
}
