package playground

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tgsync/tgsync/test/awssim"
)

// What people wait for is quick here, and never instant: whoever cannot stand a
// delay shall notice.
const (
	firstCheckWithin = 500 * time.Millisecond
	propagation      = 300 * time.Millisecond
	provisioning     = 500 * time.Millisecond
	apiLatency       = 10 * time.Millisecond
)

// loadBalancerDomain ends the DNS name of every load balancer.
const loadBalancerDomain = ".elb.amazonaws.com"

// Sim is the simulated account.
func (s *Stack) Sim() *awssim.Sim { return s.sim }

// AWSEndpoint is the URL at which the account's API answers, for all services.
func (s *Stack) AWSEndpoint() string { return s.awsEndpoint }

// HTTPClient returns the client that people of this world have: it knows the DNS
// names of the load balancers and nobody else's.
func (s *Stack) HTTPClient() *http.Client { return s.client }

// DialContext connects to a load balancer's "DNSNAME:PORT", or to an address on
// this machine.
func (s *Stack) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(host, loadBalancerDomain) {
		return s.sim.DialContext(ctx, network, address)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// ConnectTo returns the value of curl's --connect-to that leads the requests for a
// load balancer's port to where it really listens.
func (s *Stack) ConnectTo(dnsName string, port int) (string, error) {
	address, ok := s.sim.Address(dnsName, port)
	if !ok {
		return "", fmt.Errorf("no load balancer listens at %s:%d", dnsName, port)
	}
	return fmt.Sprintf("%s:%d:%s", dnsName, port, address), nil
}

func (s *Stack) startAWS(ctx context.Context) error {
	o := awssim.Options{
		Region:  Region,
		VPCs:    []awssim.VPC{s.network.vpc(s.opts.ClusterName)},
		Latency: apiLatency,
		// The daemon lives with AWS's published rates. Account takes no tokens from it.
		Throttling: true,
		Log:        s.opts.Log,
		Switches: awssim.Switches{
			FirstCheckWithin: firstCheckWithin,
			RegisterDelay:    awssim.Span{Max: propagation},
			DeregisterDelay:  awssim.Span{Max: propagation},
			ProvisioningTime: provisioning,
		},
	}
	s.opts.Sim(&o)
	sim, err := awssim.New(o)
	if err != nil {
		return err
	}
	// What ACM has for the hosts of the examples.
	if _, err := sim.AddCertificate(awssim.Certificate{Names: []string{"host.com", "*.host.com"}}); err != nil {
		return err
	}
	for _, i := range s.network.interfaces() {
		if err := sim.SetInterface(i); err != nil {
			return err
		}
	}
	var lc net.ListenConfig
	lis, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.sim, s.awsEndpoint = sim, "http://"+lis.Addr().String()
	s.launch(ctx, sim.Run)
	s.launch(ctx, func(ctx context.Context) error {
		return serve(ctx, &http.Server{Handler: sim, ReadHeaderTimeout: time.Minute}, lis)
	})
	transport := &http.Transport{DialContext: s.DialContext}
	s.client = &http.Client{Transport: transport, Timeout: time.Minute}
	s.atEnd(ctx, func(context.Context) error {
		transport.CloseIdleConnections()
		return nil
	})
	return nil
}

// serve serves until ctx ends and then closes every connection.
func serve(ctx context.Context, server *http.Server, lis net.Listener) error {
	unwatch := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer unwatch()
	if err := server.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}
