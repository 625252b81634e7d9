package awssim

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// midnight is when every synctest bubble begins.
const midnight = "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n"

// dialRaw opens a connection to the load balancer on which a test speaks HTTP
// byte by byte.
func dialRaw(t *testing.T, s *Sim) *rawConn {
	t.Helper()
	conn, err := s.DialContext(t.Context(), "tcp", dns+":80")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &rawConn{Conn: conn, in: bufio.NewReader(conn)}
}

type rawConn struct {
	net.Conn
	in *bufio.Reader
}

// exchange sends a request and returns as many bytes as the wanted answer has.
func (c *rawConn) exchange(t *testing.T, request, want string) string {
	t.Helper()
	// An answer may come before the whole request is sent.
	go func() { _, _ = io.WriteString(c, request) }()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.in, got)
	require.NoError(t, err, "got %q", got[:n])
	return string(got)
}

func (c *rawConn) requireOpen(t *testing.T) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err := c.in.ReadByte()
	var timeout net.Error
	require.ErrorAs(t, err, &timeout, "neither another byte nor an end")
	require.NoError(t, c.SetReadDeadline(time.Time{}))
}

func (c *rawConn) requireClosed(t *testing.T) {
	t.Helper()
	_, err := c.in.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

func errorPage(title, connection string) string {
	body := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n"
	return "HTTP/1.1 " + title + "\r\nServer: awselb/2.0\r\n" + midnight + "Content-Type: text/html\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\nConnection: " + connection + "\r\n\r\n" + body
}

// The first two are the answers that the AWS Load Balancer Controller's users
// know: a path without a rule, and a rule without a service.
func TestAnswersByteForByte(t *testing.T) {
	notFound := "HTTP/1.1 404 Not Found\r\nServer: awselb/2.0\r\n" + midnight +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
	for name, tc := range map[string]struct {
		rule    *rule
		request string
		want    string
		closes  bool
	}{
		"404 without a body": {
			rule: fixedRule("404", ""), request: "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", want: notFound,
		},
		"503 with a body": {
			rule: fixedRule("503", "Backend service does not exist"), request: "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
			want: "HTTP/1.1 503 Service Temporarily Unavailable\r\nServer: awselb/2.0\r\n" + midnight +
				"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 30\r\nConnection: keep-alive\r\n\r\nBackend service does not exist",
		},
		"to HEAD": {
			rule: fixedRule("200", "hello"), request: "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
			want: "HTTP/1.1 200 OK\r\nServer: awselb/2.0\r\n" + midnight +
				"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
		},
		"to a request with a body": {
			rule: fixedRule("404", ""), request: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", want: notFound,
		},
		"to a client that closes": {
			rule: fixedRule("404", ""), request: "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			want: strings.Replace(notFound, "keep-alive", "close", 1), closes: true,
		},
		"to HTTP/1.0": {
			rule: fixedRule("404", ""), request: "GET / HTTP/1.0\r\n\r\n",
			want: strings.Replace(notFound, "keep-alive", "close", 1), closes: true,
		},
		"TRACE": {
			rule: fixedRule("404", ""), request: "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", want: errorPage("405 Not Allowed", "keep-alive"),
		},
		"no host": {
			rule: fixedRule("404", ""), request: "GET / HTTP/1.1\r\n\r\n", want: errorPage("400 Bad Request", "close"), closes: true,
		},
		"header too long": {
			rule: fixedRule("404", ""), request: "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10),
			want: errorPage("400 Bad Request", "close"), closes: true,
		},
		"half a request": {
			rule: fixedRule("404", ""), request: "GET / HT", closes: true,
			want: strings.Replace(errorPage("408 Request Time-out", "close"), "00:00:00", "00:01:00", 1),
		},
		"malformed": {
			rule: fixedRule("404", ""), request: "hello\r\n\r\n", want: errorPage("400 Bad Request", "close"), closes: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, s := inBubble(t, Options{})
				addBalancer(s, 80, tc.rule)
				synctest.Wait()
				conn := dialRaw(t, s)
				require.Equal(t, tc.want, conn.exchange(t, tc.request, tc.want))
				if tc.closes {
					conn.requireClosed(t)
				} else {
					conn.requireOpen(t)
				}
			})
		})
	}
}

func TestEmptyGroupAnswers503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := inBubble(t, Options{})
		addBalancer(s, 80, always(addGroup(s, "g")))
		synctest.Wait()
		conn, want := dialRaw(t, s), errorPage("503 Service Temporarily Unavailable", "keep-alive")
		for range 2 {
			require.Equal(t, want, conn.exchange(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", want), "twice on one connection")
		}
	})
}

