package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/playground"
)

// lookInterval is how often `up` looks for new load balancers.
const lookInterval = 300 * time.Millisecond

const welcome = `
Kubernetes, an AWS account and tgsync are running. In another terminal:

  export KUBECONFIG=%[1]s
  export AWS_ACCESS_KEY_ID=%[2]s AWS_SECRET_ACCESS_KEY=%[3]s AWS_DEFAULT_REGION=%[4]s

  kubectl apply -f test/playground/manifests/demo.yaml
  kubectl apply -f test/playground/manifests/ingress.yaml
  kubectl get ingress -A
  aws --endpoint-url %[5]s elbv2 describe-load-balancers

The curl line of each load balancer appears here when it is there.
The daemon logs to %[6]s and serves %[7]s/metrics.
Ctrl-C stops everything.
`

// keptCalls bounds what the account remembers of its calls and requests: up may run
// for days.
const keptCalls = 1000

// up starts the stack and leaves it running until ctx ends.
func up(ctx context.Context, o playground.Options) error {
	o.Sim = func(account *awssim.Options) { account.KeepCalls = keptCalls }
	fmt.Println("Starting a Kubernetes control plane, an AWS account and tgsync ...")
	return withStack(ctx, o, func(ctx context.Context, stack *playground.Stack) error {
		fmt.Printf(welcome, stack.Kubeconfig(), playground.AccessKeyID, playground.SecretAccessKey, playground.Region,
			stack.AWSEndpoint(), stack.DaemonLog(), stack.DaemonURL())
		return announce(ctx, os.Stdout, stack)
	})
}

// announce prints how to reach each load balancer, once for each place where one
// listens, until ctx ends.
func announce(ctx context.Context, out io.Writer, stack *playground.Stack) error {
	known := map[string]bool{}
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		lines, err := curlLines(ctx, stack)
		if ctx.Err() != nil {
			return nil // the question was interrupted
		}
		if err != nil {
			return err
		}
		for _, line := range lines {
			if !known[line] {
				known[line] = true
				fmt.Fprintln(out, line)
			}
		}
	}
}

// curlLines asks Kubernetes, where people find the addresses too.
func curlLines(ctx context.Context, stack *playground.Stack) ([]string, error) {
	ingresses, err := stack.Clientset().NetworkingV1().Ingresses(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var lines []string
	for i := range ingresses.Items {
		for _, status := range ingresses.Items[i].Status.LoadBalancer.Ingress {
			to, err := stack.ConnectTo(status.Hostname, httpPort)
			if err != nil {
				continue // it does not listen yet
			}
			host, path := firstRule(&ingresses.Items[i])
			lines = append(lines, fmt.Sprintf("\n  curl --connect-to %s %shttp://%s%s", to, host, status.Hostname, path))
		}
	}
	return lines, nil
}

// firstRule returns the path of the first rule, and curl's option for its host.
func firstRule(ingress *networkingv1.Ingress) (hostOption, path string) {
	path = "/"
	if len(ingress.Spec.Rules) == 0 {
		return "", path
	}
	rule := ingress.Spec.Rules[0]
	if rule.HTTP != nil && len(rule.HTTP.Paths) > 0 && rule.HTTP.Paths[0].Path != "" {
		path = rule.HTTP.Paths[0].Path
	}
	if rule.Host != "" {
		hostOption = "-H 'Host: " + rule.Host + "' "
	}
	return hostOption, path
}
