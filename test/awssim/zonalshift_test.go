package awssim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestZonalShift moves all traffic away from a zone and back, and finds the targets
// as healthy as they were.
func TestZonalShift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, s := inBubble(t, Options{Switches: Switches{FirstCheckWithin: time.Second}})
		startPod(t, network, "10.0.1.1:8080", says("a"))
		startPod(t, network, "10.0.2.1:8080", says("b"))
		g := addGroup(s, "g")
		addBalancer(s, 80, always(g))
		register(t, s, g, "10.0.1.1", "10.0.2.1")
		healthy(t)
		overrides := func() [2]string {
			s.mu.Lock()
			defer s.mu.Unlock()
			var shown [2]string
			for i, zone := range []string{zoneA, zoneB} {
				if o := s.overrideLocked(zone); o != nil {
					shown[i] = o.State
				}
			}
			return shown
		}
		require.Equal(t, [2]string{}, overrides())

		s.ShiftZone(zoneA, true)
		require.Equal(t, [2]string{"zonal_shift_active", "no_override"}, overrides())
		require.Equal(t, map[string]int{"b": 4}, answers(t, s, 4))
		require.Equal(t, []string{"10.0.1.1:8080 healthy", "10.0.2.1:8080 healthy"}, states(t, s, g))

		s.ShiftZone(zoneA, false)
		require.Equal(t, [2]string{}, overrides())
		require.Equal(t, map[string]int{"a": 2, "b": 2}, answers(t, s, 4))
	})
}
