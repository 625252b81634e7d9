package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// buildTime is how long go test may take beside the tests: to compile and to link.
const buildTime = 10 * time.Minute

// bench is where mutants are run.
type bench struct {
	root    string        // of the module; absolute
	timeout time.Duration // of one mutant's tests
}

// run runs a mutant: package after package, until one notices. The error is of the
// machine or the caller's context, never of the mutant.
func (b bench) run(ctx context.Context, m mutant) (verdict, error) {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return verdict{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	overlay, err := b.overlay(m, dir)
	if err != nil {
		return verdict{outcome: failed, detail: err.Error()}, nil
	}
	v := verdict{outcome: survived}
	for _, pkg := range m.Packages {
		args := []string{"-overlay=" + overlay, "-failfast", "-run=" + m.Run, "-timeout=" + m.limit(b.timeout).String()}
		v, err = b.test(ctx, dir, pkg, args)
		if err != nil || v.outcome != survived {
			break
		}
	}
	if v.outcome == timedOut && m.Hangs.Duration > 0 {
		v = verdict{outcome: killed, by: "timeout"}
	}
	return v, err
}

// overlay writes the broken file into dir, with the list that go test wants.
func (b bench) overlay(m mutant, dir string) (string, error) {
	text, err := m.mutate(b.root)
	if err != nil {
		return "", err
	}
	broken := filepath.Join(dir, filepath.Base(m.File))
	if err := os.WriteFile(broken, []byte(text), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(b.root, m.File): broken}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// test runs go test on a package, with dir for all temporary files; empty: the
// usual place.
func (b bench) test(ctx context.Context, dir, pkg string, args []string) (verdict, error) {
	found, err := testsOf(filepath.Join(b.root, pkg))
	if err != nil {
		return verdict{}, err
	}
	// Workers run side by side: each go command keeps to one job at a time.
	args = append([]string{"test", "-json", "-vet=off", "-p=1"}, args...)
	args = append(args, "./"+filepath.ToSlash(pkg))
	if found.rapid {
		// What a property test finds is of no use to others, and would be left in testdata.
		args = append(args, "-rapid.nofailfile", "-rapid.shrinktime=0s")
	}
	limited, cancel := context.WithTimeout(ctx, b.timeout+buildTime)
	defer cancel()
	cmd := exec.CommandContext(limited, "go", args...)
	cmd.Dir = b.root
	if dir != "" {
		cmd.Env = append(os.Environ(), "TMPDIR="+dir, "GOTMPDIR="+dir)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	endWithGroup(cmd)
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return verdict{}, ctx.Err()
	case limited.Err() != nil:
		return verdict{outcome: failed, detail: fmt.Sprintf("go test did not end within %v", b.timeout+buildTime)}, nil
	}
	v := judge(pkg, stdout.Bytes(), err)
	if v.outcome == failed {
		v.detail += "\n" + stderr.String()
	}
	return v, nil
}

// endWithGroup lets a command end together with all that it has started: go test
// does not take its test binary along. A terminal's Ctrl-C does not reach the group;
// the end of the command's context does.
func endWithGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for the last of their output
}
