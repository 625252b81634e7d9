package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tgsync/tgsync/test/playground"
)

const (
	curlTimeout = 10 * time.Second
	httpPort    = 80
	httpsPort   = 443
)

// request is what is asked of a load balancer.
type request struct {
	dnsName string
	port    int    // 0: 80
	host    string // "": the load balancer's own name
	path    string
}

// answer is what came back for a request, also byte by byte.
type answer struct {
	status int
	header http.Header
	body   string
	raw    string // as on the wire, with \n for \r\n
}

// curl asks a load balancer, on a connection of its own as curl does.
func curl(ctx context.Context, stack *playground.Stack, r request) (answer, error) {
	port := cmp.Or(r.port, httpPort)
	conn, err := stack.DialContext(ctx, "tcp", net.JoinHostPort(r.dnsName, strconv.Itoa(port)))
	if err != nil {
		return answer{}, err
	}
	defer conn.Close() //nolint:errcheck // the answer has been read
	if port == httpsPort {
		roots, err := stack.Sim().RootCAs()
		if err != nil {
			return answer{}, err
		}
		conn = tls.Client(conn, &tls.Config{ServerName: cmp.Or(r.host, r.dnsName), RootCAs: roots, MinVersion: tls.VersionTLS12})
	}
	if err := conn.SetDeadline(time.Now().Add(curlTimeout)); err != nil {
		return answer{}, err
	}
	host := cmp.Or(r.host, r.dnsName)
	text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n", r.path, host)
	if _, err := io.WriteString(conn, text); err != nil {
		return answer{}, err
	}
	var raw bytes.Buffer
	response, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &raw)), nil)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end below
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{
		status: response.StatusCode,
		header: response.Header,
		body:   string(body),
		raw:    strings.ReplaceAll(raw.String(), "\r\n", "\n"),
	}, nil
}

// head returns the status line and the header lines, in the order in which they
// came, with the date left out: it is the one value that nobody can know.
func (a answer) head() []string {
	head, _, _ := strings.Cut(a.raw, "\n\n")
	lines := strings.Split(head, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "Date: ") {
			lines[i] = "Date: ..."
		}
	}
	return lines
}
