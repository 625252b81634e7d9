package scenario

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestHistories plays random histories, in which the invariants hold all along and
// which come to rest with AWS as Kubernetes says.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := drawHistory(rt)
		if tr, err := playHistory(t, text); err != nil {
			rt.Fatalf("%v\n\n%s\nwhere the calls were\n%s", err, text, tr.text(true))
		}
	})
}

// TestReplay plays histories twice. What the driver does happens at the same instants;
// how often the daemon does the same is logged.
func TestReplay(t *testing.T) {
	const histories = 8
	generator := rapid.Custom(drawHistory)
	var exact, order int
	for seed := range histories {
		text := generator.Example(seed)
		first, err := playHistory(t, text)
		require.NoError(t, err, text)
		second, err := playHistory(t, text)
		require.NoError(t, err, text)
		if !strings.Contains(text, "\nstop") { // A stop takes as long as the daemon needs.
			require.Equal(t, first.writes, second.writes, text)
		}
		if first.text(true) == second.text(true) {
			exact++
		}
		if first.text(false) == second.text(false) {
			order++
		}
	}
	t.Logf("of %d histories, %d had the same calls at the same times, and %d in the same order", histories, exact, order)
}

// playHistory plays a history in a bubble of its own.
func playHistory(t *testing.T, text string) (tr trace, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { tr, err = replay(t.Context(), text) })
	return tr, err
}

func replay(ctx context.Context, text string) (trace, error) {
	s, err := Parse("history", []byte(text))
	if err != nil {
		return trace{}, err
	}
	worlds, err := s.Variants()
	if err != nil {
		return trace{}, err
	}
	return s.play(ctx, worlds[""])
}

// text is the calls, a line each, with or without their times.
func (tr trace) text(times bool) string {
	var b strings.Builder
	for _, c := range tr.calls {
		if times {
			b.WriteString(c.Begin.Format("04:05.000000000 "))
		}
		fmt.Fprintln(&b, c.Daemon, c.String())
	}
	return b.String()
}
