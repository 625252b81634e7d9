package syncer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestLiveReadsAreFew: Services of a namespace share a read, and however many
// namespaces are asked for, the API server is read five times a second.
func TestLiveReadsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads []time.Time
		l := newLiveReads(func(context.Context, string) ([]discoveryv1.EndpointSlice, error) {
			reads = append(reads, time.Now())
			return nil, nil
		}, slog.New(slog.DiscardHandler))
		for n := range 24 {
			l.ask(types.NamespacedName{Namespace: fmt.Sprintf("demo%d", n/2), Name: fmt.Sprintf("echo%d", n)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		answered := 0
		var running sync.WaitGroup
		running.Go(func() { l.run(ctx, func(types.NamespacedName) { answered++ }) })
		time.Sleep(10 * time.Second)
		cancel()
		running.Wait()
		require.Equal(t, 24, answered)
		require.Len(t, reads, 12)
		for n := range len(reads) - 1 {
			require.GreaterOrEqual(t, reads[n+1].Sub(reads[n]), time.Second/5)
		}
	})
}
