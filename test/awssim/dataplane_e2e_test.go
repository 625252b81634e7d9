package awssim

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The same code over real sockets: pods listen on 127.0.1.x, are registered as
// 10.0.1.x, and one of them goes away.
func TestOverLoopback(t *testing.T) {
	s := newSim(t, Options{Switches: Switches{FirstCheckWithin: 10 * time.Millisecond}})
	g := addGroup(s, "g")
	lb := addBalancer(s, 80, always(g))
	start(t, s)
	client := clientOf(t, s)

	var lc net.ListenConfig
	port := 0
	pods := map[string]*http.Server{}
	for _, name := range []string{"10.0.1.1", "10.0.1.2"} {
		socket, err := lc.Listen(t.Context(), "tcp", net.JoinHostPort("127"+name[2:], strconv.Itoa(port)))
		require.NoError(t, err)
		port = socket.Addr().(*net.TCPAddr).Port
		pods[name] = serveOn(t, socket, says(name))
	}
	s.mu.Lock()
	g.port = port
	s.mu.Unlock()
	served := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site, http.NoBody)
		require.NoError(t, err)
		resp, err := client.Do(req)
		if err != nil {
			return "" // The port is not open yet.
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if resp.StatusCode != http.StatusOK {
			return resp.Status
		}
		return string(body)
	}
	eventually := func(condition func() bool, what string) {
		t.Helper()
		require.Eventually(t, condition, 10*time.Second, 5*time.Millisecond, what)
	}

	eventually(func() bool { return served() == "503 Service Temporarily Unavailable" }, "no targets")
	register(t, s, g, "10.0.1.1", "10.0.1.2")
	eventually(func() bool {
		return len(states(t, s, g)) == 2 && states(t, s, g)[0] == "10.0.1.1:"+strconv.Itoa(port)+" healthy" &&
			states(t, s, g)[1] == "10.0.1.2:"+strconv.Itoa(port)+" healthy"
	}, "both healthy")
	first := served()
	require.NotEqual(t, first, served(), "they take turns")

	deregister(t, s, g, "10.0.1.1")
	require.NoError(t, pods["10.0.1.1"].Close())
	for range 4 {
		require.Equal(t, "10.0.1.2", served())
	}
	require.NoError(t, pods["10.0.1.2"].Close())
	require.Equal(t, "502 Bad Gateway", served())

	setListeners(s, lb)
	eventually(func() bool { return served() == "" }, "the port closes")
}

func TestLoopbackReachesNoOtherMachine(t *testing.T) {
	s := newSim(t, Options{})
	_, err := s.opts.Dial(t.Context(), "tcp", "192.168.1.1:80")
	require.ErrorContains(t, err, "not simulated")
}

// An IPv6 address that ends in 10.A.B.C is on this machine, like 10.A.B.C itself.
func TestLoopbackReachesIPv6(t *testing.T) {
	var lc net.ListenConfig
	socket, err := lc.Listen(t.Context(), "tcp", "127.0.1.9:0")
	require.NoError(t, err)
	defer socket.Close()
	_, port, err := net.SplitHostPort(socket.Addr().String())
	require.NoError(t, err)
	conn, err := dialLoopback(t.Context(), "tcp", net.JoinHostPort("2001:db8::a00:109", port))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}
