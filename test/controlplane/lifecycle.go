package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	pollInterval        = 50 * time.Millisecond
	apiServerTimeout    = 2 * time.Minute
	usableTimeout       = time.Minute
	controllersStopTime = 5 * time.Second
	apiServerStopTime   = 10 * time.Second
)

// errEnded says that a server ended by itself and without an error.
var errEnded = errors.New("ended")

// run starts everything in order, serves until ctx is done or a part ends, and
// stops everything in the opposite order.
func run(ctx context.Context, c config) error {
	progress := stopwatch()
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	c.dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	etcd, etcdURL, err := startEtcd(filepath.Join(dir, "etcd"))
	if err != nil {
		return err
	}
	defer etcd.Close()
	progress("etcd is ready at " + etcdURL)

	api, err := startAPIServer(ctx, c, etcdURL)
	if err != nil {
		return fmt.Errorf("kube-apiserver: %w", err)
	}
	defer api.stop(apiServerStopTime)
	clientset, err := api.waitReady(ctx, c.dir)
	if err != nil {
		return err
	}
	progress("kube-apiserver is ready at " + api.url)

	controllersCtx, cancel := detached(ctx)
	controllers := startParts(controllersCtx, cancel, controllerParts(c))
	defer controllers.stop(controllersStopTime)
	if err := waitUsable(ctx, clientset, controllers); err != nil {
		return err
	}
	progress("ready")
	defer progress("stopping")
	return serve(ctx, c.dir, api.parts, controllers)
}

// serve announces that the cluster is usable and waits for its end.
func serve(ctx context.Context, dir string, api, controllers *parts) error {
	fmt.Println("KUBECONFIG=" + kubeconfigFile(dir))
	if err := os.WriteFile(readyFile(dir), []byte(kubeconfigFile(dir)+"\n"), 0o600); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	defer os.Remove(readyFile(dir)) //nolint:errcheck // what remains is removed by the next start
	select {
	case <-ctx.Done():
		return nil
	case err := <-api.failed:
		return err
	case err := <-controllers.failed:
		return err
	}
}

// parts are servers that run in goroutines of this process until stopped.
type parts struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	// failed holds one place per part, so that none waits for a reader.
	failed chan error
}

// detached returns a context that outlives ctx: the order in which things stop is
// run's business.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(ctx))
}

// startParts runs each part until it ends by itself or cancel, which ends ctx, is
// called.
func startParts(ctx context.Context, cancel context.CancelFunc, run map[string]func(context.Context) error) *parts {
	p := &parts{cancel: cancel, failed: make(chan error, len(run))}
	for name, f := range run {
		p.wg.Go(func() {
			err := f(ctx)
			if err == nil {
				err = errEnded
			}
			if ctx.Err() == nil {
				p.failed <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	return p
}

// stop ends all parts and waits for them, but not longer than patience.
func (p *parts) stop(patience time.Duration) {
	p.cancel()
	done := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
}

// apiServer is a running kube-apiserver.
type apiServer struct {
	*parts
	url   string
	token string
}

func startAPIServer(ctx context.Context, c config, etcdURL string) (*apiServer, error) {
	token, err := writeCredentials(c.dir)
	if err != nil {
		return nil, err
	}
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(c.address, strconv.Itoa(c.port)))
	if err != nil {
		return nil, err
	}
	serveCtx, cancel := detached(ctx)
	serve, err := newAPIServer(serveCtx, c, etcdURL, lis)
	if err != nil {
		cancel()
		_ = lis.Close()
		return nil, err
	}
	p := startParts(serveCtx, cancel, map[string]func(context.Context) error{"kube-apiserver": serve})
	return &apiServer{parts: p, url: "https://" + lis.Addr().String(), token: token}, nil
}

// waitReady writes the kubeconfig and returns a client once the server is ready.
func (a *apiServer) waitReady(ctx context.Context, dir string) (*kubernetes.Clientset, error) {
	if err := writeKubeconfig(dir, a.url, a.token); err != nil {
		return nil, err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfigFile(dir))
	if err != nil {
		return nil, err
	}
	clientset, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	err = a.poll(ctx, apiServerTimeout, func(ctx context.Context) error {
		return clientset.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
	return clientset, err
}

func controllerParts(c config) map[string]func(context.Context) error {
	parts := map[string]func(context.Context) error{
		"kube-controller-manager": func(ctx context.Context) error { return runControllers(ctx, c) },
	}
	if c.scheduler {
		parts["kube-scheduler"] = func(ctx context.Context) error { return runScheduler(ctx, c) }
	}
	return parts
}

// waitUsable waits for the default service account, the last thing that a pod of
// the default namespace needs.
func waitUsable(ctx context.Context, clientset kubernetes.Interface, controllers *parts) error {
	return controllers.poll(ctx, usableTimeout, func(ctx context.Context) error {
		_, err := clientset.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// poll calls condition until it returns nil, a part fails or the time is over.
func (p *parts) poll(ctx context.Context, timeout time.Duration, condition func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, pollInterval, timeout, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-p.failed:
			return false, err
		default:
		}
		last = condition(ctx)
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// stopwatch returns a function that reports progress with the time since the start.
func stopwatch() func(string) {
	start := time.Now()
	return func(what string) {
		fmt.Fprintf(os.Stderr, "controlplane: %6.2fs %s\n", time.Since(start).Seconds(), what)
	}
}
