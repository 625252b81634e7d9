package playground

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// daemonName is the daemon's namespace and service account in the manifests.
	daemonName    = "tgsync"
	daemonUser    = "system:serviceaccount:" + daemonName + ":" + daemonName
	daemonTimeout = 30 * time.Second
	// tokenSeconds outlives every playground by a day.
	tokenSeconds = 24 * 60 * 60
)

// Dummy credentials: the simulated account lets everybody in. The secret ones are
// words that are nowhere else, so that a leak is found.
const (
	AccessKeyID     = "AKIAPLAYGROUND000000"
	SecretAccessKey = "secret+access+key+of+the+playground+/000"
	SessionToken    = "session+token+of+the+playground+/000000=="
)

// identityKinds are the kinds that the daemon needs of its manifests when it runs
// outside of the cluster.
var identityKinds = []string{
	"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
	"IngressClass", "CustomResourceDefinition",
}

// Daemon is one of the daemons of a stack: each has an address, a log and AWS
// credentials of its own, and all share the service account. Its methods must not be
// called at the same time.
type Daemon struct {
	stack *Stack
	n     int
	child *process // nil: not running
}

// Daemon returns the n-th daemon, 0 to 9: Start makes it run.
func (s *Stack) Daemon(n int) *Daemon {
	s.daemonMu.Lock()
	defer s.daemonMu.Unlock()
	for len(s.daemons) <= n {
		s.daemons = append(s.daemons, &Daemon{stack: s, n: len(s.daemons)})
	}
	return s.daemons[n]
}

// StartDaemon starts the daemon with its own service account and waits until it is
// ready. It fails if the daemon is running already.
func (s *Stack) StartDaemon(ctx context.Context) error { return s.Daemon(0).Start(ctx) }

// StopDaemon ends the daemon in good order, as a rollout would, and waits for it.
// Without a daemon it does nothing.
func (s *Stack) StopDaemon() error { return s.Daemon(0).Stop() }

// KillDaemon kills the daemon, as a node failure would, and waits for its end.
// Without a daemon it does nothing.
func (s *Stack) KillDaemon() { s.Daemon(0).Kill() }

// DaemonLog is the file that gets the daemon's output, over all of its starts.
func (s *Stack) DaemonLog() string { return s.Daemon(0).Log() }

// DaemonURL is where the daemon serves /metrics, /healthz and /readyz.
func (s *Stack) DaemonURL() string { return s.Daemon(0).URL() }

// Daemons returns the daemons that run.
func (s *Stack) Daemons() []*Daemon {
	s.daemonMu.Lock()
	defer s.daemonMu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.daemons), func(d *Daemon) bool { return d.child == nil || d.child.ifEnded() != nil })
}

// stopDaemons ends all daemons in good order.
func (s *Stack) stopDaemons() error {
	s.daemonMu.Lock()
	daemons := slices.Clone(s.daemons)
	s.daemonMu.Unlock()
	var errs []error
	for _, d := range daemons {
		errs = append(errs, d.Stop())
	}
	return errors.Join(errs...)
}

