package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"github.com/lmittmann/tint"
	"golang.org/x/term"
	"k8s.io/klog/v2"
)

// logFormat is how log lines are written.
type logFormat string

const (
	formatAuto logFormat = "auto"
	formatText logFormat = "text"
	formatJSON logFormat = "json"
)

// UnmarshalText accepts the three formats.
func (f *logFormat) UnmarshalText(text []byte) error {
	switch v := logFormat(text); v {
	case formatAuto, formatText, formatJSON:
		*f = v
		return nil
	}
	return fmt.Errorf("%q is not %s, %s or %s", text, formatAuto, formatText, formatJSON)
}

// newLogger returns a logger to w, which client-go logs through too.
func newLogger(w *os.File, format logFormat, level slog.Level) *slog.Logger {
	terminal := term.IsTerminal(int(w.Fd()))
	if format == formatAuto {
		format = formatJSON
		if terminal {
			format = formatText
		}
	}
	log := slog.New(newHandler(w, format, level, terminal))
	klog.SetLoggerWithOptions(logr.FromSlogHandler(log.Handler()), klog.ContextualLogger(true))
	return log
}

func newHandler(w io.Writer, format logFormat, level slog.Level, colour bool) slog.Handler {
	if format == formatText {
		return tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: !colour})
	}
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
}
