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
	daemonTimeout = 30 * time.Second
	// tokenSeconds outlives every playground by a day.
	tokenSeconds = 24 * 60 * 60
)

// Dummy credentials: the simulated account lets everybody in.
const (
	AccessKeyID     = "AKIAPLAYGROUND000000"
	SecretAccessKey = "playground"
)

// identityKinds are the kinds that the daemon needs of its manifests when it runs
// outside of the cluster.
var identityKinds = []string{
	"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
	"IngressClass", "CustomResourceDefinition",
}

// StartDaemon starts the daemon with its own service account and waits until it is
// ready. It fails if the daemon is running already.
func (s *Stack) StartDaemon(ctx context.Context) error {
	kubeconfig, err := s.writeDaemonKubeconfig(ctx)
	if err != nil {
		return fmt.Errorf("identity of the daemon: %w", err)
	}
	child, err := s.startDaemonProcess(kubeconfig)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, daemonTimeout)
	defer cancel()
	err = poll(ctx, func(ctx context.Context) error {
		return s.ok(ctx, s.DaemonURL()+"/readyz")
	}, child.ifEnded)
	if err != nil {
		s.KillDaemon() // half a daemon is none
	}
	return err
}

// StopDaemon ends the daemon in good order, as a rollout would, and waits for it.
// Without a daemon it does nothing.
func (s *Stack) StopDaemon() error {
	if child := s.takeDaemon(); child != nil {
		return child.stop()
	}
	return nil
}

// KillDaemon kills the daemon, as a node failure would, and waits for its end.
// Without a daemon it does nothing.
func (s *Stack) KillDaemon() {
	if child := s.takeDaemon(); child != nil {
		child.kill()
	}
}

// DaemonLog is the file that gets the daemon's output, over all of its starts.
func (s *Stack) DaemonLog() string { return filepath.Join(s.dir, "tgsync.log") }

// DaemonURL is where the daemon serves /metrics, /healthz and /readyz.
func (s *Stack) DaemonURL() string { return "http://" + s.daemonAddress() }

func (s *Stack) daemonAddress() string {
	return netip.AddrPortFrom(s.network.loopback(255, 253), daemonPort).String()
}

func (s *Stack) startDaemonProcess(kubeconfig string) (*process, error) {
	s.daemonMu.Lock()
	defer s.daemonMu.Unlock()
	if s.daemon != nil && s.daemon.ifEnded() == nil {
		return nil, errors.New("the daemon is running already")
	}
	child, err := startProcess(command{
		path:    filepath.Join(s.opts.BinDir, "tgsync"),
		env:     slices.Concat(s.daemonEnv(kubeconfig), s.opts.DaemonEnv),
		logFile: s.DaemonLog(),
	})
	s.daemon = child
	return child, err
}

// takeDaemon leaves the stack without a daemon and returns it; nil if there is none.
func (s *Stack) takeDaemon() *process {
	s.daemonMu.Lock()
	defer s.daemonMu.Unlock()
	child := s.daemon
	s.daemon = nil
	return child
}

// daemonEnv is all that the daemon sees: nothing of the caller's environment, whose
// AWS settings might be real ones.
func (s *Stack) daemonEnv(kubeconfig string) []string {
	return []string{
		"HOME=" + s.dir,
		"KUBECONFIG=" + kubeconfig,
		"TGSYNC_CLUSTER_NAME=" + s.opts.ClusterName,
		"TGSYNC_VPC_ID=" + VPCID,
		"TGSYNC_METRICS_ADDRESS=" + s.daemonAddress(),
		"AWS_REGION=" + Region,
		"AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2=" + s.awsEndpoint,
		"AWS_ENDPOINT_URL_EC2=" + s.awsEndpoint,
		"AWS_ACCESS_KEY_ID=" + AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// writeDaemonKubeconfig applies the daemon's identity as an operator would and
// writes a kubeconfig with a token of its service account.
func (s *Stack) writeDaemonKubeconfig(ctx context.Context) (string, error) {
	if err := s.applyIdentity(ctx); err != nil {
		return "", err
	}
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(tokenSeconds))},
	}
	token, err := s.clientset.CoreV1().ServiceAccounts(daemonName).CreateToken(ctx, daemonName, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
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
	file := filepath.Join(s.dir, "tgsync.kubeconfig")
	return file, clientcmd.WriteToFile(*config, file)
}

func (s *Stack) applyIdentity(ctx context.Context) error {
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
