package provision

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tgsync/tgsync/test/awssim"
)

// wire is the loop's way to AWS. It fails in one way at one request.
type wire struct {
	next http.RoundTripper
	sim  *awssim.Sim
	way  failing
	// latency of every request, half before and half after it takes effect. Unlike the
	// simulator's it is the loop's alone: what a test reads, it reads at one moment.
	latency time.Duration

	mu   sync.Mutex // guards all below
	n    int        // requests until now
	at   int        // the request that fails, from 1; 0: none
	dead bool       // nothing gets through
	// watch sees every request before AWS does, and after is called when AWS has done it.
	watch func(form url.Values)
	after func()
}

// failing is a way to fail.
type failing string

const (
	cutBefore failing = "connection cut before the request"
	cutAfter  failing = "connection cut before the response"
	throttled failing = "throttled"
	invalid   failing = "refused"
	notFound  failing = "not found"
	crash     failing = "process killed before the response"
)

var errReset = errors.New("connection reset by peer")

// answers are the ways to fail that are an answer of AWS's.
var answers = map[failing]awssim.Fault{
	throttled: {Throttle: true, Times: 1},
	invalid:   {Code: "ValidationError", Message: "not like this", Times: 1},
	notFound:  {Code: "TargetGroupNotFound", Message: "not yet", Times: 1},
}

func (c *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	way, dead := c.count()
	if dead || way == cutBefore {
		return nil, errReset
	}
	if err := c.show(r); err != nil {
		return nil, err
	}
	if fault, ok := answers[way]; ok {
		c.sim.Inject(fault)
	}
	time.Sleep(c.latency / 2)
	resp, err := c.next.RoundTrip(r)
	c.done()
	time.Sleep(c.latency / 2)
	if err == nil && (way == cutAfter || way == crash) {
		_ = resp.Body.Close()
		return nil, errReset
	}
	return resp, err
}

// show shows a request to who watches.
func (c *wire) show(r *http.Request) error {
	c.mu.Lock()
	watch := c.watch
	c.mu.Unlock()
	if watch == nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err == nil {
		watch(form)
	}
	return err
}

// done calls who wants to know that something may have changed.
func (c *wire) done() {
	c.mu.Lock()
	after := c.after
	c.mu.Unlock()
	if after != nil {
		after()
	}
}

// watched sets who watches.
func (c *wire) watched(watch func(form url.Values)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch = watch
}

// refuse makes AWS refuse every rule with a path.
func (c *wire) refuse(path string) {
	c.watched(func(form url.Values) {
		for k, v := range form {
			if form.Get("Action") == "CreateRule" && strings.HasPrefix(k, "Conditions.") && v[0] == path {
				c.sim.Inject(awssim.Fault{Action: "CreateRule", Code: "ValidationError", Message: "not like this", Times: 1})
			}
		}
	})
}

// count counts a request and returns the way in which it fails, "" if it does not.
func (c *wire) count() (way failing, dead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	dead = c.dead
	if c.n == c.at {
		way = c.way
		c.dead = c.dead || way == crash
	}
	return way, dead
}

// failIn makes the request after so many fail, 0: none.
func (c *wire) failIn(requests int, way failing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at, c.way = 0, way; requests > 0 {
		c.at = c.n + requests
	}
}

// revive ends a crash and reports whether there was one.
func (c *wire) revive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	dead := c.dead
	c.dead = false
	return dead
}
