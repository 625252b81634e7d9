package awssim

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRequestsInFlightOutliveDeregistration(t *testing.T) {
	for name, tc := range map[string]struct {
		takes  time.Duration
		status int
		after  time.Duration
	}{
		"shorter than the delay": {19 * time.Second, http.StatusOK, 19 * time.Second},
		"longer than the delay":  {50 * time.Second, http.StatusBadGateway, 21 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s := inBubble(t, Options{})
				g := addGroup(s, "g")
				g.attributes[deregistrationDelayAttribute] = "20"
				addBalancer(s, 80, always(g))
				startPod(t, n, "10.0.1.1:8080", func(_ http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/" {
						time.Sleep(tc.takes)
					}
				})
				register(t, s, g, "10.0.1.1")
				synctest.Wait()
				time.AfterFunc(time.Second, func() { _ = call(s, s.deregisterLocked, g, specs("10.0.1.1")...) })
				begin := time.Now()
				status, _ := get(t, clientOf(t, s), site)
				require.Equal(t, tc.status, status)
				require.Equal(t, tc.after, time.Since(begin))
				time.Sleep(time.Minute) // The pod's handler ends.
			})
		})
	}
}

func TestFailuresOfTargets(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	raw := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1<<10))
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		conn    func(net.Conn)
		status  int
		after   time.Duration
	}{
		"refused":               {status: 502},
		"closed without a word": {conn: raw(""), status: 502},
		"malformed":             {conn: raw("SSH-2.0\r\n\r\n"), status: 502},
		"half a header":         {conn: raw("HTTP/1.1 200 OK\r\nContent-"), status: 502},
		"header too large":      {conn: raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n"), status: 502},
		"handler breaks off":    {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, status: 502},
		"no answer":             {handler: hang, status: 504, after: time.Minute},
		"answer in the last second": {
			handler: func(http.ResponseWriter, *http.Request) { time.Sleep(59 * time.Second) }, status: 200, after: 59 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s := inBubble(t, Options{})
				g := addGroup(s, "g")
				g.check.port = "1" // Nobody is there, and the target stays as it is.
				addBalancer(s, 80, always(g))
				if tc.handler != nil {
					startPod(t, n, "10.0.1.1:8080", tc.handler)
				}
				if tc.conn != nil {
					socket, err := n.Listen(t.Context(), "tcp", "10.0.1.1:8080")
					require.NoError(t, err)
					t.Cleanup(func() { _ = socket.Close() })
					go func() {
						for {
							c, err := socket.Accept()
							if err != nil {
								return
							}
							go tc.conn(c)
						}
					}()
				}
				register(t, s, g, "10.0.1.1")
				synctest.Wait()
				begin := time.Now()
				status, body := get(t, clientOf(t, s), site)
				require.Equal(t, tc.status, status)
				require.Equal(t, tc.after, time.Since(begin))
				if status != http.StatusOK {
					require.Contains(t, body, fmt.Sprintf("<title>%d ", status))
				}
				require.Equal(t, tc.status, s.Requests()[0].Status)
			})
		})
	}
}

func TestConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &PipeNet{}
		s := newSim(t, Options{Listen: network.Listen, Dial: func(ctx context.Context, proto, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "10.") {
				<-ctx.Done() // As behind a security group that drops packets.
				return nil, ctx.Err()
			}
			return network.Dial(ctx, proto, address)
		}})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		start(t, s)
		register(t, s, g, "10.0.1.1")
		synctest.Wait()
		begin := time.Now()
		status, _ := get(t, clientOf(t, s), site)
		require.Equal(t, http.StatusGatewayTimeout, status)
		require.Equal(t, 10*time.Second, time.Since(begin))
	})
}

// A target that closes a kept connection under a request is a 502, not a second
// attempt: keep-alive times shorter than the load balancer's are a real mistake.
func TestKeptConnectionClosedUnderARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		g.check.port = "1"
		addBalancer(s, 80, always(g))
		socket, err := n.Listen(t.Context(), "tcp", "10.0.1.1:8080")
		require.NoError(t, err)
		t.Cleanup(func() { _ = socket.Close() })
		go func() {
			for {
				c, err := socket.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 1<<10))
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				_, _ = c.Read(make([]byte, 1<<10))
				_ = c.Close()
			}
		}()
		register(t, s, g, "10.0.1.1")
		synctest.Wait()
		client := clientOf(t, s)
		first, _ := get(t, client, site)
		second, _ := get(t, client, site)
		third, _ := get(t, client, site)
		require.Equal(t, []int{200, 502, 200}, []int{first, second, third})
	})
}

func TestClientThatDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		released := make(chan struct{})
		startPod(t, n, "10.0.1.1:8080", func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				<-r.Context().Done()
				close(released)
			}
		})
		register(t, s, g, "10.0.1.1")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, site, http.NoBody)
		require.NoError(t, err)
		_, err = clientOf(t, s).Do(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		<-released
		synctest.Wait()
		require.Equal(t, statusClientGone, s.Requests()[0].Status)
		require.Equal(t, 3*time.Second, s.Requests()[0].Duration)
	})
}

