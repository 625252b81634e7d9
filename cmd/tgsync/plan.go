package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/caarlos0/env/v11"
)

const planUsage = `usage: tgsync plan [-o text|json] [-timeout 2m]
       tgsync plan --lbc-args "ARGS"
       tgsync plan --lbc-args -- ARG...

  reads the cluster and AWS, and prints what tgsync would create (+), change (~)
  and delete (-), what is wrong with Ingresses, and what is there of the AWS Load
  Balancer Controller. It writes nothing. The settings are the daemon's, from the
  environment; the cluster is that of KUBECONFIG or ~/.kube/config, or the one
  that the pod is in.

  -o text|json      how it is printed
  -timeout 2m       how long it may take

  --lbc-args        prints the environment variables for a command line of the
                    AWS Load Balancer Controller, as in its Deployment; what has
                    no setting is told in comments

  exit codes: 0 nothing is to be done, 2 something is, 1 something went wrong or
  would
`

// Exit codes of plan, and of cleanup: a script can ask whether there is something to do.
const (
	exitNothing = 0
	exitError   = 1
	exitChanges = 2
)

// planFlags are those of plan.
type planFlags struct {
	output  string
	timeout time.Duration
}

// plan runs the subcommand of this name and returns the exit code.
func plan(args []string) int {
	if len(args) > 0 && strings.HasPrefix(strings.TrimLeft(args[0], "-"), "lbc-args") {
		return printEnvironment(args)
	}
	f, err := parsePlan(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(planUsage)
		return exitNothing
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "tgsync plan: %v\n%s", err, planUsage)
		return exitError
	}
	c, err := loadConfig(env.ToMap(os.Environ()))
	if err != nil {
		fmt.Fprintf(os.Stderr, "tgsync plan: the configuration is wrong:\n%v\n", err)
		return exitError
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	r, err := planOf(ctx, c)
	if err == nil {
		err = r.print(os.Stdout, f.output)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "tgsync plan: %v\n", err)
		return exitError
	}
	return r.exitCode()
}

// planOf makes the plan for the cluster of whoever asks.
func planOf(ctx context.Context, c config) (*report, error) {
	w, err := personWires()
	if err != nil {
		return nil, err
	}
	return makePlan(ctx, c, w, planLog(c))
}

// parsePlan reads the flags of plan.
func parsePlan(args []string) (f planFlags, err error) {
	set := newFlags("plan")
	set.StringVar(&f.output, "o", outputText, "")
	set.DurationVar(&f.timeout, "timeout", 2*time.Minute, "")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	switch {
	case set.NArg() > 0:
		return f, fmt.Errorf("what is %q?", set.Arg(0))
	case f.output != outputText && f.output != outputJSON:
		return f, fmt.Errorf("-o %s is neither %s nor %s", f.output, outputText, outputJSON)
	case f.timeout <= 0:
		return f, fmt.Errorf("-timeout %v is not above 0", f.timeout)
	}
	return f, nil
}

// newFlags returns flags whose errors and usage the caller prints.
func newFlags(name string) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	return set
}

// planLog returns the logger of plan: what is printed is news enough.
func planLog(c config) *slog.Logger {
	level := c.LogLevel
	if level == slog.LevelInfo {
		level = slog.LevelWarn
	}
	return newLogger(os.Stderr, c.LogFormat, level)
}

// printEnvironment prints the environment for a command line of LBC.
func printEnvironment(args []string) int {
	words, err := lbcArgs(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "tgsync plan: %v\n%s", err, planUsage)
		return exitError
	}
	if err := translateArgs(os.Stdout, words); err != nil {
		fmt.Fprintf(os.Stderr, "tgsync plan: %v\n", err)
		return exitError
	}
	return exitNothing
}

// lbcArgs returns the command line that follows --lbc-args: one string, or all that
// comes after a --.
func lbcArgs(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, errors.New("--lbc-args is missing")
	}
	line, joined := strings.CutPrefix(args[0], "--lbc-args=")
	switch {
	case joined && len(args) == 1:
		return splitWords(line)
	case args[0] != "--lbc-args" || len(args) == 1:
		return nil, fmt.Errorf("what is %q?", strings.Join(args, " "))
	case args[1] == "--":
		return args[2:], nil
	case len(args) == 2:
		return splitWords(args[1])
	}
	return nil, fmt.Errorf("what is %q? Quote the whole command line, or put -- before it", strings.Join(args[2:], " "))
}
