package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// command is the whole program: arguments in, a table out.
func command(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	root := flags.String("root", ".", "where the module stands")
	rules := flags.String("rules", "test/mutants/rules", "where the mutants stand, from the root")
	selected := flags.String("select", "", "a regular expression for the names of those that are run")
	workers := flags.Int("workers", runtime.NumCPU(), "how many are run at a time")
	timeout := flags.Duration("timeout", 2*time.Minute, "how long the tests of one may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	absolute, err := filepath.Abs(*root)
	if err != nil {
		return err
	}
	mutants, err := load(filepath.Join(absolute, *rules))
	if err != nil {
		return err
	}
	pattern, err := regexp.Compile(*selected)
	if err != nil {
		return err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !pattern.MatchString(m.Name) })
	if len(mutants) == 0 {
		return fmt.Errorf("no mutant has a name like %q", *selected)
	}
	b := bench{root: absolute, timeout: *timeout}
	if err := b.intact(ctx, mutants, max(1, *workers)); err != nil {
		return err
	}
	return b.report(ctx, mutants, max(1, *workers), out)
}
