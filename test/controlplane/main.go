// Command controlplane runs a real Kubernetes control plane in one process: an
// embedded etcd, kube-apiserver, kube-controller-manager and kube-scheduler.
//
// Everything listens on 127.0.0.1, on free ports unless told otherwise, and
// everything it writes is below -dir, so several run side by side. Once the
// cluster is usable its kubeconfig is named on standard output and in the file
// "ready". A restart in the same directory keeps the state and the credentials; with
// -address and -port clients find the same server again.
//
// The files, in the order in which things start: etcd.go, apiserver.go,
// credentials.go (keys, token, kubeconfig), controllers.go; lifecycle.go holds
// start and stop of all of them. The servers are built from their option
// structs, since the cobra commands cannot share a process (each installs its
// signal handler), and the real flags are given as strings.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// config is what the command line says.
type config struct {
	dir          string
	address      string
	port         int
	podCIDR      string
	serviceCIDR  string
	controllers  string
	scheduler    bool
	stdinExit    bool
	removeOnExit bool
	apiArgs      stringList
	kcmArgs      stringList
	schedArgs    stringList
}

// stringList is a flag that may be given several times.
type stringList []string

func (l *stringList) String() string { return strings.Join(*l, " ") }

// Set appends one value.
func (l *stringList) Set(s string) error {
	*l = append(*l, s)
	return nil
}

func main() {
	c := parseFlags()
	// restart ends first, and with it end.
	restart, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	end, stop := signal.NotifyContext(restart, syscall.SIGINT)
	defer stop()
	if c.stdinExit {
		// Reading cannot be interrupted: this goroutine ends with the process.
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	err := run(end, c)
	if c.removeOnExit && restart.Err() == nil {
		_ = os.RemoveAll(c.dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1) //nolint:gocritic // nothing that is deferred matters any more
	}
}

func parseFlags() config {
	var c config
	flag.StringVar(&c.dir, "dir", "", "state directory (required): kubeconfig, certificates and etcd live here")
	flag.StringVar(&c.address, "address", "127.0.0.1", "kube-apiserver address, of the loopback network")
	flag.IntVar(&c.port, "port", 0, "kube-apiserver port; 0 picks a free one")
	flag.StringVar(&c.podCIDR, "pod-cidr", "",
		"range that node.spec.podCIDR is allocated from, a /22 each; empty leaves it to whoever makes the nodes")
	flag.StringVar(&c.serviceCIDR, "service-cidr", "172.20.0.0/16", "service cluster IP range")
	flag.StringVar(&c.controllers, "controllers", neededControllers,
		"controllers to run ('*' for those that kube-controller-manager runs by itself)")
	flag.BoolVar(&c.scheduler, "scheduler", true, "run kube-scheduler")
	flag.BoolVar(&c.stdinExit, "exit-on-stdin-close", false,
		"stop when standard input is closed: ties the cluster to its parent, however that ends")
	flag.BoolVar(&c.removeOnExit, "remove-on-exit", false, "remove -dir and all in it at the end, unless SIGTERM brings it: then there is another start")
	flag.Var(&c.apiArgs, "apiserver-arg", "further kube-apiserver flag, repeatable")
	flag.Var(&c.kcmArgs, "controller-manager-arg", "further kube-controller-manager flag, repeatable")
	flag.Var(&c.schedArgs, "scheduler-arg", "further kube-scheduler flag, repeatable")
	flag.Parse()
	if c.dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	return c
}
