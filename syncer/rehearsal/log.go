package rehearsal

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// said marks what is only rehearsed.
const said = "dry run: "

// NewLog returns a handler that marks what is said, and says the same only once: what is
// rehearsed is not done, so whoever looks again does it again. What nobody has said for
// as long as keep is forgotten, and is news when it comes back. Warnings and errors are
// said each time.
func NewLog(next slog.Handler, keep time.Duration) slog.Handler {
	return &handler{next: next, memory: &memory{keep: keep, at: map[string]time.Time{}}}
}

type handler struct {
	next   slog.Handler
	memory *memory
	with   string // the attributes and groups of the logger
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && h.memory.again(h.key(r), r.Time) {
		return nil
	}
	marked := r.Clone()
	marked.Message = said + r.Message
	return h.next.Handle(ctx, marked)
}

// key is the same for records that say the same. How long something took is no news.
func (h *handler) key(r slog.Record) string {
	var b strings.Builder
	b.WriteString(h.with)
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() != slog.KindDuration {
			b.WriteString(" " + a.String())
		}
		return true
	})
	return b.String()
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{next: h.next.WithAttrs(attrs), memory: h.memory, with: h.with + slog.GroupValue(attrs...).String() + " "}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{next: h.next.WithGroup(name), memory: h.memory, with: h.with + name + "."}
}

// memory is what was said.
type memory struct {
	keep time.Duration

	mu    sync.Mutex // guards what follows
	at    map[string]time.Time
	swept time.Time
}

// again reports whether the same was said, and notes that it is said now.
func (m *memory) again(key string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.swept) > m.keep {
		m.swept = now
		for old, at := range m.at {
			if now.Sub(at) > m.keep {
				delete(m.at, old)
			}
		}
	}
	last, ok := m.at[key]
	m.at[key] = now
	return ok && now.Sub(last) <= m.keep
}

var _ slog.Handler = (*handler)(nil)
