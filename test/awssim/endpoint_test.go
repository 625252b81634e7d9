package awssim

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A caller that ends within its request, as one that the fence stops between header and
// body, has not called.
func TestRequestThatIsCut(t *testing.T) {
	s := newSim(t, Options{})
	server := httptest.NewServer(s)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: elb\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 40\r\n\r\nAction=")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(conn)
	require.Empty(t, answer)
	require.True(t, err == nil || errors.Is(err, syscall.ECONNRESET), "%v", err)
	require.NoError(t, conn.Close())
	require.Empty(t, s.Calls())
}

// Whoever has given up gets its own error, whatever becomes of the call.
func TestGivingUp(t *testing.T) {
	for name, fault := range map[string]Fault{
		"slow":         {Latency: time.Minute},
		"late":         {Latency: time.Minute, Late: Span{Min: time.Second}},
		"reset":        {Latency: time.Minute, Reset: true},
		"without word": {Latency: time.Minute, LoseResponse: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, Options{})
				s.Inject(fault)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				_, err := s.answer(requestFor(t, "Action=DescribeTargetGroups").WithContext(ctx))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, time.Second, time.Since(began))
				time.Sleep(time.Second)
				synctest.Wait()
				require.Len(t, s.Calls(), 1)
			})
		})
	}
}