// Start starts the daemon and waits until it is ready. It fails if it is running
// already.
func (d *Daemon) Start(ctx context.Context) error {
	if d.child != nil && d.child.ifEnded() == nil {
		return errors.New("the daemon is running already")
	}
	kubeconfig, err := d.stack.writeDaemonKubeconfig(ctx)
	if err != nil {
		return fmt.Errorf("identity of the daemon: %w", err)
	}
	d.child, err = startProcess(command{
		path:    filepath.Join(d.stack.opts.BinDir, "tgsync"),
		env:     slices.Concat(d.env(kubeconfig), d.stack.opts.DaemonEnv),
		logFile: d.Log(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, daemonTimeout)
	defer cancel()
	err = poll(ctx, func(ctx context.Context) error { return d.stack.ok(ctx, d.URL()+"/readyz") }, d.child.ifEnded)
	if err != nil {
		d.Kill() // half a daemon is none
	}
	return err
}

// Stop ends the daemon in good order, as a rollout would, and waits for it. Of a
// daemon that does not run it does nothing.
func (d *Daemon) Stop() error {
	child := d.child
	d.child = nil
	if child == nil {
		return nil
	}
	return child.stop()
}

// Kill kills the daemon, as a node failure would, and waits for its end. Of a daemon
// that does not run it does nothing.
func (d *Daemon) Kill() {
	child := d.child
	d.child = nil
	if child != nil {
		child.kill()
	}
}

// Signal sends a signal to the daemon, which must be running.
func (d *Daemon) Signal(signal os.Signal) error { return d.child.cmd.Process.Signal(signal) }

// Name is the daemon's name in the cluster: that of its pod, if it had one.
func (d *Daemon) Name() string { return fmt.Sprintf("%s-%d", daemonName, d.n) }

// Log is the file that gets the daemon's output, over all of its starts.
func (d *Daemon) Log() string {
	if d.n == 0 {
		return filepath.Join(d.stack.dir, "tgsync.log")
	}
	return filepath.Join(d.stack.dir, d.Name()+".log")
}

// URL is where the daemon serves /metrics, /healthz and /readyz.
func (d *Daemon) URL() string { return "http://" + d.address() }

// AccessKeyID is by which AWS knows the daemon. The first one's is the constant.
func (d *Daemon) AccessKeyID() string {
	return AccessKeyID[:len(AccessKeyID)-1] + strconv.Itoa(d.n)
}

func (d *Daemon) address() string {
	return netip.AddrPortFrom(d.stack.network.loopback(255, 253), uint16(daemonPort+d.n)).String()
}

// env is all that the daemon sees: nothing of the caller's environment, whose AWS
// settings might be real ones.
func (d *Daemon) env(kubeconfig string) []string {
	s := d.stack
	return []string{
		"HOME=" + s.dir,
		"KUBECONFIG=" + kubeconfig,
		"TGSYNC_CLUSTER_NAME=" + s.opts.ClusterName,
		"TGSYNC_VPC_ID=" + VPCID,
		"TGSYNC_METRICS_ADDRESS=" + d.address(),
		"POD_NAME=" + d.Name(),
		"POD_NAMESPACE=" + daemonName,
		"AWS_REGION=" + Region,
		"AWS_ENDPOINT_URL=" + s.awsEndpoint, // of every service: nothing ever calls AWS itself
		"AWS_ACCESS_KEY_ID=" + d.AccessKeyID(),
		"AWS_SECRET_ACCESS_KEY=" + SecretAccessKey,
		"AWS_SESSION_TOKEN=" + SessionToken,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// writeDaemonKubeconfig applies the daemon's identity as an operator would and
// writes a kubeconfig with a token of its service account.
func (s *Stack) writeDaemonKubeconfig(ctx context.Context) (string, error) {
	if err := s.ApplyIdentity(ctx); err != nil {
		return "", err
	}
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(tokenSeconds))},
	}
	token, err := s.clientset.CoreV1().ServiceAccounts(daemonName).CreateToken(ctx, daemonName, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	s.daemonMu.Lock()
	s.tokens = append(s.tokens, token.Status.Token)
	s.daemonMu.Unlock()
	config, err := clientcmd.LoadFromFile(s.kubeconfig)
	if err != nil {
		return "", err
	}
	current, ok := config.Contexts[config.CurrentContext]
	if !ok {
		return "", fmt.Errorf("%s has no current context", s.kubeconfig)
	}
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{daemonName: {Token: token.Status.Token}}
	current.AuthInfo = daemonName
	return s.DaemonKubeconfig(), clientcmd.WriteToFile(*config, s.DaemonKubeconfig())
}

// DaemonKubeconfig is the kubeconfig file of the daemon that was started last. What
// it holds of credentials is the token of the daemon's service account.
func (s *Stack) DaemonKubeconfig() string { return filepath.Join(s.dir, "tgsync.kubeconfig") }

// Secrets are what daemons were given and must keep to themselves. Of each token it
// is the signature, without which the rest is worth nothing.
func (s *Stack) Secrets() []string {
	s.daemonMu.Lock()
	defer s.daemonMu.Unlock()
	secrets := []string{SecretAccessKey, SessionToken}
	for _, token := range s.tokens {
		secrets = append(secrets, token[strings.LastIndexByte(token, '.')+1:])
	}
	return secrets
}

// ApplyIdentity applies the manifests that give the daemon its service account and
// its permissions. Every start of a daemon does it.
func (s *Stack) ApplyIdentity(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(s.opts.DeployDir, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no manifests in %s", s.opts.DeployDir)
	}
	var text []byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		text = append(append(text, b...), "\n---\n"...)
	}
	docs, err := decode(text)
	if err != nil {
		return err
	}
	docs = slices.DeleteFunc(docs, func(u *unstructured.Unstructured) bool {
		return !slices.Contains(identityKinds, u.GetKind())
	})
	return s.objects.apply(ctx, docs)
}

// ok asks a URL and is content with status 200.
func (s *Stack) ok(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // nothing of it is needed
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
