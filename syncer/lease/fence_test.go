package lease

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFence(t *testing.T) {
	const open = 5400 * time.Millisecond // 6 s without a tenth
	tests := map[string]struct {
		prepare func(f *Fence)
		open    bool
	}{
		"before the first renewal": {prepare: func(*Fence) {}},
		"right after a renewal":    {prepare: func(f *Fence) { f.renew(now()) }, open: true},
		"at the last moment": {
			prepare: func(f *Fence) { f.renew(now()); time.Sleep(open - 1) }, open: true,
		},
		"within the margin": {prepare: func(f *Fence) { f.renew(now()); time.Sleep(open) }},
		"a renewal counts from its start": {
			prepare: func(f *Fence) {
				start := now()
				time.Sleep(3 * time.Second) // until the answer
				f.renew(start)
				time.Sleep(open - 3*time.Second)
			},
		},
		"a renewal prolongs": {
			prepare: func(f *Fence) {
				f.renew(now())
				time.Sleep(open - 1)
				f.renew(now())
				time.Sleep(open - 1)
			},
			open: true,
		},
		"shut": {prepare: func(f *Fence) { f.renew(now()); f.shut() }},
		"the machine was suspended": {prepare: func(f *Fence) {
			start := now()
			start.wall = start.wall.Add(-open)
			f.renew(start)
		}},
		"the clock was set back": {prepare: func(f *Fence) {
			start := now()
			start.wall = start.wall.Add(time.Hour)
			f.renew(start)
			time.Sleep(open)
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := NewFence(duration)
				tt.prepare(f)
				require.Equal(t, tt.open, f.Open())
				if err := f.Check(); !tt.open {
					require.ErrorIs(t, err, ErrFenced)
				}
			})
		})
	}
}

// passed is a transport that counts.
type passed int

func (p *passed) RoundTrip(*http.Request) (*http.Response, error) {
	*p++
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func TestTransport(t *testing.T) {
	f := NewFence(duration)
	for method, changes := range map[string]bool{
		http.MethodGet: false, http.MethodHead: false, http.MethodOptions: false,
		http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true, http.MethodDelete: true,
	} {
		for _, open := range []bool{true, false} {
			f.shut()
			if open {
				f.renew(now())
			}
			var through passed
			r, err := http.NewRequestWithContext(t.Context(), method, "http://kubernetes/", strings.NewReader(""))
			require.NoError(t, err)
			resp, err := f.Wrap(&through).RoundTrip(r)
			if changes && !open {
				require.ErrorIs(t, err, ErrFenced, method)
				require.Zero(t, through, method)
				continue
			}
			require.NoError(t, err, method)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, passed(1), through, method)
		}
	}
}
