package playground

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
)

// Output is what a command that has ended said.
type Output struct {
	Stdout, Stderr string
	ExitCode       int
}

// Run runs a subcommand of tgsync to its end, with the environment and the identity of
// the first daemon, which need not run.
func (s *Stack) Run(ctx context.Context, args ...string) (Output, error) {
	kubeconfig, err := s.writeDaemonKubeconfig(ctx)
	if err != nil {
		return Output{}, fmt.Errorf("identity of the daemon: %w", err)
	}
	return s.run(ctx, slices.Concat(s.Daemon(0).env(kubeconfig), s.opts.DaemonEnv), args)
}

// RunWithoutCluster does the same without a cluster, and without what is said of it.
func (s *Stack) RunWithoutCluster(ctx context.Context, args ...string) (Output, error) {
	env := slices.DeleteFunc(s.Daemon(0).env(""), func(variable string) bool {
		return !bytes.HasPrefix([]byte(variable), []byte("AWS_"))
	})
	return s.run(ctx, env, args)
}

func (s *Stack) run(ctx context.Context, env, args []string) (Output, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(s.opts.BinDir, "tgsync"), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &stdout, &stderr
	err := cmd.Run()
	out := Output{Stdout: stdout.String(), Stderr: stderr.String(), ExitCode: cmd.ProcessState.ExitCode()}
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		err = nil // the code says it
	}
	return out, err
}