// A connection goes on after a request with a body, if the rest of that comes.
func TestConnectionsOutliveBodies(t *testing.T) {
	for name, tc := range map[string]struct {
		path   string
		length int
		sent   int
		closes bool
	}{
		"read by the target":        {"/all", 1 << 20, 1 << 20, false},
		"ignored by the target":     {"/none", 100, 100, false},
		"ignored by all":            {"/fixed", 200 << 10, 200 << 10, false},
		"ignored, and too much":     {"/fixed", 1 << 20, 1 << 20, true},
		"ignored, and not all came": {"/fixed", 100, 99, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, s := inBubble(t, Options{})
				g := addGroup(s, "g")
				fixed := fixedRule("200", "")
				fixed.priority, fixed.conditions = 1, []condition{{field: "path-pattern", values: []string{"/fixed"}}}
				addBalancer(s, 80, fixed, always(g))
				startPod(t, network, "10.0.1.1:8080", func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/all" {
						if n, _ := io.Copy(io.Discard, r.Body); n != int64(tc.length) {
							w.WriteHeader(http.StatusTeapot)
						}
					}
				})
				register(t, s, g, "10.0.1.1")
				synctest.Wait()
				conn := dialRaw(t, s)
				request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
					tc.path, tc.length, strings.Repeat("x", tc.sent))
				for range 2 {
					require.Equal(t, "HTTP/1.1 200 OK\r\n", conn.exchange(t, request, "HTTP/1.1 200 OK\r\n"))
					for line := ""; line != "\r\n"; {
						var err error
						line, err = conn.in.ReadString('\n')
						require.NoError(t, err)
					}
					if tc.closes {
						conn.requireClosed(t)
						return
					}
				}
			})
		})
	}
}

// What a target sees of a request, and what its client sees of the answer.
func TestForwardedByteForByte(t *testing.T) {
	for name, tc := range map[string]struct {
		request string
		target  string
		answer  string
		client  string
	}{
		"a plain request": {
			request: "GET /A%2fb?q=%zz;1 HTTP/1.1\r\nHost: Shop.Example.com:80\r\nUser-Agent: curl/8\r\nConnection: X-Secret\r\nX-Secret: 1\r\n\r\n",
			target: "GET /A%2fb?q=%zz;1 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/8\r\nX-Amzn-Trace-Id: TRACE\r\n" +
				"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\n\r\n",
			answer: "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\nKeep-Alive: 9\r\nContent-Type: text/plain\r\nServer: nginx\r\n\r\nok",
			client: "HTTP/1.1 200 OK\r\nServer: nginx\r\n" + midnight + "Content-Type: text/plain\r\nContent-Length: 2\r\n" +
				"Connection: keep-alive\r\nX-A: 1\r\n\r\nok",
		},
		"headers that other proxies wrote": {
			request: "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\n" +
				"X-Amzn-Trace-Id: Root=1-5-6\r\n\r\n",
			target: "GET / HTTP/1.1\r\nHost: x\r\nX-Amzn-Trace-Id: Self=TRACE;Root=1-5-6\r\n" +
				"X-Forwarded-For: 8.8.8.8, 192.0.2.1\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\n\r\n",
			answer: "HTTP/1.1 204 No Content\r\n\r\n",
			client: "HTTP/1.1 204 No Content\r\n" + midnight + "Connection: keep-alive\r\n\r\n",
		},
		"a body of unknown length, both ways": {
			request: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
			target: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Amzn-Trace-Id: TRACE\r\n" +
				"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\n\r\nabc",
			answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
			client: "HTTP/1.1 200 OK\r\n" + midnight + "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		},
		"a body that the load balancer asks for itself": {
			request: "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
			target: "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-Amzn-Trace-Id: TRACE\r\n" +
				"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\n\r\nabc",
			answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
			client: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + midnight + "Content-Length: 0\r\nConnection: keep-alive\r\n\r\n",
		},
		"the target's own words for 503": {
			request: "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
			target: "GET / HTTP/1.1\r\nHost: x\r\nX-Amzn-Trace-Id: TRACE\r\n" +
				"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\n\r\n",
			answer: "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
			client: "HTTP/1.1 503 Service Unavailable\r\n" + midnight + "Content-Length: 0\r\nConnection: keep-alive\r\n\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, s := inBubble(t, Options{})
				g := addGroup(s, "g")
				addBalancer(s, 80, always(g))
				seen := scriptedPod(t, network, tc.answer)
				register(t, s, g, "10.0.1.1")
				synctest.Wait()
				conn := dialRaw(t, s)
				require.Equal(t, tc.client, conn.exchange(t, tc.request, tc.client))
				require.Equal(t, tc.target, hideTrace(<-seen))
			})
		})
	}
}

var traceForm = regexp.MustCompile(`(Root=|Self=)?1-[0-9a-f]{8}-[0-9a-f]{24}`)

// hideTrace replaces an identifier of the documented form by a word.
func hideTrace(request string) string {
	return traceForm.ReplaceAllStringFunc(request, func(id string) string {
		if strings.HasPrefix(id, "Self=") {
			return "Self=TRACE"
		}
		return "TRACE"
	})
}

// scriptedPod answers its first request with the given bytes and tells what that
// request was.
func scriptedPod(t *testing.T, n *PipeNet, answer string) (seen <-chan string) {
	t.Helper()
	socket, err := n.Listen(t.Context(), "tcp", "10.0.1.1:8080")
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	requests := make(chan string, 1)
	go func() {
		conn, err := socket.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		requests <- dump(r)
		_, _ = io.WriteString(conn, answer)
		_, _ = in.ReadByte() // Until the load balancer closes.
	}()
	return requests
}

// dump is a request with its headers in order of name and its body decoded.
func dump(r *http.Request) string {
	head, _ := httputil.DumpRequest(r, false)
	body, _ := io.ReadAll(r.Body)
	return string(head) + string(body)
}
