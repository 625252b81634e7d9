package playground

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Manifests holds kwok.yaml, which plays the kubelet, and the examples that the
// demo applies.
//
//go:embed manifests/*.yaml
var Manifests embed.FS

const (
	clusterTimeout = 2 * time.Minute
	nodesTimeout   = 30 * time.Second
)

// Kubeconfig is the administrator's kubeconfig file.
func (s *Stack) Kubeconfig() string { return s.kubeconfig }

// Config returns the administrator's access to the cluster, without a client-side
// rate limit.
func (s *Stack) Config() *rest.Config { return rest.CopyConfig(s.config) }

// Clientset is a client with the administrator's rights.
func (s *Stack) Clientset() kubernetes.Interface { return s.clientset }

func (s *Stack) startCluster(ctx context.Context) error {
	s.kubeconfig = s.opts.Kubeconfig
	if s.kubeconfig == "" {
		s.kubeconfig = filepath.Join(s.dir, "admin.kubeconfig")
		if err := s.newControlPlane(); err != nil {
			return err
		}
		if err := s.StartControlPlane(ctx); err != nil {
			return err
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	config.QPS = -1 // no limit
	config.WarningHandlerWithContext = rest.NoWarnings{}
	s.config = config
	if s.clientset, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	s.objects, err = newObjects(config, s.clientset.Discovery())
	return err
}

// startNodes makes the nodes and starts KWOK, which brings them and their pods to
// life, and waits until pods can be scheduled.
func (s *Stack) startNodes(ctx context.Context) error {
	nodes := s.network.nodes()
	client := s.clientset.CoreV1().Nodes()
	for _, n := range nodes {
		if _, err := client.Create(ctx, n, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	if s.opts.Kubeconfig != "" {
		s.atEnd(ctx, func(ctx context.Context) error {
			return client.DeleteCollection(ctx, metav1.DeleteOptions{}, s.ownNodes())
		})
	}
	if err := s.startKWOK(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, nodesTimeout)
	defer cancel()
	return poll(ctx, func(ctx context.Context) error {
		list, err := client.List(ctx, s.ownNodes())
		if err != nil {
			return err
		}
		for i := range list.Items {
			if len(list.Items[i].Spec.Taints) > 0 || !nodeReady(&list.Items[i]) {
				return fmt.Errorf("node %s is not ready", list.Items[i].Name)
			}
		}
		return nil
	}, nil)
}

func (s *Stack) ownNodes() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: nodeLabel + "=" + s.network.label()}
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (s *Stack) startKWOK(ctx context.Context) error {
	stages, err := Manifests.ReadFile("manifests/kwok.yaml")
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "kwok.yaml")
	if err := os.WriteFile(file, stages, 0o600); err != nil {
		return err
	}
	child, err := startProcess(command{
		path: filepath.Join(s.opts.BinDir, "kwok"),
		args: []string{
			"--kubeconfig", s.kubeconfig, "--config", file,
			// Only our own nodes: in a cluster of somebody else's there are others.
			"--manage-nodes-with-label-selector", nodeLabel + "=" + s.network.label(),
		},
		logFile: filepath.Join(s.dir, "kwok.log"),
	})
	if err != nil {
		return err
	}
	s.launch(ctx, child.untilStopped)
	return nil
}
