package playground

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// controlPlane is etcd, the API server, the controllers and the scheduler: one child,
// which can be gone for a while. Its state, its address and all credentials outlive
// it.
type controlPlane struct {
	part    *part // the last one's
	running bool
	end     func(*process) error // how the part ends the child when it is stopped
}

// auditPolicy makes the API server write down what the daemon asks of it, and
// nothing of anybody else.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [` + daemonUser + `]
- level: None
`

// auditPolicyFile and auditLogFile are below the state directory.
const (
	auditPolicyFile = "audit-policy.yaml"
	auditLogFile    = "audit.log"
)

// newControlPlane makes room for a new cluster. An earlier run in the same directory
// left pods of another network, and nothing in AWS; its announcement would speak too
// early, and its certificate is for another address.
func (s *Stack) newControlPlane() error {
	var errs []error
	for _, name := range []string{"ready", "etcd", "certs", auditLogFile} {
		errs = append(errs, os.RemoveAll(filepath.Join(s.dir, name)))
	}
	errs = append(errs, os.WriteFile(filepath.Join(s.dir, auditPolicyFile), []byte(auditPolicy), 0o600))
	return errors.Join(errs...)
}

// StartControlPlane starts the control plane again after it was stopped or killed,
// and waits until it is usable.
func (s *Stack) StartControlPlane(ctx context.Context) error {
	c := &s.controlPlane
	if c.running {
		return errors.New("the control plane is running already")
	}
	ready := filepath.Join(s.dir, "ready") // of a killed one too
	if err := os.RemoveAll(ready); err != nil {
		return err
	}
	child, err := startProcess(command{
		path:    filepath.Join(s.opts.BinDir, "controlplane"),
		args:    s.controlPlaneArgs(),
		logFile: filepath.Join(s.dir, "controlplane.log"),
		stdin:   true,
	})
	if err != nil {
		return err
	}
	c.running, c.end = true, (*process).stop
	previous := c.part
	c.part = s.launch(ctx, func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return c.end(child)
		case <-child.ended:
			return child.endedEarly()
		}
	})
	if n := slices.Index(s.parts, previous); n >= 0 { // it is stopped in the place of the one before
		s.parts[n] = c.part
		s.parts = s.parts[:len(s.parts)-1]
	}
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	return poll(ctx, func(context.Context) error {
		_, err := os.Stat(ready)
		return err
	}, child.ifEnded)
}

func (s *Stack) controlPlaneArgs() []string {
	args := []string{
		"-dir", s.dir, "-exit-on-stdin-close",
		"-address", s.network.loopback(255, 253).String(), "-port", strconv.Itoa(apiServerPort),
		"-apiserver-arg=--audit-policy-file=" + filepath.Join(s.dir, auditPolicyFile),
		"-apiserver-arg=--audit-log-path=" + filepath.Join(s.dir, auditLogFile),
		"-apiserver-arg=--audit-log-maxsize=100", "-apiserver-arg=--audit-log-maxbackup=1", // MB: somebody may watch the demo for days
	}
	if s.opts.Dir == "" {
		args = append(args, "-remove-on-exit")
	}
	return args
}

// StopControlPlane ends the control plane in good order, as an upgrade would, and
// waits for it. Everything else goes on, until StartControlPlane or Close.
func (s *Stack) StopControlPlane() error { return s.endControlPlane((*process).terminate) }

// KillControlPlane kills the control plane, as the failure of its machine would, and
// waits for its end.
func (s *Stack) KillControlPlane() error {
	return s.endControlPlane(func(p *process) error {
		p.kill()
		return nil
	})
}

func (s *Stack) endControlPlane(end func(*process) error) error {
	c := &s.controlPlane
	if !c.running {
		return errors.New("no control plane of ours is running")
	}
	c.running, c.end = false, end
	return c.part.stop()
}
