package takeover

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestNothingMoves: whoever starts tgsync in LBC's place sees no call that changes
// anything, at first, after a restart, and when everything is compared again.
func TestNothingMoves(t *testing.T) {
	inWorld(t, func(w *world) {
		began := time.Now()
		w.start()
		w.pass(15 * time.Minute)
		require.Empty(t, w.wrote(began), "the first pass")
		require.Equal(t, map[string]string{}, w.synced())

		w.stop()
		w.start()
		w.pass(15 * time.Minute)
		require.Empty(t, w.wrote(began), "a restart")

		audit := time.Now()
		w.pass(3 * provisionAuditInterval)
		require.Empty(t, w.wrote(began), "an audit")
		require.Positive(t, w.asked(audit))
	})
}

func TestOldNames(t *testing.T) {
	for name, change := range map[string]func(b *backend){
		"uid": func(b *backend) { b.uid = "old" },
		"port": func(b *backend) { b.groupPort = 7777 },
	} {
		t.Run(name, func(t *testing.T) {
			old := backends[shared][1]
			defer func() { backends[shared][1] = old }()
			change(&backends[shared][1])
			inWorld(t, func(w *world) {
				began := time.Now()
				w.start()
				w.pass(15 * time.Minute)
				for _, c := range w.sim.Calls() {
					if !c.Time.Before(began) && !strings.HasPrefix(c.Action, "Describe") && !strings.HasPrefix(c.Action, "List") { t.Log(c.Time.Sub(began), c.Action, c.Params) }
				}
				t.Log(w.wrote(began), w.said(), w.synced())
			})
		})
	}
}
