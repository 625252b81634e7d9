package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// meter counts calls by the part of a daemon that makes them.
type meter struct {
	mu    sync.Mutex // guards calls
	calls []meteredCall
}

type meteredCall struct{ part, action string }

// mutates reports whether the call changes something.
func (c meteredCall) mutates() bool { return mutates(c.action) }

func mutates(action string) bool {
	return !strings.HasPrefix(action, "Describe") && !strings.HasPrefix(action, "List")
}

// since returns the calls since the last time, and forgets them.
func (m *meter) since() []meteredCall {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := m.calls
	m.calls = nil
	return calls
}

// metered is a way to AWS that a meter stands at.
type metered struct {
	meter *meter
	next  http.RoundTripper
}

var _ http.RoundTripper = metered{}

// RoundTrip implements http.RoundTripper.
func (m metered) RoundTrip(r *http.Request) (*http.Response, error) {
	action, err := actionOf(r)
	if err != nil {
		return nil, err
	}
	m.meter.mu.Lock()
	m.meter.calls = append(m.meter.calls, meteredCall{partOf(r.Context()), action})
	m.meter.mu.Unlock()
	return m.next.RoundTrip(r)
}

// actionOf reads the action of a request: from a header, or from the form, which can be
// read again afterwards.
func actionOf(r *http.Request) (string, error) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndex(target, ".")+1:], nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", fmt.Errorf("read a request: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", fmt.Errorf("read a request: %w", err)
	}
	return form.Get("Action"), nil
}

type partKey struct{}

// withPart returns a context that tells whose requests are made in it.
func withPart(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, partKey{}, name)
}

// partOf returns whose request is made in a context.
func partOf(ctx context.Context) string {
	name, _ := ctx.Value(partKey{}).(string)
	return name
}
