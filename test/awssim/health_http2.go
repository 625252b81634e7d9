package awssim

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// emptyMessage is a message of gRPC without content.
var emptyMessage = make([]byte, 5)

// askHTTP2 is what a target of a group with HTTP/2 or gRPC answers over conn: an HTTP
// status, or gRPC's own.
func askHTTP2(ctx context.Context, conn net.Conn, target netip.AddrPort, settings healthCheck) (int, error) {
	var only http.Protocols
	only.SetUnencryptedHTTP2(settings.protocol == "HTTP")
	only.SetHTTP2(settings.protocol == "HTTPS")
	transport := &http.Transport{
		Protocols: &only,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return conn, nil
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}},
	}
	defer transport.CloseIdleConnections()
	method, body := http.MethodGet, []byte(nil)
	if settings.version == protocolGRPC {
		method, body = http.MethodPost, emptyMessage
	}
	url := strings.ToLower(settings.protocol) + "://" + target.String() + settings.path
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	if settings.version == protocolGRPC {
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // It goes with the connection.
	if settings.version != protocolGRPC {
		return resp.StatusCode, nil
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxUnreadBody)); err != nil {
		return 0, err
	}
	status := orElse(resp.Trailer.Get("Grpc-Status"), resp.Header.Get("Grpc-Status"))
	return strconv.Atoi(status)
}
