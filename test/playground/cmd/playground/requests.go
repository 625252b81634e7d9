package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/tgsync/tgsync/test/playground"
)

// expectation is a request and its answer.
type expectation struct {
	dnsName string // "": the address that the Ingresses have now
	host    string // "": the load balancer's own name
	path    string
	port    int // 0: 80
	status  int
	body    string
}

// url is what a person would type, with the load balancer's name.
func (e expectation) url() string {
	switch e.port {
	case 0, httpPort:
		return "http://" + e.dnsName + e.path
	case httpsPort:
		return "https://" + e.dnsName + e.path
	}
	return fmt.Sprintf("http://%s:%d%s", e.dnsName, e.port, e.path)
}

func echoes(path, name string) expectation {
	return expectation{path: path, status: http.StatusOK, body: name + "\n"}
}

// atHost is the same at a host of its own.
func atHost(host, name string) expectation {
	e := echoes("/"+name, name)
	e.host = host
	return e
}

// expect asks until the answer is the right one, and shows it.
func (d *demonstration) expect(ctx context.Context, want expectation) error {
	want.dnsName = cmp.Or(want.dnsName, d.dnsName)
	option := ""
	if want.host != "" {
		option = "-H 'Host: " + want.host + "' "
	}
	if want.port == httpsPort {
		option += "--cacert ca.pem "
	}
	d.command("curl %s%s", option, want.url())
	return await(ctx, fmt.Sprintf("%d %q at %s%s", want.status, want.body, want.host, want.path), func(ctx context.Context) error {
		got, err := curl(ctx, d.stack, request{dnsName: want.dnsName, port: want.port, host: want.host, path: want.path})
		if err != nil {
			return err
		}
		if got.status != want.status || got.body != want.body {
			return fmt.Errorf("the answer was\n%s", got.raw)
		}
		if got.body != "" {
			d.print(got.body)
		} else {
			d.print(got.head()[0])
		}
		return nil
	})
}

// notFoundHead is the answer that a load balancer itself gives.
func notFoundHead() []string {
	return []string{
		"HTTP/1.1 404 Not Found",
		"Server: awselb/2.0",
		"Date: ...",
		"Content-Type: text/plain; charset=utf-8",
		"Content-Length: 0",
		"Connection: keep-alive",
	}
}

func (d *demonstration) notFound(ctx context.Context) error {
	d.command("curl -i http://%s/", d.dnsName)
	got, err := curl(ctx, d.stack, request{dnsName: d.dnsName, path: "/"})
	if err != nil {
		return err
	}
	d.print(got.raw)
	if got.body != "" {
		return fmt.Errorf("the body is %q", got.body)
	}
	return differ("the answer's head", got.head(), notFoundHead())
}

// rounds is how many requests show who is in rotation: enough for two pods to be
// met in turn several times.
const rounds = 10

// rotation asks several times and waits until exactly that many pods answer, each
// as often as the others.
func (d *demonstration) rotation(ctx context.Context, path string, pods int) error {
	d.command("for i in $(seq %d); do curl -is http://%s%s | grep %s; done | sort | uniq -c", rounds, d.dnsName, path, playground.PodHeader)
	return await(ctx, fmt.Sprintf("%d pods in rotation", pods), func(ctx context.Context) error {
		answers := map[string]int{}
		for range rounds {
			got, err := curl(ctx, d.stack, request{dnsName: d.dnsName, path: path})
			if err != nil {
				return err
			}
			if got.status != http.StatusOK {
				return fmt.Errorf("the answer was\n%s", got.raw)
			}
			answers[got.header.Get(playground.PodHeader)]++
		}
		if len(answers) != pods {
			return fmt.Errorf("answers by pod: %v", answers)
		}
		for pod, n := range answers {
			if n != rounds/pods {
				return fmt.Errorf("%s answered %d of %d requests", pod, n, rounds)
			}
		}
		for _, pod := range slices.Sorted(maps.Keys(answers)) {
			d.print(fmt.Sprintf("%7d %s: %s", answers[pod], playground.PodHeader, pod))
		}
		return nil
	})
}
