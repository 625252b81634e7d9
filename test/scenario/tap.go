package scenario

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tgsync/tgsync/syncer/target"
)

// Actions that a Syncer calls.
const (
	registerTargets   = "RegisterTargets"
	deregisterTargets = "DeregisterTargets"
	describeHealth    = "DescribeTargetHealth"
)

// call is one call as the daemon that made it sees it: from its first byte to the
// answer, or to the moment at which it gave up.
type call struct {
	Daemon     string
	Begin, End time.Time // End is zero while the call is under way
	Action     string
	Group      *boundGroup
	Targets    []target.Target
	Code       string // OK, AWS's code, or "lost" if there was no answer
	Synced     bool   // the daemon's caches were full when the call began
}

// mutates reports whether the call changes something.
func (c *call) mutates() bool { return c.Action == registerTargets || c.Action == deregisterTargets }

// verb is the action in a scenario's words.
func (c *call) verb() string {
	switch c.Action {
	case registerTargets:
		return "register"
	case deregisterTargets:
		return "deregister"
	default:
		return "read"
	}
}

// tap records the calls of all daemons.
type tap struct {
	account *account

	mu    sync.Mutex // guards all below and every call until it ends
	calls []*call
}

// since returns the calls from the nth on, in the order in which they began. Those of
// one instant are in the order of their text: who comes first is chance.
func (t *tap) since(n int) []call {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]call, 0, len(t.calls)-n)
	for _, c := range t.calls[n:] {
		all = append(all, *c)
	}
	slices.SortStableFunc(all, func(a, b call) int {
		if c := a.Begin.Compare(b.Begin); c != 0 {
			return c
		}
		return strings.Compare(a.String(), b.String())
	})
	return all
}

// count returns how many calls there were.
func (t *tap) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.calls)
}

// String is the call in a scenario's words. Of many targets it says how many.
func (c *call) String() string {
	const most = 8
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", c.verb(), c.Group.binding.GroupName)
	if len(c.Targets) > most {
		fmt.Fprintf(&b, " %d targets", len(c.Targets))
	} else {
		for _, t := range c.Targets {
			b.WriteString(" " + c.Group.text(t))
		}
	}
	if c.Code != "OK" && c.Code != "" {
		b.WriteString(" -> " + c.Code)
	}
	return b.String()
}

// line is a daemon's way to AWS, with the tap in it. A process that was killed sends
// nothing more.
type line struct {
	tap    *tap
	daemon *daemon
	next   http.RoundTripper
}

var _ http.RoundTripper = (*line)(nil)

// RoundTrip implements http.RoundTripper.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.daemon.dead.Load() {
		return nil, errKilled
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := l.tap.begin(l.daemon, form)
	response, err := l.next.RoundTrip(r)
	code, err := codeOf(response, err)
	l.tap.end(c, code)
	return response, err
}

func (t *tap) begin(d *daemon, form url.Values) *call {
	c := &call{
		Daemon: d.name, Begin: time.Now(), Action: form.Get("Action"), Group: t.account.named(form.Get("TargetGroupArn")),
		Targets: targetsOf(form), Synced: d.informers.HasSynced(),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, c)
	return c
}

func (t *tap) end(c *call, code string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.End, c.Code = time.Now(), code
}

// targetsOf returns the targets that a call names.
func targetsOf(form url.Values) []target.Target {
	var all []target.Target
	for i := 1; ; i++ {
		prefix := "Targets.member." + strconv.Itoa(i) + "."
		ip, err := netip.ParseAddr(form.Get(prefix + "Id"))
		if err != nil {
			return all
		}
		port, _ := strconv.ParseInt(form.Get(prefix+"Port"), 10, 32) // what is no number is no port
		all = append(all, target.Target{IP: ip, Port: int32(port)})
	}
}

var errorCode = regexp.MustCompile(`<Code>(\w+)</Code>`)

// codeOf returns the code of an answer, which can still be read afterwards.
func codeOf(response *http.Response, err error) (string, error) {
	if err != nil {
		return "lost", err
	}
	if response.StatusCode == http.StatusOK {
		return "OK", nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "lost", err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if m := errorCode.FindSubmatch(body); m != nil {
		return string(m[1]), nil
	}
	return strconv.Itoa(response.StatusCode), nil
}
