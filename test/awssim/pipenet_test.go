package awssim

import (
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPipeNet(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		var n PipeNet
		_, err := n.Dial(t.Context(), "tcp", "10.0.0.1:80")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
	t.Run("an address is taken until its listener closes", func(t *testing.T) {
		var n PipeNet
		l, err := n.Listen(t.Context(), "tcp", "10.0.0.1:80")
		require.NoError(t, err)
		_, err = n.Listen(t.Context(), "tcp", "10.0.0.1:80")
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.NoError(t, l.Close())
		require.NoError(t, l.Close(), "twice is harmless")
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = n.Listen(t.Context(), "tcp", "10.0.0.1:80")
		require.NoError(t, err)
	})
	t.Run("a dial ends with its context or the listener", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var n PipeNet
			l, err := n.Listen(t.Context(), "tcp", "10.0.0.1:80")
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err = n.Dial(ctx, "tcp", "10.0.0.1:80")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			time.AfterFunc(time.Second, func() { _ = l.Close() })
			_, err = n.Dial(t.Context(), "tcp", "10.0.0.1:80")
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
		})
	})
	t.Run("both ends know both addresses", func(t *testing.T) {
		var n PipeNet
		l, err := n.Listen(t.Context(), "tcp", "10.0.0.1:80")
		require.NoError(t, err)
		accepted := make(chan net.Conn, 1)
		go func() {
			c, _ := l.Accept()
			accepted <- c
		}()
		near, err := n.Dial(t.Context(), "tcp", "10.0.0.1:80")
		require.NoError(t, err)
		far := <-accepted
		require.Equal(t, "10.0.0.1:80", near.RemoteAddr().String())
		require.Equal(t, "10.0.0.1:80", far.LocalAddr().String())
		require.Equal(t, near.LocalAddr().String(), far.RemoteAddr().String())
	})
}
