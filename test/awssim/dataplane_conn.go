package awssim

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// maxRequestHeader is the limit of request line and headers together.
const maxRequestHeader = 64 << 10

// maxUnreadBody is how much of a body that nobody wanted is read to keep the
// connection.
const maxUnreadBody = 256 << 10

// port is one open port of a load balancer. net/http's server is not used below
// it because it sorts headers and decides on Connection itself, while a load
// balancer's own answers have a fixed order.
type port struct {
	sim      *Sim
	listener *listener
	number   int
	socket   net.Listener
	upstream *http.Transport

	mu     sync.Mutex           // guards all below
	conns  map[*clientConn]bool // true: between two requests
	closed bool
}

// clientConn is a client's connection.
type clientConn struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
	cap *io.LimitedReader // below in: bounds the size of a header

	tls    *tls.ConnectionState // nil: the listener's protocol is HTTP
	idle   time.Duration        // how long it may stand still
	readBy time.Time            // when the header must be there
}

// Write implements io.Writer. A client that does not read is not waited for.
func (c *clientConn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.idle))
	return c.Conn.Write(b)
}

// serve accepts connections until the port is closed or ctx ends. It returns
// when the last connection is closed.
func (p *port) serve(ctx context.Context) {
	defer context.AfterFunc(ctx, p.close)()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		raw, err := p.socket.Accept()
		if err != nil {
			return
		}
		conns.Go(func() { p.serveConn(ctx, raw) })
	}
}

// close stops accepting and closes the connections that have no request in
// flight. The others close after their response.
func (p *port) close() {
	_ = p.socket.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c, idle := range p.conns {
		if idle {
			_ = c.Close()
		}
	}
}

// setIdle notes whether c is between two requests. It is false when the port has
// closed, after which no further request is read.
func (p *port) setIdle(c *clientConn, idle bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = idle
	return !p.closed
}

func (p *port) forget(c *clientConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *port) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// serveConn answers the requests of one connection, one after the other. The end
// of ctx cuts it off.
func (p *port) serveConn(ctx context.Context, raw net.Conn) {
	defer raw.Close() //nolint:errcheck // Nothing is left to be lost.
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	conn, state, ok := p.welcome(ctx, raw)
	if !ok {
		return
	}
	limit := &io.LimitedReader{R: conn}
	c := &clientConn{Conn: conn, in: bufio.NewReader(limit), cap: limit, tls: state}
	c.out = bufio.NewWriter(c)
	defer p.forget(c)
	for p.setIdle(c, true) && p.await(c) {
		p.setIdle(c, false)
		if !p.serveRequest(ctx, c) {
			return
		}
	}
}

// handshakeTimeout is how long a client may take to agree on TLS.
const handshakeTimeout = 10 * time.Second

// welcome lets a client in, over TLS if the listener wants that. Whom no security group
// lets in has its connection reset; at AWS it would wait for an answer in vain.
func (p *port) welcome(ctx context.Context, raw net.Conn) (conn net.Conn, state *tls.ConnectionState, ok bool) {
	p.sim.mu.Lock()
	admitted := p.sim.admitsClientLocked(p.listener.lb, p.number, raw.RemoteAddr().String())
	protocol := p.listener.protocol
	p.sim.mu.Unlock()
	if !admitted {
		if tcp, ok := raw.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // A connection that cannot be reset is closed.
		}
		return nil, nil, false
	}
	if protocol != "HTTPS" {
		return raw, nil, true
	}
	secure := tls.Server(raw, &tls.Config{GetConfigForClient: p.tlsConfig})
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, nil, false
	}
	return secure, new(secure.ConnectionState()), true
}

// await waits for the first byte of a request.
func (p *port) await(c *clientConn) bool {
	c.cap.N, c.idle = maxRequestHeader, p.idleTimeout()
	c.readBy = time.Now().Add(c.idle)
	_ = c.SetReadDeadline(c.readBy)
	_, err := c.in.Peek(1)
	return err == nil
}

// serveRequest answers one request and reports whether another may follow.
func (p *port) serveRequest(ctx context.Context, c *clientConn) bool {
	req, err := http.ReadRequest(c.in)
	_ = c.SetReadDeadline(time.Time{})
	c.cap.N = math.MaxInt64
	if err == nil && req.Host == "" && req.ProtoAtLeast(1, 1) {
		err = errors.New("no host")
	}
	if err != nil {
		c.refuse()
		return false
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unwatch := func() {}
	if req.Body == http.NoBody {
		unwatch = c.watch(func() { cancel(errClientGone) })
	} else if strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
		_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n") // An error shows again on the next read.
	}
	req.Header.Del("Expect")
	req.RemoteAddr, req.TLS = c.RemoteAddr().String(), c.tls
	w := newResponse(c, req, !req.Close)
	w.unwatch, w.closing = unwatch, p.isClosed
	whole := p.answer(w, req.WithContext(ctx), cancel)
	unwatch()
	if w.hijacked || !whole {
		return false
	}
	w.finish()
	return w.keepAlive && c.skip(req.Body)
}

// skip reads what is left of a body, so that the next request can be read, and
// is false if that is too much or does not come.
func (c *clientConn) skip(body io.Reader) bool {
	_ = c.SetReadDeadline(time.Now().Add(c.idle))
	_, err := io.CopyN(io.Discard, body, maxUnreadBody)
	return errors.Is(err, io.EOF)
}

// refuse answers a request that could not be read, and ends its connection. A
// line that is cut by the deadline looks malformed, so the clock decides.
func (c *clientConn) refuse() {
	status := http.StatusBadRequest
	if !time.Now().Before(c.readBy) {
		status = http.StatusRequestTimeout
	}
	w := newResponse(c, &http.Request{Method: http.MethodGet, ProtoMajor: 1, ProtoMinor: 1}, false)
	w.page(status)
	w.finish()
}

// watch calls gone if the client closes its connection, and is over when the
// function it returns has returned. Only a request without a body can be watched:
// the next bytes belong to nobody else.
func (c *clientConn) watch(gone func()) (unwatch func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := c.in.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			gone()
		}
	}()
	return sync.OnceFunc(func() {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // Long ago: the read ends now.
		<-done
		_ = c.SetReadDeadline(time.Time{})
	})
}
