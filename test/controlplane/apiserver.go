package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/spf13/pflag"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	apiserverapp "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// newAPIServer configures kube-apiserver on lis and returns the function that
// serves. Both take the same context: what the configuration starts ends with it.
func newAPIServer(ctx context.Context, c config, etcdURL string, lis net.Listener) (func(context.Context) error, error) {
	s := apiserveroptions.NewServerRunOptions()
	fs := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	sets := s.Flags()
	globalflag.AddGlobalFlags(sets.FlagSet("global"), "kube-apiserver", logs.SkipLoggingConfigurationFlags())
	for _, f := range sets.FlagSets {
		fs.AddFlagSet(f)
	}
	if err := fs.Parse(apiServerArgs(c, etcdURL)); err != nil {
		return nil, err
	}
	addr, ok := lis.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("listener address %s is not TCP", lis.Addr())
	}
	s.SecureServing.Listener = lis
	s.SecureServing.BindPort = addr.Port

	if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	if err := logsapi.ValidateAndApply(s.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return nil, err
	}
	completed, err := s.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return func(ctx context.Context) error { return apiserverapp.Run(ctx, completed) }, nil
}

func apiServerArgs(c config, etcdURL string) []string {
	return append([]string{
		"--etcd-servers=" + etcdURL,
		"--cert-dir=" + filepath.Join(c.dir, "certs"),
		"--bind-address=" + c.address,
		// Loopback may not be advertised; nothing is, so the value is never used.
		"--advertise-address=192.0.2.1",
		"--endpoint-reconciler-type=none",
		"--token-auth-file=" + tokenFile(c.dir),
		"--anonymous-auth=true",
		"--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range=" + c.serviceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + serviceAccountKeyFile(c.dir),
		"--service-account-signing-key-file=" + serviceAccountKeyFile(c.dir),
		"--allow-privileged=true",
		"--profiling=false",
		"--v=0",
	}, c.apiArgs...)
}
