package awssim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

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
