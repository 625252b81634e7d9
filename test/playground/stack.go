package playground

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/tgsync/tgsync/test/awssim"
)

// Options say what to start.
type Options struct {
	// BinDir holds the binaries controlplane, kwok and tgsync.
	BinDir string
	// DeployDir holds the manifests that give the daemon its identity; default: the
	// directory deploy beside BinDir.
	DeployDir string
	// Dir gets state and logs and is left as it is at the end, for a look at the logs:
	// the next run in it starts anew. Default: a temporary directory that is removed.
	Dir string
	// Kubeconfig names a cluster to use; default: start one. Three nodes are added to
	// it, and removed by Close; what is applied stays. Only pods on these nodes have
	// addresses that the simulated account can reach.
	Kubeconfig string
	// ClusterName is what the daemon and the subnets' tags call the cluster; default:
	// playground.
	ClusterName string
	// Sim may change how the simulated account behaves: it gets the playground's own
	// choice, in which everything that people wait for is quick.
	Sim func(*awssim.Options)
	// DaemonEnv is added to the environment of all daemons, as NAME=VALUE.
	DaemonEnv []string
	// Log gets the playground's own messages; default: nobody does.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.DeployDir == "" {
		o.DeployDir = filepath.Join(o.BinDir, "..", "deploy")
	}
	if o.ClusterName == "" {
		o.ClusterName = "playground"
	}
	if o.Sim == nil {
		o.Sim = func(*awssim.Options) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Stack is a running playground.
type Stack struct {
	opts    Options
	dir     string
	network network

	kubeconfig string
	config     *rest.Config
	clientset  kubernetes.Interface
	objects    *objects

	sim         *awssim.Sim
	awsEndpoint string
	client      *http.Client

	daemonMu sync.Mutex // guards daemons and tokens
	daemons  []*Daemon
	tokens   []string // that daemons got

	controlPlane controlPlane

	// parts are stopped last in, first out. Only Start appends, and StartControlPlane
	// replaces one.
	parts  []*part
	failed chan error // holds the first failure: nobody has to read it
	close  func() error
}

// Start starts everything but the daemon. The context bounds the start alone: the
// stack lives until Close.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{opts: o.withDefaults(), failed: make(chan error, 1)}
	s.close = sync.OnceValue(s.stop)
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"directory", s.makeDir},
		{"network", s.startNetwork},
		{"cluster", s.startCluster},
		{"nodes", s.startNodes},
		{"AWS", s.startAWS},
		{"pods", s.startPods},
	} {
		begin := time.Now()
		if err := step.do(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", step.name, err), s.Close())
		}
		s.opts.Log.Debug("started", "part", step.name, "after", time.Since(begin).Round(time.Millisecond))
	}
	return s, nil
}

// Close stops the daemons and everything else, in the opposite order of the start,
// and returns what went wrong. It may be called more than once.
func (s *Stack) Close() error { return s.close() }

func (s *Stack) stop() error {
	errs := []error{s.stopDaemons()}
	for _, p := range slices.Backward(s.parts) {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// Failed delivers the first failure of a part that should have gone on, such as a
// control plane that ended by itself.
func (s *Stack) Failed() <-chan error { return s.failed }

// ClusterName is what the daemon calls the cluster.
func (s *Stack) ClusterName() string { return s.opts.ClusterName }

// Dir is where state and logs are.
func (s *Stack) Dir() string { return s.dir }

// part is one activity of the stack.
type part struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended; err is set then
	err    error
}

// launch runs f as a part, from now until Close. Parts outlive the context of
// Start, so that they end in order.
func (s *Stack) launch(ctx context.Context, f func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &part{cancel: cancel, done: make(chan struct{})}
	s.parts = append(s.parts, p)
	go func() {
		defer close(p.done)
		err := f(ctx)
		if ctx.Err() == nil {
			s.fail(err)
		}
		if !errors.Is(err, context.Canceled) {
			p.err = err
		}
	}()
	return p
}

// atEnd makes f a part that does nothing but clean up.
func (s *Stack) atEnd(ctx context.Context, f func(context.Context) error) {
	s.launch(ctx, func(ctx context.Context) error {
		<-ctx.Done()
		return f(context.WithoutCancel(ctx))
	})
}

func (p *part) stop() error {
	p.cancel()
	<-p.done
	return p.err
}

// fail remembers the first failure.
func (s *Stack) fail(err error) {
	if err == nil {
		err = errors.New("a part ended by itself")
	}
	s.opts.Log.Error("playground failed", "error", err)
	select {
	case s.failed <- err:
	default:
	}
}

func (s *Stack) makeDir(ctx context.Context) error {
	if s.opts.Dir != "" {
		dir, err := filepath.Abs(s.opts.Dir)
		if err != nil {
			return err
		}
		s.dir = dir
		return os.MkdirAll(dir, 0o700)
	}
	dir, err := os.MkdirTemp("", "tgsync-playground-")
	if err != nil {
		return err
	}
	s.dir = dir
	s.atEnd(ctx, func(context.Context) error { return os.RemoveAll(dir) })
	return nil
}

func (s *Stack) startNetwork(ctx context.Context) error {
	n, claim, err := claimNetwork(ctx)
	if err != nil {
		return err
	}
	s.network = n
	s.atEnd(ctx, func(context.Context) error { return claim.Close() })
	return nil
}

// pollInterval is the pause between two looks at something that is waited for.
const pollInterval = 25 * time.Millisecond

// poll calls check until it returns nil. When ctx ends, what check said last is the
// reason; abort, if not nil, ends the wait with an error of its own.
func poll(ctx context.Context, check func(context.Context) error, abort func() error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if abort != nil {
			if err := abort(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}
