package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

const (
	etcdStartTimeout = 30 * time.Second
	etcdQuotaBytes   = 4 << 30

	// One member has nobody to lose an election to; short periods make the
	// start a second faster.
	etcdTickMillis     = 10
	etcdElectionMillis = 50
)

// startEtcd starts a single member on free ports and returns it with the URL
// that its clients use. The caller closes it.
func startEtcd(dir string) (*embed.Etcd, string, error) {
	freePort := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg := embed.NewConfig()
	cfg.Name = "controlplane"
	cfg.Dir = dir
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = freePort, freePort
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = freePort, freePort
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.LogLevel = "fatal" // closing logs errors that are none
	cfg.LogOutputs = []string{"stderr"}
	cfg.UnsafeNoFsync = true // the state need not survive a power cut
	cfg.EnableGRPCGateway = false
	cfg.QuotaBackendBytes = etcdQuotaBytes
	cfg.TickMs, cfg.ElectionMs = etcdTickMillis, etcdElectionMillis

	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, "http://" + e.Clients[0].Addr().String(), nil
	case err = <-e.Err():
	case <-time.After(etcdStartTimeout):
		err = errors.New("not ready after " + etcdStartTimeout.String())
	}
	e.Close()
	return nil, "", fmt.Errorf("start etcd: %w", err)
}
