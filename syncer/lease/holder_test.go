package lease

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHolder(t *testing.T) {
	require.Zero(t, New(Options{}).Holder(), "the Lease was not seen yet")
	electing(t, func(first, second *process) {
		synctest.Wait()
		for _, p := range []*process{first, second} {
			h := p.candidate.Holder()
			require.Equal(t, "first", h.Identity, "as %s sees it", p.candidate.Identity())
			require.WithinRange(t, h.Seen, time.Now().Add(-lastLook), time.Now())
			require.WithinRange(t, h.Renewed, time.Now().Add(-lastLook-retryPeriod), time.Now())
		}
		second.set(func(l *line) { l.down = true })
		seen := second.candidate.Holder()
		first.end()
		require.Empty(t, first.candidate.Holder().Identity, "it was given up")
		require.Equal(t, seen, second.candidate.Holder(), "what cannot be seen is not known")
		second.set(func(l *line) { l.down = false })
		within(t, 2*duration, second.works)
		require.Equal(t, "second", second.candidate.Holder().Identity)
		second.end()
	})
}
