// Command playground runs tgsync on this machine against a real Kubernetes API
// server and a simulated AWS account: `playground demo` plays the whole path once,
// checks every step and cleans up; `playground up` leaves the same stack running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/lmittmann/tint"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/tgsync/tgsync/test/playground"
)

const usage = `usage: playground up|demo [flags]

  up    start the cluster, the account and the daemon, and leave them running until Ctrl-C
  demo  play the whole path once, from the first Ingress to an empty account

Flags:`

// ownClusterVariable is what has to be said so that an existing cluster is used: a
// kubeconfig that merely happens to be there must not be enough.
const ownClusterVariable = "PLAYGROUND_USE_KUBECONFIG"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nplayground:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	options, command, err := parse(args)
	if err != nil {
		return err
	}
	if command == "demo" {
		return demo(ctx, options)
	}
	return up(ctx, options)
}

func parse(args []string) (playground.Options, string, error) {
	var o playground.Options
	var verbose, useKubeconfig bool
	flags := flag.NewFlagSet("playground", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.BinDir, "bin", "bin", "directory of the binaries controlplane, kwok and tgsync")
	flags.StringVar(&o.DeployDir, "deploy", "", "directory of the daemon's manifests (default: deploy beside -bin)")
	flags.StringVar(&o.Dir, "dir", "", "keep state and logs in this directory (default: a temporary one, removed at the end)")
	flags.BoolVar(&verbose, "v", false, "log what the playground does")
	flags.BoolVar(&useKubeconfig, "use-kubeconfig", os.Getenv(ownClusterVariable) == "1",
		"use the cluster that KUBECONFIG names instead of starting one; also by "+ownClusterVariable+"=1")
	if len(args) == 0 || args[0] != "up" && args[0] != "demo" {
		flags.Usage()
		return o, "", flag.ErrHelp
	}
	if err := flags.Parse(args[1:]); err != nil {
		return o, "", err
	}
	if useKubeconfig {
		if o.Kubeconfig = os.Getenv("KUBECONFIG"); o.Kubeconfig == "" {
			return o, "", errors.New("KUBECONFIG names no cluster")
		}
	}
	o.Log = slog.New(slog.DiscardHandler)
	if verbose {
		o.Log = slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{Level: slog.LevelDebug}))
	}
	klog.SetSlogLogger(o.Log) // what client-go has to say
	return o, args[0], nil
}

// withStack starts everything, the daemon included, lets do work with it, and
// stops everything. When a part fails meanwhile, do's context ends.
func withStack(ctx context.Context, o playground.Options, do func(context.Context, *playground.Stack) error) (err error) {
	stack, err := playground.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	if err := stack.StartDaemon(ctx); err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	g.Go(func() error {
		select {
		case err := <-stack.Failed():
			return err
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		defer cancel()
		return do(ctx, stack)
	})
	return g.Wait()
}
