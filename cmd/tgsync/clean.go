package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/cleanup"
)

const cleanUsage = `usage: tgsync cleanup --cluster NAME [--yes] [--timeout 10m]

  lists the load balancers, target groups and security groups that carry the tag
  elbv2.k8s.aws/cluster=NAME, whether tgsync or the AWS Load Balancer Controller
  made them, and with --yes deletes them: load balancers do not go with their
  cluster. Whoever runs in a cluster that still lives makes them again. Needs AWS
  credentials and a Region, and no cluster.

  --cluster NAME    the cluster that is gone
  --yes             delete what is listed
  --timeout 10m     how long it may take: a security group can be deleted when the
                    network interfaces of its load balancer are gone

  exit codes: 0 nothing is left, 2 something is, 1 something went wrong
`

// cleanFlags are those of cleanup.
type cleanFlags struct {
	cluster string
	yes     bool
	timeout time.Duration
}

// clean runs the subcommand cleanup and returns the exit code.
func clean(args []string) int {
	f, err := parseClean(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(cleanUsage)
		return exitNothing
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "tgsync cleanup: %v\n%s", err, cleanUsage)
		return exitError
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	aws, err := awsapi.New(ctx, awsapi.Options{Share: 1, Cluster: f.cluster, Version: version})
	code := exitError
	if err == nil {
		code, err = cleanUp(ctx, os.Stdout, f, aws)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "tgsync cleanup: %v\n", err)
	}
	return code
}

// parseClean reads the flags of cleanup.
func parseClean(args []string) (f cleanFlags, err error) {
	set := newFlags("cleanup")
	set.StringVar(&f.cluster, "cluster", "", "")
	set.BoolVar(&f.yes, "yes", false, "")
	set.DurationVar(&f.timeout, "timeout", 10*time.Minute, "")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	switch {
	case set.NArg() > 0:
		return f, fmt.Errorf("what is %q?", set.Arg(0))
	case !clusterNames.MatchString(f.cluster):
		return f, fmt.Errorf("--cluster %q is not the name of a cluster", f.cluster)
	case f.timeout <= 0:
		return f, fmt.Errorf("--timeout %v is not above 0", f.timeout)
	}
	return f, nil
}

// cleanUp lists what is left, deletes it if that is asked for, and returns the exit code.
func cleanUp(ctx context.Context, w io.Writer, f cleanFlags, aws *awsapi.Clients) (int, error) {
	left, err := cleanup.Find(ctx, aws.ELB, aws.EC2, f.cluster)
	switch {
	case err != nil:
		return exitError, err
	case len(left) == 0:
		fmt.Fprintf(w, "Cluster %s has left nothing in AWS.\n", f.cluster)
		return exitNothing, nil
	case !f.yes:
		for _, l := range left {
			fmt.Fprintln(w, l)
		}
		fmt.Fprintf(w, "Cluster %s has left %d resources. To delete them, add --yes.\n", f.cluster, len(left))
		return exitChanges, nil
	}
	deleted := 0
	_ = cleanup.Delete(ctx, aws.ELB, aws.EC2, left, func(l cleanup.Leftover, err error) {
		if err != nil {
			fmt.Fprintf(w, "not deleted: %v: %v\n", l, err)
			return
		}
		deleted++
		fmt.Fprintf(w, "deleted: %v\n", l)
	})
	fmt.Fprintf(w, "Deleted %d of %d resources of cluster %s.\n", deleted, len(left), f.cluster)
	if deleted < len(left) {
		return exitError, nil // why was told
	}
	return exitNothing, nil
}
