package main

import (
	"context"
	"strings"

	"github.com/spf13/pflag"
	kcmapp "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kcmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	schedulerapp "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// neededControllers is what workloads, Services, namespaces, nodes and garbage
// collection need. The legacy Endpoints controller is there for people and tools
// that still read Endpoints.
var neededControllers = strings.Join([]string{
	"deployment-controller", "replicaset-controller", "statefulset-controller", "daemonset-controller", "job-controller",
	"disruption-controller", "ttl-after-finished-controller",
	"endpoints-controller", "endpointslice-controller", "endpointslice-mirroring-controller", "service-cidr-controller",
	"namespace-controller", "serviceaccount-controller", "serviceaccount-token-controller",
	"root-ca-certificate-publisher-controller", "clusterrole-aggregation-controller",
	"certificatesigningrequest-signing-controller", "certificatesigningrequest-approving-controller",
	"garbage-collector-controller", "pod-garbage-collector-controller",
	"node-ipam-controller", "node-lifecycle-controller", "taint-eviction-controller",
	"validatingadmissionpolicy-status-controller",
}, ",")

// runControllers runs kube-controller-manager until ctx is done.
func runControllers(ctx context.Context, c config) error {
	s, err := kcmoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	known, disabled, aliases := kcmapp.KnownControllers(), kcmapp.ControllersDisabledByDefault(), kcmapp.ControllerAliases()
	fs := pflag.NewFlagSet("kube-controller-manager", pflag.ContinueOnError)
	sets := s.Flags(known, disabled, aliases)
	for _, f := range sets.FlagSets {
		fs.AddFlagSet(f)
	}
	if err := fs.Parse(controllerArgs(c)); err != nil {
		return err
	}
	cfg, err := s.Config(ctx, known, disabled, aliases)
	if err != nil {
		return err
	}
	return kcmapp.Run(ctx, cfg.Complete())
}

func controllerArgs(c config) []string {
	args := []string{
		"--kubeconfig=" + kubeconfigFile(c.dir),
		"--leader-elect=false",
		"--secure-port=0", // no health and metrics server
		"--controllers=" + c.controllers,
		"--service-account-private-key-file=" + serviceAccountKeyFile(c.dir),
		"--root-ca-file=" + caFile(c.dir),
		"--use-service-account-credentials=false",
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--concurrent-deployment-syncs=10", "--concurrent-replicaset-syncs=10",
		"--concurrent-service-endpoint-syncs=10", "--concurrent-namespace-syncs=10",
		"--min-resync-period=12h",
	}
	if c.podCIDR != "" {
		args = append(args, "--allocate-node-cidrs=true", "--cluster-cidr="+c.podCIDR, "--node-cidr-mask-size=22",
			"--service-cluster-ip-range="+c.serviceCIDR)
	}
	return append(args, c.kcmArgs...)
}

// runScheduler runs kube-scheduler until ctx is done.
func runScheduler(ctx context.Context, c config) error {
	o := scheduleroptions.NewOptions()
	fs := pflag.NewFlagSet("kube-scheduler", pflag.ContinueOnError)
	for _, f := range o.Flags.FlagSets {
		fs.AddFlagSet(f)
	}
	kubeconfig := kubeconfigFile(c.dir)
	args := []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=1000", "--kube-api-burst=2000",
	}
	if err := fs.Parse(append(args, c.schedArgs...)); err != nil {
		return err
	}
	cc, sched, err := schedulerapp.Setup(ctx, o)
	if err != nil {
		return err
	}
	return schedulerapp.Run(ctx, cc, sched)
}
