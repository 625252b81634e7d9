// Command tgsync keeps AWS Elastic Load Balancing v2 target groups equal to the
// pods that should receive traffic, and provisions the Application Load Balancers
// that Ingresses ask for.
//
//	tgsync [run]     run the daemon
//	tgsync plan      print what the daemon would do, or translate a command line of the
//	                 AWS Load Balancer Controller
//	tgsync cleanup   list or delete what a cluster that is gone has left in AWS
//	tgsync version   print the version
//
// It is configured by environment variables alone: see config.go, or the table in
// the README.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/caarlos0/env/v11"

	"github.com/tgsync/tgsync/syncer/rehearsal"
)

// version is set by the linker.
var version = "devel"

const usage = `usage: tgsync [run | plan | cleanup | version]

  run       run the daemon (default); configured by TGSYNC_* environment variables
  plan      print what the daemon would do, and do nothing; with --lbc-args: print
            the environment for a command line of the AWS Load Balancer Controller
  cleanup   list, or with --yes delete, what a cluster that is gone has left in AWS

  plan and cleanup tell more with --help
  version   print the version
`

// Exit codes of the daemon: 1 the daemon failed, 2 it was called or configured wrongly.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(command(os.Args[1:])) }

// command runs a subcommand and returns the exit code.
func command(args []string) int {
	name := "run"
	if len(args) > 0 {
		name = args[0]
	}
	switch {
	case name == "plan":
		return plan(args[1:])
	case name == "cleanup":
		return clean(args[1:])
	case len(args) > 1:
	case name == "run":
		return daemon()
	case name == "version":
		fmt.Println("tgsync", version)
		return 0
	case name == "help" || name == "-h" || name == "--help":
		fmt.Print(usage)
		return 0
	}
	fmt.Fprint(os.Stderr, usage)
	return exitUsage
}

// daemon runs the daemon until it is told to stop.
func daemon() int {
	c, err := loadConfig(env.ToMap(os.Environ()))
	if err != nil {
		fmt.Fprintf(os.Stderr, "tgsync: the configuration is wrong:\n%v\n", err)
		return exitUsage
	}
	log := newLogger(os.Stderr, c.LogFormat, c.LogLevel)
	if c.DryRun {
		log = slog.New(rehearsal.NewLog(log.Handler(), 2*max(c.AuditInterval, c.ProvisionAuditInterval)))
	}
	if err := run(context.Background(), c, log); err != nil {
		log.Error("tgsync failed", slog.Any("error", err))
		return exitFailed
	}
	return 0
}
