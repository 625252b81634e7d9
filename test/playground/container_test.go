package playground

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestEchoOf(t *testing.T) {
	sleep := &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 5}}}
	for name, tc := range map[string]struct {
		container corev1.Container
		want      echo
		ok        bool
	}{
		"args": {
			container: corev1.Container{Image: "hashicorp/http-echo", Args: []string{"-listen=:8000", "-text=This is it."}},
			want:      echo{port: 8000, text: "This is it."},
			ok:        true,
		},
		"two dashes and separate values, in the command of another image": {
			container: corev1.Container{Image: "busybox", Command: []string{"echo", "--listen", ":80", "-text", "a=b"}},
			want:      echo{port: 80, text: "a=b"},
			ok:        true,
		},
		"its own port": {
			container: corev1.Container{Image: "hashicorp/http-echo:1.0", Args: []string{"-text=x"}},
			want:      echo{port: 5678, text: "x"},
			ok:        true,
		},
		"a preStop sleep": {
			container: corev1.Container{Image: "http-echo", Args: []string{"-text=x"}, Lifecycle: sleep},
			want:      echo{port: 5678, text: "x", preStop: 5 * time.Second},
			ok:        true,
		},
		"another image without a listen flag": {container: corev1.Container{Image: "nginx", Args: []string{"-text=x"}}},
		"a flag without its value":            {container: corev1.Container{Image: "http-echo", Args: []string{"-text"}}},
		"no port":                             {container: corev1.Container{Image: "http-echo", Args: []string{"-text=x", "-listen=all"}}},
		"a port that is none":                 {container: corev1.Container{Image: "http-echo", Args: []string{"-text=x", "-listen=:70000"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := echoOf(&tc.container)
			require.Equal(t, tc.ok, ok)
			require.Equal(t, tc.want, got)
		})
	}
}

// runEcho runs a container on loopback and returns the ways to stop it and to see
// its end.
func runEcho(t *testing.T, e echo) (address string, stop *podStop, ended <-chan error, kill context.CancelFunc) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := free.Addr().(*net.TCPAddr).AddrPort()
	require.NoError(t, free.Close())

	e.port = at.Port()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	stop = &podStop{begun: make(chan struct{})}
	end := make(chan error, 1)
	go func() { end <- e.run(ctx, at.Addr(), "pod-1", stop) }()
	require.Eventually(t, func() bool { return reachable(at.String()) }, 5*time.Second, time.Millisecond)
	return at.String(), stop, end, cancel
}

func reachable(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func TestEchoAnswersEveryPath(t *testing.T) {
	address, _, _, _ := runEcho(t, echo{text: "hello"})
	for _, path := range []string{"/", "/healthcheck", "/a/b?c=d"} {
		response, err := http.Get("http://" + address + path)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Equal(t, "hello\n", string(body))
		require.Equal(t, "pod-1", response.Header.Get(PodHeader))
	}
}

func TestEchoServesDuringItsPreStopSleep(t *testing.T) {
	address, stop, ended, _ := runEcho(t, echo{preStop: 300 * time.Millisecond})
	stop.begin(time.Now().Add(time.Minute))
	require.True(t, reachable(address))
	select {
	case <-ended:
		require.Fail(t, "the container did not sleep")
	case <-time.After(50 * time.Millisecond):
	}
	require.True(t, reachable(address))
	require.NoError(t, <-ended)
	require.False(t, reachable(address))
}

func TestEchoEndsWithTheGracePeriod(t *testing.T) {
	address, stop, ended, _ := runEcho(t, echo{preStop: time.Hour})
	stop.begin(time.Now())
	require.NoError(t, <-ended)
	require.False(t, reachable(address))
}

func TestEchoIsKilled(t *testing.T) {
	address, _, ended, kill := runEcho(t, echo{})
	kill()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.False(t, reachable(address))
}

func TestEchoWaitsForItsAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	number, err := strconv.ParseUint(port, 10, 16)
	require.NoError(t, err)

	got := make(chan net.Listener, 1)
	go func() {
		lis, err := listen(t.Context(), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(number)).String())
		if err == nil {
			got <- lis
		}
		close(got)
	}()
	require.NoError(t, taken.Close())
	lis := <-got
	require.NotNil(t, lis)
	require.NoError(t, lis.Close())
}
