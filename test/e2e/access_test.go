package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/playground"
)

// opened waits until the security groups of the nodes let the load balancers in.
func (w *world) opened() {
	w.t.Helper()
	w.eventually("the way to the pods", func(context.Context) error {
		if slices.ContainsFunc(w.Sim().Calls(), opensTheWay) {
			return nil
		}
		return errors.New("nobody has opened it")
	})
}

func opensTheWay(c awssim.Call) bool {
	return c.Action == "AuthorizeSecurityGroupIngress" && c.Code == "OK" && toPods(c.Params)
}

// toPods knows rules that let load balancers reach pods by their description.
var toPods = awssim.Naming("elbv2.k8s.aws/targetGroupBinding=shared")

// clientAt is somebody with an address of their own, who trusts the certificates of
// the load balancers. Redirects are shown, not followed.
func (w *world) clientAt(address string) *http.Client {
	w.t.Helper()
	roots, err := w.Sim().RootCAs()
	require.NoError(w.t, err)
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "echo.host.com", MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, asked string) (net.Conn, error) {
			host, service, err := net.SplitHostPort(asked)
			if err != nil {
				return nil, err
			}
			port, err := net.LookupPort(network, service)
			if err != nil {
				return nil, err
			}
			address, ok := w.Sim().Address(host, port)
			if !ok {
				return nil, fmt.Errorf("nobody listens at %s", asked)
			}
			return from.DialContext(ctx, network, address)
		},
	}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Timeout: patience, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask asks as a client and returns the status, 0 if there is no answer, and where it
// is redirected to.
func (w *world) ask(client *http.Client, url string) (status int, location string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil)
	require.NoError(w.t, err)
	req.Host = "echo.host.com"
	resp, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	require.NoError(w.t, resp.Body.Close())
	return resp.StatusCode, resp.Header.Get("Location")
}

// TestAccess lets security groups decide who reaches whom. The load balancer speaks
// HTTPS with the certificate that ACM has for its host.
func TestAccess(t *testing.T) {
	t.Parallel()
	w := startWith(t, playground.Options{Sim: func(o *awssim.Options) { o.EnforceSecurityGroups = true }})
	refusal := w.Sim().Inject(awssim.Fault{Action: "AuthorizeSecurityGroupIngress", Where: toPods, Code: "RequestLimitExceeded", Status: http.StatusServiceUnavailable})
	w.startDaemon()
	w.apply(namespace("demo0"), echo("demo0", "echo0", echoOptions{replicas: 2}), ingress("demo0", "web", map[string]string{
		"inbound-cidrs": "10.0.50.0/24", "listen-ports": `[{"HTTP":80},{"HTTPS":443}]`, "ssl-redirect": "443",
		"healthcheck-interval-seconds": "5", "healthcheck-timeout-seconds": "2",
	}, "echo0")+"  tls: [{hosts: [echo.host.com]}]\n")
	dns := w.dnsName("demo0", "web")
	inside, outside := w.clientAt("127.0.50.1"), w.clientAt("127.0.51.1")

	w.eventually("the redirect", func(context.Context) error {
		status, location := w.ask(inside, "http://"+dns+"/echo0?q=1")
		if status != http.StatusMovedPermanently || location != "https://echo.host.com:443/echo0?q=1" {
			return fmt.Errorf("%d %q", status, location)
		}
		return nil
	})
	w.eventually("targets that cannot be reached", func(ctx context.Context) error {
		targets, err := w.groupTargets(ctx, "demo0", "echo0")
		if err == nil && (len(targets) != 2 || slices.ContainsFunc(targets, func(t playground.Target) bool { return t.Reason != "Target.Timeout" })) {
			err = fmt.Errorf("%+v", targets)
		}
		return err
	})
	require.NotZero(t, refusal.Hits())
	refusal.Clear()
	w.synced("demo0", "echo0", 2)
	w.eventually("an answer over HTTPS", func(context.Context) error {
		if status, _ := w.ask(inside, "https://"+dns+"/echo0"); status != http.StatusOK {
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
	for _, url := range []string{"http://" + dns + "/echo0", "https://" + dns + "/echo0"} {
		status, _ := w.ask(outside, url)
		require.Zero(t, status, "%s from a network that is not allowed", url)
	}

	w.annotate("demo0", "web", "inbound-cidrs", "10.0.51.0/24")
	w.eventually("the other network to be allowed instead", func(context.Context) error {
		in, _ := w.ask(inside, "https://"+dns+"/echo0")
		out, _ := w.ask(outside, "https://"+dns+"/echo0")
		if in != 0 || out != http.StatusOK {
			return fmt.Errorf("%d inside, %d outside", in, out)
		}
		return nil
	})
}
