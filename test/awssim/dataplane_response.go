package awssim

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// awsServer is how a load balancer signs its own answers.
const awsServer = "awselb/2.0"

// headOrder is the order of the first headers of a response; others follow by
// name.
var headOrder = []string{"Server", "Date", "Content-Type", "Content-Length", "Transfer-Encoding", "Connection"}

// response writes one response to a client, header by header in the order of a
// load balancer. It is an http.ResponseWriter so that a reverse proxy can use it.
type response struct {
	conn      *clientConn
	req       *http.Request
	header    http.Header
	status    int    // 0: the head is not written
	own       bool   // made by the load balancer itself
	keepAlive bool   // until the head is written: the client's wish
	unwatch   func() // see clientConn.watch

	chunked  bool
	length   int64 // of the body, -1: not known beforehand
	written  int64
	hijacked bool
	touch    func() // called when bytes move

	beforeHead func()      // called when the status is known, before any byte of it leaves
	closing    func() bool // whether the connection is to end after this response
}

func newResponse(c *clientConn, req *http.Request, keepAlive bool) *response {
	nothing := func() {}
	return &response{
		conn: c, req: req, header: http.Header{}, keepAlive: keepAlive,
		unwatch: nothing, touch: nothing, beforeHead: nothing,
		closing: func() bool { return false },
	}
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if status < http.StatusOK {
		w.writeHead(status)
		_ = w.conn.out.Flush() // An error shows again with the final status.
		return
	}
	w.status = status
	w.beforeHead()
	w.frame()
	w.keepAlive = w.keepAlive && !w.closing()
	w.header.Set("Connection", "close")
	if w.keepAlive {
		w.header.Set("Connection", "keep-alive")
	}
	if w.header.Get("Date") == "" {
		w.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	w.writeHead(status)
}

// frame decides how the end of the body is told.
func (w *response) frame() {
	w.header.Del("Transfer-Encoding")
	w.header.Del("Trailer") // Trailers are not passed on.
	w.length = -1
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		w.length = n
	}
	switch {
	case !w.hasBody():
		w.length = 0
	case w.length >= 0:
	case w.req.ProtoAtLeast(1, 1):
		w.chunked = true
		w.header.Set("Transfer-Encoding", "chunked")
	default:
		w.keepAlive = false
	}
}

// hasBody tells whether this response may have one at all.
func (w *response) hasBody() bool {
	return w.req.Method != http.MethodHead && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

func (w *response) writeHead(status int) {
	out := w.conn.out
	fmt.Fprintf(out, "HTTP/1.1 %d %s\r\n", status, w.phrase(status))
	for _, name := range headOrder {
		w.writeField(name)
	}
	for _, name := range slices.Sorted(maps.Keys(w.header)) {
		if !slices.Contains(headOrder, name) {
			w.writeField(name)
		}
	}
	_, _ = out.WriteString("\r\n") // bufio keeps the error for Flush.
}

var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

func (w *response) writeField(name string) {
	for _, value := range w.header[name] {
		fmt.Fprintf(w.conn.out, "%s: %s\r\n", name, oneLine.Replace(value))
	}
}

// phrase is the text after a status code.
func (w *response) phrase(status int) string {
	if !w.own {
		return http.StatusText(status)
	}
	switch status {
	case http.StatusMethodNotAllowed:
		return "Not Allowed"
	case http.StatusRequestTimeout:
		return "Request Time-out"
	case http.StatusServiceUnavailable:
		return "Service Temporarily Unavailable"
	case http.StatusGatewayTimeout:
		return "Gateway Time-out"
	}
	return http.StatusText(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case !w.hasBody():
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(len(b)) > w.length:
		return 0, http.ErrContentLength
	case len(b) == 0:
		return 0, nil
	}
	if w.chunked {
		fmt.Fprintf(w.conn.out, "%x\r\n", len(b))
	}
	n, err := w.conn.out.Write(b)
	if w.chunked && err == nil {
		_, err = w.conn.out.WriteString("\r\n")
	}
	w.written += int64(n)
	w.touch()
	return n, err
}

// FlushError implements the flushing that http.ResponseController looks for.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.conn.out.Flush()
}

// Hijack implements http.Hijacker, for upgraded connections.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.hijacked, w.status = true, http.StatusSwitchingProtocols
	w.beforeHead()
	w.unwatch()
	_ = w.conn.SetWriteDeadline(time.Time{})
	return w.conn.Conn, bufio.NewReadWriter(w.conn.in, bufio.NewWriter(w.conn.Conn)), nil
}

// finish ends the body. A body shorter than announced ends the connection too.
func (w *response) finish() {
	if w.status == 0 {
		w.header.Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
	}
	if w.chunked {
		_, _ = io.WriteString(w.conn.out, "0\r\n\r\n") // bufio keeps the error for Flush.
	}
	short := w.length > w.written
	if err := w.conn.out.Flush(); err != nil || short {
		w.keepAlive = false
	}
}

// reply sends a complete answer of the load balancer itself.
func (w *response) reply(status int, contentType, body string) {
	w.own = true
	w.header.Set("Server", awsServer)
	w.header.Set("Content-Type", contentType)
	w.header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if w.hasBody() {
		_, _ = io.WriteString(w, body) // finish sees the error again.
	}
}

// fixed sends the answer of a fixed-response action.
func (w *response) fixed(f *fixedResponse) {
	status, err := strconv.Atoi(f.statusCode)
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.reply(status, cmp.Or(f.contentType, "text/plain")+"; charset=utf-8", f.body)
}

// page sends the load balancer's own page for an error.
func (w *response) page(status int) {
	w.own = true
	title := fmt.Sprintf("%d %s", status, w.phrase(status))
	w.reply(status, "text/html", "<html>\r\n<head><title>"+title+"</title></head>\r\n<body>\r\n<center><h1>"+
		title+"</h1></center>\r\n</body>\r\n</html>\r\n")
}
