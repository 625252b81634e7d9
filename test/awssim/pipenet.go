package awssim

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// PipeNet is a network in memory. Its Listen and Dial serve as those of Options,
// so that everything runs inside a synctest bubble; addresses are names of any
// form. The zero value is an empty network.
//
// Connections have no buffer, and a dial lasts until the other side accepts.
type PipeNet struct {
	mu        sync.Mutex // guards all below
	listeners map[string]*pipeListener
	clients   int // dialled so far, for their ports
}

// Listen listens on address until the listener is closed.
func (n *PipeNet) Listen(_ context.Context, network, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[string]*pipeListener{}
	}
	if n.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: pipeAddr(address), Err: syscall.EADDRINUSE}
	}
	l := &pipeListener{network: n, address: pipeAddr(address), arrivals: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

// Dial connects to what listens on address. Where nothing does, the connection
// is refused.
func (n *PipeNet) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	failed := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: pipeAddr(address), Err: err}
	}
	n.mu.Lock()
	l := n.listeners[address]
	n.clients++
	client := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: n.clients % (maxPort + 1)}
	n.mu.Unlock()
	if l == nil {
		return nil, failed(syscall.ECONNREFUSED)
	}
	near, far := net.Pipe()
	select {
	case l.arrivals <- pipeConn{far, l.address, client}:
		return pipeConn{near, client, l.address}, nil
	case <-l.closed:
		return nil, failed(syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, failed(ctx.Err())
	}
}

// pipeAddr is an address in a PipeNet.
type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }

// pipeConn is one end of a connection, with addresses.
type pipeConn struct {
	net.Conn
	local, remote net.Addr
}

func (c pipeConn) LocalAddr() net.Addr  { return c.local }
func (c pipeConn) RemoteAddr() net.Addr { return c.remote }

type pipeListener struct {
	network  *PipeNet
	address  pipeAddr
	arrivals chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.arrivals:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "pipe", Addr: l.address, Err: net.ErrClosed}
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		delete(l.network.listeners, string(l.address))
	})
	return nil
}

func (l *pipeListener) Addr() net.Addr { return l.address }
