package awssim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Why a request in flight ended before its answer.
var (
	errDrained      = errors.New("deregistration delay elapsed")
	errNoConnection = errors.New("no connection to the target in time")
	errNoAnswer     = errors.New("idle timeout elapsed")
	errClientGone   = errors.New("client closed the connection")
)

// statusClientGone is what a load balancer logs for a client that did not wait.
// Nobody receives it.
const statusClientGone = 460

// defaultIdleTimeout is AWS's own default for idle_timeout.timeout_seconds.
const defaultIdleTimeout = 60 * time.Second

// flight is a request that a target has not answered yet.
type flight struct{ cut context.CancelCauseFunc }

// answer serves one request. It is false if the response broke off, so that the
// connection has to end.
func (p *port) answer(w *response, r *http.Request, cut context.CancelCauseFunc) (whole bool) {
	entry := RequestLog{
		Time: time.Now(), LoadBalancer: p.listener.lb.name, Port: p.number,
		Method: r.Method, Host: r.Host, Path: r.URL.Path,
	}
	w.beforeHead = sync.OnceFunc(func() {
		entry.Status, entry.Duration = w.status, time.Since(entry.Time)
		p.sim.logRequest(entry)
		p.dress(w.header)
	})
	if r.Method == http.MethodTrace {
		w.page(http.StatusMethodNotAllowed)
		return true
	}
	d := p.decide(r, &flight{cut: cut})
	switch {
	case d.fixed != nil:
		w.fixed(d.fixed)
	case d.redirect != nil:
		w.redirect(d.redirect, p.urlOf(r))
	case d.target == nil:
		w.page(d.status)
	default:
		defer p.sim.land(d)
		entry.TargetGroup, entry.Target = d.group.name, d.address().String()
		return p.forward(w, r, d, cut)
	}
	return true
}

// dress gives a response the headers that the listener's attributes ask for.
func (p *port) dress(h http.Header) {
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	for attribute, name := range responseHeaders {
		if value := p.listener.attributes[attribute]; value != "" {
			h.Set(name, value)
		}
	}
	if p.listener.attributes[serverAttribute] == "false" {
		h.Del("Server")
	}
}

// forward sends the request to its target and streams the answer back.
func (p *port) forward(w *response, r *http.Request, d decision, cut context.CancelCauseFunc) (whole bool) {
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			whole = false
		}
	}()
	idle := time.AfterFunc(d.idleTimeout, func() { cut(errNoAnswer) })
	defer idle.Stop()
	w.touch = func() { idle.Reset(d.idleTimeout) }
	r.Body = body{r.Body, w.touch}
	whole = true
	proxy := httputil.ReverseProxy{
		Transport:     p.upstream,
		FlushInterval: -1, // Bytes leave as they come.
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite:       func(pr *httputil.ProxyRequest) { p.rewrite(pr, d) },
		ModifyResponse: func(resp *http.Response) error {
			d.sticky.stamp(resp)
			if resp.StatusCode == http.StatusSwitchingProtocols {
				idle.Stop() // From now on the bytes pass by unseen.
			}
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			status := failureStatus(r.Context(), err)
			if status == statusClientGone {
				w.status, whole = status, false
				w.beforeHead()
				return
			}
			w.page(status)
		},
	}
	// The proxy reports an answer that breaks off only to what it takes for
	// net/http's server, by a panic.
	proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{ReadHeaderTimeout: 1})))
	return whole
}

// failureStatus is the answer to a request that its target did not answer.
func failureStatus(ctx context.Context, err error) int {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errClientGone):
		return statusClientGone
	case errors.Is(cause, errNoAnswer), errors.Is(err, errNoConnection):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// rewrite turns the client's request into the one that the target sees.
func (p *port) rewrite(pr *httputil.ProxyRequest, d decision) {
	in, out := pr.In, pr.Out
	out.URL = &url.URL{
		Scheme: strings.ToLower(d.protocol), Host: d.address().String(),
		Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery, ForceQuery: in.URL.ForceQuery,
	}
	out.Host = d.host(in.Host, p.number)
	out.Body = in.Body // Of any length, see body.
	d.xff.apply(in, out)
	out.Header.Set("X-Forwarded-Proto", strings.ToLower(protocolOf(in)))
	if d.tellTLS && in.TLS != nil {
		out.Header.Set("X-Amzn-Tls-Version", strings.Replace(tls.VersionName(in.TLS.Version), "TLS ", "TLSv", 1))
		out.Header.Set("X-Amzn-Tls-Cipher-Suite", tls.CipherSuiteName(in.TLS.CipherSuite))
	}
	out.Header.Set("X-Forwarded-Port", strconv.Itoa(p.number))
	out.Header.Set("X-Amzn-Trace-Id", traceID(in.Header.Get("X-Amzn-Trace-Id"), d.number))
}

// forwardedFor is what a load balancer does with the header X-Forwarded-For.
type forwardedFor struct {
	mode string // append, preserve, remove
	port bool   // the client's port stands there, too
}

func forwardedForOf(lb *loadBalancer) forwardedFor {
	return forwardedFor{
		mode: lb.attributes["routing.http.xff_header_processing.mode"],
		port: lb.attributes["routing.http.xff_client_port.enabled"] == "true",
	}
}

func (f forwardedFor) apply(in, out *http.Request) {
	const name = "X-Forwarded-For"
	given := in.Header.Values(name)
	switch {
	case f.mode == "remove" || f.mode == "preserve" && len(given) == 0:
		out.Header.Del(name)
		return
	case f.mode == "preserve":
		out.Header[name] = given
		return
	}
	peer, _, _ := net.SplitHostPort(in.RemoteAddr)
	if f.port {
		peer = in.RemoteAddr
	}
	out.Header.Set(name, strings.Join(append(slices.Clone(given), peer), ", "))
}

// body is a request's body. It is never http.NoBody, because net/http would
// repeat a request without a body when its connection breaks; a load balancer
// answers 502 then.
type body struct {
	io.Reader
	touch func()
}

// Read implements io.Reader.
func (b body) Read(p []byte) (int, error) {
	b.touch()
	return b.Reader.Read(p)
}

// Close implements io.Closer. What is left of the body is still to be read from
// the client's connection.
func (body) Close() error { return nil }

// host is the Host header for the target: lower-cased, and with a port only if
// the listener has none of the two default ports.
func (d decision) host(given string, number int) string {
	if d.preserveHost {
		return given
	}
	name := hostname(given)
	if number == httpPort || number == httpsPort {
		return name
	}
	return fmt.Sprintf("%s:%d", name, number)
}

// address is where the chosen target listens.
func (d decision) address() netip.AddrPort {
	return netip.AddrPortFrom(d.target.key.ip, uint16(d.target.key.port))
}

// traceID is the request's trace header: a root of its own, or the load
// balancer's part in a trace that has a root.
func traceID(given string, number uint64) string {
	h := fnv.New64a()
	fmt.Fprint(h, number)
	id := fmt.Sprintf("1-%08x-%08x%016x", time.Now().Unix(), number, h.Sum64())
	if strings.Contains(given, "Root=") {
		return "Self=" + id + ";" + given
	}
	return "Root=" + id
}
