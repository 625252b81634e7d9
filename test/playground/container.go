package playground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// PodHeader names the pod that answered: pods of one Deployment answer alike.
const PodHeader = "X-Pod"

// defaultListen is where http-echo listens unless told otherwise.
const defaultListen = ":5678"

// echo is a container that runs hashicorp/http-echo, or behaves like it: it answers
// every request with its text.
type echo struct {
	name    string
	port    uint16
	text    string
	preStop time.Duration // lifecycle.preStop.sleep
}

// echoes returns the pod's containers that can be played.
func echoes(pod *corev1.Pod) []echo {
	var all []echo
	for i := range pod.Spec.Containers {
		if e, ok := echoOf(&pod.Spec.Containers[i]); ok {
			all = append(all, e)
		}
	}
	return all
}

// echoOf understands http-echo's flags, wherever the container has them.
func echoOf(c *corev1.Container) (echo, bool) {
	args := slices.Concat(c.Command, c.Args)
	listen, hasListen := flagValue(args, "listen")
	text, hasText := flagValue(args, "text")
	if !hasText || !hasListen && !strings.Contains(c.Image, "http-echo") {
		return echo{}, false
	}
	if !hasListen {
		listen = defaultListen
	}
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		return echo{}, false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return echo{}, false
	}
	e := echo{name: c.Name, port: uint16(number), text: text}
	if l := c.Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
		e.preStop = time.Duration(l.PreStop.Sleep.Seconds) * time.Second
	}
	return e, true
}

// flagValue finds a flag in the forms -name=value, --name=value and -name value.
func flagValue(args []string, name string) (string, bool) {
	for i, arg := range args {
		flag, ok := strings.CutPrefix(arg, "-")
		if !ok {
			continue
		}
		flag, value, joined := strings.Cut(strings.TrimPrefix(flag, "-"), "=")
		if flag != name {
			continue
		}
		if joined {
			return value, true
		}
		if i+1 < len(args) {
			return args[i+1], true
		}
	}
	return "", false
}

// run is the container's life at an address: it serves until the pod is told to
// stop, goes on for its preStop sleep, finishes the requests it has (that is what
// http-echo does on SIGTERM), and refuses connections from then on. At the end of
// the grace period, or of ctx, it is cut off.
func (e echo) run(ctx context.Context, ip netip.Addr, pod string, stop *podStop) error {
	lis, err := listen(ctx, netip.AddrPortFrom(ip, e.port).String())
	if err != nil {
		return fmt.Errorf("container %s: %w", e.name, err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: e.handler(pod)}
	served := make(chan struct{})
	go func() { // ends with the Close below
		defer close(served)
		_ = server.Serve(lis)
	}()
	defer func() {
		_ = server.Close()
		<-served
	}()

	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-stop.begun:
	}
	ctx, cancel := context.WithDeadline(ctx, stop.deadline)
	defer cancel()
	select {
	case <-ctx.Done(): // killed in its sleep
	case <-time.After(e.preStop):
	}
	// Requests that are cut off at the deadline are what the grace period means.
	_ = server.Shutdown(ctx)
	return nil
}

func (e echo) handler(pod string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set(PodHeader, pod)
		_, _ = io.WriteString(w, e.text+"\n")
	})
}

// listen waits for an address that its last owner has not yet left: Kubernetes
// gives a pod's address to the next one as soon as the pod is gone.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lis net.Listener
	err := poll(ctx, func(ctx context.Context) (err error) {
		var lc net.ListenConfig
		lis, err = lc.Listen(ctx, "tcp", address)
		return err
	}, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen at %s", address), err)
	}
	return lis, nil
}
