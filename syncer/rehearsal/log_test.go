package rehearsal

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The same is said once for as long as it goes on.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		text := slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		}})
		log := slog.New(NewLog(text, time.Hour))
		said := func() []string {
			lines := strings.Split(strings.TrimSpace(b.String()), "\n")
			b.Reset()
			return lines
		}
		one, other := log.With("group", "a"), log.With("group", "b")
		start := time.Now()
		for range 3 {
			one.Info("create rule", "took", time.Since(start))
			other.Info("create rule")
			one.Info("create rule", "n", 1)
			one.WithGroup("x").Info("create rule", "n", 1)
			time.Sleep(50 * time.Minute)
		}
		require.Equal(t, []string{
			`msg="dry run: create rule" group=a took=0s`, `msg="dry run: create rule" group=b`,
			`msg="dry run: create rule" group=a n=1`, `msg="dry run: create rule" group=a x.n=1`,
		}, said())
		time.Sleep(time.Hour)
		other.Info("create rule")
		require.Equal(t, []string{`msg="dry run: create rule" group=b`}, said(), "it is news again")
		for range 2 {
			one.Warn("call failed")
		}
		require.Len(t, said(), 2)
	})
}

// What is not said any more is not kept.
func TestLogForgets(t *testing.T) {
	m := &memory{keep: time.Hour, at: map[string]time.Time{}}
	now := time.Now()
	require.False(t, m.again("a", now))
	require.False(t, m.again("b", now.Add(2*time.Hour)))
	require.Len(t, m.at, 1)
}

func TestSignOf(t *testing.T) {
	for step, want := range map[string]Sign{
		"create rule x": Create, "delete rule x": Delete, "turn rule x": Change, "add tags to rule x": Change, "sing": "", "": "",
	} {
		require.Equal(t, want, SignOf(step), step)
	}
}
