package awssim

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPortsFollowListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		lb := addBalancer(s, 80, fixedRule("200", "one"))
		s.mu.Lock()
		lb.activeAt = time.Now().Add(time.Minute)
		s.mu.Unlock()
		client := clientOf(t, s)
		time.Sleep(time.Minute - 1)
		_, ok := s.Address(dns, 80)
		require.False(t, ok, "provisioning")
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		_, body := get(t, client, site)
		require.Equal(t, "one", body)

		setRules(s, lb, fixedRule("200", "two"))
		_, body = get(t, client, site)
		require.Equal(t, "two", body, "a rule changes under an open connection")

		setListeners(s, lb, fixedRule("200", "three"))
		synctest.Wait()
		_, body = get(t, client, site)
		require.Equal(t, "three", body, "a listener is replaced")

		setListeners(s, lb)
		synctest.Wait()
		_, err := s.DialContext(t.Context(), "tcp", dns+":80")
		var lookup *net.DNSError
		require.ErrorAs(t, err, &lookup)
		_, err = n.Dial(t.Context(), "tcp", dns+":80")
		require.Error(t, err, "the port is closed")
	})
}

// setListeners gives lb a new listener for each rule, on port 80 and up.
func setListeners(s *Sim, lb *loadBalancer, rules ...*rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lb.listeners = nil
	for i, r := range rules {
		l := &listener{lb: lb, port: 80 + i, protocol: "HTTP"}
		setRulesLocked(l, []*rule{r})
		lb.listeners = append(lb.listeners, l)
	}
	s.changed()
}

func TestRequestsInFlightOutliveTheListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		lb := addBalancer(s, 80, always(g))
		startPod(t, n, "10.0.1.1:8080", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(5 * time.Second)
			_, _ = io.WriteString(w, "done")
		})
		register(t, s, g, "10.0.1.1")
		synctest.Wait()
		time.AfterFunc(time.Second, func() { setListeners(s, lb) })
		conn := dialRaw(t, s)
		want := "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:05 GMT\r\nContent-Type: text/plain; charset=utf-8\r\n" +
			"Content-Length: 4\r\nConnection: close\r\n\r\ndone"
		require.Equal(t, want, conn.exchange(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", want))
		conn.requireClosed(t)
	})
}

func TestPortThatIsTakenIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		squatter, err := n.Listen(t.Context(), "tcp", dns+":80")
		require.NoError(t, err)
		addBalancer(s, 80, fixedRule("200", "mine"))
		synctest.Wait()
		_, ok := s.Address(dns, 80)
		require.False(t, ok)
		require.NoError(t, squatter.Close())
		time.Sleep(time.Second)
		synctest.Wait()
		_, body := get(t, clientOf(t, s), site)
		require.Equal(t, "mine", body)
	})
}

func TestIdleClientsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := inBubble(t, Options{})
		lb := addBalancer(s, 80, fixedRule("200", ""))
		s.mu.Lock()
		lb.attributes["idle_timeout.timeout_seconds"] = "20"
		s.mu.Unlock()
		synctest.Wait()
		conn, begin := dialRaw(t, s), time.Now()
		conn.requireClosed(t)
		require.Equal(t, 20*time.Second, time.Since(begin))
	})
}

func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := inBubble(t, Options{})
		addBalancer(s, 80, fixedRule("200", "hello"))
		synctest.Wait()
		conn := dialRaw(t, s)
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		synctest.Wait()
		conn.requireClosed(t)
	})
}

func TestLongTimesPassQuickly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		checks := 0
		startPod(t, n, "10.0.1.1:8080", func(http.ResponseWriter, *http.Request) { checks++ })
		register(t, s, g, "10.0.1.1")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Equal(t, 24*60*2, checks)
	})
}
