package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/lease"
)

// run builds the daemon and runs it until a signal ends it or a part fails.
// Everything that is started is started here.
func run(ctx context.Context, c config, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)

	w, err := daemonWires(c)
	if err != nil {
		return err
	}
	d, err := build(ctx, c, w, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.MetricsAddress)
	if err != nil {
		return fmt.Errorf("TGSYNC_METRICS_ADDRESS: %w", err)
	}
	log.InfoContext(ctx, "tgsync starts", slog.String("version", version), slog.String("cluster", c.ClusterName),
		slog.String("vpc", d.vpcID), slog.String("metrics", listener.Addr().String()))

	defer d.events.Shutdown()
	g, ctx := errgroup.WithContext(ctx)
	d.informers.Start(ctx.Done())
	defer d.informers.Shutdown()
	g.Go(func() error { return d.server.Run(ctx, listener) })
	g.Go(func() error {
		d.bindings.Run(ctx)
		return nil
	})
	g.Go(func() error {
		d.params.Run(ctx)
		return nil
	})
	g.Go(func() error {
		d.directory.Run(ctx, c.ProvisionAuditInterval, func() bool { return d.syncer.Load() == nil })
		return nil
	})
	g.Go(func() error { return d.aside.Run(ctx) })
	g.Go(func() error {
		// Whoever leads must know the cluster: a process with empty caches does not
		// stand for election.
		cache.WaitForCacheSync(ctx.Done(), d.informers.HasSynced)
		if c.DryRun { // and whoever writes nothing need not
			return d.lead(ctx, lease.Term{})
		}
		return d.candidate.Run(ctx, d.aside.Work(d.lead))
	})
	err = g.Wait()
	log.InfoContext(ctx, "tgsync stopped")
	return err
}
