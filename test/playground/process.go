package playground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// stopPatience is how long a child may take to end before it is killed.
const stopPatience = 20 * time.Second

// command describes a child process.
type command struct {
	path    string
	args    []string
	env     []string // nil: this process's
	logFile string   // gets its output, appended
	stdin   bool     // hold its standard input open until it is stopped
}

// process is a running child. It does not outlive this process.
type process struct {
	name    string
	logFile string
	cmd     *exec.Cmd
	stdin   io.Closer     // nil: none
	ended   chan struct{} // closed when it has ended; err is set then
	err     error
}

// startProcess starts a child that lives until it is stopped. Its end is watched
// by a goroutine that ends with it.
func startProcess(c command) (*process, error) {
	log, err := os.OpenFile(c.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	cmd := exec.Command(c.path, c.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, log, log
	cmd.SysProcAttr = ownProcessGroup(!c.stdin)
	p := &process{name: filepath.Base(c.path), logFile: c.logFile, cmd: cmd, ended: make(chan struct{})}
	if c.stdin {
		if p.stdin, err = cmd.StdinPipe(); err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", p.name, err), log.Close())
		}
	}
	started := make(chan error)
	go func() {
		defer log.Close() //nolint:errcheck // the child wrote it, and has ended
		p.live(started)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return p, nil
}

// live starts the child and waits for its end. It keeps its thread to itself all
// the while, because the kernel takes that thread for the child's parent.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// stop ends the child in good order and waits for it; one that takes too long is
// killed, which is an error.
func (p *process) stop() error {
	if p.stdin == nil {
		return p.terminate()
	}
	_ = p.stdin.Close()
	return p.wait()
}

// terminate is stop by SIGTERM, also for a child with a standard input.
func (p *process) terminate() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.wait()
}

// wait waits for the end of a child that was asked for it.
func (p *process) wait() error {
	select {
	case <-p.ended:
		if p.err != nil {
			return fmt.Errorf("%s: %w, see %s", p.name, p.err, p.logFile)
		}
		return nil
	case <-time.After(stopPatience):
		p.kill()
		return fmt.Errorf("%s did not end within %v and was killed, see %s", p.name, stopPatience, p.logFile)
	}
}

// kill ends the child without giving it a chance, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// untilStopped is the child as a part of the stack: it stops the child when ctx
// ends, and returns an error when the child ends before.
func (p *process) untilStopped(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return p.stop()
	case <-p.ended:
		return p.endedEarly()
	}
}

// ifEnded returns an error when the child has ended.
func (p *process) ifEnded() error {
	select {
	case <-p.ended:
		return p.endedEarly()
	default:
		return nil
	}
}

// endedEarly is what there is to say about a child that nobody stopped.
func (p *process) endedEarly() error {
	return fmt.Errorf("%s ended by itself (%v):\n%s", p.name, p.cmd.ProcessState, tail(p.logFile))
}

// tailBytes is how much of a log an error quotes.
const tailBytes = 2000

// tail returns the end of a log file.
func tail(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	return b[max(0, len(b)-tailBytes):]
}
