package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/playground"
)

const (
	demoTimeout  = 3 * time.Minute
	waitTimeout  = 30 * time.Second
	waitInterval = 50 * time.Millisecond
)

// demonstration plays the steps and remembers what later ones need.
type demonstration struct {
	*screen
	stack   *playground.Stack
	account playground.Account
	dnsName string // of the load balancer that the Ingresses have now
}

// demo plays the whole path once and fails at the first thing that differs.
func demo(ctx context.Context, o playground.Options) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	o.DaemonEnv = daemonEnv()
	begin := time.Now()
	colour := term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""
	view := &screen{out: os.Stdout, colour: colour}
	view.say("starting a Kubernetes control plane, an AWS account and tgsync")
	err := withStack(ctx, o, func(ctx context.Context, stack *playground.Stack) error {
		view.say("ready after %.1f s", time.Since(begin).Seconds())
		d := &demonstration{screen: view, stack: stack, account: stack.Account()}
		return d.play(ctx)
	})
	if err != nil {
		return err
	}
	view.print("")
	view.say("every step did what it should; %.1f s all told", time.Since(begin).Seconds())
	return nil
}

func (d *demonstration) play(ctx context.Context) error {
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Two namespaces with two Deployments and two Services each", d.deploy},
		{"An Ingress becomes a load balancer", d.firstIngress},
		{"What no rule matches is not found", d.notFound},
		{"A second pod becomes a second target", d.scaleOut},
		{"A pod that leaves is deregistered at once", d.scaleIn},
		{"Rules per host", d.hostRules},
		{"A default backend answers what no rule matches", d.defaultBackend},
		{"A default backend that does not exist is a 503", d.wrongBackend},
		{"Health checks are changed in place", d.healthChecks},
		{"Two Ingresses share one load balancer", d.group},
		{"One of them goes, the load balancer stays", d.deleteOne},
		{"An Ingress without a class gets the default one", d.defaultClass},
		{"An IngressClass of one's own", d.ownClass},
		{"Three ports for two networks", d.accessControl},
		{"Access logs and connection logs", d.logs},
		{"The last one goes, and AWS is empty but for a security group", d.deleteLast},
	} {
		d.headline(step.title)
		if err := step.do(ctx); err != nil {
			log, _ := os.ReadFile(d.stack.DaemonLog())
			d.say("the daemon's log")
			d.print(lastLines(string(log)))
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	return d.stack.StopDaemon()
}

// quotedLines is how much of the daemon's log a failed demo shows.
const quotedLines = 40

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-quotedLines):], "\n")
}

// await repeats check until it returns nil. What it said last is the error when
// the time is over.
func await(ctx context.Context, what string, check func(context.Context) error) error {
	waiting, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	tick := time.NewTicker(waitInterval)
	defer tick.Stop()
	// A check that the deadline interrupts has nothing to say about the condition.
	last := errors.New("nothing was found out")
	for {
		err := check(waiting)
		if err == nil {
			return nil
		}
		if waiting.Err() == nil {
			last = err
		}
		select {
		case <-waiting.Done():
			return fmt.Errorf("waited for %s: %w: %w", what, waiting.Err(), last)
		case <-tick.C:
		}
	}
}

// differ compares what was found with what was expected.
func differ[E comparable](what string, got, want []E) error {
	if slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%s:\n  got  %v\n  want %v", what, got, want)
}

// apply applies a manifest and shows its first documents.
func (d *demonstration) apply(ctx context.Context, name string, documents int) error {
	text, err := playground.Manifests.ReadFile("manifests/" + name)
	if err != nil {
		return err
	}
	d.command("kubectl apply -f %s", name)
	const separator = "---\n"
	all := strings.Split(string(text), separator)
	d.print(strings.Join(all[:min(documents, len(all))], separator))
	if documents < len(all) {
		d.say("and %d more like these", len(all)-documents)
	}
	return d.stack.Apply(ctx, text)
}

// show prints a listing as kubectl would.
func (d *demonstration) show(ctx context.Context, l listing) error {
	rows, err := list(ctx, d.stack, l)
	if err != nil {
		return err
	}
	d.table(rows)
	return nil
}

// readyPods returns the addresses of the ready pods of an app, in order.
func (d *demonstration) readyPods(ctx context.Context, namespace, app string) ([]string, error) {
	pods, err := d.stack.Clientset().CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + app})
	if err != nil {
		return nil, err
	}
	var ready []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		isReady := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
		if isReady && pod.DeletionTimestamp == nil {
			ready = append(ready, fmt.Sprintf("%s:%d", pod.Status.PodIP, podPort))
		}
	}
	slices.Sort(ready)
	return ready, nil
}

// podPort is where every pod of the demo listens.
const podPort = 8000

// awaitPods waits until an app has that many pods and all are ready.
func (d *demonstration) awaitPods(ctx context.Context, namespace, app string, n int) error {
	return await(ctx, fmt.Sprintf("%d ready pods of %s", n, app), func(ctx context.Context) error {
		ready, err := d.readyPods(ctx, namespace, app)
		if err == nil && len(ready) != n {
			err = fmt.Errorf("ready: %v", ready)
		}
		return err
	})
}
