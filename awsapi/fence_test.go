package awsapi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var errNoLease = errors.New("no lease")

// A closed fence keeps every write from being sent, and no read.
func TestFenceStopsWrites(t *testing.T) {
	for method, call := range everyCall {
		w := &wire{}
		err := call.do(t.Context(), clients(t, Options{HTTPClient: w, Fence: func() error { return errNoLease }}))
		if call.reads() {
			require.NoError(t, err, method)
			require.Len(t, w.forms, 1, method)
			continue
		}
		require.ErrorIs(t, err, errNoLease, method)
		require.Equal(t, Fenced, ClassOf(err), method)
		require.Equal(t, "Fenced", Code(err), method)
		require.Empty(t, w.forms, method)
	}
}

// The permission can end while a call waits for its tokens.
func TestFenceIsAskedAfterTheTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		closes := time.Now().Add(time.Second)
		c := clients(t, Options{HTTPClient: w, Fence: func() error {
			if time.Now().Before(closes) {
				return nil
			}
			return errNoLease
		}})
		sent := 0
		for ClassOf(everyCall["RegisterTargets"].do(t.Context(), c)) == OK {
			sent++
		}
		require.Equal(t, closes, time.Now(), "at four calls a second, one of them is due in this instant")
		require.Equal(t, 20+3, sent)
		require.Len(t, w.forms, sent)
	})
}

// The fence closes after the first look at it: the request is on its way to the
// socket. This one is real.
func TestFenceStandsAtTheSocket(t *testing.T) {
	for name, warm := range map[string]bool{"a new connection": false, "a connection that was used": true} {
		t.Run(name, func(t *testing.T) {
			var received atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				received.Add(1)
				_, _ = w.Write([]byte(fine(r.FormValue("Action"))))
			}))
			defer server.Close()
			t.Setenv("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", server.URL)
			var looks atomic.Int32 // that are answered with yes
			looks.Store(1000)
			s := &sightings{}
			c := clients(t, Options{Observer: s, Fence: func() error {
				if looks.Add(-1) >= 0 {
					return nil
				}
				return errNoLease
			}})
			if warm {
				require.NoError(t, everyCall["RegisterTargets"].do(t.Context(), c))
			}
			before := received.Load()

			looks.Store(1)
			err := everyCall["RegisterTargets"].do(t.Context(), c)
			require.ErrorIs(t, err, errNoLease)
			require.Equal(t, Fenced, ClassOf(err))
			require.Equal(t, "elasticloadbalancing RegisterTargets Fenced", s.requests[len(s.requests)-1])
			require.Equal(t, before, received.Load())

			require.NoError(t, everyCall["DescribeTargetHealth"].do(t.Context(), c), "reads go on")
			looks.Store(1000)
			require.NoError(t, everyCall["RegisterTargets"].do(t.Context(), c), "and so does all, later")
		})
	}
}
