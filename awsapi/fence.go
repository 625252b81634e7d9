package awsapi

import (
	"context"
	"net"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// fence is asked twice for each attempt of a write: before it is signed, which is
// cheap and sends nothing, and before each of its bytes goes to the socket. Between
// the two there may be a new connection with its TLS handshake, and a process can be
// stopped for a minute on any line. Reads pass.
type fence func() error

// check returns nil if a write may be sent now. A nil fence lets everything pass.
func (f fence) check() error {
	if f == nil {
		return nil
	}
	if err := f(); err != nil {
		return &fencedError{err: err}
	}
	return nil
}

// httpClient returns a client whose connections ask the fence before each write.
// It has connections of its own, since the ones for reads ask nobody. A client that
// the caller brought is used as it is.
func (f fence) httpClient(base HTTPClient) HTTPClient {
	if base == nil {
		base = awshttp.NewBuildableClient()
	}
	buildable, ok := base.(*awshttp.BuildableClient)
	if !ok || f == nil {
		return base
	}
	dial := buildable.GetDialer().DialContext
	buildable = buildable.WithTransportOptions(func(t *http.Transport) {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &fencedConn{Conn: c, fence: f}, nil
		}
	})
	// Frozen, because the SDK would put its own dialer back.
	return buildable.Freeze()
}

// fencedConn is a connection that carries writes only.
type fencedConn struct {
	net.Conn
	fence fence
}

// Write implements net.Conn.
func (c *fencedConn) Write(b []byte) (int, error) {
	if err := c.fence.check(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// fencedError says that the caller may not change anything now: nothing was sent.
type fencedError struct{ err error }

func (e *fencedError) Error() string { return e.err.Error() }

func (e *fencedError) Unwrap() error { return e.err }