// Bytes pass as they come, in both directions, for as long as they come.
func TestStreaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		startPod(t, n, "10.0.1.1:8080", func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			_ = control.EnableFullDuplex()
			buffer := make([]byte, 8)
			for {
				read, err := r.Body.Read(buffer)
				_, _ = w.Write(buffer[:read])
				_ = control.Flush()
				if err != nil {
					return
				}
			}
		})
		register(t, s, g, "10.0.1.1")
		synctest.Wait()
		near, far := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site, near)
		require.NoError(t, err)
		responses := make(chan *http.Response, 1)
		go func() {
			resp, err := clientOf(t, s).Do(req)
			if err == nil {
				responses <- resp
			}
		}()
		_, _ = io.WriteString(far, "ping 0")
		resp := <-responses
		defer resp.Body.Close()
		for i := range 5 {
			buffer := make([]byte, 8)
			read, err := resp.Body.Read(buffer)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("ping ", i), string(buffer[:read]))
			time.Sleep(40 * time.Second) // Longer than the idle timeout in sum.
			_, _ = fmt.Fprint(far, "ping ", i+1)
		}
		require.NoError(t, far.Close())
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "ping 5", string(rest))
	})
}

// Bytes in either direction alone keep a request from being idle.
func TestSlowBodies(t *testing.T) {
	slowly := func(out io.Writer, flush func()) {
		for range 5 {
			time.Sleep(40 * time.Second)
			_, _ = io.WriteString(out, "x")
			flush()
		}
	}
	for name, tc := range map[string]struct {
		slowClient, slowPod bool
		want                string
	}{
		"up":   {slowClient: true, want: "got 5"},
		"down": {slowPod: true, want: "xxxxx"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s := inBubble(t, Options{})
				g := addGroup(s, "g")
				g.check.port = "1"
				addBalancer(s, 80, always(g))
				startPod(t, n, "10.0.1.1:8080", func(w http.ResponseWriter, r *http.Request) {
					if tc.slowPod {
						slowly(w, func() { _ = http.NewResponseController(w).Flush() })
						return
					}
					body, _ := io.ReadAll(r.Body)
					_, _ = fmt.Fprint(w, "got ", len(body))
				})
				register(t, s, g, "10.0.1.1")
				synctest.Wait()
				near, far := io.Pipe()
				go func() {
					if tc.slowClient {
						slowly(far, func() {})
					}
					_ = far.Close()
				}()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site, near)
				require.NoError(t, err)
				resp, err := clientOf(t, s).Do(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, tc.want, string(body))
			})
		})
	}
}

// A response that breaks off must not look complete.
func TestBrokenOffResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		startPod(t, n, "10.0.1.1:8080", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half of it")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		register(t, s, g, "10.0.1.1")
		synctest.Wait()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site, http.NoBody)
		require.NoError(t, err)
		resp, err := clientOf(t, s).Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, "half of it", string(body))
	})
}

func TestUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		g.check.port = "1"
		addBalancer(s, 80, always(g))
		startPod(t, n, "10.0.1.1:8080", func(w http.ResponseWriter, _ *http.Request) {
			conn, both, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			line, _ := both.ReadString('\n')
			_, _ = io.WriteString(conn, line)
		})
		register(t, s, g, "10.0.1.1")
		synctest.Wait()
		conn := dialRaw(t, s)
		head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
		require.Equal(t, head, conn.exchange(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", head))
		time.Sleep(2 * time.Minute)
		require.Equal(t, "hello\n", conn.exchange(t, "hello\n", "hello\n"))
		conn.requireClosed(t)
	})
}

// Neither checks nor requests look at a target's certificate.
func TestTargetsThatTalkTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		g.protocol, g.check.protocol = "HTTPS", "HTTPS"
		addBalancer(s, 80, always(g))
		socket, err := n.Listen(t.Context(), "tcp", "10.0.1.1:8080")
		require.NoError(t, err)
		// httptest's server is only borrowed for its certificate.
		borrowed := httptest.NewUnstartedServer(nil)
		require.NoError(t, borrowed.Listener.Close())
		borrowed.Listener = socket
		borrowed.Config.Handler = says("secret")
		borrowed.StartTLS()
		t.Cleanup(borrowed.Close)
		register(t, s, g, "10.0.1.1")
		healthy(t)
		require.Equal(t, []string{"10.0.1.1:8080 healthy"}, states(t, s, g))
		require.Equal(t, map[string]int{"secret": 1}, answers(t, s, 1))
	})
}

func TestHostForTargets(t *testing.T) {
	for name, tc := range map[string]struct {
		port     int
		host     string
		preserve bool
		want     string
	}{
		"default port":               {80, "Shop.Example.com:80", false, "shop.example.com"},
		"another port":               {8443, "Shop.Example.com", false, "shop.example.com:8443"},
		"as it came, by the setting": {80, "Shop.Example.com:80", true, "Shop.Example.com:80"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, decision{preserveHost: tc.preserve}.host(tc.host, tc.port))
		})
	}
}

func TestListenerAttributesDressResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := inBubble(t, Options{})
		lb := addBalancer(s, 80, fixedRule("200", "hello"))
		s.mu.Lock()
		lb.listeners[0].attributes = map[string]string{
			serverAttribute: "false", "routing.http.response.x_frame_options.header_value": "DENY",
		}
		s.mu.Unlock()
		synctest.Wait()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site, http.NoBody)
		require.NoError(t, err)
		resp, err := clientOf(t, s).Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Empty(t, resp.Header.Get("Server"))
		require.Equal(t, "DENY", resp.Header.Get("X-Frame-Options"))
	})
}
