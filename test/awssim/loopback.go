package awssim

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// listenLoopback gives each listener of a load balancer a free port on loopback,
// since its real port may be taken or privileged.
func listenLoopback(ctx context.Context, network, _ string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, network, "127.0.0.1:0")
}

// dialLoopback reaches the target 10.A.B.C, and any IPv6 one that ends so, at 127.A.B.C, so that every pod has
// an address of its own on this machine. No other machine is ever dialled.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial target: %w", err)
	}
	ip := target.Addr()
	whole := ip.As16()
	if b := [4]byte(whole[12:]); b[0] == 10 {
		b[0] = 127
		ip = netip.AddrFrom4(b)
	}
	if !ip.IsLoopback() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s is not simulated", target.Addr())}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, netip.AddrPortFrom(ip, target.Port()).String())
}
