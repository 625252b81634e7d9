package provision

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// fakeACM answers after a second, or with an error.
type fakeACM struct {
	calls atomic.Int32
	err   error
}

func (f *fakeACM) ListCertificates(context.Context) ([]awsapi.Certificate, error) {
	f.calls.Add(1)
	time.Sleep(time.Second)
	return []awsapi.Certificate{{ARN: "arn:1"}}, f.err
}

// However many groups ask at once, ACM is asked once, and not again for minutes.
func TestCertificatesAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acm := &fakeACM{}
		c := newCertificates(acm, slog.New(slog.DiscardHandler))
		_, known := c.forBuild()
		require.False(t, known)
		var read atomic.Int32
		for range 5 {
			go func() {
				if c.refresh(t.Context()) {
					read.Add(1)
				}
			}()
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, acm.calls.Load())
		require.EqualValues(t, 1, read.Load())
		held, known := c.forBuild()
		require.True(t, known)
		require.Equal(t, []ingress.Certificate{{ARN: "arn:1"}}, held)
		time.Sleep(certificatesAge)
		require.True(t, c.refresh(t.Context()))
		require.EqualValues(t, 2, acm.calls.Load())
	})
}

// What was read stays while ACM does not answer, which is asked again soon.
func TestCertificatesThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acm := &fakeACM{err: errors.New("denied")}
		c := newCertificates(acm, slog.New(slog.DiscardHandler))
		require.True(t, c.refresh(t.Context()))
		_, known := c.forBuild()
		require.False(t, known)
		require.False(t, c.refresh(t.Context()))
		time.Sleep(certificatesRetry)
		acm.err = nil
		require.True(t, c.refresh(t.Context()))
		time.Sleep(certificatesAge)
		acm.err = errors.New("denied")
		require.True(t, c.refresh(t.Context()))
		_, known = c.forBuild()
		require.True(t, known)
	})
}

// Who stops waits for nobody.
func TestCertificatesEndWithTheContext(t *testing.T) {
	c := newCertificates(&fakeACM{}, slog.New(slog.DiscardHandler))
	c.reading <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, c.refresh(ctx))
	require.False(t, newCertificates(nil, nil).refresh(t.Context()))
}
