package awssim

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLocation(t *testing.T) {
	u := urlParts{"HTTP", "a.example.com", "80", "old/x%20y", "q=1"}
	for name, c := range map[string]struct {
		change func(*redirect)
		want   string
	}{
		"to HTTPS": {func(r *redirect) { r.protocol, r.port = "HTTPS", "443" }, "https://a.example.com:443/old/x%20y?q=1"},
		"host":     {func(r *redirect) { r.host = "b.#{host}" }, "http://b.a.example.com:80/old/x%20y?q=1"},
		"path":     {func(r *redirect) { r.path = "/new/#{path}/#{port}" }, "http://a.example.com:80/new/old/x%20y/80?q=1"},
		"no query": {func(r *redirect) { r.path, r.query = "/", "" }, "http://a.example.com:80/"},
		"query": {
			func(r *redirect) { r.query = "from=#{protocol}://#{host}:#{port}/#{path}&#{query}" },
			"http://a.example.com:80/old/x%20y?from=HTTP://a.example.com:80/old/x%20y&q=1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := sameURL
			c.change(&r)
			require.Equal(t, c.want, r.location(u))
		})
	}
}

func redirectRule(status string) *rule {
	r := sameURL
	r.statusCode, r.protocol, r.port = status, "HTTPS", "443"
	return &rule{actions: []action{{kind: "redirect", redirect: &r}}}
}

func TestRedirectAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := inBubble(t, Options{})
		lb := addBalancer(s, 80, redirectRule("HTTP_301"))
		synctest.Wait()
		client := clientOf(t, s)
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site+"a?b=c", http.NoBody)
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, http.StatusMovedPermanently, resp.StatusCode)
		require.Equal(t, "https://"+dns+":443/a?b=c", resp.Header.Get("Location"))
		require.Equal(t, "awselb/2.0", resp.Header.Get("Server"))

		setRules(s, lb, redirectRule("HTTP_302"))
		status, _ := get(t, client, site)
		require.Equal(t, http.StatusFound, status)
		status, _ = get(t, client, site+strings.Repeat("a", maxLocation))
		require.Equal(t, http.StatusInsufficientStorage, status)
	})
}

// jar is a client that sends back the cookies it was given, by name.
type jar map[string]string

// get is the body of a request with the cookies, and what they are afterwards.
func (j jar) get(t *testing.T, s *Sim) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site, http.NoBody)
	require.NoError(t, err)
	for name, value := range j {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := clientOf(t, s).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		j[c.Name] = c.Value
	}
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func TestGroupStickiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		blue, green := addGroup(s, "blue"), addGroup(s, "green")
		both := forwardTo(weightedGroup{blue, 1}, weightedGroup{green, 1})
		both.actions[0].stickySeconds = 60
		lb := addBalancer(s, 80, both)
		for ip, g := range map[string]*targetGroup{"10.0.1.1": blue, "10.0.1.2": green} {
			startPod(t, n, ip+":8080", says(g.name))
			register(t, s, g, ip)
		}
		healthy(t)
		client := jar{}
		first := client.get(t, s)
		require.Contains(t, client, "AWSALBTG")
		require.Contains(t, client, "AWSALBTGCORS")
		for range 5 {
			require.Equal(t, first, client.get(t, s))
		}
		only := jar{"AWSALBTGCORS": client["AWSALBTGCORS"]}
		require.Equal(t, first, only.get(t, s), "the twin is enough")

		zero := forwardTo(weightedGroup{blue, 0}, weightedGroup{green, 0})
		zero.actions[0].stickySeconds = 60
		setRules(s, lb, zero)
		require.Equal(t, first, client.get(t, s), "weights are for new clients")
		old := jar{"AWSALBTG": client["AWSALBTG"]}
		time.Sleep(time.Minute)
		require.Contains(t, old.get(t, s), "503", "the time is over")
	})
}

func TestTargetStickiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		g := addGroup(s, "g")
		g.attributes = targetGroupAttributes.defaults()
		g.attributes["stickiness.enabled"] = "true"
		addBalancer(s, 80, always(g))
		for _, ip := range []string{"10.0.1.1", "10.0.1.2"} {
			startPod(t, n, ip+":8080", func(w http.ResponseWriter, _ *http.Request) {
				http.SetCookie(w, &http.Cookie{Name: "session", Value: "x"})
				_, _ = io.WriteString(w, ip)
			})
			register(t, s, g, ip)
		}
		healthy(t)
		client := jar{}
		first := client.get(t, s)
		for range 5 {
			require.Equal(t, first, client.get(t, s))
		}
		require.Contains(t, client, "AWSALB")
		require.Contains(t, client, "AWSALBCORS")
		deregister(t, s, g, first)
		second := client.get(t, s)
		require.NotEqual(t, first, second, "its target is gone")
		require.Equal(t, second, client.get(t, s))

		s.mu.Lock()
		g.attributes["stickiness.type"], g.attributes["stickiness.app_cookie.cookie_name"] = "app_cookie", "session"
		s.mu.Unlock()
		client = jar{}
		client.get(t, s)
		require.Contains(t, client, "AWSALBAPP-0")
		s.mu.Lock()
		g.attributes["stickiness.app_cookie.cookie_name"] = "other"
		s.mu.Unlock()
		client = jar{}
		client.get(t, s)
		require.NotContains(t, client, "AWSALBAPP-0", "the target did not ask for it")
	})
}

func TestForwardedForModes(t *testing.T) {
	for name, c := range map[string]struct {
		attributes map[string]string
		want       string
	}{
		"append":   {nil, "198.51.100.7, 192.0.2.1"},
		"preserve": {map[string]string{"routing.http.xff_header_processing.mode": "preserve"}, "198.51.100.7"},
		"remove":   {map[string]string{"routing.http.xff_header_processing.mode": "remove"}, ""},
		"port":     {map[string]string{"routing.http.xff_client_port.enabled": "true"}, "198.51.100.7, 192.0.2.1:2"},
	} {
		t.Run(name, func(t *testing.T) {
			in, out := &http.Request{Header: http.Header{}, RemoteAddr: "192.0.2.1:2"}, &http.Request{Header: http.Header{}}
			in.Header.Set("X-Forwarded-For", "198.51.100.7")
			forwardedForOf(&loadBalancer{attributes: c.attributes}).apply(in, out)
			require.Equal(t, c.want, out.Header.Get("X-Forwarded-For"))
		})
	}
}

// speaks serves HTTP/2 without TLS.
func speaks(t *testing.T, n *PipeNet, address string, handler http.HandlerFunc) {
	t.Helper()
	socket, err := n.Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: handler, Protocols: &only, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(socket) }()
	t.Cleanup(func() { _ = server.Close() })
}

func TestChecksOfOtherVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{})
		two, rpc := addGroup(s, "two"), addGroup(s, "rpc")
		two.protocolVersion, two.check.version = protocolHTTP2, protocolHTTP2
		rpc.protocolVersion, rpc.check = protocolGRPC, newHealthCheck(protocolGRPC)
		speaks(t, n, "10.0.1.1:8080", says("hello"))
		speaks(t, n, "10.0.1.2:8080", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "12")
		})
		startPod(t, n, "10.0.1.3:8080", says("HTTP/1.1"))
		addBalancer(s, 80, forwardTo(weightedGroup{two, 1}, weightedGroup{rpc, 1}))
		register(t, s, two, "10.0.1.1", "10.0.1.3")
		register(t, s, rpc, "10.0.1.2")
		healthy(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"10.0.1.1:8080 healthy", "10.0.1.3:8080 unhealthy Target.FailedHealthChecks"}, states(t, s, two))
		require.Equal(t, []string{"10.0.1.2:8080 healthy"}, states(t, s, rpc))
		status, _ := get(t, clientOf(t, s), site)
		require.Equal(t, statusOtherVersion, status)
	})
}
